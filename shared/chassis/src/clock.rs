//! The clock: what time it is.
//!
//! Knows: the machine's clock. Never: what a time is used for.

use chrono::{DateTime, SubsecRound, Utc};

/// Digits kept of a second: microseconds, as Postgres keeps them, so that memory, bus and database agree.
const SUBSECOND_DIGITS: u16 = 6;

/// The present moment, UTC, cut to the microsecond. The only place that reads the machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one door to the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(SUBSECOND_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_no_more_than_microseconds() {
        for _ in 0..100 {
            assert_eq!(now().timestamp_subsec_nanos() % 1_000, 0);
        }
    }

    #[test]
    fn a_moment_is_after_this_was_written() {
        assert!(now().timestamp() > 1_700_000_000);
    }
}
