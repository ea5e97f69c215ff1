//! Control messages between the parts of the feed, about markets and tokens, and their channels.
//!
//! Knows: the messages. Never: who sends one.

use std::sync::Arc;

use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Resolution};
use contract::overruled::Overruled;
use contract::time::Timestamp;
use polymarket::rest::RestBook;
use rust_decimal::Decimal;
use tokio::sync::{mpsc, watch};

/// Events that may wait: each socket has a few at the most.
pub(crate) const EVENTS_MAX: usize = 4_096;
/// Commands that may wait for a socket: the books of one REST answer, and a few more.
pub(crate) const COMMANDS_MAX: usize = 512;

/// An event for the subscription manager.
#[derive(Debug)]
pub(crate) enum ControlEvent {
    /// The catalogue changed.
    Catalogue(CatalogueChange),
    /// These tokens have no book, although they were subscribed twice.
    Missing(Vec<TokenId>),
    /// The venue closed a socket twice just after these were subscribed.
    Suspects(Vec<TokenId>),
    /// The prober tried some of them.
    Probed(ProbeResult),
    /// The venue announced something.
    MarketEvent(MarketEvent),
    /// REST cleared a trade that a book of ours spoke against.
    Overruled(Overruled),
    /// REST was asked whether these tokens have books.
    Looked {
        /// It has one.
        with_book: Vec<TokenId>,
        /// It has none either.
        without: Vec<TokenId>,
    },
}

/// Markets that come and go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct CatalogueChange {
    /// To be followed, the busiest first.
    pub(crate) new: Vec<Market>,
    /// Not to be followed any more.
    pub(crate) gone: Vec<(ConditionId, Gone)>,
    /// Followed, and what their books depend on has been corrected.
    pub(crate) corrected: Vec<Market>,
    /// Tokens that will be followed when all is known, as far as is known.
    pub(crate) tokens_expected: usize,
}

/// Why a market is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gone {
    /// Resolved or withdrawn: no tick of it will come.
    Closed,
    /// Others are busier: ticks of it come and are not read.
    Unchosen,
}

/// What the venue tells of a market outside of its ticks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MarketEvent {
    /// A market was created; sent to every socket.
    New(Box<Market>),
    /// A market was resolved; sent to every socket.
    Resolved(ConditionId, Resolution),
    /// Its tick size changed then; sent for each of its tokens.
    TickSize(ConditionId, Decimal, Timestamp),
}

/// A command to a socket.
#[derive(Debug)]
pub(crate) enum SocketCommand {
    /// A book of this socket may be wrong: re-fetch it unless it has been corrected meanwhile.
    Doubt(Overruled),
    /// A book that the socket did not bring.
    Snapshot(Box<RestBook>),
}

/// The subscription manager's channels to others.
#[derive(Debug)]
pub(crate) struct ControlChannels {
    /// Of the prober: tokens to be tried.
    pub(crate) prober: mpsc::Sender<Vec<TokenId>>,
    /// Of the universe: what the venue announced.
    pub(crate) universe: mpsc::Sender<MarketEvent>,
    /// Of the memory: the markets followed.
    pub(crate) followed: watch::Sender<Arc<[ConditionId]>>,
}

/// What was found about some tokens.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct ProbeResult {
    /// The venue bears them.
    pub(crate) good: Vec<TokenId>,
    /// It closes the socket for each of these.
    pub(crate) bad: Vec<TokenId>,
}
