//! Listening on a subject without a stream: best effort, for stats and for `tap`.
//!
//! Knows: core subscriptions. Never: what was said before.

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::connect::Bus;
use crate::deliver::{header, read_error};
use crate::error::BusError;

/// A subscription.
#[derive(Debug)]
pub struct Listener(Subscriber);

/// A message heard.
#[derive(Clone, Debug)]
pub struct CoreMessage {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: Bytes,
    /// `Correlation-Id`.
    pub correlation_id: Option<String>,
}

impl Bus {
    /// Listens on `subject`, which may hold wildcards.
    ///
    /// # Errors
    /// When the subject is none, or the connection is closed.
    pub async fn listen(&self, subject: &str) -> Result<Listener, BusError> {
        match self.client.subscribe(subject.to_owned()).await {
            Ok(subscriber) => Ok(Listener(subscriber)),
            Err(source) => Err(read_error(subject, source)),
        }
    }
}

impl Listener {
    /// The next message; none when the connection is closed for good.
    pub async fn next(&mut self) -> Option<CoreMessage> {
        let message = self.0.next().await?;
        Some(CoreMessage {
            correlation_id: header(message.headers.as_ref(), "Correlation-Id"),
            subject: message.subject.to_string(),
            payload: message.payload,
        })
    }
}
