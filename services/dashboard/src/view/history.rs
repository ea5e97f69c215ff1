//! Answers of `/api/trades`, `/api/markets` and `/api/gaps`: rows of the database, page by page.
//!
//! Knows: members and the text of a place in a list. Never: a statement.

use contract::gap;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use store::Cursor;
use store::row;

use super::Number;

/// A page of a list, and where the next one begins.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    #[serde(flatten)]
    rows: Rows<T>,
    limit: usize,
    /// Give it as `before` (`after` for markets) to read on; null at the end of the list.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Rows<T> {
    Trades(Vec<T>),
    Markets(Vec<T>),
    Gaps(Vec<T>),
}

/// A row of `api.trades`.
#[derive(Debug, Serialize)]
pub(crate) struct Trade {
    id: TickId,
    condition_id: ConditionId,
    token_id: TokenId,
    question: Option<String>,
    outcome: Option<String>,
    side: Option<String>,
    price: Decimal,
    size: Option<Decimal>,
    size_source: Option<String>,
    origin: String,
    executed_at: Timestamp,
    received_at: Timestamp,
    judged_at: Timestamp,
    stored_at: Timestamp,
    age_s: Number,
    verdict: String,
    reasons: Vec<String>,
    best_bid: Option<Decimal>,
    best_ask: Option<Decimal>,
    deviation: Option<Decimal>,
    confirmed: Option<bool>,
    transaction_hash: Option<String>,
}

/// A row of `api.markets`.
#[derive(Debug, Serialize)]
pub(crate) struct Market {
    condition_id: ConditionId,
    slug: String,
    question: String,
    end_at: Option<Timestamp>,
    active: bool,
    closed: bool,
    neg_risk: bool,
    tick_size: Option<Decimal>,
    volume_24h: Option<Decimal>,
    tokens: Value,
    updated_at: Timestamp,
    event_slug: Option<String>,
    series_slug: Option<String>,
    tags: Vec<String>,
    order_size_min: Option<Decimal>,
    resolved_at: Option<Timestamp>,
    winning_token_id: Option<String>,
    winning_outcome: Option<String>,
    resolution_source: Option<String>,
    /// Since when it is known here; null of those that were known before this was kept.
    first_seen_at: Option<Timestamp>,
}

/// A gap: a row of `api.gaps`, or as the bus tells it; with the question of its market, where it is known.
#[derive(Debug, Serialize)]
pub(crate) struct Gap {
    id: TickId,
    condition_id: ConditionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    shard: String,
    cause: String,
    opened_at: Timestamp,
    /// When the feed noticed; null of gaps stored before this was kept.
    detected_at: Option<Timestamp>,
    healed_at: Option<Timestamp>,
    state: String,
    trades_recovered: u64,
}

/// A place in a list as text: `<microseconds since 1970>-<id>`.
pub(crate) fn place(cursor: Cursor) -> String {
    format!("{}-{}", cursor.at.micros(), cursor.id)
}

// === impl Page ===

impl Page<Trade> {
    /// A page of trades.
    pub(crate) fn trades(rows: Vec<row::TradeView>, limit: usize) -> Self {
        let next = rows.last().filter(|_| rows.len() == limit).map(|last| place(last.cursor()));
        Self { rows: Rows::Trades(rows.into_iter().map(Trade::of).collect()), limit, next }
    }
}

impl Page<Market> {
    /// A page of markets.
    pub(crate) fn markets(rows: Vec<row::MarketView>, limit: usize) -> Self {
        let last = rows.last().filter(|_| rows.len() == limit);
        let next = last.map(|last| last.market.condition_id.to_string());
        Self { rows: Rows::Markets(rows.into_iter().map(Market::of).collect()), limit, next }
    }
}

impl Page<Gap> {
    /// A page of gaps.
    pub(crate) fn gaps(rows: Vec<row::GapView>, limit: usize) -> Self {
        let next = rows.last().filter(|_| rows.len() == limit).map(|last| place(last.cursor()));
        let gaps = rows.into_iter().map(|shown| Gap::of_row(shown.gap, shown.question)).collect();
        Self { rows: Rows::Gaps(gaps), limit, next }
    }
}

// === impl the rows ===

impl Trade {
    fn of(row: row::TradeView) -> Self {
        Self {
            id: row.id,
            condition_id: row.condition_id,
            token_id: row.token_id,
            question: row.question,
            outcome: row.outcome,
            side: row.side,
            price: row.price,
            size: row.size,
            size_source: row.size_source,
            origin: row.origin,
            executed_at: row.executed_at,
            received_at: row.received_at,
            judged_at: row.judged_at,
            stored_at: row.stored_at,
            age_s: Number(row.age_s),
            verdict: row.verdict,
            reasons: row.reasons,
            best_bid: row.best_bid,
            best_ask: row.best_ask,
            deviation: row.deviation,
            confirmed: row.confirmed,
            transaction_hash: row.transaction_hash,
        }
    }
}

impl Market {
    fn of(shown: row::MarketView) -> Self {
        let row::MarketView { market: row, first_seen_at } = shown;
        Self {
            condition_id: row.condition_id,
            slug: row.slug,
            question: row.question,
            end_at: row.end_at.map(Into::into),
            active: row.active,
            closed: row.closed,
            neg_risk: row.neg_risk,
            tick_size: row.tick_size,
            volume_24h: row.volume_24h,
            tokens: row.tokens,
            updated_at: row.updated_at.into(),
            event_slug: row.event_slug,
            series_slug: row.series_slug,
            tags: row.tags,
            order_size_min: row.order_size_min,
            resolved_at: row.resolved_at.map(Into::into),
            winning_token_id: row.winning_token_id,
            winning_outcome: row.winning_outcome,
            resolution_source: row.resolution_source,
            first_seen_at: first_seen_at.map(Into::into),
        }
    }
}

impl Gap {
    /// The gap as the database tells it.
    pub(crate) fn of_row(row: row::Gap, question: Option<String>) -> Self {
        Self {
            id: TickId::of_bytes(row.id.into_bytes()),
            condition_id: row.condition_id,
            question,
            shard: row.shard,
            cause: row.cause,
            opened_at: row.opened_at.into(),
            detected_at: row.detected_at.map(Into::into),
            healed_at: row.healed_at.map(Into::into),
            state: row.state,
            trades_recovered: u64::try_from(row.trades_recovered).unwrap_or(0),
        }
    }

    /// The gap as the bus tells it.
    pub(crate) fn of_bus(gap: &gap::Gap, question: Option<&str>) -> Self {
        Self {
            id: gap.id,
            condition_id: gap.condition_id.clone(),
            question: question.map(str::to_owned),
            shard: gap.shard.clone(),
            cause: gap.cause.word().to_owned(),
            opened_at: gap.opened_at,
            detected_at: gap.detected_at,
            healed_at: gap.healed_at,
            state: gap.state.word().to_owned(),
            trades_recovered: gap.trades_recovered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::{at, condition, token};
    use crate::view::json;

    fn shown_trade() -> row::TradeView {
        row::TradeView {
            id: TickId::of_content(&["x"]),
            condition_id: condition(1),
            token_id: token(2),
            question: None,
            outcome: None,
            side: Some("BUY".to_owned()),
            price: Decimal::new(55, 2),
            size: None,
            size_source: None,
            origin: "socket".to_owned(),
            executed_at: at(0),
            received_at: at(1),
            judged_at: at(1),
            stored_at: at(2),
            age_s: Decimal::new(1_000_000, 6),
            verdict: "clean".to_owned(),
            reasons: vec!["G3".to_owned()],
            best_bid: None,
            best_ask: None,
            deviation: None,
            confirmed: None,
            transaction_hash: None,
        }
    }

    #[test]
    fn a_full_page_names_the_next_one_and_the_last_page_does_not() {
        let full = json(&Page::trades(vec![shown_trade()], 1));
        let id = TickId::of_content(&["x"]);
        assert!(full.ends_with(&format!(r#""limit":1,"next":"1800000000000000-{id}"}}"#)), "{full}");
        assert!(full.starts_with(r#"{"trades":[{"#), "{full}");
        assert!(full.contains(r#""price":"0.55","size":null"#), "{full}");
        assert!(full.contains(r#""age_s":1.000000"#), "{full}");
        let last = json(&Page::trades(vec![shown_trade()], 2));
        assert!(last.ends_with(r#""limit":2,"next":null}"#), "{last}");
    }

    #[test]
    fn markets_and_gaps_have_pages_of_their_own() {
        let about = contract::market::Market::unknown(condition(7), at(0));
        let about = contract::market::Market {
            question: "<script>".to_owned(),
            volume_24h: Some(Decimal::ONE),
            ..about
        };
        let market = row::Market::try_from(about).unwrap();
        let shown = row::MarketView { market, first_seen_at: at(7).date_time() };
        let text = json(&Page::markets(vec![shown], 1));
        assert!(text.contains(r#""first_seen_at":"2027-01-15T08:00:07.000000Z""#), "{text}");
        assert!(text.contains(r#""volume_24h":"1""#) && text.ends_with(r#""next":"0x7"}"#), "{text}");
        assert_eq!(json(&Page::gaps(Vec::new(), 5)), r#"{"gaps":[],"limit":5,"next":null}"#);
    }
}
