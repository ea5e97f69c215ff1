//! Replay: a file of recorded frames, sent again as if it were now.
//!
//! Knows: the two line formats, re-basing, what a frame does to the books. Never: a verdict; a recording has none.
//!
//! Timestamps are shifted in the text, so the book hashes in the frames no longer verify (they hold the old
//! timestamp); the opening books and REST books made here do. `Rebase::None` leaves every byte as it was.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Message;
use serde_json::Value;

use crate::book::Book;
use crate::clock;
use crate::expect::Expectation;
use crate::ledger::{Kind, Record};
use crate::market::{Market, Token};
use crate::names;
use crate::shared::{Phase, Shared};
use crate::units::{Price, Side, Size};
use crate::venue::{Print, Venue};

/// Largest file: all of it is held in memory.
const FILE_MAX: u64 = 256 * 1024 * 1024;
/// Digits of a timestamp in ms, until the year 2286.
const MS_DIGITS: usize = 13;

/// What happens to the timestamps of a recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rebase {
    /// Shifted to now: by a constant at 1x; faster, each frame to the moment of its sending.
    Now,
    /// Left as they are.
    None,
}

/// A recording that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("could not read the recording `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than 256 MiB.
    #[error("the recording `{}` has {bytes} bytes; at most {FILE_MAX} are held in memory", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// There is no frame that names a market.
    #[error("the recording `{}` has no frame that names a market and a token", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// One recorded frame.
#[derive(Debug)]
struct Line {
    /// When it was received, or else its own timestamp, or else that of the line before.
    at_ms: u64,
    text: String,
}

/// A recording, read.
#[derive(Debug)]
pub(crate) struct Recording {
    lines: Vec<Line>,
    /// Token ids by market, in the order they were met.
    markets: Vec<(String, Vec<String>)>,
}

impl Recording {
    /// Reads a file of one frame a line, plain or as `{"recv_ts":ms,"frame":"…"}`.
    pub(crate) fn open(path: &Path) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > FILE_MAX {
            return Err(ReplayError::TooLarge { path: path.to_owned(), bytes });
        }
        let recording = Self::of_text(&std::fs::read_to_string(path).map_err(failed)?);
        if recording.markets.is_empty() {
            return Err(ReplayError::Empty { path: path.to_owned() });
        }
        Ok(recording)
    }

    fn of_text(text: &str) -> Self {
        let mut recording = Self { lines: Vec::new(), markets: Vec::new() };
        let mut places = HashMap::new();
        let mut at_ms = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (received, text) = unwrap(line);
            let elements = elements(&text);
            let stamped = elements.iter().find_map(|element| number(element, "timestamp"));
            at_ms = received.or(stamped).unwrap_or(at_ms);
            for (market, token) in elements.iter().flat_map(tokens_of) {
                let place = *places.entry(market.clone()).or_insert_with(|| {
                    recording.markets.push((market, Vec::new()));
                    recording.markets.len() - 1
                });
                let tokens = &mut recording.markets[place].1;
                if !tokens.contains(&token) {
                    tokens.push(token);
                }
            }
            recording.lines.push(Line { at_ms, text });
        }
        recording
    }

    /// The markets of the recording. A token whose first frame is a book has that book from the start.
    /// Every market of the venue has two tokens: one that the recording does not name is invented.
    pub(crate) fn markets(&self, now_ms: u64) -> Vec<Market> {
        let outcomes = ["Yes", "No"];
        let token = |(at, id): (usize, &String)| Token {
            id: Arc::from(id.as_str()),
            outcome: outcomes.get(at).map_or_else(|| format!("Outcome {at}"), |name| (*name).to_owned()),
            book: Book::empty(),
        };
        let markets = self.markets.iter().enumerate().map(|(number, (condition_id, tokens))| {
            let mut tokens: Vec<Token> = tokens.iter().enumerate().map(token).collect();
            if tokens.len() == 1 {
                let invented = names::token_id(&mut fastrand::Rng::with_seed(number as u64));
                tokens.push(token((1, &invented)));
            }
            Market::recorded(number, Arc::from(condition_id.as_str()), tokens, now_ms)
        });
        markets.collect()
    }
}

/// Plays a recording, `speed` times as fast as it was, once a subscriber is there.
pub(crate) async fn run(
    recording: Recording,
    speed: u32,
    rebase: Rebase,
    shared: Arc<Shared>,
    at_first: bool,
) {
    let first_ms = recording.lines.first().map_or(0, |line| line.at_ms);
    prime(&recording, &mut shared.venue(), shift_of(rebase, first_ms, clock::now_ms()));
    if shared.may_begin(at_first).await {
        shared.phase.send_replace(Phase::Running);
        let (begun_at, begun_at_ms) = (Instant::now(), clock::now_ms());
        for line in &recording.lines {
            let into = Duration::from_millis(line.at_ms.saturating_sub(first_ms)) / speed.max(1);
            let pause = (begun_at + into).saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                () = shared.halt.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let now_ms = clock::now_ms();
            let shift = if speed > 1 {
                shift_of(rebase, line.at_ms, now_ms)
            } else {
                shift_of(rebase, first_ms, begun_at_ms)
            };
            play(line, shift, &mut shared.venue(), now_ms);
        }
    }
    shared.phase.send_replace(Phase::Over);
}

/// Gives each token the book that is the first thing said of it, as the opening book of early subscribers.
fn prime(recording: &Recording, venue: &mut Venue, shift: i64) {
    let mut met = std::collections::HashSet::new();
    for line in &recording.lines {
        for element in elements(&shifted(&line.text, shift)) {
            for (_, token) in tokens_of(&element) {
                if met.insert(token) && element["event_type"] == "book" {
                    learn(venue, &element);
                }
            }
        }
    }
}

fn play(line: &Line, shift: i64, venue: &mut Venue, now_ms: u64) {
    let text = shifted(&line.text, shift);
    let mut about = Vec::new();
    let mut records = Vec::new();
    for element in elements(&text) {
        learn(venue, &element);
        for (at, record) in records_of(venue, &element, now_ms) {
            about.push(at);
            records.push(record);
        }
    }
    venue.publish_across(&about, &Message::text(text), records);
}

/// What an element does to the books, and its fill.
fn learn(venue: &mut Venue, element: &Value) {
    let stamp_ms = number(element, "timestamp").unwrap_or(0);
    let changes = element["price_changes"].as_array();
    for (at, (_, id)) in tokens_of(element).iter().enumerate() {
        let Some((market, token)) = venue.token(id) else { continue };
        let book = &mut venue.markets[market].tokens[token].book;
        match element["event_type"].as_str() {
            Some("book") => {
                book.clear();
                for (side, levels) in [(Side::Buy, &element["bids"]), (Side::Sell, &element["asks"])] {
                    for level in levels.as_array().into_iter().flatten() {
                        set(book, side, level);
                    }
                }
                book.last_trade =
                    element["last_trade_price"].as_str().and_then(Price::parse).or(book.last_trade);
            }
            Some("price_change") => {
                let Some(entry) = changes.and_then(|changes| changes.get(at)) else { continue };
                let Some(side) = entry["side"].as_str().and_then(Side::parse) else { continue };
                set(book, side, entry);
            }
            Some("last_trade_price") => {
                let print = print_of(element, market, token);
                if let Some(print) = print {
                    venue.settle(&print);
                }
                continue;
            }
            _ => continue,
        }
        venue.markets[market].rehash_token(token, stamp_ms, &mut String::new());
    }
}

fn set(book: &mut Book, side: Side, level: &Value) {
    let price = level["price"].as_str().and_then(Price::parse);
    let size = level["size"].as_str().and_then(Size::parse);
    if let (Some(price), Some(size)) = (price, size) {
        book.set(side, price, size);
    }
}

fn print_of(element: &Value, market: usize, token: usize) -> Option<Print> {
    let size_text = element["size"].as_str();
    let side = Side::parse(element["side"].as_str()?)?;
    Some(Print {
        market,
        token,
        side,
        side_json: Some(side.json()),
        price: Price::parse(element["price"].as_str()?)?,
        size: size_text.and_then(Size::parse)?,
        size_text: size_text.map(str::to_owned),
        timestamp_ms: number(element, "timestamp")?,
        transaction_hash: element["transaction_hash"].as_str().unwrap_or_default().to_owned(),
        hash_text: element["transaction_hash"].as_str().map(str::to_owned),
        at_rest: true,
        expected: Expectation::clean(size_text.unwrap_or_default()),
    })
}

fn records_of(venue: &Venue, element: &Value, now_ms: u64) -> Vec<((usize, usize), Record)> {
    let kind = match element["event_type"].as_str() {
        Some("book") => Kind::Book,
        Some("price_change") => Kind::Price,
        Some("last_trade_price") => Kind::Trade,
        Some("best_bid_ask") => Kind::Quote,
        Some("tick_size_change") => Kind::TickSize,
        Some("new_market" | "market_resolved") => Kind::Market,
        _ => Kind::Garbage,
    };
    let stamp_ms = number(element, "timestamp").unwrap_or(0);
    let places = tokens_of(element);
    let entries = places.iter().enumerate().filter_map(|(at, (_, id))| {
        let place = venue.token(id)?;
        let detail = element["price_changes"].get(at).unwrap_or(element);
        let mut record = venue.record(place.0, place.1, kind, stamp_ms, now_ms);
        let price = |name: &str| detail[name].as_str().and_then(Price::parse);
        record.side = detail["side"].as_str().and_then(Side::parse);
        record.price = price("price");
        record.best = price("best_bid").zip(price("best_ask"));
        record.size = detail["size"].as_str().and_then(Size::parse);
        if kind == Kind::Trade {
            record.special = Some(Box::new(crate::ledger::Special {
                size: detail["size"].as_str().map(str::to_owned),
                transaction_hash: detail["transaction_hash"].as_str().map(str::to_owned),
                ..crate::ledger::Special::default()
            }));
        }
        Some((place, record))
    });
    entries.collect()
}

/// Market and token of each thing an element tells, in its order.
fn tokens_of(element: &Value) -> Vec<(String, String)> {
    let Some(market) = element["market"].as_str() else { return Vec::new() };
    let of = |value: &Value| value["asset_id"].as_str().map(|token| (market.to_owned(), token.to_owned()));
    match element["price_changes"].as_array() {
        Some(changes) => changes.iter().filter_map(of).collect(),
        None => of(element).into_iter().collect(),
    }
}

fn elements(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    }
}

fn unwrap(line: &str) -> (Option<u64>, String) {
    let wrapped = serde_json::from_str::<Value>(line).ok().filter(|value| value["frame"].is_string());
    match wrapped {
        Some(value) => (value["recv_ts"].as_u64(), value["frame"].as_str().unwrap_or_default().to_owned()),
        None => (None, line.to_owned()),
    }
}

fn number(element: &Value, name: &str) -> Option<u64> {
    element[name].as_str().and_then(|text| text.parse().ok()).or_else(|| element[name].as_u64())
}

fn shift_of(rebase: Rebase, recorded_ms: u64, now_ms: u64) -> i64 {
    match rebase {
        Rebase::None => 0,
        Rebase::Now => i64::try_from(now_ms).unwrap_or(0) - i64::try_from(recorded_ms).unwrap_or(0),
    }
}

/// The text with every `"timestamp"` in ms moved by `shift`; all other bytes stay.
fn shifted(text: &str, shift: i64) -> String {
    const KEY: &str = "\"timestamp\"";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(KEY).filter(|_| shift != 0) {
        let (before, after) = rest.split_at(found + KEY.len());
        out.push_str(before);
        let digits_at =
            after.find(|character: char| !matches!(character, ' ' | ':' | '"')).unwrap_or(after.len());
        let (between, value) = after.split_at(digits_at);
        out.push_str(between);
        let end = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
        match value[..end].parse::<u64>() {
            Ok(moment) if end == MS_DIGITS => out.push_str(&moment.saturating_add_signed(shift).to_string()),
            _ => out.push_str(&value[..end]),
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_timestamps_in_milliseconds_are_shifted_whatever_the_white_space() {
        let text = "[{\"timestamp\":\"1790000000123\",\"price\":\"0.5\"}, {\"timestamp\" : 1790000000124, \"n\":1790000000124}, \
                    {\"timestamp\":\"1790000000\"}]";
        let wanted = "[{\"timestamp\":\"1790000001123\",\"price\":\"0.5\"}, {\"timestamp\" : 1790000001124, \"n\":1790000000124}, \
                      {\"timestamp\":\"1790000000\"}]";
        assert_eq!(shifted(text, 1_000), wanted);
        assert_eq!(shifted(text, 0), text);
    }

    #[test]
    fn plain_and_wrapped_lines_are_the_same_recording() {
        let plain = "{\"market\":\"0xc0\",\"asset_id\":\"1\",\"timestamp\":\"1790000000123\",\"event_type\":\"book\",\"bids\":[],\"asks\":[]}";
        let wrapped = serde_json::json!({ "recv_ts": 1_790_000_000_200_u64, "frame": plain }).to_string();
        let (one, other) = (Recording::of_text(plain), Recording::of_text(&wrapped));
        assert_eq!((one.lines[0].at_ms, other.lines[0].at_ms), (1_790_000_000_123, 1_790_000_000_200));
        assert_eq!(one.lines[0].text, other.lines[0].text);
        assert_eq!(one.markets, other.markets);
        assert_eq!(one.markets, [("0xc0".to_owned(), vec!["1".to_owned()])]);
    }

    #[test]
    fn a_file_that_is_not_there_or_names_no_market_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.jsonl");
        assert!(matches!(Recording::open(&path), Err(ReplayError::Read { .. })));
        std::fs::write(&path, "PONG\n[]\n").unwrap();
        assert!(matches!(Recording::open(&path), Err(ReplayError::Empty { .. })));
    }
}
