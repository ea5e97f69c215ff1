//! What came in each of the last 300 seconds.
//!
//! Knows: counts per second. Never: more than five minutes of them.

use contract::tick::Kind;
use contract::time::Timestamp;
use rust_decimal::Decimal;

/// Seconds kept: the present one and the 299 before it.
pub(crate) const SECONDS: usize = 300;

/// Whole seconds over which a rate is taken: long enough to be calm, short enough to be news.
const RATE_SECONDS: i64 = 10;

/// Counts per second, by the time at which the feed read the event.
#[derive(Debug)]
pub(crate) struct Rates {
    slots: Vec<Slot>,
}

/// What came in some span of time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Slot {
    /// Second since 1970 in which it began.
    pub(crate) second: i64,
    /// Events of every kind.
    pub(crate) events: u64,
    /// Trades.
    pub(crate) trades: u64,
    /// Changed levels.
    pub(crate) price_updates: u64,
    /// Sum of the ages of socket trades, in microseconds, signed.
    pub(crate) age_us: i64,
    /// Trades in that sum.
    pub(crate) aged: u64,
}

// === impl Rates ===

impl Rates {
    /// Counts an event that the feed read at `at`. One from the future counts now; one older than five minutes
    /// does not count.
    pub(crate) fn count(&mut self, kind: Kind, at: Timestamp, age_us: Option<i64>, now: Timestamp) {
        let present = second_of(now);
        let second = second_of(at).min(present);
        if present - second >= span() {
            return;
        }
        let slot = &mut self.slots[index_of(second)];
        if slot.second > second {
            return;
        }
        if slot.second < second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot.events += 1;
        slot.trades += u64::from(kind == Kind::Trade);
        slot.price_updates += u64::from(kind == Kind::Price);
        if let Some(age_us) = age_us {
            slot.age_us = slot.age_us.saturating_add(age_us);
            slot.aged += 1;
        }
    }

    /// The last 300 seconds, oldest first; the last of them is the present one and not over yet.
    pub(crate) fn series(&self, now: Timestamp) -> Vec<Slot> {
        let present = second_of(now);
        let slot_of = |second: i64| {
            let slot = self.slots[index_of(second)];
            if slot.second == second { slot } else { Slot { second, ..Slot::default() } }
        };
        (present - span() + 1..=present).map(slot_of).collect()
    }

    /// The last 300 seconds together.
    pub(crate) fn sum(&self, now: Timestamp) -> Slot {
        self.series(now).iter().fold(Slot::default(), |sum, slot| Slot {
            second: 0,
            events: sum.events + slot.events,
            trades: sum.trades + slot.trades,
            price_updates: sum.price_updates + slot.price_updates,
            age_us: sum.age_us.saturating_add(slot.age_us),
            aged: sum.aged + slot.aged,
        })
    }

    /// Events a second, over the ten whole seconds before the present one; one decimal.
    pub(crate) fn events_per_second(&self, now: Timestamp) -> Decimal {
        let present = second_of(now);
        let recent = |slot: &&Slot| (present - RATE_SECONDS..present).contains(&slot.second);
        let events: u64 = self.slots.iter().filter(recent).map(|slot| slot.events).sum();
        (Decimal::from(events) / Decimal::from(RATE_SECONDS)).round_dp(1)
    }
}

impl Default for Rates {
    fn default() -> Self {
        // A second that no event ever has, so that no slot is taken for the one of 1970.
        Self { slots: vec![Slot { second: i64::MIN, ..Slot::default() }; SECONDS] }
    }
}

fn second_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

fn span() -> i64 {
    i64::try_from(SECONDS).expect("300 fits")
}

fn index_of(second: i64) -> usize {
    usize::try_from(second.rem_euclid(span())).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros((1_800_000_000 + second) * 1_000_000)
    }

    #[test]
    fn an_event_of_299_seconds_ago_counts_and_one_of_300_does_not() {
        let mut rates = Rates::default();
        rates.count(Kind::Price, at(1), None, at(300));
        rates.count(Kind::Price, at(0), None, at(300));
        assert_eq!(rates.sum(at(300)).price_updates, 1);
        assert_eq!(rates.sum(at(301)).price_updates, 0);
    }

    #[test]
    fn an_event_from_the_future_counts_now() {
        let mut rates = Rates::default();
        rates.count(Kind::Trade, at(900), None, at(300));
        let series = rates.series(at(300));
        assert_eq!((series.len(), series[299].trades, series[299].second), (300, 1, 1_800_000_300));
    }

    #[test]
    fn the_rate_is_that_of_ten_whole_seconds() {
        let mut rates = Rates::default();
        for second in [89, 90, 95, 99, 100] {
            rates.count(Kind::Book, at(second), None, at(100));
        }
        assert_eq!(rates.events_per_second(at(100)).to_string(), "0.3");
        assert_eq!(rates.events_per_second(at(400)), Decimal::ZERO);
    }

    #[test]
    fn ages_add_up_with_their_sign() {
        let mut rates = Rates::default();
        rates.count(Kind::Trade, at(1), Some(3_000_000), at(1));
        rates.count(Kind::Trade, at(1), Some(-1_000_000), at(1));
        rates.count(Kind::Trade, at(1), None, at(1));
        let sum = rates.sum(at(1));
        assert_eq!((sum.age_us, sum.aged, sum.trades, sum.events), (2_000_000, 2, 3, 3));
    }
}
