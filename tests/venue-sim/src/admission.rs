//! The door of the market channel: who is let in, and how many are turned away.
//!
//! Knows: a limit of upgrades a second. Never: a socket, what is said behind the door.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The span that the limit is for.
const SPAN: Duration = Duration::from_secs(1);

/// Counts and, if told so, limits the upgrades.
#[derive(Debug, Default)]
pub(crate) struct Admission(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    per_s: Option<u32>,
    /// The last upgrades that were let in while there was a limit; never more than the limit.
    recent: VecDeque<Instant>,
    let_in: u64,
    refused: u64,
}

impl Admission {
    /// From now on at most so many are let in within any one second; `None` lets in everybody.
    pub(crate) fn limit(&self, per_s: Option<u32>) {
        let mut inner = self.lock();
        inner.per_s = per_s;
        inner.recent.clear();
    }

    /// Whether an upgrade at this moment is let in.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        if let Some(per_s) = inner.per_s {
            while inner.recent.front().is_some_and(|at| now.duration_since(*at) >= SPAN) {
                inner.recent.pop_front();
            }
            if inner.recent.len() >= usize::try_from(per_s).unwrap_or(usize::MAX) {
                inner.refused += 1;
                return false;
            }
            inner.recent.push_back(now);
        }
        inner.let_in += 1;
        true
    }

    /// How many were let in and how many were refused so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.let_in, inner.refused)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_than_the_limit() {
        let (door, start) = (Admission::default(), Instant::now());
        assert!((0..9).all(|_| door.admits(start)), "without a limit everybody is let in");
        door.limit(Some(2));
        let moments = [0, 400, 999, 1_000, 1_399, 1_400];
        let let_in = moments.map(|ms| door.admits(start + Duration::from_millis(ms)));
        assert_eq!(let_in, [true, true, false, true, false, true]);
        assert_eq!(door.counts(), (13, 2));
        door.limit(Some(0));
        assert!(!door.admits(start));
    }
}
