//! When to leave a failing service alone, and when to try it again.
//!
//! Knows: failures in a row and moments. Never: the service.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which the service is left alone.
const FAILURES_MAX: u32 = 5;
/// How long it is left alone before one call tries it again.
const PAUSE: Duration = Duration::from_secs(2);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Circuit {
    /// Whether the service is left alone at `now`: questions need not even wait.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| self.probing || now < until)
    }

    /// Says that a call begins. After a pause only one call at a time is to begin: see [`Circuit::is_open`].
    pub(super) fn begin(&mut self) {
        self.probing = self.open_until.is_some();
    }

    /// A call succeeded: all is forgotten. Returns whether the service had been left alone.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = self.open_until.is_some();
        *self = Self::default();
        was_open
    }

    /// A call failed; `asked`: the pause that the service itself asks for. Returns whether it is now newly left alone.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) -> bool {
        let was_open = self.open_until.is_some();
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if asked.is_some() || self.failures >= FAILURES_MAX {
            self.open_until = Some(now + asked.unwrap_or(PAUSE).max(PAUSE));
        }
        !was_open && self.open_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(count: u32) -> (Circuit, Instant) {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        for _ in 0..count {
            circuit.begin();
            circuit.failed(now, None);
        }
        (circuit, now)
    }

    #[test]
    fn four_failures_in_a_row_change_nothing_and_the_fifth_opens() {
        let (circuit, now) = after_failures(4);
        assert!(!circuit.is_open(now));
        let (circuit, now) = after_failures(5);
        assert!(circuit.is_open(now));
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        let (mut circuit, now) = after_failures(4);
        assert!(!circuit.succeeded());
        assert!(!circuit.failed(now, None));
        assert!(!circuit.is_open(now));
    }

    #[test]
    fn it_stays_open_for_two_seconds_and_then_one_call_tries() {
        let (mut circuit, now) = after_failures(5);
        assert!(circuit.is_open(now + PAUSE - Duration::from_nanos(1)));
        assert!(!circuit.is_open(now + PAUSE));
        circuit.begin();
        assert!(circuit.is_open(now + PAUSE), "only one call at a time tries");
        assert!(circuit.succeeded());
        assert!(!circuit.is_open(now + PAUSE));
    }

    #[test]
    fn a_try_that_fails_opens_it_again() {
        let (mut circuit, now) = after_failures(5);
        let later = now + PAUSE;
        circuit.begin();
        assert!(!circuit.failed(later, None), "it was open before");
        assert!(circuit.is_open(later + Duration::from_secs(1)));
        assert!(!circuit.is_open(later + PAUSE));
    }

    #[test]
    fn a_pause_that_the_service_asks_for_opens_at_once_and_for_as_long() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        assert!(circuit.failed(now, Some(Duration::from_secs(30))));
        assert!(circuit.is_open(now + Duration::from_secs(29)));
        assert!(!circuit.is_open(now + Duration::from_secs(30)));
    }
}
