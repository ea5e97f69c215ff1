//! A match group: consecutive changes with one time and one hash, seen as one.
//!
//! Knows: what belongs together, and what the end of a group concluded. Never: a level.

use contract::ids::BookHash;
use contract::tick::PriceChange;
use contract::time::Timestamp;

use crate::settled::Undo;
use crate::{BookStats, Check, GROUP_QUIET, Top, Trust};

/// Groups in a row that must differ before a book is broken: one alone may be a late last trade price.
const DIFFERING_MAX: u32 = 2;

/// A group under way, or the one that ended last.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Time of all its changes by the venue's clock; an input of its hash.
    pub(crate) changed_at: Timestamp,
    /// The venue's hash of the book after the whole group.
    pub(crate) hash: Option<BookHash>,
    /// When the newest frame of it was received.
    pub(crate) received_at: Timestamp,
    /// Best prices after the whole group, as its newest change states them.
    pub(crate) stated: Option<Top>,
    /// Whether the state it ends in is the book's, or one that newer changes have passed already.
    pub(crate) order: Order,
}

/// When a group came, seen from the book's other changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// After all that is older: its hash and best prices are those of the book.
    InTime,
    /// After something newer: they are of a state that was never held here.
    Late,
}

/// The group that ended last and how to undo its end.
#[derive(Clone, Debug)]
pub(crate) struct ClosedGroup {
    pub(crate) group: Group,
    /// Counters and trust before its end.
    pub(crate) before: IntegrityState,
    /// Its entry among the settled quotes, if it made one.
    pub(crate) pushed: Option<Undo>,
}

/// Counters, trust, and what trust rests on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IntegrityState {
    pub(crate) stats: BookStats,
    pub(crate) trust: Trust,
    /// Groups in a row that differed.
    differing: u32,
}

// === impl Group ===

impl Group {
    /// A group that begins with this change.
    pub(crate) fn of(change: &PriceChange, order: Order) -> Self {
        let (changed_at, received_at) = (change.changed_at, change.received_at);
        let mut group = Self { changed_at, hash: None, received_at, stated: None, order };
        group.add(change);
        group
    }

    /// Whether something of this time and hash belongs to the group; an unstated hash fits any.
    pub(crate) fn fits(&self, changed_at: Timestamp, hash: Option<&BookHash>) -> bool {
        let hash_fits = match (&self.hash, hash) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        };
        self.changed_at == changed_at && hash_fits
    }

    /// Takes note of one more change of the group.
    pub(crate) fn add(&mut self, change: &PriceChange) {
        self.received_at = self.received_at.max(change.received_at);
        if self.hash.is_none() {
            self.hash.clone_from(&change.hash);
        }
        let stated = Top { best_bid: change.best_bid, best_ask: change.best_ask };
        self.stated = (stated != Top::default()).then_some(stated);
    }

    /// Whether nothing of it has come for [`GROUP_QUIET`] before `now`, by receive time.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        now.since(self.received_at) >= GROUP_QUIET
    }
}

// === impl IntegrityState ===

impl IntegrityState {
    /// Draws the conclusion from the check of a group.
    pub(crate) fn after_group(&mut self, check: Check) {
        match check {
            Check::Agreed => (self.trust, self.differing) = (Trust::Fine, 0),
            Check::Differs => {
                self.differing = self.differing.saturating_add(1);
                self.trust = if self.differing < DIFFERING_MAX { Trust::Suspect } else { Trust::Broken };
            }
            Check::Unknown | Check::Skipped => {}
        }
    }

    /// Draws the conclusion from the check of a snapshot that was taken.
    pub(crate) fn after_snapshot(&mut self, check: Check) {
        self.differing = 0;
        self.trust = match check {
            // Fetched again it would differ again: only groups may break a book.
            Check::Differs => Trust::Suspect,
            Check::Agreed | Check::Unknown | Check::Skipped => Trust::Fine,
        };
    }
}
