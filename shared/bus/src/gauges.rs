//! What the bus says of itself, as instruments that every service spells alike.
//!
//! Knows: how full streams are and how far behind shared consumers are. Never: an old number for a new one: what the
//! server does not tell is not shown.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::{Instant, timeout_at};

use crate::connect::Bus;
use crate::error::BusError;
use crate::topology::{SharedConsumer, declare_error};

/// How long one look may take, all its questions together.
const LOOK_MAX: Duration = Duration::from_secs(2);

type OfStream = Family<[(&'static str, &'static str); 1], Gauge>;
type OfConsumer = Family<[(&'static str, &'static str); 2], Gauge>;

/// The instruments; a clone is the same ones.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    connected: Gauge,
    stream_messages: OfStream,
    stream_bytes: OfStream,
    stream_limit_bytes: OfStream,
    pending: OfConsumer,
    unacknowledged: OfConsumer,
    redelivered: OfConsumer,
}

/// A stream and its shared consumer, as the server sees them.
#[derive(Clone, Copy, Debug)]
struct ConnectionHealth {
    messages: u64,
    bytes: u64,
    limit_bytes: i64,
    pending: u64,
    unacknowledged: usize,
    redelivered: usize,
}

// === impl Gauges ===

impl Gauges {
    /// Registers the instruments. `registry`: without the prefix of a service.
    pub fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        let own = registry.sub_registry_with_prefix("polyfeed_bus");
        let help = "1 while this process is connected to the bus";
        own.register("connected", help, gauges.connected.clone());
        let help = "Messages in a stream";
        own.register("stream_messages", help, gauges.stream_messages.clone());
        let help = "Size of a stream";
        own.register_with_unit("stream", help, Unit::Bytes, gauges.stream_bytes.clone());
        let help = "Largest size of a stream; a full one refuses";
        own.register_with_unit("stream_limit", help, Unit::Bytes, gauges.stream_limit_bytes.clone());
        let help = "Messages that a shared consumer has not delivered yet";
        own.register("consumer_pending_messages", help, gauges.pending.clone());
        let help = "Messages that a shared consumer has delivered and nobody has acknowledged yet";
        own.register("consumer_unacknowledged_messages", help, gauges.unacknowledged.clone());
        let help = "Messages among those that were delivered more than once";
        own.register("consumer_redelivered_messages", help, gauges.redelivered.clone());
        gauges
    }

    /// Shows whether the connection stands; without one, nothing else is known.
    pub fn connected(&self, bus: &Bus) {
        let connected = bus.connected();
        self.connected.set(i64::from(connected));
        if !connected {
            for work in SharedConsumer::ALL {
                self.forget(work);
            }
        }
    }

    /// Asks the server about each of `works` and its stream: two questions each, two seconds for all.
    pub async fn look(&self, bus: &Bus, works: &[SharedConsumer]) {
        let until = Instant::now() + LOOK_MAX;
        for &work in works {
            match timeout_at(until, bus.standing(work)).await {
                Ok(Ok(standing)) => self.show(work, standing),
                Ok(Err(_)) | Err(_) => self.forget(work),
            }
        }
    }

    fn show(&self, work: SharedConsumer, standing: ConnectionHealth) {
        let (stream, consumer) = labels(work);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let wide = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.stream_messages.get_or_create(&stream).set(wide(standing.messages));
        self.stream_bytes.get_or_create(&stream).set(wide(standing.bytes));
        self.stream_limit_bytes.get_or_create(&stream).set(standing.limit_bytes);
        self.pending.get_or_create(&consumer).set(wide(standing.pending));
        self.unacknowledged.get_or_create(&consumer).set(count(standing.unacknowledged));
        self.redelivered.get_or_create(&consumer).set(count(standing.redelivered));
    }

    fn forget(&self, work: SharedConsumer) {
        let (stream, consumer) = labels(work);
        for family in [&self.stream_messages, &self.stream_bytes, &self.stream_limit_bytes] {
            family.remove(&stream);
        }
        for family in [&self.pending, &self.unacknowledged, &self.redelivered] {
            family.remove(&consumer);
        }
    }
}

impl Bus {
    async fn standing(&self, work: SharedConsumer) -> Result<ConnectionHealth, BusError> {
        let failed = |source| declare_error(work.stream(), source);
        let stream = self.jetstream.get_stream_no_info(work.stream()).await;
        let stream = stream.map_err(|source| declare_error(work.stream(), source))?;
        let info = stream.get_info().await.map_err(failed)?;
        let consumer = stream.consumer_info(work.durable()).await;
        let consumer = consumer.map_err(|source| declare_error(work.durable(), source))?;
        Ok(ConnectionHealth {
            messages: info.state.messages,
            bytes: info.state.bytes,
            limit_bytes: info.config.max_bytes,
            pending: consumer.num_pending,
            unacknowledged: consumer.num_ack_pending,
            redelivered: consumer.num_redelivered,
        })
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

fn labels(work: SharedConsumer) -> (Labels<1>, Labels<2>) {
    let stream = ("stream", work.stream());
    ([stream], [stream, ("consumer", work.durable())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_does_not_tell_any_more_is_not_shown() {
        let mut registry = Registry::default();
        let gauges = Gauges::register(&mut registry);
        let standing = ConnectionHealth {
            messages: 3,
            bytes: 200,
            limit_bytes: 1_000,
            pending: 2,
            unacknowledged: 1,
            redelivered: 0,
        };
        gauges.show(SharedConsumer::Raw, standing);
        let text = |registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
            text
        };
        let shown = text(&registry);
        for line in [
            "polyfeed_bus_stream_bytes{stream=\"TICKS_RAW\"} 200",
            "polyfeed_bus_stream_limit_bytes{stream=\"TICKS_RAW\"} 1000",
            "polyfeed_bus_consumer_pending_messages{stream=\"TICKS_RAW\",consumer=\"processor\"} 2",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        gauges.forget(SharedConsumer::Raw);
        assert!(!text(&registry).contains("TICKS_RAW"));
    }
}
