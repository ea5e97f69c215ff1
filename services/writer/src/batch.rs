//! The open batch: what has come and is not stored yet, until it is full or due.
//!
//! Knows: rows, bytes, moments. Never: what a row is, or a clock.

use std::time::{Duration, Instant};

/// When a batch is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchLimits {
    /// Most rows.
    pub rows: usize,
    /// Bytes of payloads with which it is full; the last one may go beyond.
    pub bytes: usize,
    /// How long its first row waits for company at most.
    pub flush: Duration,
}

/// A batch that is being collected.
#[derive(Debug)]
pub struct Batch<T> {
    limits: BatchLimits,
    items: Vec<T>,
    bytes: usize,
    first_at: Option<Instant>,
}

// === impl Batch ===

impl<T> Batch<T> {
    /// An empty batch.
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, items: Vec::new(), bytes: 0, first_at: None }
    }

    /// Adds an item of this many bytes that came at `now`.
    pub fn push(&mut self, item: T, bytes: usize, now: Instant) {
        self.items.push(item);
        self.bytes = self.bytes.saturating_add(bytes);
        self.first_at.get_or_insert(now);
    }

    /// Whether nothing more may be added.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.limits.rows || self.bytes >= self.limits.bytes
    }

    /// From when on it is to be stored, full or not; none while it is empty.
    pub fn due_at(&self) -> Option<Instant> {
        self.first_at.map(|first_at| first_at + self.limits.flush)
    }

    /// What has been collected.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Takes everything out; the batch is empty again.
    pub fn take(&mut self) -> Vec<T> {
        self.bytes = 0;
        self.first_at = None;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits { rows: 3, bytes: 100, flush: Duration::from_millis(200) };

    #[test]
    fn a_batch_is_full_at_its_rows_and_not_one_before() {
        let mut batch = Batch::new(LIMITS);
        let now = Instant::now();
        for (number, full) in [(1, false), (2, false), (3, true)] {
            batch.push(number, 1, now);
            assert_eq!(batch.is_full(), full, "{number}");
        }
        assert_eq!(batch.take(), [1, 2, 3]);
        assert!(!batch.is_full());
        assert_eq!(batch.due_at(), None);
    }

    #[test]
    fn a_batch_is_full_at_its_bytes_and_not_one_before() {
        let mut batch = Batch::new(LIMITS);
        batch.push("a", 99, Instant::now());
        assert!(!batch.is_full());
        batch.push("b", 1, Instant::now());
        assert!(batch.is_full());
        assert_eq!(batch.items(), ["a", "b"]);
    }

    #[test]
    fn a_batch_is_due_when_its_first_row_has_waited_long_enough() {
        let mut batch = Batch::new(LIMITS);
        assert_eq!(batch.due_at(), None);
        let first = Instant::now();
        batch.push(1, 1, first);
        batch.push(2, 1, first + Duration::from_millis(150));
        assert_eq!(batch.due_at(), Some(first + Duration::from_millis(200)));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_once_and_in_order(sizes in proptest::collection::vec(0_usize..60, 0..200)) {
            let mut batch = Batch::new(LIMITS);
            let mut out = Vec::new();
            let now = Instant::now();
            for (number, bytes) in sizes.iter().enumerate() {
                batch.push(number, *bytes, now);
                if batch.is_full() {
                    let taken = batch.take();
                    prop_assert!(taken.len() <= LIMITS.rows);
                    out.extend(taken);
                }
            }
            out.extend(batch.take());
            prop_assert_eq!(out, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
