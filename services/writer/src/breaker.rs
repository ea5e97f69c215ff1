//! Circuit breaker: many dead letters in a short time indicate a bug, so the writer stops consuming.
//!
//! Knows: moments at which messages were given up. Never: why.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many within [`WINDOW`] stop the reading: a wrong version of a program must not empty a stream into the dead letters.
pub const DEAD_MAX: usize = 50;

/// How long one counts.
pub const WINDOW: Duration = Duration::from_secs(10);

/// The newest moments at which a message was given up.
#[derive(Debug, Default)]
pub struct Breaker {
    newest: VecDeque<Instant>,
}

// === impl Breaker ===

impl Breaker {
    /// A message was given up at `now`.
    pub fn note(&mut self, now: Instant) {
        if self.newest.len() == DEAD_MAX {
            self.newest.pop_front();
        }
        self.newest.push_back(now);
    }

    /// Until when nothing more is to be read; none when reading may go on.
    pub fn closed_until(&self, now: Instant) -> Option<Instant> {
        let oldest = self.newest.front().filter(|_| self.newest.len() == DEAD_MAX)?;
        Some(*oldest + WINDOW).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(count: usize, now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        (0..count).for_each(|_| breaker.note(now));
        breaker
    }

    #[test]
    fn forty_nine_dead_letters_stop_nothing_and_fifty_stop_the_reading_for_ten_seconds() {
        let now = Instant::now();
        assert_eq!(noted(DEAD_MAX - 1, now).closed_until(now), None);
        let breaker = noted(DEAD_MAX, now);
        assert_eq!(breaker.closed_until(now), Some(now + WINDOW));
        let just_before = WINDOW.saturating_sub(Duration::from_micros(1));
        assert!(breaker.closed_until(now + just_before).is_some());
        assert_eq!(breaker.closed_until(now + WINDOW), None);
    }

    #[test]
    fn letters_spread_over_more_than_the_window_stop_nothing() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for number in 0..1_000 {
            let now = start + Duration::from_millis(250) * number;
            breaker.note(now);
            assert_eq!(breaker.closed_until(now), None, "{number}");
        }
        assert_eq!(breaker.newest.len(), DEAD_MAX);
    }
}
