//! Control messages between the parts of the feed, about markets and tokens, and their channels.
//!
//! Knows: the messages. Never: who sends one.

use std::sync::Arc;

use contract::ids::{ConditionId, TokenId};
use contract::overruled::Overruled;
use polymarket::rest::RestBook;
use tokio::sync::{mpsc, watch};

use crate::announced::News;
use crate::catalogue::Change;

/// Words that may wait: each socket has a few at the most.
pub(crate) const WORDS_MAX: usize = 4_096;
/// Orders that a socket may have before it: the books of one answer of REST, and a few more.
pub(crate) const ORDERS_MAX: usize = 512;

/// A message to the conductor.
#[derive(Debug)]
pub(crate) enum Word {
    /// The catalogue changed.
    Catalogue(Change),
    /// These tokens have no book, although they were subscribed twice.
    Missing(Vec<TokenId>),
    /// The venue closed a socket twice just after these were subscribed.
    Suspects(Vec<TokenId>),
    /// The prober tried some of them.
    Probed(Finding),
    /// The venue announced something.
    News(News),
    /// REST cleared a trade that a book of ours spoke against.
    Overruled(Overruled),
    /// REST has no book for these tokens either.
    Bookless(Vec<TokenId>),
}

/// A message to a socket.
#[derive(Debug)]
pub(crate) enum Order {
    /// A book of its own may be wrong: it is fetched anew unless it has been mended meanwhile.
    Doubt(Overruled),
    /// A book that the socket did not bring.
    Snapshot(Box<RestBook>),
}

/// Where the conductor's own words go.
#[derive(Debug)]
pub(crate) struct Ears {
    /// Of the prober: tokens to be tried.
    pub(crate) prober: mpsc::Sender<Vec<TokenId>>,
    /// Of the universe: what the venue announced.
    pub(crate) universe: mpsc::Sender<News>,
    /// Of the memory: the markets followed.
    pub(crate) followed: watch::Sender<Arc<[ConditionId]>>,
}

/// What was found about some tokens.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Finding {
    /// The venue bears them.
    pub(crate) good: Vec<TokenId>,
    /// It closes the socket for each of these.
    pub(crate) bad: Vec<TokenId>,
}
