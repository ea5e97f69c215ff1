//! The gaps now open.
//!
//! Knows: what was opened and not healed. Never: healed gaps; those are history.

use std::collections::{BTreeMap, HashSet};

use contract::gap::{Cause, Gap};
use contract::ids::{ConditionId, TickId};
use contract::time::Timestamp;

/// Open gaps kept: a gap for each market of the largest feed. Beyond it the oldest go, and are counted.
pub(crate) const GAPS_MAX: usize = 20_000;

/// The gaps now open.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    open: BTreeMap<TickId, Gap>,
    left_out: u64,
}

impl Gaps {
    /// Takes a gap: opened, or healed. That a market is not followed is nobody's trouble, and only history.
    pub(crate) fn take(&mut self, gap: Gap) {
        if gap.healed_at.is_some() || gap.cause == Cause::NotFollowed {
            self.open.remove(&gap.id);
            return;
        }
        self.open.insert(gap.id, gap);
        if self.open.len() > GAPS_MAX {
            let oldest = self.open.values().min_by_key(|gap| gap.opened_at).map(|gap| gap.id);
            if let Some(oldest) = oldest {
                self.open.remove(&oldest);
                self.left_out += 1;
            }
        }
    }

    /// Those that are open.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Gap> {
        self.open.values()
    }

    /// Those of a market, newest first.
    pub(crate) fn of_market(&self, market: &ConditionId) -> Vec<Gap> {
        let mut gaps: Vec<Gap> =
            self.open.values().filter(|gap| gap.condition_id == *market).cloned().collect();
        gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.opened_at), gap.id));
        gaps
    }

    /// How many are open.
    pub(crate) fn count(&self) -> u64 {
        self.open.len() as u64 + self.left_out
    }

    /// When the oldest of them was opened.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.open.values().map(|gap| gap.opened_at).min()
    }

    /// The markets of them, each once, those that lack ticks for longest first.
    pub(crate) fn markets(&self) -> Vec<&ConditionId> {
        let mut gaps: Vec<&Gap> = self.open.values().collect();
        gaps.sort_by_key(|gap| (gap.opened_at, gap.id));
        let mut seen = HashSet::new();
        gaps.retain(|gap| seen.insert(&gap.condition_id));
        gaps.into_iter().map(|gap| &gap.condition_id).collect()
    }

    /// The newest of them, at most `limit`.
    pub(crate) fn newest(&self, limit: usize) -> Vec<&Gap> {
        let mut gaps: Vec<&Gap> = self.open.values().collect();
        gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.opened_at), gap.id));
        gaps.truncate(limit);
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::gap;

    #[test]
    fn a_gap_is_open_until_it_is_healed() {
        let mut gaps = Gaps::default();
        let first = gap(1);
        gaps.take(first.clone());
        gaps.take(gap(2));
        gaps.take(gap(2));
        assert_eq!(gaps.count(), 2);
        assert_eq!(gaps.newest(1), [&gap(2)]);
        assert_eq!(gaps.oldest(), Some(first.opened_at));
        assert_eq!(gaps.markets(), [&first.condition_id, &gap(2).condition_id]);
        gaps.take(Gap { healed_at: Some(Timestamp::from_micros(9)), ..first });
        gaps.take(Gap { cause: Cause::NotFollowed, ..gap(3) });
        assert_eq!(gaps.count(), 1);
    }
}
