//! How a batch with bad rows is stored: in halves, until each bad row stands alone.
//!
//! Knows: ranges, and what became of the last one tried. Never: a row, a database.

use std::ops::Range;

/// What is still to be tried, from left to right. At first it is the whole batch in one piece.
///
/// A row that fails alone is tried once more before it counts as bad: a batch can also fail because the
/// partition of its day was made at that very moment.
#[derive(Debug)]
pub struct Bisect {
    /// Ranges to try; the last one is next.
    left: Vec<Range<usize>>,
    /// Whether the next one is a single row that has failed once.
    is_suspect: bool,
}

// === impl Bisect ===

impl Bisect {
    /// A batch of `rows`.
    pub fn new(rows: usize) -> Self {
        let left = if rows == 0 { vec![] } else { std::iter::once(0..rows).collect() };
        Self { left, is_suspect: false }
    }

    /// The rows to try now; none when all are dealt with. Everything before them is dealt with,
    /// everything from them on is not. Asked again without a verdict, it answers the same.
    pub fn next(&self) -> Option<Range<usize>> {
        self.left.last().cloned()
    }

    /// The rows tried are stored.
    pub fn stored(&mut self) {
        self.left.pop();
        self.is_suspect = false;
    }

    /// One of the rows tried is bad. Answers which one, once that is known.
    pub fn failed(&mut self) -> Option<usize> {
        let range = self.left.pop()?;
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            self.left.push(middle..range.end);
            self.left.push(range.start..middle);
            None
        } else if self.is_suspect {
            self.is_suspect = false;
            Some(range.start)
        } else {
            self.is_suspect = true;
            self.left.push(range);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Plays a batch whose `bad` rows never go in: rows stored in order, rows found bad, attempts.
    fn play(rows: usize, bad: &BTreeSet<usize>) -> (Vec<usize>, Vec<usize>, usize) {
        let (mut plan, mut stored, mut found, mut attempts) = (Bisect::new(rows), vec![], vec![], 0);
        while let Some(range) = plan.next() {
            attempts += 1;
            if range.clone().any(|row| bad.contains(&row)) {
                found.extend(plan.failed());
            } else {
                stored.extend(range);
                plan.stored();
            }
        }
        (stored, found, attempts)
    }

    #[test]
    fn a_good_batch_is_stored_in_one_attempt() {
        assert_eq!(play(5_000, &BTreeSet::new()), ((0..5_000).collect(), vec![], 1));
    }

    #[test]
    fn an_empty_batch_needs_no_attempt() {
        assert_eq!(Bisect::new(0).next(), None);
        assert_eq!(Bisect::new(0).failed(), None);
    }

    #[test]
    fn a_row_alone_is_tried_twice_before_it_is_bad() {
        let mut plan = Bisect::new(1);
        assert_eq!(plan.failed(), None);
        assert_eq!(plan.next(), Some(0..1));
        assert_eq!(plan.failed(), Some(0));
        assert_eq!(plan.next(), None);
    }

    #[test]
    fn a_row_that_goes_in_at_the_second_try_is_not_bad() {
        let mut plan = Bisect::new(2);
        assert_eq!(plan.failed(), None);
        assert_eq!(plan.failed(), None);
        plan.stored();
        assert_eq!((plan.next(), plan.failed()), (Some(1..2), None));
        assert_eq!(plan.failed(), Some(1));
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_are_found_in_few_attempts(
            rows in 1_usize..6_000,
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bad: BTreeSet<usize> = picks.iter().map(|pick| pick.index(rows)).collect();
            let (stored, found, attempts) = play(rows, &bad);
            prop_assert_eq!(&found, &bad.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(stored, (0..rows).filter(|row| !bad.contains(row)).collect::<Vec<_>>());
            let levels = rows.next_power_of_two().ilog2() as usize;
            prop_assert!(attempts <= 1 + bad.len() * (2 * levels + 1), "{} attempts", attempts);
        }
    }
}
