//! Payloads as rows: what goes into a table, and what comes out of a view.
//!
//! Knows: both vocabularies, field by field. Never: a statement.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use contract::dead_letter;
use contract::gap;
use contract::ids::{BookHash, ConditionId, TickId, TokenId, TransactionHash};
use contract::market;
use contract::tick;
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Reason, SizeSource};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

/// A row of any table, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// See [`Trade`].
    Trade(Box<Trade>),
    /// See [`Price`].
    Price(Price),
    /// See [`Book`].
    Book(Book),
    /// See [`Market`].
    Market(Box<Market>),
    /// See [`Gap`].
    Gap(Gap),
    /// See [`DeadLetter`].
    DeadLetter(DeadLetter),
}

/// A payload that cannot become a row.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRow {
    /// A moment that no calendar of ours has.
    #[error("`{field}` lies outside the years 1 to 9999: {micros} µs since 1970")]
    Moment {
        /// The field.
        field: &'static str,
        /// Its value.
        micros: i64,
    },
}

/// A row of `polyfeed.trades`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `JudgedTrade`")]
pub struct Trade {
    pub id: Uuid,
    pub condition_id: ConditionId,
    pub token_id: TokenId,
    pub side: Option<&'static str>,
    pub price: Decimal,
    pub size: Option<Decimal>,
    pub size_source: Option<&'static str>,
    pub origin: &'static str,
    pub executed_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub judged_at: DateTime<Utc>,
    pub verdict: &'static str,
    /// The words of the reasons, joined by commas: an array of arrays cannot be unnested into rows.
    pub reasons: String,
    pub best_bid: Option<Decimal>,
    pub best_ask: Option<Decimal>,
    pub quote_age_us: Option<i64>,
    pub deviation: Option<Decimal>,
    pub confirmed: Option<bool>,
    pub transaction_hash: Option<TransactionHash>,
    pub price_before: Option<Decimal>,
    pub correlation_id: Option<String>,
}

/// A row of `polyfeed.prices`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `PriceChange`")]
pub struct Price {
    pub id: Uuid,
    pub condition_id: ConditionId,
    pub token_id: TokenId,
    pub side: &'static str,
    pub price: Decimal,
    pub size: Decimal,
    pub best_bid: Option<Decimal>,
    pub best_ask: Option<Decimal>,
    pub hash: Option<BookHash>,
    pub changed_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

/// A row of `polyfeed.books`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `Book`")]
pub struct Book {
    pub id: Uuid,
    pub condition_id: ConditionId,
    pub token_id: TokenId,
    /// JSON text, `[["price","size"],…]`, exact, best first.
    pub bids: String,
    /// As `bids`.
    pub asks: String,
    pub hash: Option<BookHash>,
    pub hash_ok: Option<bool>,
    pub tick_size: Option<Decimal>,
    pub last_trade_price: Option<Decimal>,
    pub changed_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
}

/// A row of `polyfeed.markets`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `Market`")]
pub struct Market {
    pub condition_id: ConditionId,
    pub slug: String,
    pub question: String,
    pub end_at: Option<DateTime<Utc>>,
    pub active: bool,
    pub closed: bool,
    pub neg_risk: bool,
    pub tick_size: Option<Decimal>,
    pub order_size_min: Option<Decimal>,
    pub volume_24h: Option<Decimal>,
    /// `[{"token_id": …, "outcome": …}, …]`
    pub tokens: Value,
    pub updated_at: DateTime<Utc>,
    pub event_slug: Option<String>,
    pub series_slug: Option<String>,
    pub tags: Vec<String>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub winning_token_id: Option<String>,
    pub winning_outcome: Option<String>,
    pub resolution_source: Option<String>,
}

/// A row of `api.markets`, with since when the market is known.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketView {
    /// The market; without `order_size_min`, which the view does not show.
    pub market: Market,
    /// Since when it is known here; none of those that were known before this was kept.
    pub first_seen_at: Option<DateTime<Utc>>,
}

/// A row of `polyfeed.gaps`, and of `api.gaps`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `Gap`")]
pub struct Gap {
    pub id: Uuid,
    pub condition_id: ConditionId,
    pub shard: String,
    pub cause: String,
    pub opened_at: DateTime<Utc>,
    pub healed_at: Option<DateTime<Utc>>,
    pub trades_recovered: i64,
    pub detected_at: Option<DateTime<Utc>>,
    pub state: String,
}

/// A row of `api.gaps`, with the question of its market.
#[derive(Clone, Debug, PartialEq)]
pub struct GapView {
    /// The gap.
    pub gap: Gap,
    /// None where the catalogue never told of its market.
    pub question: Option<String>,
}

/// A row of `polyfeed.dead_letters`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `DeadLetter`")]
pub struct DeadLetter {
    pub id: Uuid,
    pub service: &'static str,
    pub subject: String,
    pub error: String,
    pub payload: Vec<u8>,
    pub at: DateTime<Utc>,
}

/// A row of `api.trades`: a trade with its market's question and its outcome, where the market is known.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4, described on the payload `JudgedTrade`")]
pub struct TradeView {
    pub id: TickId,
    pub condition_id: ConditionId,
    pub token_id: TokenId,
    pub question: Option<String>,
    pub outcome: Option<String>,
    pub side: Option<String>,
    pub price: Decimal,
    pub size: Option<Decimal>,
    pub size_source: Option<String>,
    pub origin: String,
    pub executed_at: Timestamp,
    pub received_at: Timestamp,
    pub judged_at: Timestamp,
    pub stored_at: Timestamp,
    /// `received_at - executed_at` in seconds, six decimals; negative when the venue's clock runs ahead.
    pub age_s: Decimal,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub best_bid: Option<Decimal>,
    pub best_ask: Option<Decimal>,
    pub deviation: Option<Decimal>,
    pub confirmed: Option<bool>,
    pub transaction_hash: Option<String>,
}

fn uuid(id: TickId) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

/// Years 1 to 9999: chrono, Postgres and every reader of text agree on them.
fn moment(field: &'static str, at: Timestamp) -> Result<DateTime<Utc>, InvalidRow> {
    const MICROS_MIN: i64 = -62_135_596_800_000_000;
    const MICROS_MAX: i64 = 253_402_300_799_999_999;
    let odd = InvalidRow::Moment { field, micros: at.micros() };
    if !(MICROS_MIN..=MICROS_MAX).contains(&at.micros()) {
        return Err(odd);
    }
    at.date_time().ok_or(odd)
}

fn levels(list: &[tick::Level]) -> String {
    let mut text = String::with_capacity(2 + 24 * list.len());
    for tick::Level(price, size) in list {
        let comma = if text.is_empty() { '[' } else { ',' };
        write!(text, r#"{comma}["{price}","{size}"]"#).expect("writing to a String cannot fail");
    }
    if text.is_empty() { "[]".to_owned() } else { text + "]" }
}

/// Postgres keeps no NUL in text.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

// === impl Trade ===

impl Trade {
    /// The row of a judged trade; `correlation_id` is the header of its message.
    ///
    /// # Errors
    /// When a moment lies outside the years 1 to 9999.
    pub fn of(judged: JudgedTrade, correlation_id: Option<String>) -> Result<Self, InvalidRow> {
        let JudgedTrade { trade, verdict, reasons, size_source, deviation, confirmed, judged_at } = judged;
        let quote = trade.prevailing;
        let words: Vec<_> = reasons.into_iter().map(Reason::word).collect();
        Ok(Self {
            id: uuid(trade.id),
            condition_id: trade.condition_id,
            token_id: trade.token_id,
            side: trade.side.map(tick::Side::word),
            price: trade.price.decimal(),
            size: trade.size.map(Into::into),
            size_source: size_source.map(SizeSource::word),
            origin: trade.origin.word(),
            executed_at: moment("executed_at", trade.executed_at)?,
            received_at: moment("received_at", trade.received_at)?,
            judged_at: moment("judged_at", judged_at)?,
            verdict: verdict.word(),
            reasons: words.join(","),
            best_bid: quote.and_then(|quote| quote.best_bid).map(Into::into),
            best_ask: quote.and_then(|quote| quote.best_ask).map(Into::into),
            quote_age_us: quote.map(|quote| i64::try_from(quote.age_us).unwrap_or(i64::MAX)),
            deviation,
            confirmed,
            transaction_hash: trade.transaction_hash,
            price_before: trade.price_before.map(Into::into),
            correlation_id,
        })
    }
}

// === impl Price ===

impl TryFrom<tick::PriceChange> for Price {
    type Error = InvalidRow;

    fn try_from(change: tick::PriceChange) -> Result<Self, InvalidRow> {
        Ok(Self {
            id: uuid(change.id),
            condition_id: change.condition_id,
            token_id: change.token_id,
            side: change.side.word(),
            price: change.price.decimal(),
            size: change.size.decimal(),
            best_bid: change.best_bid.map(Into::into),
            best_ask: change.best_ask.map(Into::into),
            hash: change.hash,
            changed_at: moment("changed_at", change.changed_at)?,
            received_at: moment("received_at", change.received_at)?,
        })
    }
}

// === impl Book ===

impl TryFrom<tick::Book> for Book {
    type Error = InvalidRow;

    fn try_from(book: tick::Book) -> Result<Self, InvalidRow> {
        Ok(Self {
            id: uuid(book.id),
            condition_id: book.condition_id,
            token_id: book.token_id,
            bids: levels(&book.bids),
            asks: levels(&book.asks),
            hash: book.hash,
            hash_ok: book.hash_ok,
            tick_size: book.tick_size,
            last_trade_price: book.last_trade_price.map(Into::into),
            changed_at: moment("changed_at", book.changed_at)?,
            received_at: moment("received_at", book.received_at)?,
        })
    }
}

// === impl Market ===

impl TryFrom<market::Market> for Market {
    type Error = InvalidRow;

    fn try_from(market: market::Market) -> Result<Self, InvalidRow> {
        let outcome =
            |told: &market::Outcome| json!({ "token_id": told.token_id.as_str(), "outcome": told.outcome });
        let resolution = market.resolution;
        let ended = resolution.as_ref();
        Ok(Self {
            event_slug: market.event_slug,
            series_slug: market.series_slug,
            tags: market.tags,
            resolved_at: ended
                .and_then(|it| it.resolved_at)
                .map(|at| moment("resolved_at", at))
                .transpose()?,
            winning_token_id: ended.and_then(|it| it.winning_token_id.as_ref()).map(ToString::to_string),
            winning_outcome: ended.and_then(|it| it.winning_outcome.clone()),
            resolution_source: ended.map(|it| it.source.word().to_owned()),
            condition_id: market.condition_id,
            slug: market.slug,
            question: market.question,
            end_at: market.end_at.map(|at| moment("end_at", at)).transpose()?,
            active: market.active,
            closed: market.closed,
            neg_risk: market.neg_risk,
            tick_size: market.tick_size,
            order_size_min: market.order_size_min,
            volume_24h: market.volume_24h,
            tokens: market.tokens.iter().map(outcome).collect(),
            updated_at: moment("updated_at", market.updated_at)?,
        })
    }
}

// === impl Gap ===

impl TryFrom<gap::Gap> for Gap {
    type Error = InvalidRow;

    fn try_from(gap: gap::Gap) -> Result<Self, InvalidRow> {
        Ok(Self {
            id: uuid(gap.id),
            condition_id: gap.condition_id,
            shard: gap.shard,
            cause: gap.cause.word().to_owned(),
            opened_at: moment("opened_at", gap.opened_at)?,
            healed_at: gap.healed_at.map(|at| moment("healed_at", at)).transpose()?,
            trades_recovered: i64::try_from(gap.trades_recovered).unwrap_or(i64::MAX),
            detected_at: gap.detected_at.map(|at| moment("detected_at", at)).transpose()?,
            state: gap.state.word().to_owned(),
        })
    }
}

impl Gap {
    /// Takes in another message of the same gap: a state never goes back, and recovered trades stay recovered.
    pub(crate) fn merge(&mut self, other: &Self) {
        let step = |word: &str| gap::State::ALL.iter().position(|state| state.word() == word);
        if step(&other.state) > step(&self.state) {
            self.state.clone_from(&other.state);
        }
        self.detected_at = [self.detected_at, other.detected_at].into_iter().flatten().min();
        self.healed_at = self.healed_at.max(other.healed_at);
        self.trades_recovered = self.trades_recovered.max(other.trades_recovered);
    }
}

// === impl DeadLetter ===

impl TryFrom<dead_letter::DeadLetter> for DeadLetter {
    type Error = InvalidRow;

    fn try_from(letter: dead_letter::DeadLetter) -> Result<Self, InvalidRow> {
        Ok(Self {
            id: uuid(letter.id),
            service: letter.service.word(),
            subject: without_nul(letter.subject),
            error: without_nul(letter.error),
            payload: letter.payload,
            at: moment("at", letter.at)?,
        })
    }
}

#[cfg(test)]
mod tests;
