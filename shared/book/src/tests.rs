//! One book, step by step.
//!
//! Knows: how the steps are made, and the hash by an independent hand. Never: a capture.

mod groups;
mod hashes;
mod model;
mod traps;

use contract::ids::{BookHash, TickId};
use contract::money::Size;
use contract::tick::{Book, Level, PriceChange, Side};
use contract::time::Timestamp;
use sha1::{Digest, Sha1};

use super::*;

fn price(cents: u32) -> Price {
    Price::try_from(Decimal::new(i64::from(cents), 2)).unwrap()
}

fn size(shares: u32) -> Size {
    Size::of_text(&shares.to_string()).unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn context() -> HashContext {
    HashContext {
        condition_id: ConditionId::try_from("0xab").unwrap(),
        token_id: TokenId::try_from("71").unwrap(),
        tick_size: Some(Decimal::new(1, 2)),
        order_size_min: Some(Decimal::from(5)),
        neg_risk: false,
    }
}

/// Received 10 ms after the change.
fn snapshot(bids: &[(u32, u32)], asks: &[(u32, u32)], at_ms: i64) -> Book {
    let levels = |list: &[(u32, u32)]| list.iter().map(|&(p, s)| Level(price(p), size(s))).collect();
    Book {
        id: TickId::of_bytes([0; 16]),
        condition_id: context().condition_id,
        token_id: context().token_id,
        bids: levels(bids),
        asks: levels(asks),
        hash: None,
        hash_ok: None,
        tick_size: None,
        last_trade_price: None,
        changed_at: at(at_ms),
        received_at: at(at_ms + 10),
    }
}

/// Received 10 ms after the change.
fn change(side: Side, cents: u32, shares: u32, at_ms: i64) -> PriceChange {
    let book = snapshot(&[], &[], at_ms);
    PriceChange {
        id: book.id,
        condition_id: book.condition_id,
        token_id: book.token_id,
        side,
        price: price(cents),
        size: size(shares),
        best_bid: None,
        best_ask: None,
        hash: None,
        changed_at: book.changed_at,
        received_at: book.received_at,
    }
}

fn hashed(change: PriceChange, hash: &BookHash) -> PriceChange {
    PriceChange { hash: Some(hash.clone()), ..change }
}

fn sha1_of(text: &str) -> BookHash {
    let digest = Sha1::digest(text.as_bytes());
    let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    BookHash::try_from(hex.as_str()).unwrap()
}

/// The hash of a book by the rule of the protocol; bids ascending, asks descending, levels in cents and shares.
fn hash_of(bids: &[(u32, u32)], asks: &[(u32, u32)], at_ms: i64, last: &str) -> BookHash {
    let levels = |list: &[(u32, u32)]| {
        let level = |&(cents, shares): &(u32, u32)| {
            format!(r#"{{"price":"{}","size":"{shares}"}}"#, Decimal::new(i64::from(cents), 2).normalize())
        };
        list.iter().map(level).collect::<Vec<_>>().join(",")
    };
    sha1_of(&format!(
        r#"{{"market":"0xab","asset_id":"71","timestamp":"{at_ms}","hash":"","bids":[{}],"asks":[{}],"min_order_size":"5","tick_size":"0.01","neg_risk":false,"last_trade_price":"{last}"}}"#,
        levels(bids),
        levels(asks)
    ))
}

/// A book of 47 and 48 against 52 and 53, opened at second one.
fn opened() -> TokenBook {
    let mut book = TokenBook::new(context());
    book.snapshot(&snapshot(&[(48, 10), (47, 5)], &[(52, 10), (53, 5)], 1_000), &mut Budget::unlimited());
    book
}

fn apply(book: &mut TokenBook, change: &PriceChange) -> Applied {
    book.apply(change, &mut Budget::unlimited())
}

fn top(book: &TokenBook) -> (Option<Price>, Option<Price>) {
    let top = book.ladder().unwrap().top();
    (top.best_bid, top.best_ask)
}

/// What prevailed before a trade that was received 10 ms after its execution.
fn quote_at(book: &TokenBook, executed_ms: i64) -> (Option<Price>, Option<Price>) {
    let quote = book.prevailing(at(executed_ms), at(executed_ms + 10)).unwrap();
    (quote.best_bid, quote.best_ask)
}
