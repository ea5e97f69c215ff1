//! Deliveries of a shared consumer: taken, worked on, acknowledged.
//!
//! Knows: pulling, acknowledging, coming back after a break. Never: what is done with a message.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::pull::{MessagesErrorKind, Stream};
use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use chassis::trace::Traceparent;
use futures_util::StreamExt;
use tracing::debug;

use crate::connect::{ANSWER_WITHIN, Bus};
use crate::error::BusError;
use crate::topology::{SharedConsumer, declare_error};

/// Messages asked for at a time: few enough that a killed instance holds little back.
const PULL_BATCH: usize = 500;
/// How long one pull request stands.
const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// The server says this often that it is there; two missed ones break the stream.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Missed heartbeats in a row after which the consumer is opened again.
const HEARTBEATS_MISSED_MAX: u32 = 2;

/// What comes from a shared consumer, for ever.
pub struct Deliveries {
    bus: Bus,
    work: SharedConsumer,
    stream: Option<Box<Stream>>,
    heartbeats_missed: u32,
}

/// One message, to be acknowledged once the next stage has it.
pub struct Delivery {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: Bytes,
    /// `Nats-Msg-Id`.
    pub id: Option<String>,
    /// `Schema`.
    pub schema: Option<String>,
    /// `Correlation-Id`.
    pub correlation_id: Option<String>,
    /// `traceparent`; none where it is no such context.
    pub traceparent: Option<Traceparent>,
    /// Its place in the stream.
    pub sequence: u64,
    /// Which delivery of it this is, from 1.
    pub attempt: u64,
    /// Messages behind it that were not delivered yet.
    pub pending: u64,
    acker: Acker,
}

impl Bus {
    /// What the shared consumer `work` delivers to this instance.
    pub fn consume(&self, work: SharedConsumer) -> Deliveries {
        Deliveries { bus: self.clone(), work, stream: None, heartbeats_missed: 0 }
    }
}

impl Deliveries {
    /// The next delivery; waits for ever when there is none. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// When reading broke off. The next call opens the consumer again; wait a little in between.
    pub async fn next(&mut self) -> Result<Delivery, BusError> {
        loop {
            if self.stream.is_none() {
                self.stream = Some(Box::new(open(&self.bus, self.work).await?));
                self.heartbeats_missed = 0;
            }
            let Some(stream) = self.stream.as_mut() else { continue };
            match stream.next().await {
                Some(Ok(message)) => {
                    self.heartbeats_missed = 0;
                    return delivery(message, self.work);
                }
                Some(Err(error)) if error.kind() == MessagesErrorKind::MissingHeartbeat => {
                    self.heartbeats_missed += 1;
                    debug!(consumer = self.work.durable(), "a heartbeat of the bus is missing");
                    if self.heartbeats_missed > HEARTBEATS_MISSED_MAX {
                        self.stream = None;
                        return Err(read_error(self.work.durable(), error));
                    }
                }
                Some(Err(error)) => {
                    self.stream = None;
                    return Err(read_error(self.work.durable(), error));
                }
                None => {
                    self.stream = None;
                    return Err(read_error(self.work.durable(), std::io::Error::other("the stream ended")));
                }
            }
        }
    }
}

impl Delivery {
    /// Says that the next stage has it; it never comes again. Not confirmed by the server: an
    /// acknowledgement that is lost leads to another delivery.
    ///
    /// # Errors
    /// When the client took nothing for 5 s because the bus is away.
    pub async fn ack(&self) -> Result<(), BusError> {
        self.answer(AckKind::Ack).await
    }

    /// Says that it is being worked on: the clock of its redelivery starts anew.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn progress(&self) -> Result<(), BusError> {
        self.answer(AckKind::Progress).await
    }

    /// Gives it back; it comes again after `delay`.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn nak(&self, delay: Duration) -> Result<(), BusError> {
        self.answer(AckKind::Nak(Some(delay))).await
    }

    async fn answer(&self, kind: AckKind) -> Result<(), BusError> {
        match tokio::time::timeout(ANSWER_WITHIN, self.acker.ack_with(kind)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(BusError::Unacknowledged { subject: self.subject.clone(), source }),
            Err(_) => Err(BusError::Away { what: self.subject.clone(), waited: ANSWER_WITHIN }),
        }
    }
}

async fn open(bus: &Bus, work: SharedConsumer) -> Result<Stream, BusError> {
    let consumer = bus.jetstream.get_consumer_from_stream(work.durable(), work.stream());
    let consumer: async_nats::jetstream::consumer::PullConsumer =
        consumer.await.map_err(|source| declare_error(work.durable(), source))?;
    let stream = consumer
        .stream()
        .max_messages_per_batch(PULL_BATCH)
        .expires(PULL_EXPIRES)
        .heartbeat(HEARTBEAT)
        .messages()
        .await;
    stream.map_err(|source| read_error(work.durable(), source))
}

fn delivery(message: async_nats::jetstream::Message, work: SharedConsumer) -> Result<Delivery, BusError> {
    let (sequence, attempt, pending) = match message.info() {
        Ok(info) => (info.stream_sequence, u64::try_from(info.delivered).unwrap_or(1), info.pending),
        Err(source) => return Err(BusError::Read { what: work.durable().to_owned(), source }),
    };
    let (message, acker) = message.split();
    let headers = message.headers.as_ref();
    Ok(Delivery {
        id: header(headers, "Nats-Msg-Id"),
        schema: header(headers, "Schema"),
        correlation_id: header(headers, "Correlation-Id"),
        traceparent: context(headers),
        subject: message.subject.to_string(),
        payload: message.payload,
        sequence,
        attempt,
        pending,
        acker,
    })
}

pub(crate) fn header(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    headers?.get(name).map(|value| value.as_str().to_owned())
}

/// Where a message belongs; of what is no context nothing is carried on.
pub(crate) fn context(headers: Option<&HeaderMap>) -> Option<Traceparent> {
    Traceparent::of_text(headers?.get("traceparent")?.as_str())
}

pub(crate) fn read_error<E>(what: &str, source: E) -> BusError
where
    E: std::error::Error + Send + Sync + 'static,
{
    BusError::Read { what: what.to_owned(), source: Box::new(source) }
}

// === impl Deliveries ===

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").field("work", &self.work).finish_non_exhaustive()
    }
}

// === impl Delivery ===

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("subject", &self.subject)
            .field("sequence", &self.sequence)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
