//! The texts of the market channel, byte for byte as the venue writes them.
//!
//! Knows: members, their order and the white space of each frame. Never: who gets it, when, why.

use crate::hash::push_levels;
use crate::market::{Market, tick_text};
use crate::units::{Price, Side, Size};

/// One entry of a price change, in the terms of its own token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) token: usize,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) size: Size,
}

/// What a trade frame says. Texts, since some are wrong on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trade<'a> {
    pub(crate) token: usize,
    pub(crate) price: &'a str,
    /// `None` leaves the member out.
    pub(crate) size: Option<&'a str>,
    /// JSON; `None` leaves the member out.
    pub(crate) side: Option<&'a str>,
    pub(crate) timestamp_ms: u64,
    pub(crate) transaction_hash: Option<&'a str>,
}

/// A member that an opening book may lack (protocol reference 7, finding 10).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lack {
    /// `event_type`.
    Kind,
    /// `tick_size`.
    TickSize,
    /// `last_trade_price`.
    LastTrade,
}

/// Appends one opening book, an element of the opening array: no spaces, tick size and last trade price.
pub(crate) fn push_opening_book(out: &mut String, market: &Market, at: usize, lack: Option<Lack>) {
    let token = &market.tokens[at];
    open(out, market, at, ",");
    member(out, ",", "timestamp", &token.book.changed_at_ms.to_string());
    out.push_str(",\"hash\":\"");
    token.book.hash.push(out);
    out.push_str("\",\"bids\":");
    push_levels(out, token.book.levels(Side::Buy), ",");
    out.push_str(",\"asks\":");
    push_levels(out, token.book.levels(Side::Sell), ",");
    let last_trade = token.book.last_trade.map(Price::three_decimals).unwrap_or_default();
    for (kind, name, text) in [
        (Lack::TickSize, "tick_size", tick_text(market.tick).as_str()),
        (Lack::Kind, "event_type", "book"),
        (Lack::LastTrade, "last_trade_price", &last_trade),
    ] {
        if lack != Some(kind) {
            member(out, ",", name, text);
        }
    }
    out.push('}');
}

/// The book sent after a trade: other member order, spaces, neither tick size nor last trade price.
pub(crate) fn book(market: &Market, at: usize) -> String {
    let token = &market.tokens[at];
    let mut out = String::with_capacity(2048);
    open(&mut out, market, at, ", ");
    out.push_str(", \"bids\":");
    push_levels(&mut out, token.book.levels(Side::Buy), ", ");
    out.push_str(", \"asks\":");
    push_levels(&mut out, token.book.levels(Side::Sell), ", ");
    out.push_str(", \"hash\":\"");
    token.book.hash.push(&mut out);
    out.push('"');
    close(&mut out, token.book.changed_at_ms, "book");
    out
}

/// A price change. Hash and best prices of each entry are those its book has now: the caller applies the
/// whole match group first, so that each frame of the group carries the final state.
pub(crate) fn price_change(market: &Market, changes: &[Change], timestamp_ms: u64) -> String {
    let mut out = String::with_capacity(768);
    out.push_str("{\"market\":\"");
    out.push_str(&market.condition_id);
    out.push_str("\", \"price_changes\":[");
    for (index, change) in changes.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_change(&mut out, market, *change, None);
    }
    out.push(']');
    close(&mut out, timestamp_ms, "price_change");
    out
}

/// Appends one entry of a price change; `price_text` replaces the price where it is to be wrong.
pub(crate) fn push_change(out: &mut String, market: &Market, change: Change, price_text: Option<&str>) {
    let token = &market.tokens[change.token];
    out.push_str("{\"asset_id\":\"");
    out.push_str(&token.id);
    out.push_str("\", \"price\":\"");
    match price_text {
        Some(text) => out.push_str(text),
        None => change.price.push(out),
    }
    out.push_str("\", \"size\":\"");
    change.size.push(out);
    out.push('"');
    member(out, ", ", "side", change.side.word());
    out.push_str(", \"hash\":\"");
    token.book.hash.push(out);
    out.push_str("\", \"best_bid\":\"");
    token.book.best_bid().push(out);
    out.push_str("\", \"best_ask\":\"");
    token.book.best_ask().push(out);
    out.push_str("\"}");
}

/// A trade: the only frame with a traded size.
pub(crate) fn last_trade_price(market: &Market, trade: Trade<'_>) -> String {
    let mut out = String::with_capacity(420);
    open(&mut out, market, trade.token, ", ");
    member(&mut out, ", ", "price", trade.price);
    if let Some(size) = trade.size {
        member(&mut out, ", ", "size", size);
    }
    member(&mut out, ", ", "fee_rate_bps", "0");
    if let Some(side) = trade.side {
        for part in [", \"side\":", side] {
            out.push_str(part);
        }
    }
    member(&mut out, ", ", "timestamp", &trade.timestamp_ms.to_string());
    member(&mut out, ", ", "event_type", "last_trade_price");
    if let Some(hash) = trade.transaction_hash {
        member(&mut out, ", ", "transaction_hash", hash);
    }
    out.push('}');
    out
}

/// The best prices of a token.
pub(crate) fn best_bid_ask(market: &Market, at: usize, timestamp_ms: u64) -> String {
    let book = &market.tokens[at].book;
    let (bid, ask) = (book.best_bid(), book.best_ask());
    let mut out = String::with_capacity(320);
    open(&mut out, market, at, ", ");
    member(&mut out, ", ", "best_bid", &bid.to_string());
    member(&mut out, ", ", "best_ask", &ask.to_string());
    member(&mut out, ", ", "spread", &ask.moved(-i32::from(bid.units())).to_string());
    close(&mut out, timestamp_ms, "best_bid_ask");
    out
}

/// A change of the smallest price step, from `old_tick` to the market's present one.
pub(crate) fn tick_size_change(market: &Market, at: usize, old_tick: u16, timestamp_ms: u64) -> String {
    let mut out = String::with_capacity(320);
    open(&mut out, market, at, ", ");
    member(&mut out, ", ", "old_tick_size", &tick_text(old_tick));
    member(&mut out, ", ", "new_tick_size", &tick_text(market.tick));
    close(&mut out, timestamp_ms, "tick_size_change");
    out
}

/// The announcement of a market that nobody can subscribe to before.
pub(crate) fn new_market(market: &Market, timestamp_ms: u64) -> String {
    let tokens = quoted_list(market.tokens.iter().map(|token| token.id.to_string()));
    let outcomes = quoted_list(market.tokens.iter().map(|token| token.outcome.clone()));
    let (id, words, slug) = (gamma_id(market), quoted(&market.question), quoted(&market.slug));
    let (condition, tick) = (&market.condition_id, tick_text(market.tick));
    format!(
        "{{\"id\":\"{id}\", \"question\":{words}, \"market\":\"{condition}\", \"slug\":{slug}, \"description\":{words}, \
         \"assets_ids\":{tokens}, \"outcomes\":{outcomes}, \"event_message\":{{\"id\":\"{id}\", \"ticker\":{slug}, \
         \"slug\":{slug}, \"title\":{words}, \"description\":{words}}}, \"timestamp\":\"{timestamp_ms}\", \
         \"event_type\":\"new_market\", \"tags\":[], \"condition_id\":\"{condition}\", \"active\":false, \
         \"clob_token_ids\":{tokens}, \"sports_market_type\":\"\", \"line\":\"\", \"game_start_time\":\"\", \
         \"order_price_min_tick_size\":\"{tick}\", \"group_item_title\":\"\", \"taker_base_fee\":\"0\", \
         \"fees_enabled\":false, \"fee_schedule\":{{\"exponent\":\"1\", \"rate\":\"0\", \"taker_only\":true, \
         \"rebate_rate\":\"0\"}}}}"
    )
}

/// The end of a market and the outcome that won (of a market without tokens: none).
pub(crate) fn market_resolved(market: &Market, timestamp_ms: u64) -> String {
    let tokens = quoted_list(market.tokens.iter().map(|token| token.id.to_string()));
    let (id, condition) = (gamma_id(market), &market.condition_id);
    let winner = market.tokens.get(market.winner).map(|token| (&*token.id, token.outcome.as_str()));
    let (winner_id, outcome) = winner.unwrap_or_default();
    let outcome = quoted(outcome);
    format!(
        "{{\"id\":\"{id}\", \"market\":\"{condition}\", \"assets_ids\":{tokens}, \"winning_asset_id\":\"{winner_id}\", \
         \"winning_outcome\":{outcome}, \"event_message\":null, \"timestamp\":\"{timestamp_ms}\", \
         \"event_type\":\"market_resolved\", \"tags\":[]}}"
    )
}

/// A frame of a type that nobody knows.
pub(crate) fn unknown_event(market: &Market, at: usize, sequence: u32, timestamp_ms: u64) -> String {
    let mut out = String::with_capacity(320);
    open(&mut out, market, at, ", ");
    out.push_str(", \"sequence\":");
    out.push_str(&sequence.to_string());
    close(&mut out, timestamp_ms, "settlement_preview");
    out
}

/// Gamma's own number of a market, as text.
pub(crate) fn gamma_id(market: &Market) -> String {
    market.row.as_ref().map_or_else(|| (500_000 + market.number).to_string(), |row| row.id.clone())
}

/// A JSON string of any text.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON array of strings with `", "` between them.
pub(crate) fn quoted_list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.map(|text| quoted(&text)).collect::<Vec<_>>().join(", "))
}

fn open(out: &mut String, market: &Market, at: usize, separator: &str) {
    out.push_str("{\"market\":\"");
    out.push_str(&market.condition_id);
    out.push('"');
    member(out, separator, "asset_id", &market.tokens[at].id);
}

fn close(out: &mut String, timestamp_ms: u64, event_type: &str) {
    member(out, ", ", "timestamp", &timestamp_ms.to_string());
    member(out, ", ", "event_type", event_type);
    out.push('}');
}

fn member(out: &mut String, separator: &str, name: &str, text: &str) {
    for part in [separator, "\"", name, "\":\"", text, "\""] {
        out.push_str(part);
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
