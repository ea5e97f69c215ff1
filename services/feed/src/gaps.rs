//! The gaps of the markets of one socket: opened once, healed once.
//!
//! Knows: which market is incomplete since when. Never: why a socket broke.

use std::collections::BTreeMap;

use contract::gap::{Cause, Gap};
use contract::ids::ConditionId;
use contract::time::Timestamp;

/// The open gaps. At most one a market: what breaks inside a gap lies inside it.
#[derive(Debug)]
pub(crate) struct Gaps {
    shard: String,
    open: BTreeMap<ConditionId, Gap>,
}

impl Gaps {
    /// The gaps of a shard; `open`: those that an earlier feed left open.
    pub(crate) fn new(shard: &str, open: impl IntoIterator<Item = Gap>) -> Self {
        let open = open.into_iter().map(|gap| (gap.condition_id.clone(), gap)).collect();
        Self { shard: shard.to_owned(), open }
    }

    /// Opens a gap, if the market has none; the gap to be told.
    pub(crate) fn open(&mut self, market: &ConditionId, cause: Cause, opened_at: Timestamp) -> Option<Gap> {
        if self.open.contains_key(market) {
            return None;
        }
        let gap = Gap::opened(market.clone(), &self.shard, cause, opened_at);
        self.open.insert(market.clone(), gap.clone());
        Some(gap)
    }

    /// Heals the market's gap, if it has one; the gap to be told. A gap never ends before it opened.
    pub(crate) fn heal(&mut self, market: &ConditionId, healed_at: Timestamp) -> Option<Gap> {
        let mut gap = self.open.remove(market)?;
        gap.healed_at = Some(healed_at.max(gap.opened_at));
        Some(gap)
    }

    /// The market's gap was opened for this cause.
    pub(crate) fn is_open_for(&self, market: &ConditionId, cause: Cause) -> bool {
        self.open.get(market).is_some_and(|gap| gap.cause == cause)
    }

    /// Gaps now open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market() -> ConditionId {
        ConditionId::try_from("0xab").unwrap()
    }

    fn at(us: i64) -> Timestamp {
        Timestamp::from_micros(us)
    }

    #[test]
    fn a_break_inside_a_gap_lies_inside_it() {
        let mut gaps = Gaps::new("0/1", []);
        let opened = gaps.open(&market(), Cause::Silence, at(5)).unwrap();
        assert_eq!(gaps.open(&market(), Cause::SocketClosed, at(7)), None);
        assert!(
            gaps.is_open_for(&market(), Cause::Silence) && !gaps.is_open_for(&market(), Cause::SocketClosed)
        );
        let healed = gaps.heal(&market(), at(9)).unwrap();
        assert_eq!((healed.id, healed.opened_at, healed.healed_at), (opened.id, at(5), Some(at(9))));
        assert_eq!(gaps.heal(&market(), at(9)), None);
        assert_eq!(gaps.count(), 0);
    }

    #[test]
    fn a_gap_that_an_earlier_feed_left_open_keeps_its_beginning() {
        let left = Gap::opened(market(), "0/1", Cause::SocketClosed, at(3));
        let mut gaps = Gaps::new("0/1", [left.clone()]);
        assert_eq!(gaps.open(&market(), Cause::FeedRestart, at(8)), None);
        assert_eq!(gaps.heal(&market(), at(9)).unwrap().id, left.id);
    }

    #[test]
    fn a_gap_never_ends_before_it_opened() {
        let mut gaps = Gaps::new("0/1", []);
        gaps.open(&market(), Cause::Silence, at(5));
        assert_eq!(gaps.heal(&market(), at(4)).unwrap().healed_at, Some(at(5)));
    }
}
