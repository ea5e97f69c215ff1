//! Streams, consumers and buckets that are gone are made again, and it is reported.
//!
//! Knows: how often to look, and how far a stream is. Never: what it held.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Info;
use contract::time::Timestamp;
use tokio::time::sleep;
use tracing::debug;

use crate::connect::Bus;
use crate::error::BusError;
use crate::topology::{self, Limits, SharedConsumer, streams_of, works_of};

/// How often it is checked whether everything is still there.
const CHECK_EVERY: Duration = Duration::from_secs(3);
/// Tells a stream from another one of the same name that was made later.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamIdentity(i128);

/// How far a stream and its shared consumer are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Which stream it is.
    pub identity: StreamIdentity,
    /// Sequence of the newest message.
    pub last: u64,
    /// Every message up to this sequence is acknowledged.
    pub acknowledged: u64,
}

// === impl StreamIdentity ===

impl StreamIdentity {
    fn of(info: &Info) -> Self {
        Self(info.created.unix_timestamp_nanos())
    }

    /// When the stream was made: it holds nothing from before.
    pub fn created_at(self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX))
    }
}

impl Bus {
    /// Makes again what is gone of the service's own streams, consumers and buckets: for ever, every three seconds.
    pub async fn upkeep(self) {
        loop {
            sleep(CHECK_EVERY).await;
            if self.connected()
                && let Err(error) = self.repair().await
            {
                debug!(%error, "what is on the bus could not be checked; it will be");
            }
        }
    }

    /// What had gone and was made again within the last minute, in words.
    pub fn recreated(&self) -> Vec<String> {
        self.declared.problems(Instant::now())
    }

    /// How far a stream and its shared consumer are.
    ///
    /// # Errors
    /// When the server does not answer within 5 s, or one of the two is not there.
    pub async fn progress(&self, work: SharedConsumer) -> Result<Progress, BusError> {
        let info = topology::stream_info(&self.jetstream, work.stream()).await?;
        let consumer = self.consumer_info(work).await?;
        Ok(Progress {
            identity: StreamIdentity::of(&info),
            last: info.state.last_sequence,
            acknowledged: consumer.ack_floor.stream_sequence,
        })
    }

    /// Which stream of this name there is now.
    ///
    /// # Errors
    /// When the server does not answer within 5 s, or it is not there.
    pub async fn identity(&self, work: SharedConsumer) -> Result<StreamIdentity, BusError> {
        Ok(StreamIdentity::of(&topology::stream_info(&self.jetstream, work.stream()).await?))
    }

    async fn repair(&self) -> Result<(), BusError> {
        let (limits, service): (&Limits, _) = (&self.limits, self.service);
        for &work in streams_of(service) {
            topology::declare_stream(&self.jetstream, limits, work, &self.declared).await?;
        }
        for &work in works_of(service) {
            // Asked first: a declaration goes through the whole cluster even where it changes nothing.
            match self.consumer_info(work).await {
                Ok(info) => self.declared.note(&topology::consumer_name(work), info.created, Instant::now()),
                Err(_) => topology::declare_consumer(&self.jetstream, work, &self.declared).await?,
            }
        }
        topology::declare_bucket(&self.jetstream, limits, service, &self.declared).await
    }
}
