//! How many ticks of a token came in the last seconds.
//!
//! Knows: eleven counts. Never: which ticks.

use contract::time::Timestamp;

/// Whole seconds over which the pace is taken; beside them the present one is counted.
const SECONDS: i64 = 10;
const SLOTS: usize = 11;

/// Counts by second, of the newest second heard of and the ten before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TickRate {
    newest: i64,
    counts: [u16; SLOTS],
}

// === impl TickRate ===

impl TickRate {
    /// Counts a tick that the feed read at `at`; one from the future counts now.
    pub(super) fn count(&mut self, at: Timestamp, now: Timestamp) {
        let second = second_of(at).min(second_of(now));
        if second <= self.newest - span() {
            return;
        }
        if second > self.newest {
            for skipped in self.newest.max(second - span()) + 1..=second {
                self.counts[index_of(skipped)] = 0;
            }
            self.newest = second;
        }
        let count = &mut self.counts[index_of(second)];
        *count = count.saturating_add(1);
    }

    /// Ticks of the ten whole seconds before the present one.
    pub(super) fn of_ten_seconds(&self, now: Timestamp) -> u32 {
        let present = second_of(now);
        let from = (present - SECONDS).max(self.newest - span() + 1);
        (from..present.min(self.newest + 1)).map(|second| u32::from(self.counts[index_of(second)])).sum()
    }
}

fn second_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

fn span() -> i64 {
    i64::try_from(SLOTS).expect("11 fits")
}

fn index_of(second: i64) -> usize {
    usize::try_from(second.rem_euclid(span())).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::at;

    #[test]
    fn the_pace_is_that_of_ten_whole_seconds() {
        let mut pace = TickRate::default();
        for second in [89, 90, 95, 99, 100, 100] {
            pace.count(at(second), at(100));
        }
        assert_eq!(pace.of_ten_seconds(at(100)), 3);
        assert_eq!(pace.of_ten_seconds(at(101)), 4, "95, 99, 100, 100");
        assert_eq!(pace.of_ten_seconds(at(110)), 2);
        assert_eq!(pace.of_ten_seconds(at(111)), 0);
        assert_eq!(pace.of_ten_seconds(at(9_999)), 0);
    }

    #[test]
    fn what_comes_late_counts_where_it_belongs_and_the_future_counts_now() {
        let mut pace = TickRate::default();
        pace.count(at(100), at(100));
        pace.count(at(95), at(100));
        pace.count(at(80), at(100));
        pace.count(at(500), at(101));
        assert_eq!(pace.of_ten_seconds(at(102)), 3);
    }
}
