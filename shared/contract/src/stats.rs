//! What each instance says of itself once a second.
//!
//! Knows: counters and states, by service. Never: how they are shown.
//!
//! Counters count from the start of the instance and only grow; a reader takes differences and
//! notices a new start by `started_at`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The services.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Venue to bus.
    Feed,
    /// Verdicts.
    Processor,
    /// Bus to Postgres.
    Writer,
    /// Page, JSON, live stream.
    Dashboard,
}

/// One instance's word on itself; core NATS, `stats.<service>.<instance>`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Stats {
    /// Which service.
    pub service: Service,
    /// Which instance of it.
    pub instance: String,
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When this was said.
    pub at: Timestamp,
    /// What is wrong now, in words, each with its name; empty when all is well.
    pub problems: Vec<String>,
    /// Its newest errors of the last hour, at most 20.
    pub errors: Vec<ErrorNote>,
    /// Its errors of the last hour, counted.
    pub errors_last_hour: u64,
    /// What only this kind of service knows.
    pub report: Report,
}

/// One error line of a service's log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ErrorNote {
    /// When.
    pub at: Timestamp,
    /// The message with its fields, at most 500 characters.
    pub message: String,
}

/// What only one kind of service knows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one in a second, and it is never kept by the thousand"
)]
pub enum Report {
    /// See [`FeedReport`].
    Feed(FeedReport),
    /// See [`ProcessorReport`].
    Processor(ProcessorReport),
    /// See [`WriterReport`].
    Writer(WriterReport),
    /// See [`DashboardReport`].
    Dashboard(DashboardReport),
}

/// State of a connection to the venue.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketState {
    /// Not tried yet, or stopped.
    #[default]
    Disconnected,
    /// First attempt under way.
    Connecting,
    /// Open, subscribed.
    Connected,
    /// Lost; the next attempt is under way or waits for its time.
    Reconnecting,
}

/// One socket of the feed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SocketReport {
    /// Its number within the feed, from 0.
    pub number: u32,
    /// Its state.
    pub state: SocketState,
    /// Tokens subscribed on it.
    pub tokens: u64,
    /// Tokens whose book has come since it connected.
    pub tokens_with_book: u64,
    /// Since when it is connected.
    pub connected_at: Option<Timestamp>,
    /// Last frame that carried data.
    pub last_data_at: Option<Timestamp>,
    /// Last PONG.
    pub last_pong_at: Option<Timestamp>,
    /// Times it had to be opened again.
    pub reconnections: u64,
    /// Data frames read.
    pub frames: u64,
    /// Why it is not connected, in words.
    pub problem: Option<String>,
}

/// What the feed knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FeedReport {
    /// Its shard, `0/1` for example.
    pub shard: String,
    /// Its choice of markets, as configured.
    pub universe: String,
    /// Markets it follows.
    pub markets: u64,
    /// Tokens it follows.
    pub tokens: u64,
    /// Tokens of which it has a live book.
    pub tokens_with_book: u64,
    /// Its sockets.
    pub sockets: Vec<SocketReport>,
    /// Times a socket had to be opened again.
    pub reconnections: u64,
    /// Data frames read.
    pub frames: u64,
    /// Ticks read, by kind.
    pub ticks: BTreeMap<String, u64>,
    /// Frames with something that could not be understood.
    pub dead: u64,
    /// Ticks acknowledged by the bus.
    pub published: u64,
    /// Ticks that wait for the bus.
    pub buffered: u64,
    /// Bytes of them.
    pub buffered_bytes: u64,
    /// Ticks dropped because the buffer was full; each lies inside a gap.
    pub dropped: u64,
    /// Gaps now open.
    pub gaps_open: u64,
    /// Last data frame of any socket.
    pub last_data_at: Option<Timestamp>,
    /// Times the venue's stated best quote differed from our settled book.
    pub quote_differences: u64,
    /// What is beyond the first form of this report; a feed of an older version does not tell it.
    #[serde(default)]
    pub depth: FeedDetails,
}

/// How deep the feed looks into the venue, and what it found there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct FeedDetails {
    /// Match groups that ended.
    pub groups: u64,
    /// Books, at the end of a group or as snapshots, held against the venue's hash.
    pub hashes_checked: u64,
    /// Those that did not agree.
    pub hash_mismatches: u64,
    /// Books fetched anew because two groups in a row did not agree.
    pub resyncs: u64,
    /// Gaps behind which ticks flow again and whose trades are still to be fetched.
    pub gaps_waiting: u64,
    /// Trades of gaps that were fetched by REST.
    pub trades_recovered: u64,
    /// Trades that came over a socket after REST had told them: the same fills, told once.
    pub trades_recognised: u64,
    /// Ticks about tokens that are not followed.
    pub unwatched: u64,
    /// Hashes of books and transactions that are none: their ticks were read, and not checked.
    pub hashes_unreadable: u64,
    /// Events of types that this version does not know, by type: the first 32 types, the rest as `other`.
    pub unknown_events: BTreeMap<String, u64>,
    /// Dead letters that were not written, because there were too many.
    pub letters_left_out: u64,
    /// Tokens without a book although they were subscribed again and moved; the first 20.
    pub without_book: Vec<String>,
    /// Tokens that make the venue close the socket, set aside for a while; the first 20.
    pub set_aside: Vec<String>,
    /// How many are set aside.
    pub set_aside_count: u64,
    /// Markets for which no socket is left.
    pub left_out: u64,
    /// Tokens of markets whose time is over and that have no book: asked for once an hour.
    #[serde(default)]
    pub tokens_dead: u64,
    /// The venue's clock minus ours, in milliseconds, as far as whole seconds tell; none while unknown.
    pub clock_offset_ms: Option<i64>,
    /// REST calls made.
    pub rest_calls: u64,
    /// When the oldest tick was received that the bus has not acknowledged; none where none waits.
    pub oldest_unpublished_at: Option<Timestamp>,
}

/// How often a gate was asked and what it said.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct GateCount {
    /// Trades the gate looked at.
    pub evaluated: u64,
    /// Trades it caught.
    pub hit: u64,
    /// Trades it could not decide on.
    pub unknown: u64,
}

/// How far behind a shared consumer is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Backlog {
    /// Messages not delivered yet.
    pub pending: u64,
    /// Messages delivered and not acknowledged yet.
    pub unacknowledged: u64,
}

/// What a processor knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProcessorReport {
    /// Messages taken from the bus.
    pub received: u64,
    /// Messages among them that had been delivered before.
    pub redelivered: u64,
    /// Ticks published, by verdict.
    pub published: BTreeMap<String, u64>,
    /// G1: stale trades. Evaluated, refused, (never unknown).
    pub g1: GateCount,
    /// G3: trades without size. Evaluated, without size, no answer found.
    pub g3: GateCount,
    /// G3: sizes found by REST.
    pub g3_backfilled: u64,
    /// G5: trades away from the book. Evaluated, flagged, undecidable.
    pub g5: GateCount,
    /// G5: trades that REST cleared: it was our book that was off.
    pub g5_overruled: u64,
    /// Trades from the future.
    pub skewed: u64,
    /// Sum of the ages of judged socket trades, in microseconds (negative ages count as they are).
    pub trade_age_us: i64,
    /// Trades in that sum.
    pub trades_aged: u64,
    /// REST calls made.
    pub rest_calls: u64,
    /// REST calls that failed.
    pub rest_failures: u64,
    /// Trades that wait for an answer now.
    pub asking: u64,
    /// Messages that could not be understood.
    pub dead: u64,
    /// The shared consumer, as this instance last saw it.
    pub backlog: Option<Backlog>,
}

/// What a writer knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct WriterReport {
    /// Messages taken from the bus.
    pub received: u64,
    /// Rows stored, by table.
    pub stored: BTreeMap<String, u64>,
    /// Rows that were there already.
    pub duplicates: u64,
    /// Transactions committed.
    pub batches: u64,
    /// Rows of the newest batch.
    pub batch_rows: u64,
    /// How long the newest batch took, in microseconds.
    pub batch_us: u64,
    /// Rows Postgres would not take; each is a dead letter.
    pub dead: u64,
    /// Whether the newest attempt to reach Postgres succeeded.
    pub database_connected: bool,
    /// The shared consumer of judged ticks, as this instance last saw it.
    pub backlog: Option<Backlog>,
    /// Trades committed, by the time from their verdict to the commit, in the buckets of [`crate::latency`]; empty
    /// from a writer of an older version.
    #[serde(default)]
    pub stored_after: Vec<u64>,
}

/// What a dashboard knows.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct DashboardReport {
    /// Open `/ws/live` connections.
    pub clients: u64,
    /// Messages a client was too slow for.
    pub lagged: u64,
}

impl SocketState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Disconnected, Self::Connecting, Self::Connected, Self::Reconnecting];

    /// The word in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
        }
    }
}

impl Service {
    /// All services.
    pub const ALL: [Self; 4] = [Self::Feed, Self::Processor, Self::Writer, Self::Dashboard];

    /// The word in subjects and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Processor => "processor",
            Self::Writer => "writer",
            Self::Dashboard => "dashboard",
        }
    }
}
