//! G1: a trade older than the limit is refused; one from too far in the future is told apart.
//!
//! Knows: two moments and two limits. Never: a clock, the network, a log.

use std::time::Duration;

use contract::time::Timestamp;

/// How old a trade is when it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// Within both limits.
    Fresh,
    /// Older than the limit.
    Stale,
    /// Further in the future than clocks may differ.
    Skewed,
}

/// Judges the age of a trade executed at `executed_at` and read at `received_at`.
///
/// Exactly `age_max` old is fresh, and so is exactly `skew_max` in the future.
pub fn judge(executed_at: Timestamp, received_at: Timestamp, age_max: Duration, skew_max: Duration) -> Age {
    if received_at.since(executed_at) > age_max {
        Age::Stale
    } else if executed_at.since(received_at) > skew_max {
        Age::Skewed
    } else {
        Age::Fresh
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGE_MAX: Duration = Duration::from_mins(5);
    const SKEW_MAX: Duration = Duration::from_secs(5);
    const NOW_US: i64 = 1_790_000_000_000_000;

    fn judge_aged(age_us: i64) -> Age {
        let at = Timestamp::from_micros;
        judge(at(NOW_US - age_us), at(NOW_US), AGE_MAX, SKEW_MAX)
    }

    #[test]
    fn a_trade_exactly_at_the_age_limit_is_fresh() {
        assert_eq!(judge_aged(300_000_000), Age::Fresh);
    }

    #[test]
    fn a_trade_one_microsecond_past_the_age_limit_is_stale() {
        assert_eq!(judge_aged(300_000_001), Age::Stale);
    }

    #[test]
    fn a_trade_exactly_at_the_skew_limit_in_the_future_is_fresh() {
        assert_eq!(judge_aged(-5_000_000), Age::Fresh);
    }

    #[test]
    fn a_trade_one_microsecond_past_the_skew_limit_is_skewed() {
        assert_eq!(judge_aged(-5_000_001), Age::Skewed);
    }

    #[test]
    fn moments_at_the_ends_of_time_do_not_overflow() {
        let at = Timestamp::from_micros;
        assert_eq!(judge(at(i64::MIN), at(i64::MAX), AGE_MAX, SKEW_MAX), Age::Stale);
        assert_eq!(judge(at(i64::MAX), at(i64::MIN), AGE_MAX, SKEW_MAX), Age::Skewed);
    }

    proptest! {
        #[test]
        fn an_older_trade_never_fares_better(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
            let rank = |age: Age| match age {
                Age::Skewed => 0,
                Age::Fresh => 1,
                Age::Stale => 2,
            };
            let (younger, older) = (a.min(b), a.max(b));
            prop_assert!(rank(judge_aged(younger)) <= rank(judge_aged(older)));
        }
    }
}
