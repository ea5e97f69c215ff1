//! Markets of which the venue will say more soon: asked for with growing pauses, and not for ever.
//!
//! Knows: when each is due. Never: what is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::ids::ConditionId;
use tokio::time::Instant;

/// From one question about a market to the next; after the last the sweeps alone look for it.
const PAUSES: [Duration; 8] = [
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(40),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
];
/// Markets that may wait; about 16 are announced in a minute.
const MARKETS_MAX: usize = 5_000;

/// Markets that wait, each with what is kept of it.
#[derive(Debug)]
pub(super) struct PendingLookups<T>(BTreeMap<ConditionId, Turn<T>>);

#[derive(Debug)]
struct Turn<T> {
    kept: T,
    due_at: Instant,
    /// How often it was asked for.
    asked: usize,
}

impl<T> Default for PendingLookups<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> PendingLookups<T> {
    /// A market waits from now on, unless too many do.
    pub(super) fn add(&mut self, market: ConditionId, kept: T, now: Instant) {
        if self.0.len() < MARKETS_MAX {
            self.0.entry(market).or_insert(Turn { kept, due_at: now + PAUSES[0], asked: 0 });
        }
    }

    /// Nothing more has to be asked about it.
    pub(super) fn came(&mut self, market: &ConditionId) {
        self.0.remove(market);
    }

    /// The same, with what was kept.
    pub(super) fn take(&mut self, market: &ConditionId) -> Option<T> {
        self.0.remove(market).map(|turn| turn.kept)
    }

    /// Those to be asked for now. Each is due again after a longer pause; it is given up with the last.
    pub(super) fn due(&mut self, now: Instant) -> Vec<ConditionId> {
        let is_due = |turn: &&mut Turn<T>| turn.due_at <= now;
        let mut due = Vec::new();
        for (market, turn) in &mut self.0 {
            if is_due(&turn) {
                turn.asked += 1;
                turn.due_at = now + PAUSES[turn.asked.min(PAUSES.len() - 1)];
                due.push(market.clone());
            }
        }
        self.0.retain(|_, turn| turn.asked <= PAUSES.len());
        due
    }

    /// When the next one is due.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.0.values().map(|turn| turn.due_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(number: usize) -> ConditionId {
        ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
    }

    #[test]
    fn a_market_is_asked_for_ever_later_and_not_for_ever() {
        let (mut awaited, mut now) = (PendingLookups::default(), Instant::now());
        awaited.add(market(1), "kept", now);
        awaited.add(market(1), "again", now);
        assert_eq!(awaited.due(now), []);
        for pause in PAUSES {
            assert_eq!(awaited.next_look(), Some(now + pause));
            now += pause;
            assert_eq!(awaited.due(now), [market(1)]);
        }
        now += PAUSES[PAUSES.len() - 1];
        awaited.due(now);
        assert_eq!(awaited.next_look(), None, "the sweeps look for it now");
        awaited.add(market(1), "kept", now);
        assert_eq!(awaited.take(&market(1)), Some("kept"));
        assert_eq!(awaited.next_look(), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut awaited, now) = (PendingLookups::default(), Instant::now());
        (0..=MARKETS_MAX).for_each(|number| awaited.add(market(number), (), now));
        awaited.came(&market(0));
        assert_eq!(awaited.due(now + PAUSES[0]).len(), MARKETS_MAX - 1);
    }
}
