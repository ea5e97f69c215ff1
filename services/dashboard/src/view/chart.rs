//! Answers of `/api/tokens/{token_id}/book` and `/api/tokens/{token_id}/chart`.
//!
//! Knows: their members. Never: a statement.

use contract::ids::{TickId, TokenId};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::history::Gap;

/// A book, the best levels first.
#[derive(Debug, Serialize)]
pub(crate) struct Ladder<'a> {
    token_id: &'a TokenId,
    /// When the feed read the last change in it.
    at: Timestamp,
    bids: Vec<(Decimal, Decimal)>,
    asks: Vec<(Decimal, Decimal)>,
    /// Of the book that was stored last; changes since then are not checked.
    hash_ok: Option<bool>,
    source_received_at: Timestamp,
}

/// What happened to a token in a span.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    from: Timestamp,
    to: Timestamp,
    step_s: u32,
    prices: Vec<Point>,
    trades: Vec<Trade>,
    trades_cut: bool,
    gaps: Vec<Gap>,
    /// Since when the market is known: before it nobody listened.
    known_from: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Point {
    at: Timestamp,
    bid: Option<Decimal>,
    ask: Option<Decimal>,
}

#[derive(Debug, Serialize)]
struct Trade {
    at: Timestamp,
    id: TickId,
    price: Decimal,
    size: Option<Decimal>,
    side: Option<String>,
    verdict: String,
    reasons: Vec<String>,
    origin: String,
}

// === impl Ladder ===

impl<'a> Ladder<'a> {
    /// The best `levels` of each side.
    pub(crate) fn of(token_id: &'a TokenId, ladder: &store::Ladder, levels: usize) -> Self {
        Self {
            token_id,
            at: ladder.at,
            bids: ladder.bids.iter().take(levels).copied().collect(),
            asks: ladder.asks.iter().take(levels).copied().collect(),
            hash_ok: ladder.hash_ok,
            source_received_at: ladder.received_at,
        }
    }
}

// === impl Chart ===

impl Chart {
    /// The chart of a span.
    pub(crate) fn of(chart: store::Chart, (from, to): (Timestamp, Timestamp), step_s: u32) -> Self {
        let point = |price: store::ChartPrice| Point { at: price.at, bid: price.bid, ask: price.ask };
        let trade = |trade: store::ChartTrade| Trade {
            at: trade.at,
            id: trade.id,
            price: trade.price,
            size: trade.size,
            side: trade.side,
            verdict: trade.verdict,
            reasons: trade.reasons,
            origin: trade.origin,
        };
        Self {
            from,
            to,
            step_s,
            prices: chart.prices.into_iter().map(point).collect(),
            trades: chart.trades.into_iter().map(trade).collect(),
            trades_cut: chart.trades_cut,
            gaps: chart.gaps.into_iter().map(|gap| Gap::of_row(gap, None)).collect(),
            known_from: chart.known_from,
        }
    }
}
