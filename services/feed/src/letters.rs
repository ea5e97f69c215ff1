//! How many dead letters the feed writes: few enough that they never cost a tick.
//!
//! Knows: letters in a second, over all sockets. Never: what is wrong with a frame.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One letter after the other, in the long run.
const EVERY: Duration = Duration::from_millis(100);
/// So many may come at once.
const BURST: u32 = 100;

/// The limit; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    /// When as many may come at once as ever.
    rested_at: Option<Instant>,
    left_out: u64,
}

// === impl Letters ===

impl Letters {
    /// Whether a letter may be written now; one that may not is counted.
    pub(crate) fn allow(&self, now: Instant) -> bool {
        let mut notes = self.notes();
        let rested_at = notes.rested_at.map_or(now, |at| at.max(now)) + EVERY;
        let allowed = rested_at.saturating_duration_since(now) <= EVERY * BURST;
        if allowed {
            notes.rested_at = Some(rested_at);
        } else {
            notes.left_out += 1;
        }
        allowed
    }

    /// Notes a letter that there was no room for.
    pub(crate) fn leave_out(&self) {
        self.notes().left_out += 1;
    }

    /// Letters that were not written.
    pub(crate) fn left_out(&self) -> u64 {
        self.notes().left_out
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_letters_may_come_at_once_and_ten_a_second_after_that() {
        let (letters, start) = (Letters::default(), Instant::now());
        let allowed = |at: Instant| (0..200).filter(|_| letters.allow(at)).count();
        assert_eq!((allowed(start), letters.left_out()), (100, 100));
        assert_eq!((allowed(start + Duration::from_secs(1)), letters.left_out()), (10, 290));
        assert_eq!(allowed(start + Duration::from_hours(1)), 100);
    }
}
