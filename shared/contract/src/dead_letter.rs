//! Dead letters: what could not be understood, kept with its bytes.
//!
//! Knows: where a message died and why. Never: how to bring it back.

use serde::{Deserialize, Serialize};

use crate::ids::TickId;
use crate::stats::Service;
use crate::time::Timestamp;

/// The most bytes of a payload that are kept; the rest is cut, and the error says so.
pub const PAYLOAD_KEPT_MAX: usize = 64 * 1024;

/// The most characters of an error text.
const ERROR_KEPT_MAX: usize = 1_000;

/// A message that could not be understood.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DeadLetter {
    /// Identity: service, origin and bytes; the same letter told twice is one.
    pub id: TickId,
    /// The service that could not read it.
    pub service: Service,
    /// Where it came from: a subject, or the name of a socket.
    pub subject: String,
    /// What is wrong with it.
    pub error: String,
    /// Its bytes, at most [`PAYLOAD_KEPT_MAX`].
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
    /// When it was refused.
    pub at: Timestamp,
}

impl DeadLetter {
    /// A letter about `payload`. `origin` tells two letters with the same bytes apart: a stream
    /// sequence, or a frame's number on its socket.
    pub fn new(
        service: Service,
        subject: &str,
        origin: &str,
        error: &str,
        payload: &[u8],
        at: Timestamp,
    ) -> Self {
        let kept = &payload[..payload.len().min(PAYLOAD_KEPT_MAX)];
        let digest = blake3::hash(payload).to_hex();
        let id = TickId::of_content(&["dead", service.word(), subject, origin, digest.as_str()]);
        let mut error: String = error.chars().filter(|c| !c.is_control()).take(ERROR_KEPT_MAX).collect();
        if kept.len() < payload.len() {
            error.push_str(" (payload cut from ");
            error.push_str(&payload.len().to_string());
            error.push_str(" bytes)");
        }
        let subject = subject.chars().filter(|c| !c.is_control()).take(200).collect();
        Self { id, service, subject, error, payload: kept.to_vec(), at }
    }
}

/// Bytes as MessagePack binary; as a list of numbers they would double in size.
mod bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(origin: &str, payload: &[u8]) -> DeadLetter {
        DeadLetter::new(Service::Feed, "socket 1", origin, "bad\nthing", payload, Timestamp::from_micros(1))
    }

    #[test]
    fn a_payload_over_the_limit_is_cut_and_the_error_says_so() {
        let whole = letter("1", &vec![7; PAYLOAD_KEPT_MAX]);
        assert!(!whole.error.contains("cut"));
        let cut = letter("1", &vec![7; PAYLOAD_KEPT_MAX + 1]);
        assert_eq!(cut.payload.len(), PAYLOAD_KEPT_MAX);
        assert!(cut.error.ends_with("(payload cut from 65537 bytes)"), "{}", cut.error);
    }

    #[test]
    fn the_same_bytes_from_two_places_are_two_letters() {
        assert_eq!(letter("1", b"x").id, letter("1", b"x").id);
        assert_ne!(letter("1", b"x").id, letter("2", b"x").id);
        assert!(!letter("1", b"x").error.contains('\n'));
    }

    #[test]
    fn a_letter_reads_back() {
        let sent = letter("1", &[0, 255, 10]);
        let bytes = crate::codec::encode(&sent);
        assert_eq!(crate::codec::decode::<DeadLetter>(&bytes).unwrap(), sent);
        let json = serde_json::to_string(&sent).unwrap();
        assert_eq!(serde_json::from_str::<DeadLetter>(&json).unwrap(), sent);
    }
}
