//! History for readers: pages of trades, markets and gaps, found by key.
//!
//! Knows: the views of schema `api`. Never: a table behind them, or a way to write.

mod coverage;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::ids::{ConditionId, TickId, TokenId};
use contract::time::Timestamp;
use contract::verdict::Verdict;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{NoTls, Row};
use uuid::Uuid;

use crate::connect;
use crate::error::StoreError;
use crate::row::{Gap, GapView, Market, MarketView, TradeView};

pub use coverage::{Coverage, CoverageOrder, CoveredMarket};
pub use token::{Chart, ChartPrice, ChartTrade, Ladder, LastPrices};

/// Connections of one reader: half of what the role may open, so that two dashboards fit.
const CONNECTIONS_MAX: usize = 8;
/// How long a connection may take to be had: waited for, made or checked.
const POOL_MAX: Duration = Duration::from_secs(2);
/// How long a page may take: longer than the 3 s after which the server itself gives up.
const PAGE_MAX: Duration = Duration::from_secs(4);
/// The most rows of a page.
const ROWS_MAX: usize = 500;

/// Reads through the login that can do nothing else. A clone shares the connections.
#[derive(Clone)]
pub struct Reader {
    pool: Pool,
}

/// The place of a row in a list that is ordered by time, newest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// Its time: of the match, or of the opening.
    pub at: Timestamp,
    /// Its id, which decides between rows of the same time.
    pub id: TickId,
}

/// Which trades; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct TradeFilter {
    /// Of this market.
    pub condition_id: Option<ConditionId>,
    /// Of this token.
    pub token_id: Option<TokenId>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Executed at this moment or later.
    pub from: Option<Timestamp>,
    /// Executed before this moment.
    pub to: Option<Timestamp>,
}

/// Which markets; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct MarketFilter {
    /// This market alone.
    pub condition_id: Option<ConditionId>,
    /// The market of this token.
    pub token_id: Option<TokenId>,
    /// Closed ones, or ones that are not.
    pub closed: Option<bool>,
}

/// Which gaps; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub struct GapFilter {
    /// Of this market.
    pub condition_id: Option<ConditionId>,
    /// Open ones, or healed ones.
    pub open: Option<bool>,
    /// Open still after this moment: one that was opened before and reaches into the span belongs to it.
    pub from: Option<Timestamp>,
    /// Opened before this moment.
    pub to: Option<Timestamp>,
}

const TRADES: &str = "select id, condition_id, token_id, question, outcome, side, price, size, size_source, origin, \
    executed_at, received_at, judged_at, stored_at, age_s, verdict, reasons, best_bid, best_ask, deviation, \
    confirmed, transaction_hash from api.trades \
    where ($1 is null or condition_id = $1) and ($2 is null or token_id = $2) and ($3 is null or verdict = $3) \
    and ($4 is null or executed_at >= $4) and ($5 is null or executed_at < $5) \
    and ($6 is null or (executed_at, id) < ($6, $7)) \
    order by executed_at desc, id desc limit $8";

const MARKETS: &str = "select condition_id, slug, question, end_at, active, closed, neg_risk, tick_size, volume_24h, \
    tokens, updated_at, event_slug, series_slug, tags, order_size_min, resolved_at, winning_token_id, \
    winning_outcome, resolution_source, first_seen_at from api.markets \
    where ($1 is null or condition_id = $1) \
    and ($2 is null or exists (select from jsonb_array_elements(tokens) o where o.value ->> 'token_id' = $2)) \
    and ($3 is null or closed = $3) and ($4 is null or condition_id > $4) \
    order by condition_id limit $5";

const GAPS: &str = "select id, condition_id, shard, cause, opened_at, healed_at, trades_recovered, detected_at, state, \
    (select question from api.markets m where m.condition_id = g.condition_id) as question from api.gaps g \
    where ($1 is null or condition_id = $1) and ($2 is null or (healed_at is null) = $2) \
    and ($3 is null or healed_at is null or healed_at > $3) and ($4 is null or opened_at < $4) \
    and ($5 is null or (opened_at, id) < ($5, $6)) \
    order by opened_at desc, id desc limit $7";

// === impl Reader ===

impl Reader {
    /// A reader of the database at `url`. Nothing is opened yet: a database that is away is met by the first page.
    ///
    /// # Errors
    /// When the address is none.
    ///
    /// # Panics
    /// Never: the runtime, which is all that building a pool can miss, is named.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let config = connect::config(url, "polyfeed-reader")?;
        // A connection that was cut hard says of itself that it is open, so each is asked before it is used.
        let checked = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        let pool = Pool::builder(Manager::from_config(config, NoTls, checked))
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(POOL_MAX))
            .create_timeout(Some(POOL_MAX))
            .recycle_timeout(Some(POOL_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime is named, which is all that building a pool can miss");
        Ok(Self { pool })
    }

    /// Trades, newest first: at most `limit` (1 to 500) of those behind `before`.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn trades(
        &self,
        filter: &TradeFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<TradeView>, StoreError> {
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&filter.condition_id.as_ref().map(ConditionId::as_str), Type::TEXT),
            (&filter.token_id.as_ref().map(TokenId::as_str), Type::TEXT),
            (&filter.verdict.map(Verdict::word), Type::TEXT),
            (&filter.from.and_then(Timestamp::date_time), Type::TIMESTAMPTZ),
            (&filter.to.and_then(Timestamp::date_time), Type::TIMESTAMPTZ),
            (&before.and_then(|cursor| cursor.at.date_time()), Type::TIMESTAMPTZ),
            (&before.map(|cursor| Uuid::from_bytes(cursor.id.bytes())), Type::UUID),
            (&rows_of(limit), Type::INT8),
        ];
        self.page("read trades", TRADES, params).await?.iter().map(shown_trade).collect()
    }

    /// Markets by condition id, ascending: at most `limit` (1 to 500) of those behind `after`.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn markets(
        &self,
        filter: &MarketFilter,
        after: Option<&ConditionId>,
        limit: usize,
    ) -> Result<Vec<MarketView>, StoreError> {
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&filter.condition_id.as_ref().map(ConditionId::as_str), Type::TEXT),
            (&filter.token_id.as_ref().map(TokenId::as_str), Type::TEXT),
            (&filter.closed, Type::BOOL),
            (&after.map(ConditionId::as_str), Type::TEXT),
            (&rows_of(limit), Type::INT8),
        ];
        self.page("read markets", MARKETS, params).await?.iter().map(market).collect()
    }

    /// Gaps, newest first: at most `limit` (1 to 500) of those behind `before`.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn gaps(
        &self,
        filter: &GapFilter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<GapView>, StoreError> {
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&filter.condition_id.as_ref().map(ConditionId::as_str), Type::TEXT),
            (&filter.open, Type::BOOL),
            (&filter.from.and_then(Timestamp::date_time), Type::TIMESTAMPTZ),
            (&filter.to.and_then(Timestamp::date_time), Type::TIMESTAMPTZ),
            (&before.and_then(|cursor| cursor.at.date_time()), Type::TIMESTAMPTZ),
            (&before.map(|cursor| Uuid::from_bytes(cursor.id.bytes())), Type::UUID),
            (&rows_of(limit), Type::INT8),
        ];
        let shown = |row: &Row| Ok(GapView { gap: gap(row)?, question: get(row, "question")? });
        self.page("read gaps", GAPS, params).await?.iter().map(shown).collect()
    }

    /// Rows ever stored, by table (`trades`, `prices`, `books`, `markets`, `gaps`, `dead_letters`);
    /// a table that never had one is not there.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn totals(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = self.page("read totals", "select name, rows from api.totals", &[]).await?;
        let total = |row: &Row| Ok((get(row, "name")?, u64::try_from(get::<i64>(row, "rows")?).unwrap_or(0)));
        rows.iter().map(total).collect()
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// Why it does not, by [`StoreError::class`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.page("ask the database", "select 1", &[]).await.map(drop)
    }

    /// Ends all connections.
    pub fn close(&self) {
        self.pool.close();
    }

    async fn page(
        &self,
        doing: &'static str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.pool.get().await.map_err(StoreError::Pool)?;
        // Planned anew for each call, with the values in sight: conditions on what is null fall away.
        if let Ok(rows) = timeout(PAGE_MAX, connection.query_typed(sql, params)).await {
            return rows.map_err(StoreError::statement(doing));
        }
        drop(Object::take(connection));
        Err(StoreError::TimedOut { doing, waited: PAGE_MAX })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").field("pool", &self.pool.status()).finish()
    }
}

fn rows_of(limit: usize) -> i64 {
    i64::try_from(limit.clamp(1, ROWS_MAX)).expect("at most 500")
}

fn shown_trade(row: &Row) -> Result<TradeView, StoreError> {
    Ok(TradeView {
        id: tick_id(row)?,
        condition_id: condition_id(row)?,
        token_id: TokenId::try_from(get::<&str>(row, "token_id")?).map_err(unreadable("token_id"))?,
        question: get(row, "question")?,
        outcome: get(row, "outcome")?,
        side: get(row, "side")?,
        price: get(row, "price")?,
        size: get(row, "size")?,
        size_source: get(row, "size_source")?,
        origin: get(row, "origin")?,
        executed_at: moment(row, "executed_at")?,
        received_at: moment(row, "received_at")?,
        judged_at: moment(row, "judged_at")?,
        stored_at: moment(row, "stored_at")?,
        age_s: get(row, "age_s")?,
        verdict: get(row, "verdict")?,
        reasons: get(row, "reasons")?,
        best_bid: get(row, "best_bid")?,
        best_ask: get(row, "best_ask")?,
        deviation: get(row, "deviation")?,
        confirmed: get(row, "confirmed")?,
        transaction_hash: get(row, "transaction_hash")?,
    })
}

fn market(row: &Row) -> Result<MarketView, StoreError> {
    let market = Market {
        condition_id: condition_id(row)?,
        slug: get(row, "slug")?,
        question: get(row, "question")?,
        end_at: get(row, "end_at")?,
        active: get(row, "active")?,
        closed: get(row, "closed")?,
        neg_risk: get(row, "neg_risk")?,
        tick_size: get(row, "tick_size")?,
        order_size_min: get(row, "order_size_min")?,
        volume_24h: get(row, "volume_24h")?,
        tokens: get(row, "tokens")?,
        updated_at: get(row, "updated_at")?,
        event_slug: get(row, "event_slug")?,
        series_slug: get(row, "series_slug")?,
        tags: get(row, "tags")?,
        resolved_at: get(row, "resolved_at")?,
        winning_token_id: get(row, "winning_token_id")?,
        winning_outcome: get(row, "winning_outcome")?,
        resolution_source: get(row, "resolution_source")?,
    };
    Ok(MarketView { market, first_seen_at: get(row, "first_seen_at")? })
}

fn gap(row: &Row) -> Result<Gap, StoreError> {
    Ok(Gap {
        id: get(row, "id")?,
        condition_id: condition_id(row)?,
        shard: get(row, "shard")?,
        cause: get(row, "cause")?,
        opened_at: get(row, "opened_at")?,
        healed_at: get(row, "healed_at")?,
        trades_recovered: get(row, "trades_recovered")?,
        detected_at: get(row, "detected_at")?,
        state: get(row, "state")?,
    })
}

fn condition_id(row: &Row) -> Result<ConditionId, StoreError> {
    ConditionId::try_from(get::<&str>(row, "condition_id")?).map_err(unreadable("condition_id"))
}

fn tick_id(row: &Row) -> Result<TickId, StoreError> {
    Ok(TickId::of_bytes(get::<Uuid>(row, "id")?.into_bytes()))
}

fn moment(row: &Row, column: &'static str) -> Result<Timestamp, StoreError> {
    get::<DateTime<Utc>>(row, column).map(Into::into)
}

fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &'static str) -> Result<T, StoreError> {
    row.try_get(column).map_err(unreadable(column))
}

fn unreadable<E: std::error::Error>(column: &'static str) -> impl Fn(E) -> StoreError {
    move |error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        StoreError::Unreadable { column, why: format!("{error}{cause}") }
    }
}

// === impl TradeView ===

impl TradeView {
    /// Its place in the list.
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.executed_at, id: self.id }
    }
}

// === impl GapView ===

impl GapView {
    /// Its place in the list.
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.gap.opened_at.into(), id: TickId::of_bytes(self.gap.id.into_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Class;

    #[test]
    fn a_page_has_one_to_500_rows() {
        assert_eq!([0, 1, 500, 501, usize::MAX].map(rows_of), [1, 1, 500, 500, 500]);
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_away_for_every_page() {
        let reader = Reader::connect("postgres://u@127.0.0.1:1/d").unwrap();
        assert_eq!(reader.ping().await.unwrap_err().class(), Class::Away);
        assert!(reader.trades(&TradeFilter::default(), None, 50).await.is_err());
        reader.close();
        assert_eq!(reader.totals().await.unwrap_err().class(), Class::Away);
        assert!(format!("{reader:?}").starts_with("Reader"));
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        assert!(Reader::connect("nonsense").is_err());
    }
}
