//! The one state of this process: the fold behind a lock, and the hub beside it.
//!
//! Knows: that an event is folded and offered in one step. Never: a wait while the lock is held.

use std::sync::{Arc, Mutex, PoisonError};

use contract::gap::Gap;
use contract::time::Timestamp;

use crate::freshness::Freshness;
use crate::live::Hub;
use crate::state::Projection;
use crate::state::event::Judged;
use crate::state::events::{EventFilter, EventPage};

/// The state; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct SharedState {
    fold: Arc<Mutex<Projection>>,
    hub: Hub,
}

/// What a client of the live stream is shown first.
#[derive(Debug)]
pub(crate) struct First {
    /// The newest events that it asked for, newest first.
    pub(crate) page: EventPage,
    /// The number of the first event that is not among them, counted over all events.
    pub(crate) cut: u64,
}

// === impl SharedState ===

impl SharedState {
    /// An empty state.
    pub(crate) fn new(hub: Hub, now: Timestamp) -> Self {
        Self { fold: Arc::new(Mutex::new(Projection::new(now))), hub }
    }

    /// Looks at the state, or changes it. `work` is short and waits for nothing.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Projection) -> R) -> R {
        work(&mut self.fold.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The live stream.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Folds a judged tick and offers it to the live stream, but for history (`is_news`).
    pub(crate) fn tick(&self, judged: Judged, is_news: Freshness, now: Timestamp) {
        self.with(|fold| {
            if let Some(event) = fold.tick(judged, now) {
                self.hub.offer(event, is_news);
            }
        });
    }

    /// Folds a gap and tells it to the live stream, but for history.
    pub(crate) fn gap(&self, gap: &Gap, is_news: Freshness) {
        let question = self.with(|fold| {
            fold.gap(gap.clone());
            fold.question(&gap.condition_id)
        });
        if is_news == Freshness::Live {
            self.hub.tell_gap(gap, question.as_deref());
        }
    }

    /// The newest events, and the place in the live stream from which on they go on without a hole.
    pub(crate) fn first(&self, filter: &EventFilter, limit: usize) -> First {
        self.with(|fold| First { page: fold.page(filter, limit, 0), cut: self.hub.offered() })
    }
}
