//! Streams and consumers: everything that is declared on the server, in this one file.
//!
//! Knows: names, subjects, limits. Never: a connection that it did not get as an argument.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType};
use async_nats::jetstream::{Context, kv};
use contract::stats::Service;
use contract::subject;
use tracing::warn;

use crate::declared::Declared;
use crate::error::BusError;

/// A delivery that is neither acknowledged nor said to be in progress for this long comes again.
pub const REDELIVERY_AFTER: Duration = Duration::from_secs(10);

/// Ids are remembered this long; a later repetition is caught by the database's key.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// The largest message: the default `max_payload` of the server.
const MESSAGE_BYTES_MAX: i32 = 1024 * 1024;

/// Deliveries under way to all processors together.
const RAW_UNACKNOWLEDGED_MAX: i64 = 4_096;

/// Deliveries under way to all writers together: two batches of the largest size.
const JUDGED_UNACKNOWLEDGED_MAX: i64 = 20_000;

/// Deliveries of a side stream under way to all writers together.
const SIDE_UNACKNOWLEDGED_MAX: i64 = 2_000;

/// Name of the bucket in which a feed keeps what it must find again after a restart.
const FEED_BUCKET: &str = "FEED";

/// How much the streams may hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of raw ticks, and as many of judged ones. Default 2 GiB: some hours of 150 busy markets.
    pub ticks_bytes: u64,
    /// Age at which messages go, read or not. Default 24 hours.
    pub age: Duration,
    /// Copies of each stream in a cluster. Default 1.
    pub replicas: usize,
}

/// The shared, durable consumers: any number of instances take from one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SharedConsumer {
    /// Raw ticks, for processors.
    Raw,
    /// Judged trades, price changes and books, for writers.
    Judged,
    /// Markets, for writers.
    Markets,
    /// Gaps, for writers.
    Gaps,
    /// Dead letters, for writers.
    Dead,
}

impl SharedConsumer {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Raw, Self::Judged, Self::Markets, Self::Gaps, Self::Dead];

    /// The stream it takes from.
    pub(crate) const fn stream(self) -> &'static str {
        match self {
            Self::Raw => "TICKS_RAW",
            Self::Judged => "TICKS_JUDGED",
            Self::Markets => "MARKETS",
            Self::Gaps => "GAPS",
            Self::Dead => "DEAD",
        }
    }

    /// The durable name.
    pub(crate) const fn durable(self) -> &'static str {
        match self {
            Self::Raw => "processor",
            Self::Judged | Self::Markets | Self::Gaps | Self::Dead => "writer",
        }
    }

    fn consumer(self) -> pull::Config {
        // No filter: with several of them a consumer that is behind makes the server walk the whole stream for each
        // message, and never catches up (3,000 messages a second). Who reads passes over what it does not want.
        pull::Config {
            durable_name: Some(self.durable().to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: REDELIVERY_AFTER,
            // A limit here would orphan messages: stored, and never delivered again.
            max_deliver: -1,
            max_ack_pending: match self {
                Self::Raw => RAW_UNACKNOWLEDGED_MAX,
                Self::Judged => JUDGED_UNACKNOWLEDGED_MAX,
                Self::Markets | Self::Gaps | Self::Dead => SIDE_UNACKNOWLEDGED_MAX,
            },
            ..pull::Config::default()
        }
    }

    fn stream_config(self, limits: &Limits) -> Config {
        let bytes = i64::try_from(limits.ticks_bytes).unwrap_or(i64::MAX);
        let one = |subject: &str| vec![subject.to_owned()];
        let base = Config {
            name: self.stream().to_owned(),
            max_bytes: bytes / 8,
            max_age: limits.age,
            max_message_size: MESSAGE_BYTES_MAX,
            storage: StorageType::File,
            num_replicas: limits.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            ..Config::default()
        };
        // A full stream of ticks refuses, so that the publisher knows and waits; `trim` makes room in time.
        let ticks = Config { max_bytes: bytes, discard: DiscardPolicy::New, ..base.clone() };
        match self {
            Self::Raw => Config { subjects: one(subject::RAW_ALL), ..ticks },
            Self::Judged => Config { subjects: subject::JUDGED_ALL.map(str::to_owned).to_vec(), ..ticks },
            Self::Markets => Config {
                subjects: one(subject::MARKETS_ALL),
                max_messages_per_subject: 1,
                max_age: Duration::ZERO,
                ..base
            },
            // An open gap is to be found again however old it is.
            Self::Gaps => Config { subjects: one(subject::GAPS_ALL), max_age: Duration::ZERO, ..base },
            // Dead letters must never block anybody: the oldest go.
            Self::Dead => Config { subjects: one(subject::DEAD_ALL), ..base },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { ticks_bytes: 2 << 30, age: Duration::from_hours(24), replicas: 1 }
    }
}

/// The streams that a service declares: those it publishes to or takes from. The dashboard waits for the others'.
/// `deploy/nats/accounts.conf` lets it touch no more than these and what it follows.
pub(crate) const fn streams_of(service: Option<Service>) -> &'static [SharedConsumer] {
    match service {
        Some(Service::Feed) => {
            &[SharedConsumer::Raw, SharedConsumer::Markets, SharedConsumer::Gaps, SharedConsumer::Dead]
        }
        Some(Service::Processor) => &[SharedConsumer::Raw, SharedConsumer::Judged, SharedConsumer::Dead],
        Some(Service::Writer) => {
            &[SharedConsumer::Judged, SharedConsumer::Markets, SharedConsumer::Gaps, SharedConsumer::Dead]
        }
        Some(Service::Dashboard) => &[],
        None => &SharedConsumer::ALL,
    }
}

/// The shared consumers that a service declares: those it takes from.
pub(crate) const fn works_of(service: Option<Service>) -> &'static [SharedConsumer] {
    match service {
        Some(Service::Processor) => &[SharedConsumer::Raw],
        Some(Service::Writer) => {
            &[SharedConsumer::Judged, SharedConsumer::Markets, SharedConsumer::Gaps, SharedConsumer::Dead]
        }
        Some(Service::Feed | Service::Dashboard) => &[],
        None => &SharedConsumer::ALL,
    }
}

/// Declares the streams, consumers and buckets of `service` that are not there yet. What is there stays as it is.
pub(crate) async fn declare(
    jetstream: &Context,
    limits: &Limits,
    service: Option<Service>,
    declared: &Declared,
) -> Result<(), BusError> {
    for &work in streams_of(service) {
        let there = declare_stream(jetstream, limits, work, declared).await?;
        let wanted = work.stream_config(limits);
        if (there.max_bytes, there.max_age) != (wanted.max_bytes, wanted.max_age) {
            let (name, max_bytes, max_age_s) = (work.stream(), there.max_bytes, there.max_age.as_secs());
            warn!(
                stream = name,
                max_bytes,
                max_age_s,
                "the stream `{name}` exists with other limits than configured; they stay until it is edited"
            );
        }
    }
    for &work in works_of(service) {
        declare_consumer(jetstream, work, declared).await?;
    }
    declare_bucket(jetstream, limits, service, declared).await
}

/// Makes a stream where there is none; its configuration as it is.
pub(crate) async fn declare_stream(
    jetstream: &Context,
    limits: &Limits,
    work: SharedConsumer,
    declared: &Declared,
) -> Result<Config, BusError> {
    let name = work.stream();
    let stream = jetstream.get_or_create_stream(work.stream_config(limits)).await;
    let stream = stream.map_err(|source| declare_error(name, source))?;
    let info = stream.cached_info();
    declared.note(&format!("the stream `{name}`"), info.created, Instant::now());
    Ok(info.config.clone())
}

/// Makes a shared consumer where there is none, and brings the settings of one of an earlier version up to date.
pub(crate) async fn declare_consumer(
    jetstream: &Context,
    work: SharedConsumer,
    declared: &Declared,
) -> Result<(), BusError> {
    let consumer = jetstream.create_consumer_on_stream(work.consumer(), work.stream()).await;
    let consumer = consumer.map_err(|source| declare_error(work.durable(), source))?;
    declared.note(&consumer_name(work), consumer.cached_info().created, Instant::now());
    Ok(())
}

/// Makes the bucket of the feeds where there is none.
pub(crate) async fn declare_bucket(
    jetstream: &Context,
    limits: &Limits,
    service: Option<Service>,
    declared: &Declared,
) -> Result<(), BusError> {
    if !matches!(service, None | Some(Service::Feed)) {
        return Ok(());
    }
    let stream = format!("KV_{FEED_BUCKET}");
    if jetstream.get_key_value(FEED_BUCKET).await.is_err() {
        let bucket = kv::Config {
            bucket: FEED_BUCKET.to_owned(),
            description: "What a feed must find again after a restart".to_owned(),
            history: 1,
            num_replicas: limits.replicas,
            ..kv::Config::default()
        };
        jetstream.create_key_value(bucket).await.map_err(|source| declare_error(FEED_BUCKET, source))?;
    }
    let created = stream_info(jetstream, &stream).await?.created;
    declared.note(&format!("the bucket `{FEED_BUCKET}`"), created, Instant::now());
    Ok(())
}

/// What the server says of a stream.
pub(crate) async fn stream_info(jetstream: &Context, name: &str) -> Result<Info, BusError> {
    let stream = jetstream.get_stream_no_info(name).await;
    let stream = stream.map_err(|source| declare_error(name, source))?;
    stream.get_info().await.map_err(|source| declare_error(name, source))
}

/// A shared consumer, in words.
pub(crate) fn consumer_name(work: SharedConsumer) -> String {
    format!("the consumer `{}` of the stream `{}`", work.durable(), work.stream())
}

/// The bucket in which feeds keep their state.
pub(crate) async fn feed_bucket(jetstream: &Context) -> Result<kv::Store, BusError> {
    jetstream.get_key_value(FEED_BUCKET).await.map_err(|source| declare_error(FEED_BUCKET, source))
}

pub(crate) fn declare_error<E>(what: &str, source: E) -> BusError
where
    E: std::error::Error + Send + Sync + 'static,
{
    BusError::Declare { what: what.to_owned(), source: Box::new(source) }
}
