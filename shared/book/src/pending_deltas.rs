//! Changes that came before the snapshot they belong on.
//!
//! Knows: the newest of them, and how new those were that had to go. Never: a level.

use std::collections::VecDeque;

use contract::tick::PriceChange;
use contract::time::Timestamp;

use crate::EARLY_MAX;

/// The newest [`EARLY_MAX`] changes, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingDeltas {
    changes: VecDeque<PriceChange>,
    /// Newest time of a change that had to go: a snapshot not newer than this may lack it.
    gone_until: Option<Timestamp>,
}

impl PendingDeltas {
    /// Keeps a change; the oldest goes if there are too many.
    pub(crate) fn keep(&mut self, change: &PriceChange) {
        if self.changes.len() == EARLY_MAX
            && let Some(oldest) = self.changes.pop_front()
        {
            self.gone_until = self.gone_until.max(Some(oldest.changed_at));
        }
        self.changes.push_back(change.clone());
    }

    /// Whether a change may be missing that a book of `snapshot_at` does not contain.
    pub(crate) fn lacks_since(&self, snapshot_at: Timestamp) -> bool {
        self.gone_until.is_some_and(|at| at >= snapshot_at)
    }

    /// Hands out what was kept and forgets it.
    pub(crate) fn take(&mut self) -> VecDeque<PriceChange> {
        std::mem::take(self).changes
    }
}
