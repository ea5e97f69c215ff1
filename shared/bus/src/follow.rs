//! Following a stream in order without taking from it: what was, then what is.
//!
//! Knows: where it stood, so that a break loses and repeats nothing. Never: an acknowledgement.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use bytes::Bytes;
use chassis::trace::Traceparent;
use contract::subject;
use contract::time::Timestamp;
use futures_util::StreamExt;

use crate::connect::Bus;
use crate::deliver::{context, header, read_error};
use crate::error::BusError;
use crate::topology::{Work, declare_error};

/// Longest wait for all that is stored: 36,000 markets take about a second.
const NEWEST_WITHIN: Duration = Duration::from_secs(30);

/// What can be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Followed {
    /// Every judged tick.
    Judged,
    /// Every market: the newest word on each.
    Markets,
    /// Every gap.
    Gaps,
    /// Every raw trade.
    RawTrades,
}

/// From where on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// Everything stored at or after this moment, then what comes.
    Moment(Timestamp),
    /// The newest message of each subject, then what comes.
    LastPerSubject,
    /// Everything stored after this place, then what comes.
    After(u64),
}

/// An ordered view of a stream, for ever.
pub struct Following {
    bus: Bus,
    followed: Followed,
    start: Start,
    stream: Option<Box<Ordered>>,
}

/// A message seen.
#[derive(Clone, Debug)]
pub struct Seen {
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
    /// Messages of the stream that are still to come before what is new.
    pub pending: u64,
}

impl Bus {
    /// Follows a stream from `start` on.
    pub fn follow(&self, followed: Followed, start: Start) -> Following {
        Following { bus: self.clone(), followed, start, stream: None }
    }
}

impl Bus {
    /// The newest message of each subject, and no more: what is known now.
    ///
    /// # Errors
    /// When the server does not answer, or reading takes longer than 30 s.
    pub async fn newest(&self, followed: Followed) -> Result<Vec<Seen>, BusError> {
        self.stored(followed, Start::LastPerSubject).await
    }

    /// Everything that is stored from `start` on, and no more.
    ///
    /// # Errors
    /// When the server does not answer, or reading takes longer than 30 s.
    pub async fn stored(&self, followed: Followed, start: Start) -> Result<Vec<Seen>, BusError> {
        let name = followed.work().stream();
        match tokio::time::timeout(NEWEST_WITHIN, stored(self, followed, start)).await {
            Ok(messages) => messages,
            Err(late) => Err(read_error(name, late)),
        }
    }
}

impl Following {
    /// The next message; waits for ever when there is none. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// When reading broke off. The next call goes on behind the last message; wait a little in between.
    pub async fn next(&mut self) -> Result<Seen, BusError> {
        if self.stream.is_none() {
            self.stream = Some(Box::new(open(&self.bus, self.followed, self.start).await?));
        }
        let name = self.followed.work().stream();
        let next = match self.stream.as_mut() {
            Some(stream) => stream.next().await,
            None => None,
        };
        let seen = match next {
            Some(Ok(message)) => seen(&message, name),
            Some(Err(error)) => Err(read_error(name, error)),
            None => Err(read_error(name, std::io::Error::other("the stream ended"))),
        };
        match &seen {
            Ok(message) => self.start = Start::After(message.sequence),
            Err(_) => self.stream = None,
        }
        seen
    }
}

impl Followed {
    const fn work(self) -> Work {
        match self {
            Self::Judged => Work::Judged,
            Self::Markets => Work::Markets,
            Self::Gaps => Work::Gaps,
            Self::RawTrades => Work::Raw,
        }
    }

    fn subjects(self) -> Vec<String> {
        match self {
            Self::Judged => subject::JUDGED_ALL.map(str::to_owned).to_vec(),
            Self::Markets => vec![subject::MARKETS_ALL.to_owned()],
            Self::Gaps => vec![subject::GAPS_ALL.to_owned()],
            Self::RawTrades => vec![subject::RAW_TRADES.to_owned()],
        }
    }
}

async fn open(bus: &Bus, followed: Followed, start: Start) -> Result<Ordered, BusError> {
    let name = followed.work().stream();
    let config = OrderedConfig {
        name: Some(name_of_follower(bus)),
        deliver_policy: policy(name, start)?,
        filter_subjects: followed.subjects(),
        ..OrderedConfig::default()
    };
    let stream = bus.jetstream.get_stream_no_info(name).await;
    let stream = stream.map_err(|source| declare_error(name, source))?;
    let consumer = stream.create_consumer(config).await.map_err(|source| declare_error(name, source))?;
    consumer.messages().await.map_err(|source| read_error(name, source))
}

/// A name of its own: with one in the subject of its creation, the server can keep followers from the shared
/// consumers.
fn name_of_follower(bus: &Bus) -> String {
    let inbox = bus.client.new_inbox();
    format!("follow-{}", inbox.rsplit('.').next().unwrap_or_default())
}

fn policy(name: &str, start: Start) -> Result<DeliverPolicy, BusError> {
    Ok(match start {
        Start::LastPerSubject => DeliverPolicy::LastPerSubject,
        Start::After(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
        Start::Moment(moment) => {
            let nanos = i128::from(moment.micros()) * 1_000;
            let start_time = async_nats::datetime::from_nanos(nanos)
                .map_err(|source| BusError::Read { what: name.to_owned(), source })?;
            DeliverPolicy::ByStartTime { start_time }
        }
    })
}

async fn stored(bus: &Bus, followed: Followed, start: Start) -> Result<Vec<Seen>, BusError> {
    let name = followed.work().stream();
    let stream = bus.jetstream.get_stream_no_info(name).await;
    let stream = stream.map_err(|source| declare_error(name, source))?;
    let config = pull::Config {
        name: Some(name_of_follower(bus)),
        deliver_policy: policy(name, start)?,
        ack_policy: AckPolicy::None,
        inactive_threshold: NEWEST_WITHIN,
        filter_subjects: followed.subjects(),
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|source| declare_error(name, source))?;
    let count = usize::try_from(consumer.cached_info().num_pending).unwrap_or(usize::MAX);
    let mut messages = Vec::with_capacity(count.min(100_000));
    if count == 0 {
        return Ok(messages);
    }
    let mut stream = consumer.messages().await.map_err(|source| read_error(name, source))?;
    while let Some(message) = stream.next().await {
        let message = message.map_err(|source| read_error(name, source))?;
        messages.push(seen(&message, name)?);
        // What comes while this is read would make it endless.
        if messages.len() >= count || messages.last().is_some_and(|last| last.pending == 0) {
            break;
        }
    }
    Ok(messages)
}

fn seen(message: &async_nats::jetstream::Message, name: &str) -> Result<Seen, BusError> {
    let info = message.info().map_err(|source| BusError::Read { what: name.to_owned(), source })?;
    Ok(Seen {
        subject: message.subject.to_string(),
        payload: message.payload.clone(),
        correlation_id: header(message.headers.as_ref(), "Correlation-Id"),
        traceparent: context(message.headers.as_ref()),
        sequence: info.stream_sequence,
        pending: info.pending,
    })
}

// === impl Following ===

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following")
            .field("followed", &self.followed)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
