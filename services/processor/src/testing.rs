//! Examples for tests.
//!
//! Knows: values. Never: what becomes of them.

use contract::ids::{ConditionId, TickId, TokenId};
use contract::money::{Price, Size};
use contract::tick::{Origin, Prevailing, Side, Trade};
use contract::time::Timestamp;
use polymarket::rest::RestTrade;

/// When the example trade was executed.
pub(crate) const EXECUTED_AT: Timestamp = Timestamp::from_millis(1_795_000_000_000);

pub(crate) fn market() -> ConditionId {
    ConditionId::try_from("0xab").unwrap()
}

pub(crate) fn token(number: u32) -> TokenId {
    TokenId::try_from(number.to_string().as_str()).unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    Price::of_text(text).unwrap()
}

pub(crate) fn size(text: &str) -> Size {
    Size::of_text(text).unwrap()
}

/// 10 shares of token 1 at 0.50 in market 0xab, inside its quote, read a tenth of a second after the match.
pub(crate) fn trade() -> Trade {
    let mut trade = Trade {
        id: TickId::of_bytes([0; 16]),
        condition_id: market(),
        token_id: token(1),
        side: Some(Side::Buy),
        price: price("0.5"),
        size: Some(size("10")),
        origin: Origin::Socket,
        executed_at: EXECUTED_AT,
        received_at: Timestamp::from_micros(EXECUTED_AT.micros() + 100_000),
        transaction_hash: None,
        price_before: None,
        prevailing: Some(Prevailing {
            best_bid: Some(price("0.49")),
            best_ask: Some(price("0.51")),
            age_us: 9,
        }),
    };
    trade.id = trade.content_id();
    trade
}

/// The example trade as the Data API tells it two seconds later, with this many shares.
pub(crate) fn told(shares: &str) -> RestTrade {
    RestTrade {
        condition_id: market(),
        token_id: token(1),
        side: Some(Side::Buy),
        price: price("0.5"),
        size: size(shares),
        executed_at: Timestamp::from_micros(EXECUTED_AT.micros() + 2_000_000),
        transaction_hash: None,
    }
}
