//! Scenarios: data files that say what a run sends.
//!
//! Knows: their shape, their limits, the ones that come with the program. Never: how anything is sent.

use std::path::Path;

use serde::Deserialize;

/// Most markets of a scenario: what the venue had open on 2026-03-11, rounded up.
pub const MARKETS_MAX: usize = 36_000;
/// Highest rate that a scenario may ask for, in ticks a second.
pub const RATE_MAX: u32 = 50_000;
/// Most markets that a scenario may keep back for later.
pub const RESERVED_MAX: usize = 36_000;
/// Longest lag of opening books, in ms.
pub const DUMP_LAG_MAX_MS: u64 = 60_000;
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
    /// WebSocket upgrades that are let in within any one second. Default: all.
    #[serde(default)]
    pub connects_per_s: Option<u32>,
    /// The Data API has no v1. Default false.
    #[serde(default)]
    pub v1_gone: bool,
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
    /// Whether the frame has a transaction hash.
    pub hash: bool,
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
    /// 429 with `Retry-After`.
    Limited,
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

const EMBEDDED: &[(&str, &str)] = &[
    ("calm", include_str!("../scenarios/calm.json")),
    ("stale-trades", include_str!("../scenarios/stale-trades.json")),
    ("missing-sizes", include_str!("../scenarios/missing-sizes.json")),
    ("price-spikes", include_str!("../scenarios/price-spikes.json")),
    ("reconnect", include_str!("../scenarios/reconnect.json")),
    ("duplicates", include_str!("../scenarios/duplicates.json")),
    ("garbage", include_str!("../scenarios/garbage.json")),
    ("demo", include_str!("../scenarios/demo.json")),
    ("match-groups", include_str!("../scenarios/match-groups.json")),
    ("lagging-dump", include_str!("../scenarios/lagging-dump.json")),
    ("stale-snapshots", include_str!("../scenarios/stale-snapshots.json")),
    ("lost-removals", include_str!("../scenarios/lost-removals.json")),
    ("poison", include_str!("../scenarios/poison.json")),
    ("missing-books", include_str!("../scenarios/missing-books.json")),
    ("silent-resolve", include_str!("../scenarios/silent-resolve.json")),
    ("busy-door", include_str!("../scenarios/busy-door.json")),
    ("slow-rest", include_str!("../scenarios/slow-rest.json")),
    ("v1-gone", include_str!("../scenarios/v1-gone.json")),
    ("whole-venue", include_str!("../scenarios/whole-venue.json")),
];

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

    /// The scenario itself if every value is in its range.
    ///
    /// # Errors
    /// Names all values that are not.
    pub fn checked(self) -> Result<Self, ScenarioError> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        must((1..=MARKETS_MAX).contains(&self.markets), format!("markets must be 1 to {MARKETS_MAX}"));
        must((1..=RATE_MAX).contains(&self.rate_per_s), format!("rate_per_s must be 1 to {RATE_MAX}"));
        must(self.reserved <= RESERVED_MAX, format!("reserved must be 0 to {RESERVED_MAX}"));
        must(self.dump_lag_ms <= DUMP_LAG_MAX_MS, format!("dump_lag_ms must be 0 to {DUMP_LAG_MAX_MS}"));
        must(self.duration_s != Some(0), "duration_s must be at least 1, or null".to_owned());
        let Proportions { best_bid_ask, trade, book } = self.proportions;
        must(
            best_bid_ask.saturating_add(trade).saturating_add(book) <= 500,
            "the proportions of best_bid_ask, trade and book must be 500 together at most".to_owned(),
        );
        for (at, injection) in self.injections.iter().enumerate() {
            let once = injection.every_s.is_some() != injection.count.is_some();
            must(once, format!("injection {at} needs either every_s or count"));
            must(injection.every_s != Some(0), format!("injection {at}: every_s must be at least 1"));
            let bounded = injection.count.is_none() || self.duration_s.is_some();
            must(bounded, format!("injection {at}: count needs a duration_s"));
            must(
                injection.trade.age_s[0] <= injection.trade.age_s[1],
                format!("injection {at}: age_s runs backwards"),
            );
            must(
                (0..=500).contains(&injection.pool_size()),
                format!("injection {at}: pool must be 0 to 500"),
            );
            let housed = injection.pool_size() > 0 || !injection.needs_market();
            must(housed, format!("injection {at}: pool must be at least 1"));
        }
        for (at, fault) in self.faults.iter().enumerate() {
            let bounded = !matches!(fault.mode, FaultMode::Slow(ms) if ms > SLOW_MAX_MS);
            must(bounded, format!("fault {at}: slow must be 0 to {SLOW_MAX_MS}"));
        }
        if faults.is_empty() { Ok(self) } else { Err(ScenarioError::OutOfRange { name: self.name, faults }) }
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
            hash: true,
            price: PriceForm::Near,
            rest_book: RestBook::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_comes_with_the_program_can_be_read() {
        for name in names() {
            let scenario = Scenario::named(name).unwrap();
            assert_eq!(scenario.name, name);
            assert!(scenario.about.len() > 20, "{name} says what it shows");
        }
        assert_eq!(names().len(), 19);
    }

    #[test]
    fn calm_demo_and_the_whole_venue_run_without_end_and_the_others_end() {
        for name in names() {
            let endless = Scenario::named(name).unwrap().duration_s.is_none();
            assert_eq!(endless, ["calm", "demo", "whole-venue"].contains(&name), "{name}");
        }
    }

    #[test]
    fn all_faults_of_a_scenario_are_told_at_once() {
        let text = "{\"name\":\"bad\",\"about\":\"\",\"seed\":1,\"markets\":0,\"rate_per_s\":0,\"duration_s\":null,\
                    \"injections\":[{\"what\":\"trade\",\"count\":3},{\"what\":\"garbage\"}]}";
        let error = Scenario::read("bad", text).unwrap_err().to_string();
        for part in ["markets must", "rate_per_s must", "count needs a duration", "either every_s or count"] {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }

    #[test]
    fn what_a_scenario_leaves_out_has_its_default_and_limits_are_held() {
        let calm = Scenario::named("calm").unwrap();
        assert_eq!((calm.reserved, calm.dump_lag_ms, calm.poison_tokens), (16, 0, 0));
        assert!(calm.missing_books.is_empty() && calm.connects_per_s.is_none() && !calm.v1_gone);
        assert_eq!(Scenario::named("slow-rest").unwrap().faults[0].mode, FaultMode::Slow(2_000));
        let at = |reserved, dump_lag_ms| Scenario { reserved, dump_lag_ms, ..calm.clone() }.checked();
        assert!(at(36_000, 60_000).is_ok());
        let error = at(36_001, 60_001).unwrap_err().to_string();
        assert!(error.contains("reserved must") && error.contains("dump_lag_ms must"), "{error}");
    }

    #[test]
    fn an_unknown_name_and_an_unknown_member_are_refused() {
        assert!(matches!(Scenario::named("no-such-thing"), Err(ScenarioError::Unknown { .. })));
        assert!(matches!(Scenario::read("x", "{\"surprise\":1}"), Err(ScenarioError::Unreadable { .. })));
    }
}
