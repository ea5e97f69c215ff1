//! The venue's own shapes on the market channel, borrowed from the frame.
//!
//! Knows: names of members, aliases, old forms. Never: whether a value makes sense.
//!
//! Source: market channel documentation and captures to October 2026. Unknown members are skipped.
//! A value is kept as it stands in the frame, so that a number given without quotes is read as
//! exactly as one with them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

/// The longest scalar that is read, in bytes: ids have 78 digits, hashes 66 characters.
const SCALAR_BYTES_MAX: usize = 4_096;

/// A scalar as it stands in the frame: `"0.5"`, `0.5`, `null`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Scalar<'a>(#[serde(borrow)] &'a RawValue);

/// What tells the kind of an element.
#[derive(Debug, Deserialize)]
pub(crate) struct EventHeader<'a> {
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

/// `book`: full state of one token. Bids ascending, asks descending: the best is last. A side may be `null`.
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
    #[serde(borrow, alias = "buys")]
    pub(crate) bids: &'a RawValue,
    #[serde(borrow, alias = "sells")]
    pub(crate) asks: &'a RawValue,
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
    pub(crate) entries: &'a RawValue,
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
    pub(crate) changes: &'a RawValue,
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

/// Reads a list element by element, each as it stands there, until `take` refuses one: whoever sends a list of millions
/// gets no list of ours.
///
/// # Errors
/// When this is no list, its JSON ends or breaks, or `take` refused: by its words.
pub(crate) fn each<'a>(list: &'a str, take: impl FnMut(&'a str) -> Result<(), String>) -> Result<(), String> {
    if !list.starts_with('[') {
        return Err("no list".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_str(list);
    let read = reader.deserialize_seq(Each(take)).and_then(|()| reader.end());
    read.map_err(|error| if error.is_data() { error.to_string() } else { format!("no JSON: {error}") })
}

/// Hands each element on.
struct Each<F>(F);

impl<'de, F: FnMut(&'de str) -> Result<(), String>> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&'de RawValue>()? {
            (self.0)(raw.get()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

// === impl Scalar ===

impl<'a> Scalar<'a> {
    /// The text of a string or number; none of `null`, a list or an object, nor of one that is too long.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        let raw = self.0.get();
        if self.is_too_long() {
            return None;
        }
        match raw.as_bytes().first()? {
            b'"' if !raw.contains('\\') => raw.get(1..raw.len() - 1).map(Cow::Borrowed),
            b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
            _ => None,
        }
    }

    /// Whether it is longer than anything that the venue means.
    pub(crate) fn is_too_long(&self) -> bool {
        self.0.get().len() > SCALAR_BYTES_MAX
    }
}
