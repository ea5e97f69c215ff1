//! All instruments of the writer.
//!
//! Knows: names and units. Never: when they change.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chassis::exposition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use store::Table;

/// Upper bounds of the buckets of a transaction's duration, in seconds: a full batch takes about 0.04 s.
const BATCH_SECONDS: [f64; 9] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];
/// Upper bounds of the buckets of a transaction's rows: the largest batch has 5,000 unless it is configured larger.
const BATCH_ROWS: [f64; 8] = [1.0, 5.0, 25.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0];

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
    /// Messages among them that had been delivered before.
    pub redelivered: Counter,
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
    /// How many rows transactions had.
    pub batch_rows: Histogram,
    /// From a trade's verdict to the COMMIT of its row.
    pub judged_to_stored: Histogram,
    /// Rows collected and not stored yet.
    pub held: Gauge,
    /// How old the newest stored tick is while others wait: 0 when none waits, not a number while unknown.
    pub behind: Gauge<f64, AtomicU64>,
    /// Whether the database answered the last time: 1 or 0.
    pub database_connected: Gauge,
}

// === impl Metrics ===

impl Metrics {
    /// New instruments, shown by `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let all = Self {
            received: Counter::default(),
            redelivered: Counter::default(),
            stored: Family::default(),
            duplicates: Counter::default(),
            dead: Family::default(),
            retries: Counter::default(),
            batch: Histogram::new(BATCH_SECONDS),
            batch_rows: Histogram::new(BATCH_ROWS),
            judged_to_stored: exposition::latency_histogram(),
            held: Gauge::default(),
            behind: Gauge::default(),
            database_connected: Gauge::default(),
        };
        registry.register("received", "Messages taken from the bus", all.received.clone());
        registry.register("redelivered", "Messages that had been delivered before", all.redelivered.clone());
        registry.register("stored_rows", "Rows stored, by table", all.stored.clone());
        registry.register("duplicate_rows", "Rows that were there already", all.duplicates.clone());
        registry.register("dead", "Messages given up, by reason", all.dead.clone());
        registry.register("retries", "Transactions that had to be tried again", all.retries.clone());
        let help = "Duration of a transaction";
        registry.register_with_unit("batch_duration", help, Unit::Seconds, all.batch.clone());
        registry.register("batch_rows", "Rows of a transaction", all.batch_rows.clone());
        let help = "From a trade's verdict to the commit of its row";
        registry.register_with_unit("judged_to_stored", help, Unit::Seconds, all.judged_to_stored.clone());
        registry.register("held_messages", "Messages collected and not stored yet", all.held.clone());
        let help = "Age of the newest stored tick while others wait; 0 when none waits, NaN while unknown";
        registry.register_with_unit("behind", help, Unit::Seconds, all.behind.clone());
        let help = "1 while the database answers";
        registry.register("database_connected", help, all.database_connected.clone());
        all.begin();
        all
    }

    /// Notes how long a transaction took, and how many rows it had.
    pub fn took(&self, duration: Duration, rows: u64) {
        self.batch.observe(duration.as_secs_f64());
        self.batch_rows.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
    }

    /// A rate needs a beginning: what has not happened yet is shown as 0. How far behind we are is not known yet.
    fn begin(&self) {
        for table in Table::ALL {
            drop(self.stored.get_or_create(&InTable { table: table.word() }));
        }
        for reason in ["undecodable", "refused"] {
            drop(self.dead.get_or_create(&Why { reason }));
        }
        self.behind.set(f64::NAN);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn counters_end_in_total_and_durations_carry_their_unit() {
        let mut registry = Registry::with_prefix("polyfeed_writer");
        let metrics = Metrics::new(&mut registry);
        metrics.stored.get_or_create(&InTable { table: "trades" }).inc_by(3);
        metrics.took(Duration::from_millis(40), 7);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "polyfeed_writer_stored_rows_total{table=\"trades\"} 3",
            "polyfeed_writer_stored_rows_total{table=\"gaps\"} 0",
            "polyfeed_writer_batch_duration_seconds_count 1",
            "polyfeed_writer_batch_rows_bucket{le=\"25.0\"} 1",
            "polyfeed_writer_behind_seconds NaN",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}: {text}");
        }
    }
}
