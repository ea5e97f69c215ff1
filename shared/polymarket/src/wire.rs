//! The venue's own shapes on the market channel, borrowed from the frame.
//!
//! Knows: names of members, aliases, old forms. Never: whether a value makes sense.
//!
//! Source: market channel documentation and captures to October 2026. Unknown members are skipped.
//! A value is kept as it stands in the frame, so that a number given without quotes is read as
//! exactly as one with them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A scalar as it stands in the frame: `"0.5"`, `0.5`, `null`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Scalar<'a>(#[serde(borrow)] &'a RawValue);

/// What tells the kind of an element.
#[derive(Debug, Deserialize)]
pub(crate) struct Peek<'a> {
    #[serde(borrow, default)]
    pub(crate) event_type: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) price_changes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) changes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) bids: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Level<'a> {
    #[serde(borrow)]
    pub(crate) price: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) size: Scalar<'a>,
}

/// `book`: full state of one token. Bids ascending, asks descending: the best is last.
#[derive(Debug, Deserialize)]
pub(crate) struct Book<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, alias = "token_id")]
    pub(crate) asset_id: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) hash: Option<Scalar<'a>>,
    #[serde(borrow, alias = "buys", deserialize_with = "levels")]
    pub(crate) bids: Vec<Level<'a>>,
    #[serde(borrow, alias = "sells", deserialize_with = "levels")]
    pub(crate) asks: Vec<Level<'a>>,
    #[serde(borrow, default)]
    pub(crate) tick_size: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) last_trade_price: Option<Scalar<'a>>,
}

/// `price_change`, since September 2025; the entries are read one by one.
#[derive(Debug, Deserialize)]
pub(crate) struct PriceChanges<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
    #[serde(borrow, rename = "price_changes")]
    pub(crate) entries: Vec<&'a RawValue>,
}

/// `price_change` before that date: one token, its changes in a list. Recordings only.
#[derive(Debug, Deserialize)]
pub(crate) struct OldChanges<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) asset_id: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) hash: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub(crate) changes: Vec<&'a RawValue>,
}

/// One level of a `price_change`.
#[derive(Debug, Deserialize)]
pub(crate) struct Change<'a> {
    #[serde(borrow, default, alias = "token_id")]
    pub(crate) asset_id: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub(crate) price: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) size: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) side: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) hash: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) best_bid: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) best_ask: Option<Scalar<'a>>,
}

/// `last_trade_price`: one match.
#[derive(Debug, Deserialize)]
pub(crate) struct LastTrade<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, alias = "token_id")]
    pub(crate) asset_id: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) price: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) size: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) side: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) transaction_hash: Option<Scalar<'a>>,
}

/// `best_bid_ask`.
#[derive(Debug, Deserialize)]
pub(crate) struct BestBidAsk<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, alias = "token_id")]
    pub(crate) asset_id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) best_bid: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) best_ask: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
}

/// `tick_size_change`.
#[derive(Debug, Deserialize)]
pub(crate) struct TickSizeChange<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, alias = "token_id")]
    pub(crate) asset_id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) old_tick_size: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub(crate) new_tick_size: Scalar<'a>,
    #[serde(borrow)]
    pub(crate) timestamp: Scalar<'a>,
}

/// `new_market`.
#[derive(Debug, Deserialize)]
pub(crate) struct NewMarket<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, default)]
    pub(crate) question: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) slug: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) assets_ids: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) asset_ids: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) outcomes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) tags: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) event_message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) order_price_min_tick_size: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) active: Option<&'a RawValue>,
}

/// `market_resolved`.
#[derive(Debug, Deserialize)]
pub(crate) struct MarketResolved<'a> {
    #[serde(borrow)]
    pub(crate) market: Scalar<'a>,
    #[serde(borrow, default, alias = "winning_token_id")]
    pub(crate) winning_asset_id: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) winning_outcome: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    pub(crate) timestamp: Option<Scalar<'a>>,
}

/// The event that a market belongs to, as a frame names it.
#[derive(Debug, Deserialize)]
pub(crate) struct EventMessage<'a> {
    #[serde(borrow, default)]
    pub(crate) slug: Option<Scalar<'a>>,
}

/// A side of a book; `null` is an empty one.
fn levels<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Vec<Level<'a>>, D::Error> {
    Option::<Vec<Level<'a>>>::deserialize(from).map(Option::unwrap_or_default)
}

// === impl Scalar ===

impl<'a> Scalar<'a> {
    /// The text of a string or number; none of `null`, a list or an object.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        let raw = self.0.get();
        match raw.as_bytes().first()? {
            b'"' if !raw.contains('\\') => raw.get(1..raw.len() - 1).map(Cow::Borrowed),
            b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
            _ => None,
        }
    }
}
