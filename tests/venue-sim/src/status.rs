//! What a simulator says of itself.
//!
//! Knows: figures of one moment. Never: how they came about.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::market::Listing;
use crate::shared::{Phase, Shared};

/// The state of a simulator at one moment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// `waiting`, `running` or `over`.
    pub phase: String,
    /// Open sockets.
    pub sockets: usize,
    /// Tokens subscribed, counted once for each socket.
    pub tokens_subscribed: usize,
    /// Markets that can be traded.
    pub markets_open: usize,
    /// WebSocket upgrades that were let in so far.
    pub connects: u64,
    /// WebSocket upgrades that were answered with 429 so far.
    pub connects_refused: u64,
    /// Ticks a second that are generated.
    pub rate_per_s: u32,
    /// Frames queued and not yet written.
    pub frames_queued: usize,
    /// Entries written to the ledger so far, dropped ones included.
    pub ledger_next: u64,
    /// No data flows although sockets are open.
    pub frozen: bool,
    /// Calls of each REST route.
    pub rest_calls: BTreeMap<String, u64>,
}

impl Status {
    pub(crate) fn of(shared: &Shared) -> Self {
        let phase = match *shared.phase.borrow() {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Over => "over",
        };
        let (connects, connects_refused) = shared.door.counts();
        let venue = shared.venue();
        let (sockets, tokens_subscribed) = venue.hub.sizes();
        Self {
            phase: phase.to_owned(),
            sockets,
            tokens_subscribed,
            markets_open: venue.markets.iter().filter(|market| market.listing == Listing::Open).count(),
            connects,
            connects_refused,
            rate_per_s: shared.rate.load(Ordering::Relaxed),
            frames_queued: shared.queued(),
            ledger_next: shared.ledger.next_sequence(),
            frozen: venue.frozen,
            rest_calls: shared
                .desk
                .calls()
                .into_iter()
                .map(|(route, count)| (route.to_owned(), count))
                .collect(),
        }
    }
}
