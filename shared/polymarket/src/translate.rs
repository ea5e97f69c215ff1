//! From the venue's frames to our ticks; the only crossing between the two vocabularies.
//!
//! Knows: both sides, and which values are no values. Never: a book, a clock, an ordinal.

mod announced;

use std::borrow::Cow;

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

/// What the venue answers to a subscription that it does not understand.
const NOT_UNDERSTOOD: &str = "INVALID OPERATION";

/// What one frame said, element by element.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A tick; its id carries no ordinal yet.
    Tick(Tick),
    /// A market came into being; it has no tokens where the frame names none that can be read.
    NewMarket(Box<Market>),
    /// A market was resolved.
    Resolved(ConditionId, Resolution),
    /// So many hashes, of books or transactions, that are none: their ticks are here, without them.
    HashUnreadable(u64),
    /// `INVALID OPERATION`: the venue did not understand what we subscribed.
    NotUnderstood,
    /// A sign of life or an empty answer: no data.
    Nothing(Quiet),
    /// An element that could not be understood, with its bytes. Its neighbours are not touched.
    Refused {
        /// What is wrong with it.
        error: String,
        /// The element as it stood in the frame.
        bytes: &'a str,
    },
}

/// Frames without data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quiet {
    /// Answer to our `PING`.
    Pong,
    /// The venue asks for a sign of life.
    Ping,
    /// `[]`, `NO NEW ASSETS` or an empty frame: nothing to tell.
    Empty,
}

type Outcome<T> = Result<T, String>;

/// Reads one text frame that was received at `received_at`.
pub fn frame(text: &str, received_at: Timestamp) -> Vec<Heard<'_>> {
    let trimmed = text.trim();
    if let Some(quiet) = quiet(trimmed) {
        return vec![Heard::Nothing(quiet)];
    }
    if trimmed == NOT_UNDERSTOOD {
        return vec![Heard::NotUnderstood];
    }
    if !trimmed.starts_with('[') {
        let mut heard = Vec::with_capacity(2);
        element(trimmed, received_at, &mut heard);
        return heard;
    }
    match serde_json::from_str::<Vec<&RawValue>>(trimmed) {
        Ok(list) if list.is_empty() => vec![Heard::Nothing(Quiet::Empty)],
        Ok(list) => {
            let mut heard = Vec::with_capacity(list.len());
            for raw in list {
                element(raw.get(), received_at, &mut heard);
            }
            heard
        }
        Err(error) => vec![Heard::Refused { error: format!("no JSON: {error}"), bytes: text }],
    }
}

fn quiet(text: &str) -> Option<Quiet> {
    match text {
        "" | "NO NEW ASSETS" => Some(Quiet::Empty),
        _ if text.eq_ignore_ascii_case("pong") => Some(Quiet::Pong),
        _ if text.eq_ignore_ascii_case("ping") => Some(Quiet::Ping),
        _ => None,
    }
}

fn element<'a>(raw: &'a str, received_at: Timestamp, heard: &mut Vec<Heard<'a>>) {
    let (before, mut odd) = (heard.len(), 0);
    if let Err(error) = understood(raw, received_at, heard, &mut odd) {
        heard.truncate(before);
        heard.push(Heard::Refused { error, bytes: raw });
    } else if odd > 0 {
        heard.push(Heard::HashUnreadable(odd));
    }
}

fn understood<'a>(
    raw: &'a str,
    received_at: Timestamp,
    heard: &mut Vec<Heard<'a>>,
    odd: &mut u64,
) -> Outcome<()> {
    let peek: wire::Peek<'a> = parse(raw)?;
    let kind = match peek.event_type {
        Some(scalar) => scalar.text().ok_or("`event_type` is no text")?,
        None if peek.price_changes.is_some() || peek.changes.is_some() => Cow::Borrowed("price_change"),
        None if peek.bids.is_some() => Cow::Borrowed("book"),
        None => match peek.error.and_then(|scalar| scalar.text()) {
            Some(error) => return Err(format!("the venue reports an error: {error}")),
            None => return Err("`event_type` is missing".to_owned()),
        },
    };
    heard.push(match kind.as_ref() {
        "price_change" if peek.price_changes.is_some() => {
            return price_changes(&parse(raw)?, received_at, heard, odd);
        }
        "price_change" => return old_changes(&parse(raw)?, received_at, heard, odd),
        "book" => Heard::Tick(Tick::Book(book(&parse(raw)?, received_at, odd)?)),
        "last_trade_price" => Heard::Tick(Tick::Trade(Box::new(trade(&parse(raw)?, received_at, odd)?))),
        "best_bid_ask" => Heard::Tick(Tick::Quote(quote(&parse(raw)?, received_at)?)),
        "tick_size_change" => Heard::Tick(Tick::TickSize(grid(&parse(raw)?, received_at)?)),
        "new_market" => Heard::NewMarket(Box::new(announced::new_market(&parse(raw)?, received_at)?)),
        "market_resolved" => {
            let (market, resolution) = announced::resolved(&parse(raw)?, received_at)?;
            Heard::Resolved(market, resolution)
        }
        other => return Err(format!("unknown event type `{}`", other.chars().take(40).collect::<String>())),
    });
    Ok(())
}

fn price_changes<'a>(
    wire: &wire::PriceChanges<'a>,
    received_at: Timestamp,
    heard: &mut Vec<Heard<'a>>,
    odd: &mut u64,
) -> Outcome<()> {
    let (market, changed_at) = (condition(&wire.market)?, moment(&wire.timestamp)?);
    for raw in &wire.entries {
        let entry = parse::<wire::Change<'a>>(raw.get()).and_then(|change| {
            let token = change.asset_id.as_ref().ok_or("`asset_id` is missing")?;
            let hash = book_hash(change.hash.as_ref(), odd);
            change_tick(&change, &market, token_id(token)?, hash, changed_at, received_at)
        });
        heard.push(match entry {
            Ok(tick) => Heard::Tick(tick),
            Err(error) => Heard::Refused { error, bytes: raw.get() },
        });
    }
    Ok(())
}

fn old_changes<'a>(
    wire: &wire::OldChanges<'a>,
    received_at: Timestamp,
    heard: &mut Vec<Heard<'a>>,
    odd: &mut u64,
) -> Outcome<()> {
    let (market, changed_at, token) =
        (condition(&wire.market)?, moment(&wire.timestamp)?, token_id(&wire.asset_id)?);
    let hash = book_hash(wire.hash.as_ref(), odd);
    for raw in &wire.changes {
        let entry = parse::<wire::Change<'a>>(raw.get()).and_then(|change| {
            change_tick(&change, &market, token.clone(), hash.clone(), changed_at, received_at)
        });
        heard.push(match entry {
            Ok(tick) => Heard::Tick(tick),
            Err(error) => Heard::Refused { error, bytes: raw.get() },
        });
    }
    Ok(())
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
        bids: levels(&wire.bids, "bids")?,
        asks: levels(&wire.asks, "asks")?,
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

fn levels(wire: &[wire::Level<'_>], side: &str) -> Outcome<Vec<Level>> {
    if wire.len() > LEVELS_MAX {
        return Err(format!("{} levels of {side}: more than {LEVELS_MAX}", wire.len()));
    }
    let sized = wire.iter().map(|level| Ok(Level(price(&level.price)?, size(&level.size)?)));
    sized.filter(|level| level.as_ref().map_or(true, |level| !level.1.is_zero())).collect()
}

fn trade(wire: &wire::LastTrade<'_>, received_at: Timestamp, odd: &mut u64) -> Outcome<Trade> {
    let mut trade = Trade {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(&wire.market)?,
        token_id: token_id(&wire.asset_id)?,
        // Nullable in one of the venue's schemas: the trade is kept.
        side: wire.side.as_ref().and_then(|told| side(told).ok()),
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

fn parse<'a, T: Deserialize<'a>>(raw: &'a str) -> Outcome<T> {
    serde_json::from_str(raw).map_err(|error| format!("not as documented: {error}"))
}

/// The text of a member that may be absent, `null` or `""`.
fn filled<'a>(scalar: Option<&Scalar<'a>>) -> Option<Cow<'a, str>> {
    scalar.and_then(Scalar::text).filter(|text| !text.is_empty())
}

fn needed<'a>(scalar: &Scalar<'a>, what: &str) -> Outcome<Cow<'a, str>> {
    scalar.text().ok_or_else(|| format!("`{what}` is no text"))
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
    let text = filled(scalar)?;
    let hash = T::try_from(text.as_ref()).ok();
    *odd += u64::from(hash.is_none());
    hash
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
