//! Trades of the Data API, in our words.
//!
//! Knows: both versions of a row. Never: which trade is wanted.

use contract::ids::{ConditionId, TokenId, TransactionHash};
use contract::money::{Price, Size};
use contract::tick::Side;
use contract::time::Timestamp;
use serde_json::value::RawValue;

use super::error::RestError;
use super::markets::wire_of;
use super::{TradePage, wire};

/// Most rows of one answer that are read, should the venue pass over our limit.
const ROWS_MAX: usize = 50_000;

/// A trade as the Data API tells it, seen from its taker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestTrade {
    /// The market.
    pub condition_id: ConditionId,
    /// The outcome token traded.
    pub token_id: TokenId,
    /// The taker's side.
    pub side: Option<Side>,
    /// Price of one share; may be an average off the price grid.
    pub price: Price,
    /// Shares traded; more than zero.
    pub size: Size,
    /// Block time in whole seconds: some seconds after the match.
    pub executed_at: Timestamp,
    /// Settling transaction, where stated. One transaction can settle several trades.
    pub transaction_hash: Option<TransactionHash>,
}

/// A bare array of rows.
pub(super) fn page_v1(route: &'static str, body: &str) -> Result<TradePage, RestError> {
    Ok(rows(&wire_of::<Vec<&RawValue>>(route, body)?))
}

/// An envelope with rows and a cursor.
pub(super) fn page_v2(route: &'static str, body: &str) -> Result<TradePage, RestError> {
    let page: wire::TradePage<'_> = wire_of(route, body)?;
    let cursor = page.pagination.and_then(|pagination| wire::text(pagination.next_cursor));
    let next_cursor = cursor.map(std::borrow::Cow::into_owned).filter(|cursor| !cursor.is_empty());
    Ok(TradePage { next_cursor, ..rows(&page.data) })
}

fn rows(rows: &[&RawValue]) -> TradePage {
    let mut page = TradePage::default();
    for row in rows.iter().take(ROWS_MAX) {
        match serde_json::from_str(row.get()).map_err(|error| error.to_string()).and_then(|row| trade(&row)) {
            Ok(trade) => page.trades.push(trade),
            Err(reason) => page.skipped.note(reason),
        }
    }
    page
}

fn trade(row: &wire::Trade<'_>) -> Result<RestTrade, String> {
    let market = wire::text(row.condition_id).ok_or("a trade without market")?;
    let token = wire::text(row.token_id).ok_or("a trade without token")?;
    let side = wire::text(row.side).and_then(|side| side_of(&side));
    let price = wire::decimal(row.price).ok_or("a trade without price")?;
    let shares = wire::decimal(row.size).ok_or("a trade without size")?;
    let shares = Size::try_from(shares).map_err(|odd| odd.to_string())?;
    if shares.is_zero() {
        return Err("a trade of no share".to_owned());
    }
    let seconds = wire::integer(row.timestamp).ok_or("a trade without time")?;
    Ok(RestTrade {
        condition_id: ConditionId::try_from(market.as_ref()).map_err(|odd| odd.to_string())?,
        token_id: TokenId::try_from(token.as_ref()).map_err(|odd| odd.to_string())?,
        side,
        price: Price::try_from(price).map_err(|odd| odd.to_string())?,
        size: shares,
        executed_at: Timestamp::of_venue_seconds(seconds).map_err(|odd| odd.to_string())?,
        transaction_hash: wire::text(row.transaction_hash)
            .and_then(|hash| TransactionHash::try_from(hash.as_ref()).ok()),
    })
}

fn side_of(word: &str) -> Option<Side> {
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    if is("BUY") { Some(Side::Buy) } else { is("SELL").then_some(Side::Sell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"condition_id":"0xab","token_id":"71","side":"BUY","price":0.55,"size":9e-6,
        "timestamp":1790000000,"transaction_hash":"0xfe"}"#;

    fn page(row: &str) -> TradePage {
        page_v2("/v2/trades", &format!(r#"{{"data":[{row}]}}"#)).unwrap()
    }

    #[test]
    fn a_row_is_read_exactly() {
        let trade = page(ROW).trades.remove(0);
        assert_eq!(
            (trade.price.to_string(), trade.size.to_string()),
            ("0.55".to_owned(), "0.000009".to_owned())
        );
        assert_eq!(
            (trade.side, trade.executed_at),
            (Some(Side::Buy), Timestamp::from_millis(1_790_000_000_000))
        );
        assert_eq!(trade.transaction_hash.unwrap().as_str(), "0xfe");
    }

    #[test]
    fn both_versions_of_a_row_say_the_same() {
        let names =
            [("condition_id", "conditionId"), ("token_id", "asset"), ("transaction_hash", "transactionHash")];
        let old = names.iter().fold(ROW.to_owned(), |row, (new, old)| row.replace(new, old));
        assert_eq!(page_v1("/trades", &format!("[{old}]")).unwrap().trades, page(ROW).trades);
    }

    #[test]
    fn a_row_without_a_usable_member_is_skipped() {
        for (from, to) in [
            ("0xab", "ab"),
            ("\"71\"", "\"x\""),
            ("0.55", "1.01"),
            ("0.55", "\"NaN\""),
            ("9e-6", "0"),
            ("9e-6", "-1"),
            ("9e-6", "1e13"),
            ("1790000000", "1790000000000"),
            ("1790000000", "1.5"),
            ("token_id", "other"),
        ] {
            let page = page(&ROW.replace(from, to));
            assert_eq!((page.trades.len(), page.skipped.count), (0, 1), "{from} -> {to}");
        }
        let side = |word: &str| page(&ROW.replace("BUY", word)).trades[0].side;
        assert_eq!((side("buy"), side("SELL"), side("")), (Some(Side::Buy), Some(Side::Sell), None));
        let odd_hash = page(&ROW.replace("0xfe", "fe"));
        assert_eq!(odd_hash.trades[0].transaction_hash, None);
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let next =
            |text: &str| page_v2("/v2/trades", &format!(r#"{{"data":[],{text}}}"#)).unwrap().next_cursor;
        assert_eq!(next(r#""pagination":{"next_cursor":"abc"}"#).as_deref(), Some("abc"));
        assert_eq!(next(r#""pagination":{"next_cursor":null}"#), None);
        assert_eq!(next(r#""pagination":null"#), None);
        assert!(page_v2("/v2/trades", r#"{"data":null}"#).is_err());
        assert!(page_v2("/v2/trades", "[]").is_err());
    }
}
