//! Gaps: spans of a market in which ticks may be missing.
//!
//! Knows: how a gap is named, and its states. Never: how it came about.

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
    /// The market was moved to another socket, or its tokens were subscribed again.
    Resubscribed,
    /// The market was not followed: it had left the chosen part of the catalogue.
    NotFollowed,
    /// A stream of the bus was lost, with the ticks on it that were not stored yet.
    StreamLost,
    /// The venue sent a frame that was too large or no text: its socket was closed, and what the frame held is not known.
    FrameRefused,
    /// The venue's REST showed that our book of a token was wrong, although no hash had said so.
    Overruled,
}

/// How far a gap is mended; each one closes at last.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No ticks: the gap has no end yet.
    Open,
    /// Ticks flow since `healed_at`; its trades are still asked for.
    Waiting,
    /// Closed, and what is missing of it cannot be had.
    Incomplete,
    /// Closed, and its trades are there.
    Healed,
}

/// A span in which ticks of one market may be missing: published when it opens, when ticks flow again, and when it is closed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Received")]
pub struct Gap {
    /// Identity: market, shard and opening time; the same each time that it is published.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The shard of the feed, `0/1` for example.
    pub shard: String,
    /// Why.
    pub cause: Cause,
    /// Up to here the market is complete.
    pub opened_at: Timestamp,
    /// When the feed noticed: before it nobody could know of the gap. None of gaps of versions before 2026-12.
    pub detected_at: Option<Timestamp>,
    /// From here on ticks flow again; none while open.
    pub healed_at: Option<Timestamp>,
    /// How far it is mended.
    pub state: State,
    /// Trades of the gap that were fetched afterwards.
    pub trades_recovered: u64,
}

/// A gap as it may come: an older version says neither when it was noticed nor its state.
#[derive(Deserialize)]
struct Received {
    id: TickId,
    condition_id: ConditionId,
    shard: String,
    cause: Cause,
    opened_at: Timestamp,
    detected_at: Option<Timestamp>,
    healed_at: Option<Timestamp>,
    state: Option<State>,
    trades_recovered: u64,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 10] = [
        Self::SocketClosed,
        Self::Silence,
        Self::FeedRestart,
        Self::BufferFull,
        Self::BookMismatch,
        Self::Resubscribed,
        Self::NotFollowed,
        Self::StreamLost,
        Self::FrameRefused,
        Self::Overruled,
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
            Self::FrameRefused => "frame_refused",
            Self::Overruled => "overruled",
        }
    }
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Open, Self::Waiting, Self::Incomplete, Self::Healed];

    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Incomplete => "incomplete",
            Self::Healed => "healed",
        }
    }
}

impl From<Received> for Gap {
    fn from(gap: Received) -> Self {
        let Received {
            id,
            condition_id,
            shard,
            cause,
            opened_at,
            detected_at,
            healed_at,
            trades_recovered,
            ..
        } = gap;
        // Before there were states, a gap with an end had its trades.
        let state = gap.state.unwrap_or(if healed_at.is_some() { State::Healed } else { State::Open });
        Self { id, condition_id, shard, cause, opened_at, detected_at, healed_at, state, trades_recovered }
    }
}

impl Gap {
    /// A gap that opens at `opened_at`, as was noticed at `detected_at`.
    pub fn opened(
        condition_id: ConditionId,
        shard: &str,
        cause: Cause,
        opened_at: Timestamp,
        detected_at: Timestamp,
    ) -> Self {
        let id = TickId::of_content(&["gap", condition_id.as_str(), shard, &opened_at.micros().to_string()]);
        Self {
            id,
            condition_id,
            shard: shard.to_owned(),
            cause,
            opened_at,
            detected_at: Some(detected_at),
            healed_at: None,
            state: State::Open,
            trades_recovered: 0,
        }
    }

    /// Whether nothing more is done for it.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Incomplete | State::Healed)
    }
}
