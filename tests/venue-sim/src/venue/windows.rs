//! The short markets of a run: which window opens, which one is over.
//!
//! Knows: when each is due. Never: a timer; a frame's words.

use std::collections::VecDeque;

use super::Venue;
use crate::controls::Announced;
use crate::market::{Listing, Market};
use crate::scenario::catalogue::UpDown;

/// What becomes of a short market.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Step {
    Resolve,
    Announce,
}

/// What is still to happen to the short markets: the moment in ms, the step, the market; soonest first.
#[derive(Debug, Default)]
pub(crate) struct Windows(VecDeque<(u64, Step, usize)>);

impl Windows {
    pub(crate) fn of(markets: &[Market], updown: UpDown) -> Self {
        let ahead_ms = (updown.listed as u64 - 1) * u64::from(updown.window_s) * 1000;
        let mut steps = Vec::new();
        for (market, window) in
            markets.iter().filter_map(|market| market.window.map(|window| (market, window)))
        {
            if market.listing == Listing::Dead {
                continue;
            }
            if market.listing == Listing::Reserved {
                steps.push((window.starts_at_ms() - ahead_ms, Step::Announce, market.number));
            }
            let over_at_ms = window.ends_at_ms() + u64::from(updown.resolve_after_s) * 1000;
            steps.push((over_at_ms, Step::Resolve, market.number));
        }
        steps.sort_unstable();
        Self(steps.into())
    }
}

impl Venue {
    /// Resolves the short markets whose window is over, and announces those that come into sight.
    pub(crate) fn turn_windows(&mut self, now_ms: u64) {
        while let Some((due_ms, step, market)) = self.windows.0.front().copied() {
            if due_ms > now_ms {
                break;
            }
            self.windows.0.pop_front();
            match step {
                Step::Resolve => {
                    self.close(&[market], Announced::Openly, now_ms);
                }
                Step::Announce => self.announce(market, now_ms),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fills::Fills;
    use crate::ledger::Ledger;
    use crate::scenario::Scenario;

    const NOW_MS: u64 = 1_790_000_100_000;

    fn venue() -> Venue {
        let mut scenario = Scenario::named("calm").unwrap();
        scenario.markets = 3;
        scenario.reserved = 0;
        scenario.updown =
            Some(UpDown { assets: 2, window_s: 300, listed: 2, later: 1, resolve_after_s: 120 });
        Venue::of_scenario(&scenario, None, Fills::new(0), Arc::new(Ledger::new(10)), NOW_MS)
    }

    fn open(venue: &Venue) -> Vec<&str> {
        let open = venue.markets.iter().filter(|market| market.listing == Listing::Open);
        open.filter(|market| market.window.is_some()).map(|market| market.slug.as_str()).collect()
    }

    #[test]
    fn a_window_that_ends_makes_room_for_the_next_one_and_is_resolved_after_its_time() {
        let mut venue = venue();
        venue.turn_windows(NOW_MS);
        let all = |venue: &Venue| open(venue).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let [one, next] = ["1790000100", "1790000400"];
        let named = |asset: &str, start: &str| format!("{asset}-updown-5m-{start}");
        let wanted = [("btc", one), ("btc", next), ("eth", one), ("eth", next)];
        assert_eq!(all(&venue), wanted.map(|(asset, start)| named(asset, start)));
        venue.turn_windows(NOW_MS + 300_000);
        assert_eq!(all(&venue).len(), 6, "the third one is announced when the first one ends");
        venue.turn_windows(NOW_MS + 419_999);
        assert_eq!(all(&venue).len(), 6);
        venue.turn_windows(NOW_MS + 420_000);
        assert!(!all(&venue).iter().any(|slug| slug.ends_with("1790000100")), "{:?}", all(&venue));
        venue.turn_windows(NOW_MS + 10_000_000);
        assert!(open(&venue).is_empty());
    }
}
