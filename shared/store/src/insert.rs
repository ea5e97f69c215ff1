//! A batch of rows into their tables: one transaction, conflicts ignored, new rows counted.
//!
//! Knows: the order of tables and rows that keeps writers from waiting in a circle. Never: a message.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use contract::ids::{BookHash, TransactionHash};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};

use crate::connect::Session;
use crate::error::StoreError;
use crate::insert_sql;
use crate::row::{self, Row};

/// A table that rows are counted for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is the table of its name")]
pub enum Table {
    Books,
    Prices,
    Trades,
    Markets,
    Gaps,
    DeadLetters,
}

/// What a batch did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Rows that are new, by table; a table without any is not there.
    pub inserted: BTreeMap<Table, u64>,
    /// Rows that were there already, or twice in the batch.
    pub duplicates: u64,
}

/// Rows of one batch, by table and sorted by key: two writers whose batches overlap take their locks in one order.
#[derive(Debug, Default)]
pub struct Rows<'a> {
    books: Vec<&'a row::Book>,
    prices: Vec<&'a row::Price>,
    trades: Vec<&'a row::Trade>,
    markets: BTreeMap<&'a str, &'a row::Market>,
    gaps: BTreeMap<uuid::Uuid, row::Gap>,
    dead_letters: Vec<&'a row::DeadLetter>,
    given: u64,
}

/// The statements of a connection, prepared when first needed.
#[derive(Debug, Default)]
pub(crate) struct Statements(BTreeMap<Table, Statement>, Option<Statement>);

/// Stores a batch in one transaction, and counts it there under the name of `writer`.
pub(crate) async fn store(
    session: &mut Session,
    statements: &mut Statements,
    writer: &str,
    rows: &Rows<'_>,
) -> Result<Stored, StoreError> {
    statements.prepare(session, rows).await?;
    let begin = StoreError::statement("begin a transaction");
    let transaction = session.client.transaction().await.map_err(begin)?;
    let mut batch = Batch { transaction, statements, stored: Stored::default(), unchanged: rows.given };
    batch.books(&rows.books).await?;
    batch.prices(&rows.prices).await?;
    batch.trades(&rows.trades).await?;
    batch.markets(&rows.markets.values().copied().collect::<Vec<_>>()).await?;
    batch.gaps(&rows.gaps.values().collect::<Vec<_>>()).await?;
    batch.dead_letters(&rows.dead_letters).await?;
    batch.totals(writer).await?;
    let Batch { transaction, mut stored, unchanged, .. } = batch;
    transaction.commit().await.map_err(StoreError::statement("commit a batch"))?;
    stored.duplicates = unchanged;
    Ok(stored)
}

/// A transaction under way.
struct Batch<'t> {
    transaction: Transaction<'t>,
    statements: &'t Statements,
    stored: Stored,
    /// Rows given that were neither inserted nor changed anything, so far.
    unchanged: u64,
}

fn column<'a, R, T>(rows: &[&'a R], pick: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| pick(row)).collect()
}

// === impl Rows ===

impl<'a> Rows<'a> {
    /// Sorts rows into their tables. Of several tellings of a market the newest is kept, of a gap what all say together.
    pub fn of(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut sorted = Self::default();
        for row in rows {
            sorted.given += 1;
            match row {
                Row::Book(book) => sorted.books.push(book),
                Row::Price(price) => sorted.prices.push(price),
                Row::Trade(trade) => sorted.trades.push(trade),
                Row::Market(market) => sorted.add_market(market),
                Row::Gap(gap) => sorted.add_gap(gap),
                Row::DeadLetter(letter) => sorted.dead_letters.push(letter),
            }
        }
        sorted.books.sort_by_key(|book| (book.changed_at, book.id));
        sorted.prices.sort_by_key(|price| (price.changed_at, price.id));
        sorted.trades.sort_by_key(|trade| (trade.executed_at, trade.id));
        sorted.dead_letters.sort_by_key(|letter| letter.id);
        sorted
    }

    /// How many rows were given.
    pub fn len(&self) -> u64 {
        self.given
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.given == 0
    }

    fn add_market(&mut self, market: &'a row::Market) {
        let kept = self.markets.entry(market.condition_id.as_str()).or_insert(market);
        if market.updated_at > kept.updated_at {
            *kept = market;
        }
    }

    fn add_gap(&mut self, gap: &row::Gap) {
        match self.gaps.entry(gap.id) {
            Entry::Vacant(vacant) => {
                vacant.insert(gap.clone());
            }
            Entry::Occupied(mut told) => told.get_mut().merge(gap),
        }
    }

    fn tables(&self) -> impl Iterator<Item = Table> + use<> {
        let filled = [
            (Table::Books, !self.books.is_empty()),
            (Table::Prices, !self.prices.is_empty()),
            (Table::Trades, !self.trades.is_empty()),
            (Table::Markets, !self.markets.is_empty()),
            (Table::Gaps, !self.gaps.is_empty()),
            (Table::DeadLetters, !self.dead_letters.is_empty()),
        ];
        filled.into_iter().filter_map(|(table, filled)| filled.then_some(table))
    }
}

// === impl Table ===

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Books, Self::Prices, Self::Trades, Self::Markets, Self::Gaps, Self::DeadLetters];

    /// The table that a row goes into.
    pub const fn of(row: &Row) -> Self {
        match row {
            Row::Book(_) => Self::Books,
            Row::Price(_) => Self::Prices,
            Row::Trade(_) => Self::Trades,
            Row::Market(_) => Self::Markets,
            Row::Gap(_) => Self::Gaps,
            Row::DeadLetter(_) => Self::DeadLetters,
        }
    }

    /// Its name, in the database and in counters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Books => "books",
            Self::Prices => "prices",
            Self::Trades => "trades",
            Self::Markets => "markets",
            Self::Gaps => "gaps",
            Self::DeadLetters => "dead_letters",
        }
    }

    const fn statement(self) -> &'static str {
        match self {
            Self::Books => insert_sql::BOOKS,
            Self::Prices => insert_sql::PRICES,
            Self::Trades => insert_sql::TRADES,
            Self::Markets => insert_sql::MARKETS,
            Self::Gaps => insert_sql::GAPS,
            Self::DeadLetters => insert_sql::DEAD_LETTERS,
        }
    }
}

// === impl Statements ===

impl Statements {
    async fn prepare(&mut self, session: &Session, rows: &Rows<'_>) -> Result<(), StoreError> {
        let failed = StoreError::statement("prepare a statement");
        for table in rows.tables() {
            if let Entry::Vacant(missing) = self.0.entry(table) {
                missing.insert(session.client.prepare(table.statement()).await.map_err(&failed)?);
            }
        }
        if self.1.is_none() {
            self.1 = Some(session.client.prepare(insert_sql::TOTALS).await.map_err(&failed)?);
        }
        Ok(())
    }
}

// === impl Batch ===

impl Batch<'_> {
    async fn books(&mut self, rows: &[&row::Book]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.id),
            &column(rows, |r| r.condition_id.as_str()),
            &column(rows, |r| r.token_id.as_str()),
            &column(rows, |r| r.bids.as_str()),
            &column(rows, |r| r.asks.as_str()),
            &column(rows, |r| r.hash.as_ref().map(BookHash::as_str)),
            &column(rows, |r| r.hash_ok),
            &column(rows, |r| r.tick_size),
            &column(rows, |r| r.last_trade_price),
            &column(rows, |r| r.changed_at),
            &column(rows, |r| r.received_at),
        ];
        self.insert(Table::Books, "store books", rows.len(), params).await
    }

    async fn prices(&mut self, rows: &[&row::Price]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.id),
            &column(rows, |r| r.condition_id.as_str()),
            &column(rows, |r| r.token_id.as_str()),
            &column(rows, |r| r.side),
            &column(rows, |r| r.price),
            &column(rows, |r| r.size),
            &column(rows, |r| r.best_bid),
            &column(rows, |r| r.best_ask),
            &column(rows, |r| r.hash.as_ref().map(BookHash::as_str)),
            &column(rows, |r| r.changed_at),
            &column(rows, |r| r.received_at),
        ];
        self.insert(Table::Prices, "store prices", rows.len(), params).await
    }

    async fn trades(&mut self, rows: &[&row::Trade]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.id),
            &column(rows, |r| r.condition_id.as_str()),
            &column(rows, |r| r.token_id.as_str()),
            &column(rows, |r| r.side),
            &column(rows, |r| r.price),
            &column(rows, |r| r.size),
            &column(rows, |r| r.size_source),
            &column(rows, |r| r.origin),
            &column(rows, |r| r.executed_at),
            &column(rows, |r| r.received_at),
            &column(rows, |r| r.judged_at),
            &column(rows, |r| r.verdict),
            &column(rows, |r| r.reasons.as_str()),
            &column(rows, |r| r.best_bid),
            &column(rows, |r| r.best_ask),
            &column(rows, |r| r.quote_age_us),
            &column(rows, |r| r.deviation),
            &column(rows, |r| r.confirmed),
            &column(rows, |r| r.transaction_hash.as_ref().map(TransactionHash::as_str)),
            &column(rows, |r| r.price_before),
            &column(rows, |r| r.correlation_id.as_deref()),
        ];
        self.insert(Table::Trades, "store trades", rows.len(), params).await
    }

    async fn markets(&mut self, rows: &[&row::Market]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.condition_id.as_str()),
            &column(rows, |r| r.slug.as_str()),
            &column(rows, |r| r.question.as_str()),
            &column(rows, |r| r.end_at),
            &column(rows, |r| r.active),
            &column(rows, |r| r.closed),
            &column(rows, |r| r.neg_risk),
            &column(rows, |r| r.tick_size),
            &column(rows, |r| r.order_size_min),
            &column(rows, |r| r.volume_24h),
            &column(rows, |r| &r.tokens),
            &column(rows, |r| r.updated_at),
            &column(rows, |r| r.event_slug.as_deref()),
            &column(rows, |r| r.series_slug.as_deref()),
            &column(rows, |r| serde_json::json!(r.tags)),
            &column(rows, |r| r.resolved_at),
            &column(rows, |r| r.winning_token_id.as_deref()),
            &column(rows, |r| r.winning_outcome.as_deref()),
            &column(rows, |r| r.resolution_source.as_deref()),
        ];
        self.upsert(Table::Markets, "store markets", rows.len(), params).await
    }

    async fn gaps(&mut self, rows: &[&row::Gap]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.id),
            &column(rows, |r| r.condition_id.as_str()),
            &column(rows, |r| r.shard.as_str()),
            &column(rows, |r| r.cause.as_str()),
            &column(rows, |r| r.opened_at),
            &column(rows, |r| r.healed_at),
            &column(rows, |r| r.trades_recovered),
            &column(rows, |r| r.detected_at),
            &column(rows, |r| r.state.as_str()),
        ];
        self.upsert(Table::Gaps, "store gaps", rows.len(), params).await
    }

    async fn dead_letters(&mut self, rows: &[&row::DeadLetter]) -> Result<(), StoreError> {
        let params: &[&(dyn ToSql + Sync)] = &[
            &column(rows, |r| r.id),
            &column(rows, |r| r.service),
            &column(rows, |r| r.subject.as_str()),
            &column(rows, |r| r.error.as_str()),
            &column(rows, |r| r.payload.as_slice()),
            &column(rows, |r| r.at),
        ];
        self.insert(Table::DeadLetters, "store dead letters", rows.len(), params).await
    }

    async fn totals(&mut self, writer: &str) -> Result<(), StoreError> {
        if self.stored.inserted.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.stored.inserted.keys().map(|table| table.word()).collect();
        let rows: Vec<_> = self.stored.inserted.values().map(|rows| signed(*rows)).collect();
        let statement = self.statements.1.as_ref().expect("prepared before the transaction began");
        let counted = self.transaction.execute(statement, &[&writer, &names, &rows]).await;
        counted.map(drop).map_err(StoreError::statement("count rows"))
    }

    async fn insert(
        &mut self,
        table: Table,
        doing: &'static str,
        rows: usize,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let statement = &self.statements.0[&table];
        let new = self.transaction.execute(statement, params).await.map_err(StoreError::statement(doing))?;
        self.count(table, new, new);
        Ok(())
    }

    async fn upsert(
        &mut self,
        table: Table,
        doing: &'static str,
        rows: usize,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let statement = &self.statements.0[&table];
        let told =
            self.transaction.query_one(statement, params).await.map_err(StoreError::statement(doing))?;
        let (new, touched): (i64, i64) = (told.get(0), told.get(1));
        self.count(table, unsigned(new), unsigned(touched));
        Ok(())
    }

    fn count(&mut self, table: Table, new: u64, touched: u64) {
        if new > 0 {
            self.stored.inserted.insert(table, new);
        }
        self.unchanged = self.unchanged.saturating_sub(touched);
    }
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn unsigned(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use contract::gap::{Cause, Gap};
    use contract::ids::ConditionId;
    use contract::market::Market;
    use contract::time::Timestamp;

    use super::*;

    fn market(condition: &str, slug: &str, updated_ms: i64) -> Row {
        let market = Market {
            slug: slug.to_owned(),
            active: true,
            ..Market::unknown(ConditionId::try_from(condition).unwrap(), Timestamp::from_millis(updated_ms))
        };
        Row::Market(Box::new(market.try_into().unwrap()))
    }

    #[test]
    fn of_two_tellings_of_a_market_in_one_batch_the_newer_is_kept() {
        for rows in [
            [market("0xab", "old", 1), market("0xab", "new", 2)],
            [market("0xab", "new", 2), market("0xab", "old", 1)],
        ] {
            let sorted = Rows::of(&rows);
            assert_eq!((sorted.len(), sorted.markets.len()), (2, 1));
            assert_eq!(sorted.markets["0xab"].slug, "new");
            assert_eq!(sorted.tables().collect::<Vec<_>>(), [Table::Markets]);
        }
    }

    #[test]
    fn two_tellings_of_a_gap_in_one_batch_are_one_row() {
        let condition = ConditionId::try_from("0xab").unwrap();
        let at = Timestamp::from_millis(1);
        let opened = Gap::opened(condition, "0/1", Cause::Silence, at, at);
        let healed = Gap { healed_at: Some(Timestamp::from_millis(9)), ..opened.clone() };
        let rows = [healed, opened].map(|gap| Row::Gap(gap.try_into().unwrap()));
        let sorted = Rows::of(&rows);
        assert_eq!(sorted.gaps.len(), 1);
        assert!(sorted.gaps.values().all(|gap| gap.healed_at.is_some()));
    }

    #[test]
    fn no_rows_need_no_table() {
        let none = Rows::of(&[]);
        assert!(none.is_empty());
        assert_eq!(none.tables().count(), 0);
    }

    #[test]
    fn every_table_has_its_own_name_and_statement() {
        for table in Table::ALL {
            assert!(table.statement().contains(&format!("into polyfeed.{} (", table.word())), "{table:?}");
        }
    }
}
