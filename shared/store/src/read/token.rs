//! One token's past: its last prices, its ladder, its chart.
//!
//! Knows: the views of schema `api`, the index of changes by token. Never: a table behind them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contract::ids::{ConditionId, TickId, TokenId};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::{Reader, get, moment, tick_id, unreadable};
use crate::error::StoreError;
use crate::row::Gap;

/// Tokens asked for at once.
const TOKENS_MAX: usize = 500;
/// Changes of a ladder since its book.
const CHANGES_MAX: i64 = 100_000;
/// Trades of a chart.
const TRADES_MAX: usize = 2_000;
/// Gaps of a chart.
const GAPS_MAX: i64 = 1_000;

/// The last prices of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastPrices {
    /// The token.
    pub token_id: TokenId,
    /// Best bid.
    pub bid: Option<Decimal>,
    /// Best ask.
    pub ask: Option<Decimal>,
    /// When the feed read these two.
    pub quoted_at: Timestamp,
    /// The last trade that was not refused, and its time.
    pub last: Option<(Decimal, Timestamp)>,
}

/// A book as of its last stored change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ladder {
    /// Price and size, best first.
    pub bids: Vec<(Decimal, Decimal)>,
    /// Likewise.
    pub asks: Vec<(Decimal, Decimal)>,
    /// Whether the stored book agreed with the venue's hash.
    pub hash_ok: Option<bool>,
    /// When the feed read the stored book.
    pub received_at: Timestamp,
    /// When the feed read the last change of it.
    pub at: Timestamp,
}

/// Best bid and ask at a moment of a chart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChartPrice {
    /// By the venue's clock.
    pub at: Timestamp,
    /// Best bid.
    pub bid: Option<Decimal>,
    /// Best ask.
    pub ask: Option<Decimal>,
}

/// A trade of a chart.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "columns of contract section 4")]
pub struct ChartTrade {
    pub at: Timestamp,
    pub id: TickId,
    pub price: Decimal,
    pub size: Option<Decimal>,
    pub side: Option<String>,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub origin: String,
}

/// What happened to a token in a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Oldest first, at most one a step; the first may lie before the span.
    pub prices: Vec<ChartPrice>,
    /// Oldest first.
    pub trades: Vec<ChartTrade>,
    /// Whether there were more, which are older.
    pub trades_cut: bool,
    /// Gaps of its market that reach into the span, newest first.
    pub gaps: Vec<Gap>,
    /// Since when its market is known: before it nobody listened. None of markets that were known before this was kept.
    pub known_from: Option<Timestamp>,
}

const LAST_PRICES: &str = "select t.token_id, b.bid, b.ask, b.received_at as book_at, \
    p.best_bid, p.best_ask, p.received_at as change_at, x.price, x.executed_at \
    from unnest($1::text[]) t (token_id) \
    left join lateral (select (bids -> 0 ->> 0)::numeric as bid, (asks -> 0 ->> 0)::numeric as ask, received_at \
        from api.books where token_id = t.token_id order by changed_at desc limit 1) b on true \
    left join lateral (select best_bid, best_ask, received_at from api.prices \
        where hashtext(token_id) = hashtext(t.token_id) and token_id = t.token_id \
        and (best_bid is not null or best_ask is not null) order by changed_at desc limit 1) p on true \
    left join lateral (select price, executed_at from api.trades \
        where token_id = t.token_id and verdict <> 'refused' order by executed_at desc limit 1) x on true";

const BOOK: &str = "select bids::text, asks::text, hash_ok, changed_at, received_at from api.books where token_id = $1 \
    order by changed_at desc, received_at desc limit 1";

const CHANGES: &str = "select side, price, size, received_at from api.prices \
    where hashtext(token_id) = hashtext($1) and token_id = $1 and changed_at > $2 \
    order by changed_at, received_at limit $3";

/// Of each step of $4 seconds the last prices, and those that stood when the span began.
const CHART_PRICES: &str = "with told as ( \
        select changed_at, best_bid as bid, best_ask as ask from api.prices \
        where hashtext(token_id) = hashtext($1) and token_id = $1 and changed_at >= $2 and changed_at < $3 \
        and (best_bid is not null or best_ask is not null) \
        union all select changed_at, (bids -> 0 ->> 0)::numeric, (asks -> 0 ->> 0)::numeric from api.books \
        where token_id = $1 and changed_at >= $2 and changed_at < $3), \
    before as ( \
        (select changed_at, best_bid as bid, best_ask as ask from api.prices \
        where hashtext(token_id) = hashtext($1) and token_id = $1 and changed_at < $2 \
        and (best_bid is not null or best_ask is not null) order by changed_at desc limit 1) \
        union all (select changed_at, (bids -> 0 ->> 0)::numeric, (asks -> 0 ->> 0)::numeric from api.books \
        where token_id = $1 and changed_at < $2 order by changed_at desc limit 1)) \
    (select changed_at, bid, ask from before order by changed_at desc limit 1) \
    union all (select distinct on (floor(extract(epoch from changed_at - $2) / $4)) changed_at, bid, ask \
        from told order by floor(extract(epoch from changed_at - $2) / $4), changed_at desc) \
    order by changed_at";

const CHART_TRADES: &str = "select id, executed_at, price, size, side, verdict, reasons, origin from api.trades \
    where token_id = $1 and executed_at >= $2 and executed_at < $3 \
    order by executed_at desc, id desc limit $4";

const CHART_GAPS: &str = "select id, condition_id, shard, cause, opened_at, healed_at, trades_recovered, detected_at, state \
    from api.gaps where condition_id = $1 and opened_at < $3 and (healed_at is null or healed_at > $2) \
    order by opened_at desc, id desc limit $4";

const KNOWN_FROM: &str = "select first_seen_at from api.markets where condition_id = $1";

// === impl Reader ===

impl Reader {
    /// The last prices of these tokens, at most 500 of them; those of which nothing is stored are not there.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn last_prices(&self, tokens: &[TokenId]) -> Result<Vec<LastPrices>, StoreError> {
        let tokens: Vec<&str> = tokens.iter().take(TOKENS_MAX).map(TokenId::as_str).collect();
        let params: &[(&(dyn ToSql + Sync), Type)] = &[(&tokens, Type::TEXT_ARRAY)];
        let rows = self.page("read last prices", LAST_PRICES, params).await?;
        rows.iter().filter_map(|row| last_prices(row).transpose()).collect()
    }

    /// The book of a token as of its last stored change; none where no book is stored.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn ladder(&self, token: &TokenId) -> Result<Option<Ladder>, StoreError> {
        let id = token.as_str();
        let params: &[(&(dyn ToSql + Sync), Type)] = &[(&id, Type::TEXT)];
        let books = self.page("read a book", BOOK, params).await?;
        let Some(book) = books.first() else { return Ok(None) };
        let since = moment(book, "changed_at")?;
        let params: &[(&(dyn ToSql + Sync), Type)] =
            &[(&id, Type::TEXT), (&since.date_time(), Type::TIMESTAMPTZ), (&CHANGES_MAX, Type::INT8)];
        let changes = self.page("read changes of a book", CHANGES, params).await?;
        let mut bids = levels(get(book, "bids")?, "bids")?;
        let mut asks = levels(get(book, "asks")?, "asks")?;
        let received_at = moment(book, "received_at")?;
        let mut at = received_at;
        for change in &changes {
            let (price, size): (Decimal, Decimal) = (get(change, "price")?, get(change, "size")?);
            let side = if get::<&str>(change, "side")? == "BUY" { &mut bids } else { &mut asks };
            if size.is_zero() {
                side.remove(&price);
            } else {
                side.insert(price, size);
            }
            at = at.max(moment(change, "received_at")?);
        }
        Ok(Some(Ladder {
            bids: bids.into_iter().rev().collect(),
            asks: asks.into_iter().collect(),
            hash_ok: get(book, "hash_ok")?,
            received_at,
            at,
        }))
    }

    /// Prices, one a step of `step_s` seconds, trades (the newest 2,000) and gaps of a token from `from` until `to`.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    pub async fn chart(
        &self,
        token: &TokenId,
        market: &ConditionId,
        (from, to): (Timestamp, Timestamp),
        step_s: u32,
    ) -> Result<Chart, StoreError> {
        let (token, market) = (token.as_str(), market.as_str());
        let (from, to, step) = (from.date_time(), to.date_time(), Decimal::from(step_s.max(1)));
        let span: [(&(dyn ToSql + Sync), Type); 2] = [(&from, Type::TIMESTAMPTZ), (&to, Type::TIMESTAMPTZ)];
        let of = |id, limit| {
            let [from, to] = span.clone();
            [id, from, to, limit]
        };
        let params = of((&token, Type::TEXT), (&step, Type::NUMERIC));
        let prices = self.page("read prices of a chart", CHART_PRICES, &params).await?;
        let trades_max = i64::try_from(TRADES_MAX + 1).unwrap_or(i64::MAX);
        let params = of((&token, Type::TEXT), (&trades_max, Type::INT8));
        let trades = self.page("read trades of a chart", CHART_TRADES, &params).await?;
        let params = of((&market, Type::TEXT), (&GAPS_MAX, Type::INT8));
        let gaps = self.page("read gaps of a chart", CHART_GAPS, &params).await?;
        let known =
            self.page("read since when a market is known", KNOWN_FROM, &[(&market, Type::TEXT)]).await?;
        let known_from: Option<Option<DateTime<Utc>>> =
            known.first().map(|row| get(row, "first_seen_at")).transpose()?;
        Ok(Chart {
            prices: prices.iter().map(chart_price).collect::<Result<_, _>>()?,
            trades: trades.iter().take(TRADES_MAX).rev().map(chart_trade).collect::<Result<_, _>>()?,
            trades_cut: trades.len() > TRADES_MAX,
            gaps: gaps.iter().map(super::gap).collect::<Result<_, _>>()?,
            known_from: known_from.flatten().map(Into::into),
        })
    }
}

fn last_prices(row: &Row) -> Result<Option<LastPrices>, StoreError> {
    let at = |column| get::<Option<DateTime<Utc>>>(row, column).map(|at| at.map(Into::into));
    let (book_at, change_at): (Option<Timestamp>, Option<Timestamp>) = (at("book_at")?, at("change_at")?);
    let Some(quoted_at) = book_at.max(change_at) else { return Ok(None) };
    let (bid, ask) = if change_at > book_at { ("best_bid", "best_ask") } else { ("bid", "ask") };
    let price: Option<Decimal> = get(row, "price")?;
    Ok(Some(LastPrices {
        token_id: TokenId::try_from(get::<&str>(row, "token_id")?).map_err(unreadable("token_id"))?,
        bid: get(row, bid)?,
        ask: get(row, ask)?,
        quoted_at,
        last: price.zip(at("executed_at")?),
    }))
}

fn chart_price(row: &Row) -> Result<ChartPrice, StoreError> {
    Ok(ChartPrice { at: moment(row, "changed_at")?, bid: get(row, "bid")?, ask: get(row, "ask")? })
}

fn chart_trade(row: &Row) -> Result<ChartTrade, StoreError> {
    Ok(ChartTrade {
        at: moment(row, "executed_at")?,
        id: tick_id(row)?,
        price: get(row, "price")?,
        size: get(row, "size")?,
        side: get(row, "side")?,
        verdict: get(row, "verdict")?,
        reasons: get(row, "reasons")?,
        origin: get(row, "origin")?,
    })
}

/// The levels of a stored side, by price; digit for digit, never through a float.
fn levels(stored: &str, column: &'static str) -> Result<BTreeMap<Decimal, Decimal>, StoreError> {
    let levels: Vec<(String, String)> = serde_json::from_str(stored).map_err(unreadable(column))?;
    let number = |text: &str| Decimal::from_str_exact(text).map_err(unreadable(column));
    levels.iter().map(|(price, size)| Ok((number(price)?, number(size)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_digit_for_digit_and_by_price() {
        let told = levels(r#"[["0.47", "10"], ["0.4", "0.000000000000000001"]]"#, "bids").unwrap();
        let expected: [(Decimal, Decimal); 2] = [("0.4", "0.000000000000000001"), ("0.47", "10")]
            .map(|(price, size)| (price.parse().unwrap(), size.parse().unwrap()));
        assert_eq!(told, expected.into());
        for odd in ["{}", r#"[["0.4"]]"#, r#"[["x", "1"]]"#] {
            assert!(levels(odd, "bids").is_err(), "{odd}");
        }
    }
}
