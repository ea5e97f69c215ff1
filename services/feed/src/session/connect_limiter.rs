//! One socket after the other: the venue answers many connections at once with 429.
//!
//! Knows: when the next one may be opened. Never: why it is opened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The limiter; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct ConnectRateLimiter {
    every: Duration,
    next: Arc<Mutex<Instant>>,
}

impl ConnectRateLimiter {
    /// Lets `per_s` connections through in a second, evenly.
    pub(crate) fn new(per_s: u32) -> Self {
        Self { every: Duration::from_secs(1) / per_s.max(1), next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits for the next turn.
    pub(crate) async fn acquire(&self) {
        sleep_until(self.turn(Instant::now())).await;
    }

    /// Nobody passes for so long: the venue asked for it.
    pub(crate) fn pause_for(&self, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + pause);
    }

    fn turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(now);
        *next = turn + self.every;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly_and_a_pause_moves_all_that_follow() {
        let limiter = ConnectRateLimiter::new(10);
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(limiter.turn(now), now);
        assert_eq!(limiter.turn(now), now + Duration::from_millis(100));
        assert_eq!(
            limiter.turn(now + Duration::from_secs(5)),
            now + Duration::from_secs(5),
            "nothing is saved up"
        );
        limiter.pause_for(Duration::from_mins(1));
        assert!(limiter.turn(now) >= Instant::now() + Duration::from_secs(59));
    }
}
