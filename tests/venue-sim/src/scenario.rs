//! Scenarios: data files that say what a run sends.
//!
//! Knows: their shape, their limits, the ones that come with the program. Never: how anything is sent.

pub mod catalogue;
mod checked;
mod embedded;

use std::path::Path;

use serde::Deserialize;

use self::catalogue::{ClosedTokens, LateListing, ResolutionForm, Settlement, UpDown};
use self::embedded::EMBEDDED;

/// Most markets of a scenario: what the venue had open on 2026-03-11, rounded up.
pub const MARKETS_MAX: usize = 36_000;
/// Highest rate that a scenario may ask for, in ticks a second.
pub const RATE_MAX: u32 = 50_000;
/// Most markets that a scenario may keep back for later.
pub const RESERVED_MAX: usize = 36_000;
/// Longest lag of opening books, in ms.
pub const DUMP_LAG_MAX_MS: u64 = 60_000;
/// Most frames of an unknown type at once.
pub const BURST_MAX: u32 = 10_000;
/// Most elements of a huge frame: 16 MB of text.
pub const ELEMENTS_MAX: usize = 8_000_000;
/// Longest delay of a slow service, in ms.
const SLOW_MAX_MS: u64 = 120_000;
/// Markets kept back for `new_market` unless a scenario says otherwise.
const RESERVED: usize = 16;
/// Markets set aside for one injection unless it says otherwise.
const POOL: usize = 4;

/// What a run sends. Read from JSON; see the files in `scenarios/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as in `--scenario`.
    pub name: String,
    /// One sentence on what it shows.
    pub about: String,
    /// Seed of everything that is drawn: the same seed makes the same markets and the same choices.
    pub seed: u64,
    /// Ordinary markets, 1 to [`MARKETS_MAX`]; injections set aside their own besides these. Without meaning
    /// where the ordinary markets come from a file.
    pub markets: usize,
    /// Ticks a second; one price change entry, best bid and ask, trade or book each is one tick.
    pub rate_per_s: u32,
    /// Length of the run in seconds; `null` runs without end.
    pub duration_s: Option<u32>,
    /// Shares of the ordinary stream.
    #[serde(default)]
    pub proportions: Proportions,
    /// What happens besides the ordinary stream.
    #[serde(default)]
    pub injections: Vec<Injection>,
    /// When REST fails.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Markets that are not announced at first, for `new_market`: up to [`RESERVED_MAX`]. Default 16.
    #[serde(default = "reserved")]
    pub reserved: usize,
    /// Tokens that end the socket which subscribes them, of ordinary markets, evenly spread. Default 0.
    #[serde(default)]
    pub poison_tokens: usize,
    /// Tokens whose first opening books do not come, of ordinary markets, evenly spread. Default none.
    #[serde(default)]
    pub missing_books: Vec<MissingBooks>,
    /// From the capture of an opening book to its sending, in ms, up to [`DUMP_LAG_MAX_MS`]. Default 0.
    #[serde(default)]
    pub dump_lag_ms: u64,
    /// Opening books of a hundred that lack their type, their tick size or their last trade price, 0 to 100.
    /// Default 0; the venue was seen to leave out one of the last two in two of ten.
    #[serde(default)]
    pub sparse_books_percent: u32,
    /// WebSocket upgrades that are let in within any one second. Default: all.
    #[serde(default)]
    pub connects_per_s: Option<u32>,
    /// The Data API has no v1. Default false.
    #[serde(default)]
    pub v1_gone: bool,
    /// Short markets besides the others. Default none.
    #[serde(default)]
    pub updown: Option<UpDown>,
    /// Short markets whose window is long over, which Gamma calls open and of which there is no book. Default 0.
    #[serde(default)]
    pub dead_markets: usize,
    /// How Gamma shows a market at first that is announced in this run. Default: in full.
    #[serde(default)]
    pub late_listing: Option<LateListing>,
    /// How Gamma shows the tokens of a closed market. Default: both.
    #[serde(default)]
    pub closed_tokens: ClosedTokens,
    /// How the sockets learn that a market was resolved. Default plain.
    #[serde(default)]
    pub settlement: Settlement,
    /// From the end of a market to the moment when Gamma calls it closed, in ms. Default 0 (seen: 51 s and 3 min).
    #[serde(default)]
    pub close_lag_ms: u64,
    /// How the Data API tells a resolution. Default by payouts.
    #[serde(default)]
    pub resolution_form: ResolutionForm,
    /// From a `tick_size_change` to the new tick size in Gamma's row, in ms. Default 0.
    #[serde(default)]
    pub tick_lag_ms: u64,
}

/// Tokens whose opening books do not come at first.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingBooks {
    /// How many tokens.
    pub tokens: usize,
    /// How many opening books of each of them do not come.
    pub times: u32,
}

/// Parts of a thousand ticks; price changes are the rest.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proportions {
    /// `best_bid_ask` frames.
    pub best_bid_ask: u32,
    /// `last_trade_price` frames.
    pub trade: u32,
    /// `book` frames after trades.
    pub book: u32,
}

/// Something done again and again, on markets of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// What is done.
    pub what: What,
    /// Once in so many seconds. Either this or `count`.
    pub every_s: Option<u32>,
    /// So many times, spread evenly over the run. Needs a `duration_s`.
    pub count: Option<u32>,
    /// Markets set aside for it. Default 4; none for what concerns no market or a new one.
    pub pool: Option<usize>,
    /// Of `trade`: what is odd about it.
    #[serde(default)]
    pub trade: TradeForm,
    /// Of `reconnect`: how the sockets are closed.
    #[serde(default)]
    pub cut: Cut,
    /// Of `freeze`: how long no data flows, in seconds.
    #[serde(default)]
    pub for_s: u32,
    /// Of `freeze`: how long no opening book comes once data flows again, in seconds.
    #[serde(default)]
    pub books_after_s: u32,
    /// Of `unknown_event`: frames each time, up to [`BURST_MAX`]. Default 1.
    #[serde(default = "one")]
    pub burst: u32,
    /// Of `huge_frame`: elements, up to [`ELEMENTS_MAX`]. Default 1,000,000, which are 2 MB.
    #[serde(default = "a_million")]
    pub elements: usize,
}

/// What an injection does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// One trade of a given form.
    Trade,
    /// Two identical fills in one millisecond and one transaction.
    DoubleFill,
    /// The same price change frame twice.
    RepeatPriceChange,
    /// A finer or coarser tick size.
    TickSizeChange,
    /// A frame that a reader must survive; the forms take turns.
    Garbage,
    /// All sockets are closed.
    Reconnect,
    /// Sockets stay open and answer PING, but no data flows.
    Freeze,
    /// A market is announced and opens.
    NewMarket,
    /// An announced market is resolved.
    MarketResolved,
    /// An announced market is resolved, and only Gamma shows it.
    SilentResolve,
    /// A book older than the changes before it.
    StaleSnapshot,
    /// The next removal of a level behind the best one is not told to one of the two tokens.
    LostRemoval,
    /// A change or a book with a hash that is none: `0x…`, 64 digits, empty; the forms take turns.
    OddHash,
    /// Frames of a type that nobody knows, as many at once as `burst` says.
    UnknownEvent,
    /// One frame `[1,1,…]` of as many elements as `elements` says.
    HugeFrame,
    /// A text frame with a byte 0xFF, which no UTF-8 has. Most clients end their socket.
    NotUtf8,
}

/// What is odd about an injected trade. The default is an ordinary one, known to REST.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TradeForm {
    /// Age in seconds when sent, from and to; negative is the future.
    pub age_s: [i64; 2],
    /// The size on the wire.
    pub size: SizeForm,
    /// Whether the Data API knows it (after the settlement delay).
    pub at_rest: bool,
    /// The side on the wire.
    pub side: SideForm,
    /// Whether the frame has a transaction hash.
    pub hash: bool,
    /// Whether that hash is a mere `0x`.
    pub bare_hash: bool,
    /// Where the price lies.
    pub price: PriceForm,
    /// How REST `/book` answers for its token.
    pub rest_book: RestBook,
}

/// The size of an injected trade on the wire.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SizeForm {
    /// A usable size.
    Present,
    /// No such member.
    Absent,
    /// `""`.
    Empty,
    /// `"0"`.
    Zero,
    /// `"-5"`.
    Negative,
    /// `"NaN"`.
    NotANumber,
}

/// The side of an injected trade on the wire.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SideForm {
    /// `"BUY"` or `"SELL"`.
    Present,
    /// No such member.
    Absent,
    /// `""`.
    Empty,
    /// `null`.
    Null,
}

/// The price of an injected trade, seen from the book that the sockets show.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum PriceForm {
    /// Within 0.08 of the nearer end of the quote.
    Near,
    /// Exactly 0.10 from it.
    Edge,
    /// 0.101 and more from it, and REST shows the same book.
    Beyond,
    /// 0.19 and more from it, but the true book, as REST shows it, is around the trade.
    Overruled,
}

/// How REST `/book` answers for one token.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum RestBook {
    /// With the book.
    #[default]
    Up,
    /// With 503.
    Error,
    /// Not at all.
    Hang,
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// With a close frame after everything queued: what was written before it was read.
    #[default]
    Close,
    /// At once: what was written last may never be read.
    Abort,
}

/// A span in which one REST service fails.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which one.
    pub service: Service,
    /// How.
    pub mode: FaultMode,
    /// First second of the span, counted from the begin of the run.
    pub from_s: u32,
    /// Its length in seconds.
    pub for_s: u32,
}

/// One of the venue's REST services.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Books.
    Clob,
    /// Markets.
    Gamma,
    /// Trades.
    Data,
}

/// How a REST service fails during a [`Fault`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum FaultMode {
    /// 503 at once.
    Down,
    /// 429 with `Retry-After` in seconds.
    Limited,
    /// 429 with `Retry-After` as a moment.
    LimitedByDate,
    /// 400 `context canceled`, which is the venue's own trouble.
    Canceled,
    /// 403 and a page with `error code: 1010`.
    Blocked,
    /// No answer.
    Hang,
    /// The right answer, so many ms later, 120,000 at most: `{"slow": 2000}`.
    Slow(u64),
}

/// A scenario that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a known name nor a readable file.
    #[error("`{name}` is no scenario ({}) and no readable file", names().join(", "))]
    Unknown {
        /// As given.
        name: String,
        /// Why the file could not be read.
        #[source]
        source: std::io::Error,
    },
    /// Not the JSON of a scenario.
    #[error("`{name}` is not the JSON of a scenario")]
    Unreadable {
        /// As given.
        name: String,
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Values out of their range.
    #[error("scenario `{name}`: {}", faults.join("; "))]
    OutOfRange {
        /// The scenario's name.
        name: String,
        /// All that is wrong with it.
        faults: Vec<String>,
    },
}

/// The names of the scenarios that come with the program.
pub fn names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

impl Scenario {
    /// The scenario of this name, or in the file at this path.
    ///
    /// # Errors
    /// When there is neither, when it is not the JSON of a scenario, or a value is out of its range.
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        if let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
            return Self::read(name, text);
        }
        let unknown = |source| ScenarioError::Unknown { name: name.to_owned(), source };
        let text = std::fs::read_to_string(Path::new(name)).map_err(unknown)?;
        Self::read(name, &text)
    }

    /// The scenario of this JSON; `name` is only for messages.
    ///
    /// # Errors
    /// When it is not the JSON of a scenario, or a value is out of its range.
    pub fn read(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let unreadable = |source| ScenarioError::Unreadable { name: name.to_owned(), source };
        let scenario: Self = serde_json::from_str(text).map_err(unreadable)?;
        scenario.checked()
    }
}

impl Injection {
    /// Markets set aside for it.
    pub fn pool_size(&self) -> usize {
        if self.needs_market() { self.pool.unwrap_or(POOL) } else { 0 }
    }

    fn needs_market(&self) -> bool {
        match self.what {
            What::Trade
            | What::DoubleFill
            | What::RepeatPriceChange
            | What::TickSizeChange
            | What::StaleSnapshot
            | What::OddHash
            | What::UnknownEvent
            | What::HugeFrame
            | What::NotUtf8
            | What::Garbage => true,
            What::Reconnect
            | What::Freeze
            | What::NewMarket
            | What::MarketResolved
            | What::SilentResolve
            | What::LostRemoval => false,
        }
    }
}

fn reserved() -> usize {
    RESERVED
}

fn one() -> u32 {
    1
}

fn a_million() -> usize {
    1_000_000
}

// === impl Default ===

impl Default for Proportions {
    /// What the venue's traffic was seen to be: 97 % price changes.
    fn default() -> Self {
        Self { best_bid_ask: 20, trade: 5, book: 5 }
    }
}

impl Default for TradeForm {
    fn default() -> Self {
        Self {
            age_s: [0, 0],
            size: SizeForm::Present,
            at_rest: true,
            side: SideForm::Present,
            hash: true,
            bare_hash: false,
            price: PriceForm::Near,
            rest_book: RestBook::Up,
        }
    }
}

#[cfg(test)]
mod tests;
