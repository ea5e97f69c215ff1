//! Names of things: markets, tokens, transactions, ticks.
//!
//! Knows: which texts are ids. Never: a text that was not checked.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is no id of its kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a {kind}: `{text}`")]
pub struct ParseIdError {
    /// What it should have been.
    pub kind: &'static str,
    /// The text as received, cut to 80 characters, control characters escaped.
    pub text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = ParseIdError;

            fn try_from(text: &str) -> Result<Self, ParseIdError> {
                match $check(text) {
                    Some(text) => Ok(Self(text)),
                    None => Err(ParseIdError { kind: $kind, text: text.chars().take(80).collect::<String>().escape_default().to_string() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::try_from(text.as_ref()).map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// A market, as the venue's contracts name it.
    ///
    /// Shape: `0x` and 1 to 64 hexadecimal digits, kept in lower case (62 digits occur on protocol v2).
    /// Source: `market` on the market channel, `conditionId` in the Gamma API.
    ConditionId, "condition id", hexadecimal
);
id!(
    /// One outcome token of a market, as the venue names it.
    ///
    /// Shape: 1 to 78 decimal digits (a 256-bit integer: too wide for `u128`, so kept as text).
    /// Source: `asset_id` on the market channel; `clobTokenIds` in the Gamma API.
    TokenId, "token id", decimal_digits
);
id!(
    /// The transaction that settled a trade. One transaction can hold several matches: no key of a trade.
    ///
    /// Shape: `0x` and 1 to 64 hexadecimal digits, kept in lower case.
    TransactionHash, "transaction hash", hexadecimal
);
id!(
    /// The venue's SHA-1 over a whole book. A hint about lost deltas, never a key.
    ///
    /// Shape: 40 hexadecimal digits, kept in lower case.
    BookHash, "book hash", sha1_hex
);

/// The identity of a tick: 128 bits over its content and its ordinal among identical ones.
///
/// In text: 32 hexadecimal digits. The same event read twice, or by two feeds, has the same id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TickId([u8; 16]);

impl TickId {
    /// The id over a list of canonical texts: the kind of tick first, then its fields in a fixed order.
    ///
    /// Every text goes in behind its length, so that no two lists read alike.
    pub fn of_content(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self::cut(&hasher)
    }

    /// The id of the `ordinal`-th tick with this content, counted from zero.
    #[must_use]
    pub fn nth(self, ordinal: u32) -> Self {
        if ordinal == 0 {
            return self;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(&ordinal.to_le_bytes());
        Self::cut(&hasher)
    }

    /// The 16 bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id with these bytes, as read back from a store.
    pub const fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    fn cut(hasher: &blake3::Hasher) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(bytes)
    }
}

fn hexadecimal(text: &str) -> Option<Arc<str>> {
    let digits = text.strip_prefix("0x")?;
    let good = (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| lower(text))
}

fn decimal_digits(text: &str) -> Option<Arc<str>> {
    let good = (1..=78).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| Arc::from(text))
}

fn sha1_hex(text: &str) -> Option<Arc<str>> {
    let good = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| lower(text))
}

fn lower(text: &str) -> Arc<str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

// === impl TickId ===

impl fmt::Display for TickId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl TryFrom<&str> for TickId {
    type Error = ParseIdError;

    fn try_from(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(ParseIdError {
                kind: "tick id",
                text: text.chars().take(80).collect::<String>().escape_default().to_string(),
            }),
        }
    }
}

impl Serialize for TickId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TickId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::try_from(text.as_ref()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_id_is_lower_hexadecimal_of_any_length_to_64() {
        assert_eq!(ConditionId::try_from("0xAbC1").unwrap().as_str(), "0xabc1");
        assert!(ConditionId::try_from(format!("0x{}", "a".repeat(64)).as_str()).is_ok());
        assert!(ConditionId::try_from(format!("0x{}", "a".repeat(65)).as_str()).is_err());
        for text in ["", "0x", "abc", "0xg", "0x1.2", "0x1*", "0x1>", "0x1\n", "0x 1"] {
            assert!(ConditionId::try_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_id_has_one_to_78_decimal_digits() {
        assert!(TokenId::try_from("7".repeat(78).as_str()).is_ok());
        assert!(TokenId::try_from("7".repeat(79).as_str()).is_err());
        for text in ["", "1.2", "1 ", "0x1", "１２"] {
            assert!(TokenId::try_from(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn moving_a_letter_between_fields_changes_the_id() {
        assert_ne!(TickId::of_content(&["ab", "c"]), TickId::of_content(&["a", "bc"]));
    }

    #[test]
    fn identical_content_has_one_id_and_each_ordinal_its_own() {
        let first = TickId::of_content(&["trade", "1"]);
        assert_eq!(first, TickId::of_content(&["trade", "1"]));
        assert_eq!(first.nth(0), first);
        assert_ne!(first.nth(1), first);
        assert_ne!(first.nth(1), first.nth(2));
    }

    #[test]
    fn a_tick_id_reads_back_from_its_text() {
        let id = TickId::of_content(&["x"]);
        assert_eq!(TickId::try_from(id.to_string().as_str()).unwrap(), id);
        assert!(TickId::try_from("xyz").is_err());
    }

    #[test]
    fn a_book_hash_has_40_digits() {
        assert!(BookHash::try_from("caab9fea204d5ce8d2eca8410ae7d71f107bab10").is_ok());
        assert!(BookHash::try_from("caab9fea204d5ce8d2eca8410ae7d71f107bab1").is_err());
        assert!(TransactionHash::try_from("0xCAAB").is_ok());
    }
}
