//! Processes that took the place of others, within the last hour.
//!
//! Knows: who, when, instead of whom. Never: why one ended.

use std::collections::VecDeque;
use std::time::Duration;

use contract::stats::Service;
use contract::time::Timestamp;

/// Restarts kept: a process that ends again and again must not fill a memory.
const RESTARTS_MAX: usize = 50;
/// How long one is kept.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// The restarts of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    oldest_first: VecDeque<Restart>,
}

/// A process that took the place of another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Restart {
    pub(crate) service: Service,
    /// When it started, by its own clock.
    pub(crate) at: Timestamp,
    /// The new one.
    pub(crate) instance: String,
    /// Whose place it took; its own name where that was kept.
    pub(crate) before: String,
}

// === impl Restarts ===

impl Restarts {
    /// Keeps one.
    pub(crate) fn keep(&mut self, restart: Restart) {
        self.oldest_first.push_back(restart);
        if self.oldest_first.len() > RESTARTS_MAX {
            self.oldest_first.pop_front();
        }
    }

    /// Forgets those of more than an hour ago.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.oldest_first.retain(|restart| now.since(restart.at) < KEPT_FOR);
    }

    /// Those of the last hour.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Restart> {
        self.oldest_first.iter().rev()
    }
}
