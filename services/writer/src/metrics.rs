//! All instruments of the writer.
//!
//! Knows: names and units. Never: when they change.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the buckets of a transaction's duration, in seconds: a full batch takes about 0.04 s.
const BATCH_SECONDS: [f64; 9] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Label of what is counted by table.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct InTable {
    /// Name of the table: one of six.
    pub table: &'static str,
}

/// Label of what is given up.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct Why {
    /// `undecodable` or `refused`: by us, or by the database.
    pub reason: &'static str,
}

/// The instruments. A clone is the same instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Messages taken from the bus.
    pub received: Counter,
    /// Rows stored.
    pub stored: Family<InTable, Counter>,
    /// Rows that were there already.
    pub duplicates: Counter,
    /// Messages given up.
    pub dead: Family<Why, Counter>,
    /// Transactions that had to be tried again.
    pub retries: Counter,
    /// How long transactions took.
    pub batch: Histogram,
    /// Rows collected and not stored yet.
    pub held: Gauge,
    /// Whether the database answered the last time: 1 or 0.
    pub database_connected: Gauge,
}

// === impl Metrics ===

impl Metrics {
    /// New instruments, shown by `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            received: Counter::default(),
            stored: Family::default(),
            duplicates: Counter::default(),
            dead: Family::default(),
            retries: Counter::default(),
            batch: Histogram::new(BATCH_SECONDS),
            held: Gauge::default(),
            database_connected: Gauge::default(),
        };
        let Self { received, stored, duplicates, dead, retries, batch, held, database_connected } =
            metrics.clone();
        registry.register("writer_received", "Messages taken from the bus", received);
        registry.register("writer_stored_rows", "Rows stored, by table", stored);
        registry.register("writer_duplicate_rows", "Rows that were there already", duplicates);
        registry.register("writer_dead", "Messages given up, by reason", dead);
        registry.register("writer_retries", "Transactions that had to be tried again", retries);
        registry.register_with_unit(
            "writer_batch_duration",
            "Duration of a transaction",
            Unit::Seconds,
            batch,
        );
        registry.register("writer_held_messages", "Messages collected and not stored yet", held);
        registry.register(
            "writer_database_connected",
            "Whether the database answered last",
            database_connected,
        );
        metrics
    }

    /// Notes how long a transaction took.
    pub fn took(&self, duration: Duration) {
        self.batch.observe(duration.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn counters_end_in_total_and_durations_carry_their_unit() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        metrics.stored.get_or_create(&InTable { table: "trades" }).inc_by(3);
        metrics.took(Duration::from_millis(40));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("writer_stored_rows_total{table=\"trades\"} 3"), "{text}");
        assert!(text.contains("writer_batch_duration_seconds_count 1"), "{text}");
    }
}
