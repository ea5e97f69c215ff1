//! How long to wait before a child is started again, and when its exits are a crash loop.
//!
//! Knows: moments and spans given to it. Never: a clock, a process.

use std::collections::VecDeque;
use std::time::Duration;

/// First wait. Short, since most exits are a server that is not there yet.
pub const WAIT_MIN: Duration = Duration::from_millis(200);
/// Longest wait: a person who mends the cause sees the child back within this time.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
/// A child that ran this long was well, so that its next exit starts from [`WAIT_MIN`] again.
pub const STEADY_AFTER: Duration = Duration::from_secs(30);
/// This many exits within [`LOOP_WINDOW`] are a crash loop.
pub const LOOP_EXITS: usize = 5;
/// The span in which exits are counted.
pub const LOOP_WINDOW: Duration = Duration::from_mins(1);

/// The waits and exits of one child.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    exits: VecDeque<Duration>,
    reported: bool,
}

/// What follows from an exit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RestartDecision {
    /// How long to wait before the next start.
    pub wait: Duration,
    /// Whether this exit makes a crash loop that has not been reported yet.
    pub looping: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: WAIT_MIN, exits: VecDeque::with_capacity(LOOP_EXITS), reported: false }
    }
}

impl Backoff {
    /// Notes an exit at `at` (any steady time line) of a child that ran for `ran`.
    pub fn after_exit(&mut self, at: Duration, ran: Duration) -> RestartDecision {
        if ran >= STEADY_AFTER {
            self.next = WAIT_MIN;
            self.reported = false;
            self.exits.clear();
        }
        let wait = self.next;
        self.next = (self.next * 2).min(WAIT_MAX);
        if self.exits.len() == LOOP_EXITS {
            self.exits.pop_front();
        }
        self.exits.push_back(at);
        let oldest = self.exits.front().copied().unwrap_or(at);
        let is_loop = self.exits.len() == LOOP_EXITS && at.saturating_sub(oldest) <= LOOP_WINDOW;
        let looping = is_loop && !self.reported;
        self.reported |= looping;
        RestartDecision { wait, looping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(10);

    fn loops(exits_s: &[u64]) -> Vec<bool> {
        let mut backoff = Backoff::default();
        exits_s.iter().map(|at| backoff.after_exit(Duration::from_secs(*at), SOON).looping).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> =
            (0..8).map(|_| backoff.after_exit(Duration::ZERO, SOON).wait.as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn child_that_ran_thirty_seconds_starts_from_the_first_wait_again() {
        let mut backoff = Backoff::default();
        backoff.after_exit(Duration::ZERO, SOON);
        let nearly = backoff.after_exit(Duration::ZERO, Duration::from_millis(29_999));
        assert_eq!(nearly.wait, WAIT_MIN * 2);
        assert_eq!(backoff.after_exit(Duration::ZERO, STEADY_AFTER).wait, WAIT_MIN);
    }

    #[test]
    fn five_exits_within_a_minute_are_a_loop_reported_once() {
        assert_eq!(loops(&[0, 1, 2, 3, 60]), [false, false, false, false, true]);
        assert_eq!(loops(&[0, 1, 2, 3, 61]), [false; 5]);
        assert_eq!(loops(&[0, 1, 2, 3, 4, 5, 6]).iter().filter(|looping| **looping).count(), 1);
    }

    #[test]
    fn loop_after_a_steady_run_is_reported_again() {
        let mut backoff = Backoff::default();
        for at in 0..5 {
            backoff.after_exit(Duration::from_secs(at), SOON);
        }
        backoff.after_exit(Duration::from_secs(40), STEADY_AFTER);
        let again: Vec<bool> =
            (41..46).map(|at| backoff.after_exit(Duration::from_secs(at), SOON).looping).collect();
        assert!(again.contains(&true));
    }
}
