//! How long to wait before trying again.
//!
//! Knows: two durations and a number of attempts. Never: a clock, chance, the network.

use std::time::Duration;

/// A share of the shortest cap below which no wait falls, so that full jitter never becomes a busy loop.
const FLOOR_DIVISOR: u32 = 10;

/// Capped exponential waits with full jitter: the cap doubles from `min` to `max`, and each wait is
/// uniform between nothing and the cap, but never below a tenth of `min`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits whose cap starts at `min` and ends at `max`. A `max` below `min` counts as `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), attempts: 0 }
    }

    /// The wait before the next attempt. `chance` is any number, uniform over `u64` (such as `fastrand::u64(..)`).
    pub fn next(&mut self, chance: u64) -> Duration {
        let cap = self.cap();
        self.attempts = self.attempts.saturating_add(1);
        // A 64-bit fraction times the cap: uniform over 0..=cap without a float and without bias worth naming.
        let cap_ns = u128::from(u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX));
        let wait_ns = (u128::from(chance) * (cap_ns + 1)) >> 64;
        let wait = Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX));
        wait.max(self.min / FLOOR_DIVISOR)
    }

    /// Starts again at `min`. Call it only when what was tried has proved good.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// How many waits were asked for since the start or the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn cap(&self) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempts);
        self.min.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn longest_waits(backoff: &mut Backoff, count: usize) -> Vec<Duration> {
        (0..count).map(|_| backoff.next(u64::MAX)).collect()
    }

    #[test]
    fn the_cap_doubles_from_min_to_max_and_stays_there() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let expected: Vec<_> = [1, 2, 4, 5, 5].map(Duration::from_secs).into();
        assert_eq!(longest_waits(&mut backoff, 5), expected);
        assert_eq!(backoff.attempts(), 5);
    }

    #[test]
    fn the_luckiest_wait_is_a_tenth_of_min() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        assert_eq!(backoff.next(0), Duration::from_millis(100));
    }

    #[test]
    fn a_reset_starts_again_at_min() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        longest_waits(&mut backoff, 9);
        backoff.reset();
        assert_eq!(backoff.attempts(), 0);
        assert_eq!(backoff.next(u64::MAX), Duration::from_secs(1));
    }

    #[test]
    fn a_max_below_min_counts_as_min() {
        let mut backoff = Backoff::new(Duration::from_secs(3), Duration::from_secs(1));
        assert_eq!(longest_waits(&mut backoff, 2), vec![Duration::from_secs(3); 2]);
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_the_floor_and_the_cap(
            min_ms in 0_u64..100_000,
            more_ms in 0_u64..10_000_000,
            chances in proptest::collection::vec(any::<u64>(), 1..80),
        ) {
            let min = Duration::from_millis(min_ms);
            let max = Duration::from_millis(min_ms + more_ms);
            let mut backoff = Backoff::new(min, max);
            for (round, chance) in chances.into_iter().enumerate() {
                let cap = backoff.cap();
                let wait = backoff.next(chance);
                prop_assert!(wait >= min / 10);
                prop_assert!(wait <= cap && cap <= max);
                let doublings = u32::try_from(round).unwrap();
                prop_assert_eq!(cap, min.saturating_mul(2_u32.saturating_pow(doublings)).min(max));
            }
        }

        #[test]
        fn more_chance_never_waits_less(a in any::<u64>(), b in any::<u64>()) {
            let backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
            let wait = |chance| backoff.clone().next(chance);
            prop_assert!(wait(a.min(b)) <= wait(a.max(b)));
        }
    }
}
