//! How many dead letters the feed writes: few enough that they never cost a tick.
//!
//! Knows: letters in a second, over all sockets; events of unknown types, by type. Never: what is wrong with a frame.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// One letter after the other, in the long run.
const EVERY: Duration = Duration::from_millis(100);
/// So many may come at once.
const BURST: u32 = 100;

/// Unknown types that are counted apart; more are counted together.
const KINDS_MAX: usize = 32;
/// What they are counted as.
const OTHERS: &str = "other";
/// Events of each unknown type that are kept, as dead letters.
const SAMPLES: u64 = 3;

/// Events of one frame of a type that this version does not know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unknown {
    /// The type.
    pub(crate) kind: String,
    /// How many.
    pub(crate) count: u64,
    /// The first.
    pub(crate) sample: Vec<u8>,
}

/// The limit; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeadLetterLimiter(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    /// When as many may come at once as ever.
    rested_at: Option<Instant>,
    left_out: u64,
    /// Events of unknown types, by type: how many, and frames with some of them.
    unknown: BTreeMap<String, (u64, u64)>,
}

// === impl DeadLetterLimiter ===

impl DeadLetterLimiter {
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

    /// Counts events of an unknown type; whether the sample of them is to be kept.
    pub(crate) fn note_unknown(&self, unknown: &Unknown) -> bool {
        let mut notes = self.notes();
        let is_new = !notes.unknown.contains_key(&unknown.kind);
        let kind = if is_new && notes.unknown.len() >= KINDS_MAX { OTHERS } else { &unknown.kind };
        let (count, frames) = notes.unknown.entry(kind.to_owned()).or_default();
        (*count, *frames) = (*count + unknown.count, *frames + 1);
        let frames = *frames;
        drop(notes);
        if frames == 1 {
            warn!("the venue sends events of type `{kind}`, which this version does not know");
        }
        frames <= SAMPLES
    }

    /// Events of unknown types so far, by type.
    pub(crate) fn unknown(&self) -> BTreeMap<String, u64> {
        self.notes().unknown.iter().map(|(kind, (count, _))| (kind.clone(), *count)).collect()
    }

    /// Notes a letter that there was no room for.
    pub(crate) fn leave_out(&self) {
        self.notes().left_out += 1;
    }

    /// Dead letters that were not written.
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
        let (letters, start) = (DeadLetterLimiter::default(), Instant::now());
        let allowed = |at: Instant| (0..200).filter(|_| letters.allow(at)).count();
        assert_eq!((allowed(start), letters.left_out()), (100, 100));
        assert_eq!((allowed(start + Duration::from_secs(1)), letters.left_out()), (10, 290));
        assert_eq!(allowed(start + Duration::from_hours(1)), 100);
    }

    #[test]
    fn of_each_unknown_type_three_are_kept_and_all_are_counted() {
        let letters = DeadLetterLimiter::default();
        let frame = |kind: &str| Unknown { kind: kind.to_owned(), count: 2, sample: Vec::new() };
        let kept = (0..200).filter(|_| letters.note_unknown(&frame("settlement_preview"))).count();
        assert_eq!((kept, letters.unknown()["settlement_preview"]), (3, 400));
        let kept = (0..1_000).filter(|n| letters.note_unknown(&frame(&format!("x{n}")))).count();
        let unknown = letters.unknown();
        assert_eq!((unknown.len(), kept), (KINDS_MAX + 1, KINDS_MAX - 1 + 3));
        assert_eq!((unknown.values().sum::<u64>(), unknown[OTHERS]), (2_400, 2 * (1_001 - 32)));
    }
}
