//! From the venue's frames to our ticks; the only crossing between the two vocabularies.
//!
//! Knows: both sides, and which values are no values. Never: a book, a clock, an ordinal.

mod announced;

use std::borrow::Cow;
use std::collections::BTreeMap;

use contract::dead_letter::PAYLOAD_KEPT_MAX;
use contract::ids::{BookHash, ConditionId, TickId, TokenId};
use contract::market::{Market, Resolution};
use contract::money::{Price, Size, plain_decimal};
use contract::tick::{Book, Level, Origin, PriceChange, Quote, Side, Tick, TickSizeChange, Trade};
use contract::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::{self, Scalar};

/// Most levels a side of a book may have; the deepest captured one has a few hundred.
const LEVELS_MAX: usize = 20_000;

/// Most parts of a frame that are read: elements of its array and entries of its price changes. The opening books of a
/// connection are at most 700 elements.
const PARTS_MAX: usize = 20_000;

/// Characters of the name of an unknown type that are kept.
const KIND_CHARS_MAX: usize = 40;
/// Most types of events unknown to us that are counted apart in one frame.
const UNKNOWN_MAX: usize = 8;

/// What the venue answers to a subscription that it does not understand.
const NOT_UNDERSTOOD: &str = "INVALID OPERATION";

/// What one frame said, part by part.
#[derive(Debug)]
pub enum FrameEvent<'a> {
    /// A tick; its id carries no ordinal yet.
    Tick(Tick),
    /// A market came into being; it has no tokens where the frame names none that can be read.
    NewMarket(Box<Market>),
    /// A market was resolved.
    Resolved(ConditionId, Resolution),
    /// Events of a type that this version does not know.
    Unknown {
        /// The type: letters, digits and `_`, at most 40.
        kind: String,
        /// How many; where a frame has many types, those of the last one are of others too.
        count: u64,
        /// The first of them, as far as a dead letter keeps it.
        sample: &'a str,
    },
    /// So many hashes, of books or transactions, that are none: their ticks are here, without them.
    HashUnreadable(u64),
    /// `INVALID OPERATION`: the venue did not understand what we subscribed.
    NotUnderstood,
    /// A sign of life or an empty answer: no data.
    Nothing(ControlFrame),
    /// All of the frame that could not be understood, in one; its neighbours are not touched.
    Refused {
        /// What is wrong with it: with the first part, where there are several.
        error: String,
        /// The frame from the first such part to the last, as far as a dead letter keeps it.
        bytes: &'a str,
    },
}

/// Frames without data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ControlFrame {
    /// Answer to our `PING`.
    Pong,
    /// The venue asks for a sign of life.
    Ping,
    /// `[]`, `NO NEW ASSETS` or an empty frame: nothing to tell.
    Empty,
}

type Outcome<T> = Result<T, String>;

/// Reads one text frame that was received at `received_at`.
///
/// It takes no more memory than a few times the frame, whatever stands in it.
pub fn frame(text: &str, received_at: Timestamp) -> Vec<FrameEvent<'_>> {
    let trimmed = text.trim();
    if let Some(quiet) = quiet(trimmed) {
        return vec![FrameEvent::Nothing(quiet)];
    }
    if trimmed == NOT_UNDERSTOOD {
        return vec![FrameEvent::NotUnderstood];
    }
    let mut reader = Reader {
        text: trimmed,
        received_at,
        parsed: Vec::new(),
        parts: 0,
        hashes_unreadable: 0,
        unknown: BTreeMap::new(),
        refused: None,
    };
    if trimmed.starts_with('[') {
        reader.list(trimmed, Reader::element);
    } else {
        reader.element(trimmed);
    }
    reader.finish()
}

fn quiet(text: &str) -> Option<ControlFrame> {
    match text {
        "" | "NO NEW ASSETS" => Some(ControlFrame::Empty),
        _ if text.eq_ignore_ascii_case("pong") => Some(ControlFrame::Pong),
        _ if text.eq_ignore_ascii_case("ping") => Some(ControlFrame::Ping),
        _ => None,
    }
}

/// Reads one frame.
struct Reader<'a> {
    text: &'a str,
    received_at: Timestamp,
    parsed: Vec<FrameEvent<'a>>,
    parts: usize,
    hashes_unreadable: u64,
    /// By type: how many, and the first.
    unknown: BTreeMap<String, (u64, &'a str)>,
    refused: Option<Refused>,
}

/// What was not understood so far.
struct Refused {
    parts: u64,
    /// What is wrong with the first.
    error: String,
    /// Where the first begins and the last ends, in the frame.
    from: usize,
    to: usize,
}

impl<'a> Reader<'a> {
    /// Hands on each part of a list; where the list breaks, or has too many, the rest of it is refused as one part.
    fn list(&mut self, list: &'a str, mut take: impl FnMut(&mut Self, &'a str)) {
        let mut read_to = 0;
        let read = wire::each(list, |raw| {
            if self.parts == PARTS_MAX {
                return Err(format!("more than {PARTS_MAX} parts"));
            }
            self.parts += 1;
            take(self, raw);
            read_to = place(list, raw) + raw.len();
            Ok(())
        });
        if let Err(error) = read {
            self.refuse(error, &list[read_to..]);
        }
    }

    fn element(&mut self, raw: &'a str) {
        if let Err(error) = self.understand(raw) {
            self.refuse(error, raw);
        }
    }

    fn understand(&mut self, raw: &'a str) -> Outcome<()> {
        let peek: wire::EventHeader<'a> = object(raw)?;
        let kind = match peek.event_type {
            Some(scalar) => scalar.text().ok_or("`event_type` is no text")?,
            None if peek.price_changes.is_some() || peek.changes.is_some() => Cow::Borrowed("price_change"),
            None if peek.bids.is_some() => Cow::Borrowed("book"),
            None => match peek.error.and_then(|scalar| scalar.text()) {
                Some(error) => return Err(format!("the venue reports an error: {error}")),
                None => return Err("`event_type` is missing".to_owned()),
            },
        };
        let (received_at, mut odd) = (self.received_at, 0);
        let parsed = match kind.as_ref() {
            "price_change" if peek.price_changes.is_some() => return self.price_changes(&object(raw)?),
            "price_change" => return self.old_changes(&object(raw)?),
            "book" => FrameEvent::Tick(Tick::Book(book(&object(raw)?, received_at, &mut odd)?)),
            "last_trade_price" => {
                FrameEvent::Tick(Tick::Trade(Box::new(trade(&object(raw)?, received_at, &mut odd)?)))
            }
            "best_bid_ask" => FrameEvent::Tick(Tick::Quote(quote(&object(raw)?, received_at)?)),
            "tick_size_change" => FrameEvent::Tick(Tick::TickSize(grid(&object(raw)?, received_at)?)),
            "new_market" => {
                FrameEvent::NewMarket(Box::new(announced::new_market(&object(raw)?, received_at)?))
            }
            "market_resolved" => {
                let (market, resolution) = announced::resolved(&object(raw)?, received_at)?;
                FrameEvent::Resolved(market, resolution)
            }
            other => {
                self.note_unknown(other, raw);
                return Ok(());
            }
        };
        self.parsed.push(parsed);
        self.hashes_unreadable += odd;
        Ok(())
    }

    fn note_unknown(&mut self, kind: &str, raw: &'a str) {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let kind: String = kind.chars().take(KIND_CHARS_MAX).map(plain).collect();
        if self.unknown.len() < UNKNOWN_MAX || self.unknown.contains_key(&kind) {
            self.unknown.entry(kind).or_insert((0, raw)).0 += 1;
        } else if let Some(mut last) = self.unknown.last_entry() {
            last.get_mut().0 += 1;
        }
    }

    fn price_changes(&mut self, wire: &wire::PriceChanges<'a>) -> Outcome<()> {
        let (market, changed_at) = (condition(&wire.market)?, moment(&wire.timestamp)?);
        self.list(wire.entries.get(), |reader, raw| {
            let entry = object::<wire::Change<'a>>(raw).and_then(|change| {
                let token = change.asset_id.as_ref().ok_or("`asset_id` is missing")?;
                let hash = book_hash(change.hash.as_ref(), &mut reader.hashes_unreadable);
                change_tick(&change, &market, token_id(token)?, hash, changed_at, reader.received_at)
            });
            reader.entry(entry, raw);
        });
        Ok(())
    }

    fn old_changes(&mut self, wire: &wire::OldChanges<'a>) -> Outcome<()> {
        let (market, changed_at, token) =
            (condition(&wire.market)?, moment(&wire.timestamp)?, token_id(&wire.asset_id)?);
        let hash = book_hash(wire.hash.as_ref(), &mut self.hashes_unreadable);
        self.list(wire.changes.get(), |reader, raw| {
            let entry = object::<wire::Change<'a>>(raw).and_then(|change| {
                change_tick(&change, &market, token.clone(), hash.clone(), changed_at, reader.received_at)
            });
            reader.entry(entry, raw);
        });
        Ok(())
    }

    fn entry(&mut self, entry: Outcome<Tick>, raw: &'a str) {
        match entry {
            Ok(tick) => self.parsed.push(FrameEvent::Tick(tick)),
            Err(error) => self.refuse(error, raw),
        }
    }

    fn refuse(&mut self, error: String, part: &'a str) {
        let from = place(self.text, part);
        let to = from + part.len();
        match &mut self.refused {
            Some(refused) => (refused.parts, refused.to) = (refused.parts + 1, to),
            None => self.refused = Some(Refused { parts: 1, error, from, to }),
        }
    }

    fn finish(mut self) -> Vec<FrameEvent<'a>> {
        let is_list = self.text.starts_with('[');
        if is_list && self.parts == 0 && self.refused.is_none() {
            self.parsed.push(FrameEvent::Nothing(ControlFrame::Empty));
        }
        if self.hashes_unreadable > 0 {
            self.parsed.push(FrameEvent::HashUnreadable(self.hashes_unreadable));
        }
        for (kind, (count, raw)) in self.unknown {
            let sample = &raw[..raw.floor_char_boundary(PAYLOAD_KEPT_MAX)];
            self.parsed.push(FrameEvent::Unknown { kind, count, sample });
        }
        if let Some(Refused { parts, mut error, from, to }) = self.refused {
            if parts > 1 {
                error = format!("{parts} parts of a frame, the first: {error}");
            }
            let kept = self.text.floor_char_boundary(to.min(from + PAYLOAD_KEPT_MAX));
            if kept < to {
                error = format!("{error} (cut from {} bytes)", to - from);
            }
            self.parsed.push(FrameEvent::Refused { error, bytes: &self.text[from..kept] });
        }
        self.parsed
    }
}

/// Where a part begins within the whole that it was taken from.
fn place(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

fn change_tick(
    wire: &wire::Change<'_>,
    market: &ConditionId,
    token_id: TokenId,
    hash: Option<BookHash>,
    changed_at: Timestamp,
    received_at: Timestamp,
) -> Outcome<Tick> {
    let mut change = PriceChange {
        id: TickId::of_bytes([0; 16]),
        condition_id: market.clone(),
        token_id,
        side: side(&wire.side)?,
        price: price(&wire.price)?,
        size: size(&wire.size)?,
        best_bid: best(wire.best_bid.as_ref(), Side::Buy)?,
        best_ask: best(wire.best_ask.as_ref(), Side::Sell)?,
        hash,
        changed_at,
        received_at,
    };
    change.id = change.content_id();
    Ok(Tick::Price(change))
}

fn book(wire: &wire::Book<'_>, received_at: Timestamp, odd: &mut u64) -> Outcome<Book> {
    let mut book = Book {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(&wire.market)?,
        token_id: token_id(&wire.asset_id)?,
        bids: levels(wire.bids, "bids")?,
        asks: levels(wire.asks, "asks")?,
        hash: book_hash(wire.hash.as_ref(), odd),
        hash_ok: None,
        tick_size: filled(wire.tick_size.as_ref()).map(|text| decimal(&text)).transpose()?,
        last_trade_price: filled(wire.last_trade_price.as_ref()).map(|text| price_text(&text)).transpose()?,
        changed_at: moment(&wire.timestamp)?,
        received_at,
    };
    // Both orders occur: the documentation's and, on the wire, its opposite.
    book.bids.sort_unstable_by_key(|level| std::cmp::Reverse(level.0));
    book.asks.sort_unstable_by_key(|level| level.0);
    for side in [&book.bids, &book.asks] {
        if let Some(pair) = side.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("the level {} stands twice in the book", pair[0].0));
        }
    }
    book.id = book.content_id();
    Ok(book)
}

fn levels(list: &RawValue, side: &str) -> Outcome<Vec<Level>> {
    let (mut levels, mut count) = (Vec::new(), 0);
    if list.get() == "null" {
        return Ok(levels);
    }
    let read = wire::each(list.get(), |raw| {
        count += 1;
        if count > LEVELS_MAX {
            return Err(format!("more than {LEVELS_MAX} levels"));
        }
        let wire: wire::Level<'_> = object(raw)?;
        let level = Level(price(&wire.price)?, size(&wire.size)?);
        if !level.1.is_zero() {
            levels.push(level);
        }
        Ok(())
    });
    read.map_err(|error| format!("{side}: {error}"))?;
    levels.shrink_to_fit();
    Ok(levels)
}

fn trade(wire: &wire::LastTrade<'_>, received_at: Timestamp, odd: &mut u64) -> Outcome<Trade> {
    let mut trade = Trade {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(&wire.market)?,
        token_id: token_id(&wire.asset_id)?,
        // Nullable in one of the venue's schemas: the trade is kept.
        side: wire.side.as_ref().and_then(|text| side(text).ok()),
        price: price(&wire.price)?,
        // Absent, empty, zero, negative or no number: no usable size, which is G3's question.
        size: filled(wire.size.as_ref())
            .and_then(|text| Size::of_text(&text).ok())
            .filter(|size| !size.is_zero()),
        origin: Origin::Socket,
        executed_at: moment(&wire.timestamp)?,
        received_at,
        // An odd hash is no hash: the trade is kept.
        transaction_hash: readable(wire.transaction_hash.as_ref(), odd),
        price_before: None,
        prevailing: None,
    };
    trade.id = trade.content_id();
    Ok(trade)
}

fn quote(wire: &wire::BestBidAsk<'_>, received_at: Timestamp) -> Outcome<Quote> {
    let mut quote = Quote {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(&wire.market)?,
        token_id: token_id(&wire.asset_id)?,
        best_bid: best(wire.best_bid.as_ref(), Side::Buy)?,
        best_ask: best(wire.best_ask.as_ref(), Side::Sell)?,
        changed_at: moment(&wire.timestamp)?,
        received_at,
    };
    quote.id = quote.content_id();
    Ok(quote)
}

fn grid(wire: &wire::TickSizeChange<'_>, received_at: Timestamp) -> Outcome<TickSizeChange> {
    let new_tick_size = filled(Some(&wire.new_tick_size)).ok_or("`new_tick_size` is empty")?;
    let mut change = TickSizeChange {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(&wire.market)?,
        token_id: token_id(&wire.asset_id)?,
        old_tick_size: filled(wire.old_tick_size.as_ref()).map(|text| decimal(&text)).transpose()?,
        new_tick_size: decimal(&new_tick_size)?,
        changed_at: moment(&wire.timestamp)?,
        received_at,
    };
    change.id = change.content_id();
    Ok(change)
}

/// Reads an object; a list of its members without their names is none, although the library would take it.
fn object<'a, T: Deserialize<'a>>(raw: &'a str) -> Outcome<T> {
    if !raw.starts_with('{') {
        return Err("not as documented: no object".to_owned());
    }
    serde_json::from_str(raw).map_err(|error| format!("not as documented: {error}"))
}

/// The text of a member that may be absent, `null` or `""`.
fn filled<'a>(scalar: Option<&Scalar<'a>>) -> Option<Cow<'a, str>> {
    scalar.and_then(Scalar::text).filter(|text| !text.is_empty())
}

fn needed<'a>(scalar: &Scalar<'a>, what: &str) -> Outcome<Cow<'a, str>> {
    scalar.text().ok_or_else(|| format!("`{what}` is no text, or too long"))
}

fn condition(scalar: &Scalar<'_>) -> Outcome<ConditionId> {
    ConditionId::try_from(needed(scalar, "market")?.as_ref()).map_err(|odd| odd.to_string())
}

fn token_id(scalar: &Scalar<'_>) -> Outcome<TokenId> {
    TokenId::try_from(needed(scalar, "asset_id")?.as_ref()).map_err(|odd| odd.to_string())
}

fn moment(scalar: &Scalar<'_>) -> Outcome<Timestamp> {
    Timestamp::of_venue_millis(&needed(scalar, "timestamp")?).map_err(|odd| odd.to_string())
}

fn side(scalar: &Scalar<'_>) -> Outcome<Side> {
    let text = needed(scalar, "side")?;
    if text.eq_ignore_ascii_case("BUY") {
        Ok(Side::Buy)
    } else if text.eq_ignore_ascii_case("SELL") {
        Ok(Side::Sell)
    } else {
        Err(format!("side `{}` is neither BUY nor SELL", text.chars().take(20).collect::<String>()))
    }
}

fn price(scalar: &Scalar<'_>) -> Outcome<Price> {
    price_text(&needed(scalar, "price")?)
}

fn price_text(text: &str) -> Outcome<Price> {
    Price::of_text(text).map_err(|odd| odd.to_string())
}

fn size(scalar: &Scalar<'_>) -> Outcome<Size> {
    Size::of_text(&needed(scalar, "size")?).map_err(|odd| odd.to_string())
}

fn decimal(text: &str) -> Outcome<rust_decimal::Decimal> {
    plain_decimal(text).map_err(|odd| odd.to_string())
}

/// A stated best price. An empty side is written as "", as "0" (bid) or as "1" or "0" (ask).
fn best(scalar: Option<&Scalar<'_>>, side: Side) -> Outcome<Option<Price>> {
    let Some(text) = filled(scalar) else { return Ok(None) };
    let price = price_text(&text)?;
    let one = price.decimal() == rust_decimal::Decimal::ONE;
    Ok((price != Price::ZERO && !(side == Side::Sell && one)).then_some(price))
}

fn book_hash(scalar: Option<&Scalar<'_>>, odd: &mut u64) -> Option<BookHash> {
    readable(scalar, odd)
}

/// A hash, if there is one; one that is none is counted. It is a check on the fact beside it, never a reason to lose it.
fn readable<T: for<'a> TryFrom<&'a str>>(scalar: Option<&Scalar<'_>>, odd: &mut u64) -> Option<T> {
    let scalar = scalar?;
    let hash = match filled(Some(scalar)) {
        Some(text) => T::try_from(text.as_ref()).ok(),
        None if scalar.is_too_long() => None,
        None => return None,
    };
    *odd += u64::from(hash.is_none());
    hash
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
