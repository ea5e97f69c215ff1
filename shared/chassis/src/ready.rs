//! Whether this process can do its work now, and if not, why.
//!
//! Knows: named latches. Never: what stands behind them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The latches of one process. A clone sees the same latches.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    latches: Arc<Mutex<Vec<Entry>>>,
}

/// One thing that must be so before the process is ready. A clone is the same latch.
#[derive(Clone, Debug)]
pub struct Latch {
    readiness: Readiness,
    index: usize,
}

#[derive(Debug)]
struct Entry {
    name: &'static str,
    problem: Option<String>,
}

// === impl Readiness ===

impl Readiness {
    /// No latches yet: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a latch called `name`, not set.
    pub fn latch(&self, name: &'static str) -> Latch {
        let mut entries = self.entries();
        entries.push(Entry { name, problem: Some("not ready yet".to_owned()) });
        Latch { readiness: self.clone(), index: entries.len() - 1 }
    }

    /// Whether every latch is set.
    pub fn is_ready(&self) -> bool {
        self.entries().iter().all(|entry| entry.problem.is_none())
    }

    /// What is wrong, one `name: why` for each latch that is not set, in the order they were made.
    pub fn problems(&self) -> Vec<String> {
        let entries = self.entries();
        let describe = |entry: &Entry| entry.problem.as_ref().map(|why| format!("{}: {why}", entry.name));
        entries.iter().filter_map(describe).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.latches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Latch ===

impl Latch {
    /// Sets the latch, or takes it back with the reason `not ready`.
    pub fn set(&self, ready: bool) {
        self.put((!ready).then(|| "not ready".to_owned()));
    }

    /// Takes the latch back and says why, in words for an operator.
    pub fn fail(&self, why: impl Into<String>) {
        self.put(Some(why.into()));
    }

    fn put(&self, problem: Option<String>) {
        let mut entries = self.readiness.entries();
        entries[self.index].problem = problem;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_latches_is_ready() {
        assert!(Readiness::new().is_ready());
    }

    #[test]
    fn a_process_is_ready_only_when_every_latch_is_set() {
        let readiness = Readiness::new();
        let (bus, database) = (readiness.latch("bus"), readiness.latch("database"));
        assert_eq!(readiness.problems(), ["bus: not ready yet", "database: not ready yet"]);
        bus.set(true);
        assert!(!readiness.is_ready());
        database.set(true);
        assert!(readiness.is_ready());
        assert!(readiness.problems().is_empty());
    }

    #[test]
    fn a_latch_that_fails_says_why_and_can_be_set_again() {
        let readiness = Readiness::new();
        let bus = readiness.latch("bus");
        bus.fail("connection refused");
        assert_eq!(readiness.clone().problems(), ["bus: connection refused"]);
        bus.clone().set(true);
        assert!(readiness.is_ready());
        bus.set(false);
        assert_eq!(readiness.problems(), ["bus: not ready"]);
    }
}
