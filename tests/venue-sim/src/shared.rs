//! What the tasks of one simulator share.
//!
//! Knows: the state behind its lock, the switches, the counts. Never: what any task does with them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Manners;
use crate::admission::Admission;
use crate::cdn::Cdn;
use crate::ledger::Ledger;
use crate::rest::RestServices;
use crate::scenario::Cut;
use crate::venue::Venue;

/// Close code of a server that goes away.
const GOING_AWAY: u16 = 1001;

/// How far a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Nothing was generated yet.
    Waiting,
    /// Ticks are generated.
    Running,
    /// Nothing more will be generated.
    Over,
}

/// Bounds of the sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) manners: Manners,
    pub(crate) ping_timeout: Duration,
    pub(crate) queue_frames: usize,
    pub(crate) books_max: usize,
    pub(crate) trades_cached_for: Duration,
}

/// Shared by the sockets, REST, the generator and the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    venue: Mutex<Venue>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) desk: RestServices,
    pub(crate) door: Admission,
    pub(crate) limits: Limits,
    pub(crate) cdn: Cdn,
    /// Ticks a second.
    pub(crate) rate: AtomicU32,
    /// Frames queued and not yet written.
    pub(crate) queued: Arc<AtomicUsize>,
    /// Sockets that have not ended yet, written-off ones included.
    pub(crate) alive: watch::Sender<BTreeSet<u64>>,
    /// A subscriber has its opening books.
    pub(crate) opened: watch::Sender<bool>,
    /// Somebody said begin.
    pub(crate) begun: watch::Sender<bool>,
    pub(crate) phase: watch::Sender<Phase>,
    /// Cancelled when no more may be generated.
    pub(crate) halt: CancellationToken,
    /// Cancelled when everything must end.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn new(venue: Venue, ledger: Arc<Ledger>, limits: Limits, rate_per_s: u32) -> Self {
        let stop = CancellationToken::new();
        Self {
            queued: venue.hub.queued(),
            venue: Mutex::new(venue),
            ledger,
            desk: RestServices::default(),
            door: Admission::default(),
            cdn: Cdn::new(limits.trades_cached_for),
            limits,
            rate: AtomicU32::new(rate_per_s),
            alive: watch::Sender::new(BTreeSet::new()),
            opened: watch::Sender::new(false),
            begun: watch::Sender::new(false),
            phase: watch::Sender::new(Phase::Waiting),
            halt: stop.child_token(),
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// The venue, locked. Never held over an await.
    pub(crate) fn venue(&self) -> MutexGuard<'_, Venue> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to end every socket and returns their numbers.
    pub(crate) fn end_sockets(&self, cut: Cut) -> Vec<u64> {
        let ids = self.venue().hub.ids();
        self.end_these(&ids, cut);
        ids
    }

    /// Starts to end these sockets.
    pub(crate) fn end_these(&self, ids: &[u64], cut: Cut) {
        let mut venue = self.venue();
        for id in ids {
            match cut {
                Cut::Close => venue.hub.close(*id, GOING_AWAY, ""),
                Cut::Abort => venue.hub.abort(*id),
            }
        }
    }

    /// Waits until the run may begin; false if it is to end instead.
    pub(crate) async fn may_begin(&self, at_first_books: bool) -> bool {
        let (mut opened, mut begun) = (self.opened.subscribe(), self.begun.subscribe());
        let ready = async {
            tokio::select! {
                _ = opened.wait_for(|opened| *opened && at_first_books) => {}
                _ = begun.wait_for(|begun| *begun) => {}
            }
        };
        tokio::select! {
            () = self.halt.cancelled() => false,
            () = ready => true,
        }
    }

    /// Frames queued and not yet written.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}
