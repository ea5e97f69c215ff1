//! A trade that every gate lets pass, for tests to bend.
//!
//! Knows: example values. Never: what a gate makes of them.

use contract::ids::{ConditionId, TickId, TokenId, TransactionHash};
use contract::money::{Price, Size};
use contract::tick::{Origin, Prevailing, Side, Trade};
use contract::time::Timestamp;

/// When the example trade was executed, in microseconds since 1970.
pub(crate) const EXECUTED_US: i64 = 1_790_000_000_000_000;

pub(crate) fn price(text: &str) -> Price {
    Price::of_text(text).unwrap()
}

pub(crate) fn size(text: &str) -> Size {
    Size::of_text(text).unwrap()
}

pub(crate) fn token(number: u32) -> TokenId {
    TokenId::try_from(number.to_string().as_str()).unwrap()
}

pub(crate) fn hash(text: &str) -> TransactionHash {
    TransactionHash::try_from(text).unwrap()
}

/// 10 shares of token 1 at 0.50, bid 0.49, ask 0.51, read a tenth of a second after the match.
pub(crate) fn trade() -> Trade {
    Trade {
        id: TickId::of_content(&["example"]),
        condition_id: ConditionId::try_from("0xab").unwrap(),
        token_id: token(1),
        side: Some(Side::Buy),
        price: price("0.5"),
        size: Some(size("10")),
        origin: Origin::Socket,
        executed_at: Timestamp::from_micros(EXECUTED_US),
        received_at: Timestamp::from_micros(EXECUTED_US + 100_000),
        transaction_hash: None,
        price_before: None,
        prevailing: Some(Prevailing {
            best_bid: Some(price("0.49")),
            best_ask: Some(price("0.51")),
            age_us: 1_000,
        }),
    }
}
