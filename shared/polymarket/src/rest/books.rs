//! Books as REST tells them, in our words.
//!
//! Knows: levels and their order. Never: our own book.

use contract::ids::{BookHash, ConditionId, TokenId};
use contract::money::{Price, Size};
use contract::tick::Level;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use tracing::debug;

use super::error::RestError;
use super::markets::wire_of;
use super::wire;

/// The whole book of a token, as the venue keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestBook {
    /// The market.
    pub condition_id: ConditionId,
    /// The token.
    pub token_id: TokenId,
    /// Bids, best (highest) first.
    pub bids: Vec<Level>,
    /// Asks, best (lowest) first.
    pub asks: Vec<Level>,
    /// The venue's hash of the book, where stated.
    pub hash: Option<BookHash>,
    /// Price grid, where stated.
    pub tick_size: Option<Decimal>,
    /// Smallest order in shares, where stated.
    pub order_size_min: Option<Decimal>,
    /// Whether the market belongs to a group of which one outcome wins, where stated.
    pub neg_risk: Option<bool>,
    /// Last trade of the token; none when it never traded.
    pub last_trade_price: Option<Price>,
    /// Last change of this book by the venue's clock.
    pub changed_at: Timestamp,
}

/// The body of `POST /books`.
pub(super) fn request(tokens: &[TokenId]) -> String {
    // A token id holds digits alone, so nothing in it needs an escape.
    let asked: Vec<_> = tokens.iter().map(|token| format!("{{\"token_id\":\"{token}\"}}")).collect();
    format!("[{}]", asked.join(","))
}

pub(super) fn one(route: &'static str, body: &str) -> Result<RestBook, RestError> {
    book(&wire_of(route, body)?).map_err(|what| RestError::odd(route, what))
}

/// All books of an array that can be read.
pub(super) fn all(route: &'static str, body: &str) -> Result<Vec<RestBook>, RestError> {
    let mut books = Vec::new();
    for row in wire_of::<Vec<&RawValue>>(route, body)? {
        match serde_json::from_str(row.get()).map_err(|error| error.to_string()).and_then(|row| book(&row)) {
            Ok(book) => books.push(book),
            Err(reason) => debug!(reason, "passed over a book of `{route}`"),
        }
    }
    Ok(books)
}

fn book(row: &wire::Book<'_>) -> Result<RestBook, String> {
    let market = wire::text(row.market).ok_or("a book without market")?;
    let token = wire::text(row.asset_id).ok_or("a book without asset_id")?;
    let changed_at = wire::text(row.timestamp).ok_or("a book without timestamp")?;
    let (mut bids, mut asks) = (levels(&row.bids)?, levels(&row.asks)?);
    // Live books come with the best level last, the documentation has it first: sorted here, either is right.
    bids.sort_unstable_by_key(|level| std::cmp::Reverse(level.0));
    asks.sort_unstable_by_key(|level| level.0);
    Ok(RestBook {
        condition_id: ConditionId::try_from(market.as_ref()).map_err(|odd| odd.to_string())?,
        token_id: TokenId::try_from(token.as_ref()).map_err(|odd| odd.to_string())?,
        bids,
        asks,
        hash: wire::text(row.hash).and_then(|hash| BookHash::try_from(hash.as_ref()).ok()),
        tick_size: wire::decimal(row.tick_size),
        order_size_min: wire::decimal(row.min_order_size),
        neg_risk: wire::boolean(row.neg_risk).ok().flatten(),
        last_trade_price: price(row.last_trade_price),
        changed_at: Timestamp::of_venue_millis(&changed_at).map_err(|odd| odd.to_string())?,
    })
}

/// The levels that hold anything. A level that cannot be read may have been the best one, so it costs the book.
fn levels(levels: &[wire::Level<'_>]) -> Result<Vec<Level>, String> {
    let mut read = Vec::with_capacity(levels.len());
    for level in levels {
        let size = wire::decimal(level.size).and_then(|size| Size::try_from(size).ok());
        match (price(level.price), size) {
            (Some(_), Some(size)) if size.is_zero() => {}
            (Some(price), Some(size)) => read.push(Level(price, size)),
            _ => return Err("a level without a price or a size".to_owned()),
        }
    }
    Ok(read)
}

fn price(raw: wire::Raw<'_>) -> Option<Price> {
    wire::decimal(raw).and_then(|price| Price::try_from(price).ok())
}

// === impl RestBook ===

impl RestBook {
    /// Highest bid; none when nobody bids.
    pub fn best_bid(&self) -> Option<Price> {
        self.bids.first().map(|level| level.0)
    }

    /// Lowest ask; none when nobody offers.
    pub fn best_ask(&self) -> Option<Price> {
        self.asks.first().map(|level| level.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(members: &str) -> String {
        format!(r#"{{"market":"0xab","asset_id":"71","timestamp":"1790000000000",{members}}}"#)
    }

    fn top(book: &RestBook) -> (Option<String>, Option<String>) {
        (book.best_bid().map(|p| p.to_string()), book.best_ask().map(|p| p.to_string()))
    }

    #[test]
    fn the_best_levels_are_found_in_either_order() {
        let (low, high) = (r#"{"price":"0.4","size":"1"}"#, r#"{"price":"0.5","size":"2"}"#);
        let (near, far) = (r#"{"price":"0.6","size":"1"}"#, r#"{"price":"0.7","size":"2"}"#);
        for (bids, asks) in [((low, high), (far, near)), ((high, low), (near, far))] {
            let body = body(&format!(r#""bids":[{},{}],"asks":[{},{}]"#, bids.0, bids.1, asks.0, asks.1));
            let book = one("/book", &body).unwrap();
            assert_eq!(top(&book), (Some("0.5".to_owned()), Some("0.6".to_owned())));
        }
    }

    #[test]
    fn a_level_without_shares_is_not_there_and_an_empty_side_has_no_best() {
        let body = body(r#""bids":[{"price":"0.4","size":"0"}],"asks":[],"last_trade_price":"""#);
        let book = one("/book", &body).unwrap();
        assert_eq!((top(&book), book.last_trade_price), ((None, None), None));
    }

    #[test]
    fn a_level_that_cannot_be_read_costs_its_book_and_no_other() {
        let good = body(r#""bids":[],"asks":[{"price":0.6,"size":1e1}]"#);
        for level in [r#"{"price":"1.1","size":"1"}"#, r#"{"price":"0.5"}"#, r#"{"price":"x","size":"1"}"#] {
            let bad = body(&format!(r#""bids":[{level}],"asks":[]"#));
            assert!(one("/book", &bad).is_err());
            assert_eq!(all("/books", &format!("[{bad},{good},7]")).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_book_without_its_time_or_with_seconds_is_no_book() {
        let good = body(r#""bids":[],"asks":[]"#);
        assert!(one("/book", &good).is_ok());
        assert!(one("/book", &good.replace("1790000000000", "1790000000")).is_err());
        assert!(one("/book", &good.replace("timestamp", "time")).is_err());
        assert!(all("/books", &good).is_err());
    }

    #[test]
    fn a_request_names_its_tokens() {
        let tokens = [TokenId::try_from("71").unwrap(), TokenId::try_from("72").unwrap()];
        assert_eq!(request(&tokens), r#"[{"token_id":"71"},{"token_id":"72"}]"#);
    }
}
