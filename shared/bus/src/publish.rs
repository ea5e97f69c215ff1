//! Publishing: sent at once, acknowledged later.
//!
//! Knows: headers and acknowledgements. Never: a retry; an error means "unknown", never "no".

use std::future::IntoFuture;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use chassis::trace::Traceparent;
use contract::codec::SCHEMA;
use contract::verdict::Verdict;

use crate::connect::{ANSWER_WITHIN, Bus};
use crate::error::BusError;

/// The longest value of a header; ours have at most 60 characters.
const HEADER_LENGTH_MAX: usize = 200;

/// A message for a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Where to; built by `contract::subject`.
    pub subject: String,
    /// `Nats-Msg-Id`: makes a repetition harmless.
    pub id: Option<String>,
    /// `Correlation-Id`: the frame it comes from.
    pub correlation_id: Option<String>,
    /// `traceparent`.
    pub traceparent: Option<Traceparent>,
    /// `Verdict`, on judged trades.
    pub verdict: Option<Verdict>,
    /// Encoded by `contract::codec`.
    pub payload: Bytes,
}

/// An acknowledgement under way.
#[derive(Debug)]
pub struct Pending {
    subject: String,
    future: PublishAckFuture,
}

/// The stream has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored {
    /// It had it already: same id within the window.
    pub duplicate: bool,
    /// Its place in the stream.
    pub sequence: u64,
}

impl Message {
    /// A message with a subject, an id and a payload.
    pub fn new(subject: String, id: String, payload: impl Into<Bytes>) -> Self {
        let payload = payload.into();
        Self { subject, id: Some(id), correlation_id: None, traceparent: None, verdict: None, payload }
    }

    fn headers(&self) -> Result<HeaderMap, BusError> {
        let mut headers = HeaderMap::new();
        headers.insert("Schema", SCHEMA);
        let verdict = self.verdict.map(Verdict::word);
        let traceparent = self.traceparent.map(|context| context.to_string());
        let texts = [
            ("Nats-Msg-Id", self.id.as_deref()),
            ("Correlation-Id", self.correlation_id.as_deref()),
            ("traceparent", traceparent.as_deref()),
            ("Verdict", verdict),
        ];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            // A line break in a header would panic the client.
            if text.len() > HEADER_LENGTH_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(BusError::Header { subject: self.subject.clone() });
            }
            headers.insert(name, text);
        }
        Ok(headers)
    }
}

impl Bus {
    /// Hands a message to the client and returns its acknowledgement under way.
    ///
    /// # Errors
    /// When a header is not plain text, or the client took nothing for 5 s because the bus is away.
    pub async fn publish(&self, message: &Message) -> Result<Pending, BusError> {
        let headers = message.headers()?;
        let publish = PublishMessage::build().headers(headers).payload(message.payload.clone());
        let sending = self.jetstream.send_publish(message.subject.clone(), publish);
        match tokio::time::timeout(ANSWER_WITHIN, sending).await {
            Ok(Ok(future)) => Ok(Pending { subject: message.subject.clone(), future }),
            Ok(Err(source)) => Err(unacknowledged(&message.subject, source)),
            Err(_) => Err(BusError::Away { what: message.subject.clone(), waited: ANSWER_WITHIN }),
        }
    }

    /// Publishes without a stream: best effort, for stats.
    ///
    /// # Errors
    /// When the client took nothing for a second because the bus is away.
    pub async fn publish_unacked(&self, subject: String, payload: Vec<u8>) -> Result<(), BusError> {
        const WITHIN: Duration = Duration::from_secs(1);
        let what = subject.clone();
        if !self.connected() {
            return Err(BusError::Away { what, waited: Duration::ZERO });
        }
        match tokio::time::timeout(WITHIN, self.client.publish(subject, payload.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(BusError::Unacknowledged { subject: what, source: Box::new(source) }),
            Err(_) => Err(BusError::Away { what, waited: WITHIN }),
        }
    }
}

impl Pending {
    /// Waits for the stream's word, at most 5 s.
    ///
    /// # Errors
    /// When it does not come: the message may be stored or not; publish the same one again.
    pub async fn acknowledged(self) -> Result<Stored, BusError> {
        match tokio::time::timeout(ANSWER_WITHIN, self.future.into_future()).await {
            Ok(Ok(ack)) => Ok(Stored { duplicate: ack.duplicate, sequence: ack.sequence }),
            Ok(Err(source)) => Err(unacknowledged(&self.subject, source)),
            Err(late) => Err(BusError::Unacknowledged { subject: self.subject, source: Box::new(late) }),
        }
    }
}

fn unacknowledged(subject: &str, source: async_nats::jetstream::context::PublishError) -> BusError {
    let subject = subject.to_owned();
    // The server states a full stream as error 10077 and a message over the limit as 10054.
    let text = source.to_string();
    let full = source.kind() == PublishErrorKind::MaxPayloadExceeded
        || ["10077", "10054", "maximum bytes exceeded"].iter().any(|mark| text.contains(mark));
    if full {
        BusError::Full { subject, source: Box::new(source) }
    } else {
        BusError::Unacknowledged { subject, source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_a_line_break_is_refused_before_it_reaches_the_client() {
        let mut message = Message::new("ticks.raw.trade.0xab".to_owned(), "id".to_owned(), vec![1]);
        assert!(message.headers().is_ok());
        message.correlation_id = Some("a\nb".to_owned());
        assert!(matches!(message.headers(), Err(BusError::Header { .. })));
        message.correlation_id = Some("x".repeat(HEADER_LENGTH_MAX));
        assert!(message.headers().is_ok());
        message.correlation_id = Some("x".repeat(HEADER_LENGTH_MAX + 1));
        assert!(message.headers().is_err());
    }

    #[test]
    fn all_headers_of_a_judged_trade_are_there() {
        let message = Message {
            correlation_id: Some("feed-1.0.7".to_owned()),
            traceparent: Some(Traceparent::unsampled([0xab; 16])),
            verdict: Some(Verdict::Flagged),
            ..Message::new("s".to_owned(), "id".to_owned(), vec![])
        };
        let headers = message.headers().unwrap();
        let traceparent = format!("00-{}-{}-00", "ab".repeat(16), "ab".repeat(8));
        for (name, value) in [
            ("Schema", "1"),
            ("Nats-Msg-Id", "id"),
            ("Verdict", "flagged"),
            ("traceparent", traceparent.as_str()),
        ] {
            assert_eq!(headers.get(name).map(async_nats::HeaderValue::as_str), Some(value));
        }
    }
}
