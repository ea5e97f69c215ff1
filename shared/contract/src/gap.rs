//! Gaps: spans of a market in which ticks may be missing.
//!
//! Knows: how a gap is named and told. Never: how it came about.

use serde::{Deserialize, Serialize};

use crate::ids::{ConditionId, TickId};
use crate::time::Timestamp;

/// Why ticks may be missing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The venue closed the socket, or the connection broke.
    SocketClosed,
    /// No data came although the socket was open.
    Silence,
    /// The feed itself was not running.
    FeedRestart,
    /// The bus was away for longer than the feed's buffer holds.
    BufferFull,
    /// The book did not agree with the venue's hash: a change was lost, or the venue's own book was wrong.
    BookMismatch,
    /// The market was moved to another socket, or its tokens were subscribed anew.
    Resubscribed,
    /// The market was not followed: it had left the chosen part of the catalogue.
    NotFollowed,
    /// A stream of the bus was lost, with the ticks on it that were not stored yet.
    StreamLost,
}

/// A span in which ticks of one market may be missing: told once when opened, once when healed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gap {
    /// Identity: market, shard and opening time; the same when told again.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The shard of the feed, `0/1` for example.
    pub shard: String,
    /// Why.
    pub cause: Cause,
    /// Up to here the market is complete.
    pub opened_at: Timestamp,
    /// From here on the market is complete again; none while open.
    pub healed_at: Option<Timestamp>,
    /// Trades of the gap that were fetched afterwards.
    pub trades_recovered: u64,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::SocketClosed,
        Self::Silence,
        Self::FeedRestart,
        Self::BufferFull,
        Self::BookMismatch,
        Self::Resubscribed,
        Self::NotFollowed,
        Self::StreamLost,
    ];

    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SocketClosed => "socket_closed",
            Self::Silence => "silence",
            Self::FeedRestart => "feed_restart",
            Self::BufferFull => "buffer_full",
            Self::BookMismatch => "book_mismatch",
            Self::Resubscribed => "resubscribed",
            Self::NotFollowed => "not_followed",
            Self::StreamLost => "stream_lost",
        }
    }
}

impl Gap {
    /// A gap that opens at `opened_at`.
    pub fn opened(condition_id: ConditionId, shard: &str, cause: Cause, opened_at: Timestamp) -> Self {
        let id = TickId::of_content(&["gap", condition_id.as_str(), shard, &opened_at.micros().to_string()]);
        Self {
            id,
            condition_id,
            shard: shard.to_owned(),
            cause,
            opened_at,
            healed_at: None,
            trades_recovered: 0,
        }
    }
}
