//! Payloads to bytes and back: MessagePack with field names.
//!
//! Knows: the encoding. Never: where the bytes go.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::tick::{Kind, Tick};

/// The version of the payloads; header `Schema`.
pub const SCHEMA: &str = "1";

/// Bytes that are not the payload they should be.
#[derive(Debug, thiserror::Error)]
#[error("not a {what}: {source}")]
pub struct DecodeError {
    /// The payload that was expected.
    pub what: &'static str,
    /// What the decoder stumbled over.
    #[source]
    pub source: rmp_serde::decode::Error,
}

/// Encodes a payload, with field names, so that a reader of yesterday reads what is sent tomorrow.
///
/// # Panics
/// Never: our payloads hold only texts, numbers, lists and maps with text keys.
pub fn encode<T: Serialize>(payload: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(payload)
        .expect("our payloads hold only texts, numbers, lists and maps with text keys")
}

/// Decodes a payload; members it does not know are skipped.
///
/// # Errors
/// When the bytes are no MessagePack, a member is missing or holds a value out of its range.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let what = std::any::type_name::<T>().rsplit("::").next().unwrap_or("payload");
    rmp_serde::from_slice(bytes).map_err(|source| DecodeError { what, source })
}

/// Encodes the payload of a raw tick; its kind stands in the subject.
pub fn encode_tick(tick: &Tick) -> Vec<u8> {
    match tick {
        Tick::Book(book) => encode(book),
        Tick::Price(price) => encode(price),
        Tick::Trade(trade) => encode(trade.as_ref()),
        Tick::Quote(quote) => encode(quote),
        Tick::TickSize(change) => encode(change),
    }
}

/// Decodes the payload of a raw tick of a known kind.
///
/// # Errors
/// As [`decode`].
pub fn decode_tick(kind: Kind, bytes: &[u8]) -> Result<Tick, DecodeError> {
    Ok(match kind {
        Kind::Book => Tick::Book(decode(bytes)?),
        Kind::Price => Tick::Price(decode(bytes)?),
        Kind::Trade => Tick::Trade(Box::new(decode(bytes)?)),
        Kind::Quote => Tick::Quote(decode(bytes)?),
        Kind::TickSize => Tick::TickSize(decode(bytes)?),
    })
}
