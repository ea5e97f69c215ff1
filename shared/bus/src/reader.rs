//! Reading a stream in order without taking from it: what was, then what is.
//!
//! Knows: its place in the stream, so that a break loses and repeats nothing. Never: a consumer, an acknowledgement.
//!
//! Messages are asked for by direct get, a batch a request. The server keeps nothing for a reader, which may be as far
//! behind as it likes at the same price a message, and its login needs no right to create anything on the server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::message;
use async_nats::jetstream::stream::Info;
use async_nats::{StatusCode, datetime};
use bytes::Bytes;
use chassis::trace::Traceparent;
use contract::stats::Backlog;
use contract::subject;
use contract::time::Timestamp;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connect::{ANSWER_WITHIN, Bus};
use crate::deliver::{context, header, read_error};
use crate::error::BusError;
use crate::topology::{SharedConsumer, stream_info};

/// Messages of one request.
const BATCH_MESSAGES: u64 = 1_000;
/// Bytes after which a request is answered early: more than the largest message, so that each answer brings one.
const BATCH_BYTES: u64 = 4 << 20;
/// Pause after an answer that was not full: a request costs the server as much as some messages.
const PAUSE: Duration = Duration::from_millis(25);
/// How often it is checked that the stream is still the one that was read so far.
const STREAM_CHECK_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for all that is stored: 36,000 markets take about a second.
const STORED_WITHIN: Duration = Duration::from_secs(30);
/// Status of the answer that ends a batch.
const END_OF_BATCH: u16 = 204;
/// Every subject of a stream.
const ALL: &str = ">";

/// What can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Every judged tick.
    Judged,
    /// The newest message about each market: the stream keeps one a market.
    Markets,
    /// Every gap.
    Gaps,
    /// Every raw trade.
    RawTrades,
}

/// From where on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// Everything that the stream holds.
    Beginning,
    /// Everything stored at or after this moment.
    Moment(Timestamp),
}

/// An ordered view of a stream, for ever.
#[derive(Debug)]
pub struct StreamReader {
    bus: Bus,
    source: Source,
    start: Start,
    place: Option<Place>,
    batch: VecDeque<StreamMessage>,
    /// Not before this moment is the server asked again.
    not_before: Option<Instant>,
    read_up_to: ReadUpTo,
}

/// Up to which message a reader has come, for whoever watches it; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct ReadUpTo(Arc<Mutex<Option<u64>>>);

/// Where a reader is in its stream.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Sequence of the next message.
    next: u64,
    /// Sequence of the newest message at the last check.
    last: u64,
    /// Tells a stream from another one of the same name.
    created: datetime::DateTime,
    checked_at: Instant,
}

/// What waits for a shared consumer.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// How many messages.
    pub backlog: Backlog,
    /// The oldest that was delivered and is not acknowledged.
    pub unacknowledged: Option<StreamMessage>,
    /// The oldest that was not delivered yet.
    pub undelivered: Option<StreamMessage>,
}

/// A message read.
#[derive(Clone, Debug)]
pub struct StreamMessage {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub payload: Bytes,
    /// `Correlation-Id`.
    pub correlation_id: Option<String>,
    /// `traceparent`; none where it is no such context.
    pub traceparent: Option<Traceparent>,
    /// Its place in the stream.
    pub sequence: u64,
    /// Messages behind it when it was read; at most two seconds old where the server is older than 2.11.
    pub pending: u64,
}

impl Bus {
    /// Reads a stream from `start` on.
    pub fn reader(&self, source: Source, start: Start) -> StreamReader {
        let (bus, batch) = (self.clone(), VecDeque::new());
        StreamReader {
            bus,
            source,
            start,
            place: None,
            batch,
            not_before: None,
            read_up_to: ReadUpTo::default(),
        }
    }

    /// How far behind the shared consumer of `work` is, and what waits longest for it.
    ///
    /// # Errors
    /// When the server does not answer within 5 s.
    pub async fn waiting(&self, work: SharedConsumer) -> Result<Waiting, BusError> {
        let info = self.consumer_info(work).await?;
        let backlog = Backlog { pending: info.num_pending, unacknowledged: info.num_ack_pending as u64 };
        let mut waiting = Waiting { backlog, unacknowledged: None, undelivered: None };
        if backlog.pending > 0 {
            waiting.undelivered = self.after(work.stream(), info.delivered.stream_sequence).await?;
        }
        if backlog.unacknowledged > 0 {
            waiting.unacknowledged = self.after(work.stream(), info.ack_floor.stream_sequence).await?;
        }
        Ok(waiting)
    }

    /// How many messages of a stream a reader has not read yet, and the first of them.
    ///
    /// # Errors
    /// When the server does not answer within 5 s.
    pub async fn unread(
        &self,
        source: Source,
        read_up_to: u64,
    ) -> Result<(u64, Option<StreamMessage>), BusError> {
        let last = stream_info(&self.jetstream, source.stream()).await?.state.last_sequence;
        let count = last.saturating_sub(read_up_to);
        let first = if count > 0 { self.after(source.stream(), read_up_to).await? } else { None };
        Ok((count, first))
    }

    async fn after(&self, stream: &str, sequence: u64) -> Result<Option<StreamMessage>, BusError> {
        let next = request(self, stream, ALL, sequence + 1, 1).await?.pop();
        next.map(|reply| message(reply, 0, stream)).transpose()
    }

    /// Everything that is stored from `start` on, and no more.
    ///
    /// # Errors
    /// When the server does not answer, or reading takes longer than 30 s.
    pub async fn stored(&self, source: Source, start: Start) -> Result<Vec<StreamMessage>, BusError> {
        match timeout(STORED_WITHIN, stored(self, source, start)).await {
            Ok(messages) => messages,
            Err(late) => Err(read_error(source.stream(), late)),
        }
    }
}

// === impl StreamReader ===

impl StreamReader {
    /// The next message; waits for ever when there is none. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// When reading broke off. The next call goes on behind the last message; wait a little in between.
    pub async fn next(&mut self) -> Result<StreamMessage, BusError> {
        loop {
            let place = self.place().await?;
            if let Some(message) = self.batch.pop_front() {
                self.read_up_to.set(message.sequence);
                self.place = Some(Place { next: message.sequence + 1, ..place });
                return Ok(message);
            }
            if let Some(not_before) = self.not_before {
                sleep_until(not_before).await;
            }
            self.batch = fetch(&self.bus, self.source, place.next, place.last).await?.into();
            // A server before 2.11 gives one message at a time, however many there are.
            let is_full = self.batch.len() as u64 == BATCH_MESSAGES
                || (self.batch.len() == 1 && self.batch.iter().any(|message| message.pending > 0));
            self.not_before = (!is_full).then(|| Instant::now() + PAUSE);
        }
    }

    /// Passes over all but the newest `keep` messages of the stream; how many those are.
    ///
    /// # Errors
    /// As [`StreamReader::next`].
    pub async fn skip(&mut self, keep: u64) -> Result<u64, BusError> {
        let place = self.place().await?;
        let last = stream_info(&self.bus.jetstream, self.source.stream()).await?.state.last_sequence;
        let next = (last + 1).saturating_sub(keep).max(place.next);
        self.batch.clear();
        self.place = Some(Place { next, last, ..place });
        self.read_up_to.set(next.saturating_sub(1));
        Ok(next - place.next)
    }

    /// Where it has come to.
    pub fn read_up_to(&self) -> ReadUpTo {
        self.read_up_to.clone()
    }

    /// Where to go on. A stream that was made anew, or that lost its newest messages with the server's disk, is read
    /// from what it has now: its sequences count again.
    async fn place(&mut self) -> Result<Place, BusError> {
        if let Some(place) = self.place.filter(|place| place.checked_at.elapsed() < STREAM_CHECK_EVERY) {
            return Ok(place);
        }
        let info = stream_info(&self.bus.jetstream, self.source.stream()).await?;
        let (created, last) = (info.created, info.state.last_sequence);
        let next = match self.place {
            None => first_of(&self.bus, self.source, self.start, &info).await?,
            Some(place) if place.created != created => info.state.first_sequence,
            Some(place) => place.next.min(last + 1),
        };
        if self.place.is_some_and(|place| place.next != next) {
            self.batch.clear();
        }
        // A stream that never held anything says that its first sequence is 0.
        let place = Place { next: next.max(1), last, created, checked_at: Instant::now() };
        if self.batch.is_empty() {
            self.read_up_to.set(place.next - 1);
        }
        self.place = Some(place);
        Ok(place)
    }
}

// === impl ReadUpTo ===

impl ReadUpTo {
    /// Sequence of the last message that was read or passed over; none before the reader knows where to begin.
    pub fn sequence(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, sequence: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sequence);
    }
}

// === impl Source ===

impl Source {
    const fn stream(self) -> &'static str {
        match self {
            Self::Judged => SharedConsumer::Judged.stream(),
            Self::Markets => SharedConsumer::Markets.stream(),
            Self::Gaps => SharedConsumer::Gaps.stream(),
            Self::RawTrades => SharedConsumer::Raw.stream(),
        }
    }

    const fn filter(self) -> &'static str {
        match self {
            Self::Judged | Self::Markets | Self::Gaps => ALL,
            Self::RawTrades => subject::RAW_TRADES,
        }
    }
}

async fn stored(bus: &Bus, source: Source, start: Start) -> Result<Vec<StreamMessage>, BusError> {
    let info = stream_info(&bus.jetstream, source.stream()).await?;
    let mut next = first_of(bus, source, start, &info).await?;
    let mut messages = Vec::new();
    // What comes while this is read would make it endless.
    while next <= info.state.last_sequence {
        let batch = fetch(bus, source, next, info.state.last_sequence).await?;
        let Some(last) = batch.last() else { break };
        next = last.sequence + 1;
        messages.extend(batch);
    }
    Ok(messages)
}

/// Sequence of the first message at or after `start`. Searched by halves: only a server from 2.11 on finds a moment by
/// itself.
async fn first_of(bus: &Bus, source: Source, start: Start, info: &Info) -> Result<u64, BusError> {
    let (mut low, mut high) = (info.state.first_sequence, info.state.last_sequence + 1);
    let Start::Moment(moment) = start else { return Ok(low) };
    let name = source.stream();
    let moment = datetime::from_nanos(i128::from(moment.micros()) * 1_000)
        .map_err(|error| BusError::Read { what: name.to_owned(), source: error })?;
    while low < high {
        let middle = low + (high - low) / 2;
        match request(bus, name, ALL, middle, 1).await?.pop() {
            Some(message) if stored_at(message.clone(), name)?.time < moment => {
                low = stored_at(message, name)?.sequence + 1;
            }
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// The next messages from `from` on, in order; none where there is none yet. `last`: the newest that is known of.
async fn fetch(bus: &Bus, source: Source, from: u64, last: u64) -> Result<Vec<StreamMessage>, BusError> {
    let name = source.stream();
    let replies = request(bus, name, source.filter(), from, BATCH_MESSAGES).await?;
    replies.into_iter().map(|reply| message(reply, last, name)).collect()
}

/// The messages that a direct get brings, as they come.
async fn request(
    bus: &Bus,
    stream: &str,
    filter: &str,
    from: u64,
    batch: u64,
) -> Result<Vec<async_nats::Message>, BusError> {
    let question = json!({ "seq": from, "next_by_subj": filter, "batch": batch, "max_bytes": BATCH_BYTES });
    let inbox = bus.client.new_inbox();
    let failed = |error| read_error(stream, error);
    let mut replies = bus.client.subscribe(inbox.clone()).await.map_err(failed)?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let asked = bus.client.publish_with_reply(subject, inbox, question.to_string().into()).await;
    asked.map_err(|error| read_error(stream, error))?;
    let mut messages = Vec::new();
    loop {
        let reply = timeout(ANSWER_WITHIN, replies.next()).await.map_err(|late| read_error(stream, late))?;
        let Some(reply) = reply else { return Err(BusError::Lost) };
        match reply.status {
            None => {
                let goes_on = pending(&reply).is_some();
                messages.push(reply);
                // A server before 2.11 answers with one message and knows no batch.
                if !goes_on {
                    return Ok(messages);
                }
            }
            Some(StatusCode::NOT_FOUND) => return Ok(messages),
            Some(StatusCode::NO_RESPONDERS) => return Err(read_error(stream, odd("no such stream"))),
            Some(status) if status.as_u16() == END_OF_BATCH => return Ok(messages),
            Some(_) => return Err(read_error(stream, odd(&reply.description.unwrap_or_default()))),
        }
    }
}

fn message(reply: async_nats::Message, last: u64, stream: &str) -> Result<StreamMessage, BusError> {
    let pending = pending(&reply);
    let message = stored_at(reply, stream)?;
    let headers = Some(&message.headers);
    Ok(StreamMessage {
        correlation_id: header(headers, "Correlation-Id"),
        traceparent: context(headers),
        subject: message.subject.to_string(),
        payload: message.payload,
        sequence: message.sequence,
        pending: pending.unwrap_or(last.saturating_sub(message.sequence)),
    })
}

fn stored_at(reply: async_nats::Message, stream: &str) -> Result<message::StreamMessage, BusError> {
    reply.try_into().map_err(|error: message::StreamMessageError| read_error(stream, error))
}

fn pending(reply: &async_nats::Message) -> Option<u64> {
    reply.headers.as_ref()?.get("Nats-Num-Pending")?.as_str().parse().ok()
}

fn odd(text: &str) -> std::io::Error {
    std::io::Error::other(text.to_owned())
}
