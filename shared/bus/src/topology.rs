//! Streams and consumers: everything that is declared on the server, in this one file.
//!
//! Knows: names, subjects, limits. Never: a connection that it did not get as an argument.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{Context, kv};
use contract::stats::Service;
use contract::subject;
use tracing::warn;

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
pub enum Work {
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

impl Work {
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
        let filter_subjects = match self {
            // What the writer does not store is not sent to it: stated quotes and grid changes.
            Self::Judged => vec![
                "ticks.*.trade.*".to_owned(),
                "ticks.clean.price.*".to_owned(),
                "ticks.clean.book.*".to_owned(),
            ],
            Self::Raw | Self::Markets | Self::Gaps | Self::Dead => vec![],
        };
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
            filter_subjects,
            ..pull::Config::default()
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
pub(crate) const fn streams_of(service: Option<Service>) -> &'static [Work] {
    match service {
        Some(Service::Feed) => &[Work::Raw, Work::Markets, Work::Gaps, Work::Dead],
        Some(Service::Processor) => &[Work::Raw, Work::Judged, Work::Dead],
        Some(Service::Writer) => &[Work::Judged, Work::Markets, Work::Gaps, Work::Dead],
        Some(Service::Dashboard) => &[],
        None => &Work::ALL,
    }
}

/// The shared consumers that a service declares: those it takes from.
pub(crate) const fn works_of(service: Option<Service>) -> &'static [Work] {
    match service {
        Some(Service::Processor) => &[Work::Raw],
        Some(Service::Writer) => &[Work::Judged, Work::Markets, Work::Gaps, Work::Dead],
        Some(Service::Feed | Service::Dashboard) => &[],
        None => &Work::ALL,
    }
}

/// Declares the streams, consumers and buckets of `service` that are not there yet. What is there stays as it is.
pub(crate) async fn declare(
    jetstream: &Context,
    limits: &Limits,
    service: Option<Service>,
) -> Result<(), BusError> {
    let own = |config: &Config| streams_of(service).iter().any(|work| work.stream() == config.name);
    for config in streams(limits).into_iter().filter(own) {
        declare_stream(jetstream, config).await?;
    }
    for work in works_of(service) {
        jetstream
            .create_consumer_on_stream(work.consumer(), work.stream())
            .await
            .map_err(|source| declare_error(work.durable(), source))?;
    }
    let keeps = matches!(service, None | Some(Service::Feed));
    if keeps && jetstream.get_key_value(FEED_BUCKET).await.is_err() {
        let bucket = kv::Config {
            bucket: FEED_BUCKET.to_owned(),
            description: "What a feed must find again after a restart".to_owned(),
            history: 1,
            num_replicas: limits.replicas,
            ..kv::Config::default()
        };
        jetstream.create_key_value(bucket).await.map_err(|source| declare_error(FEED_BUCKET, source))?;
    }
    Ok(())
}

/// The bucket in which feeds keep their state.
pub(crate) async fn feed_bucket(jetstream: &Context) -> Result<kv::Store, BusError> {
    jetstream.get_key_value(FEED_BUCKET).await.map_err(|source| declare_error(FEED_BUCKET, source))
}

async fn declare_stream(jetstream: &Context, config: Config) -> Result<(), BusError> {
    let name = config.name.clone();
    let wanted = (config.max_bytes, config.max_age);
    let stream =
        jetstream.get_or_create_stream(config).await.map_err(|source| declare_error(&name, source))?;
    let there = &stream.cached_info().config;
    if (there.max_bytes, there.max_age) != wanted {
        warn!(
            stream = %name, max_bytes = there.max_bytes, max_age_s = there.max_age.as_secs(),
            "the stream `{name}` exists with other limits than configured; they stay until it is edited"
        );
    }
    Ok(())
}

fn streams(limits: &Limits) -> Vec<Config> {
    let bytes = i64::try_from(limits.ticks_bytes).unwrap_or(i64::MAX);
    let side_bytes = bytes / 8;
    let judged = subject::JUDGED_ALL.map(str::to_owned).to_vec();
    let base = |name: &str, subjects: Vec<String>, max_bytes: i64| Config {
        name: name.to_owned(),
        subjects,
        max_bytes,
        max_age: limits.age,
        max_message_size: MESSAGE_BYTES_MAX,
        storage: StorageType::File,
        num_replicas: limits.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    };
    vec![
        // A full stream refuses, so that the publisher knows and waits; `trim` makes room in time.
        Config {
            discard: DiscardPolicy::New,
            ..base(Work::Raw.stream(), vec![subject::RAW_ALL.to_owned()], bytes)
        },
        Config { discard: DiscardPolicy::New, ..base(Work::Judged.stream(), judged, bytes) },
        Config {
            max_messages_per_subject: 1,
            max_age: Duration::ZERO,
            ..base(Work::Markets.stream(), vec![subject::MARKETS_ALL.to_owned()], side_bytes)
        },
        // An open gap is to be found again however old it is.
        Config {
            max_age: Duration::ZERO,
            ..base(Work::Gaps.stream(), vec![subject::GAPS_ALL.to_owned()], side_bytes)
        },
        // Dead letters must never block anybody: the oldest go.
        base(Work::Dead.stream(), vec![subject::DEAD_ALL.to_owned()], side_bytes),
    ]
}

pub(crate) fn declare_error<E>(what: &str, source: E) -> BusError
where
    E: std::error::Error + Send + Sync + 'static,
{
    BusError::Declare { what: what.to_owned(), source: Box::new(source) }
}
