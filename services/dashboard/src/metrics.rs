//! Every instrument of the dashboard.
//!
//! Knows: names, units, help texts. Never: an id in a label.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chassis::exposition;
use contract::tick::Kind;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Count = Counter<u64, AtomicU64>;

/// The instruments; a clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Requests answered, by class of status: `1xx` to `5xx`.
    pub(crate) requests: Family<[(&'static str, &'static str); 1], Count>,
    /// Judged ticks seen on the bus, by kind.
    pub(crate) events: Family<[(&'static str, &'static str); 1], Count>,
    /// Messages that could not be read.
    pub(crate) undecodable: Count,
    /// Events that clients were too slow for.
    pub(crate) lagged: Count,
    /// Open live streams.
    pub(crate) clients: Gauge,
    /// 1 while the bus answers.
    pub(crate) bus_connected: Gauge,
    /// 1 while the database answers.
    pub(crate) database_connected: Gauge,
    /// 1 while the whole system is healthy.
    pub(crate) healthy: Gauge,
    /// 1 for the durability in force.
    pub(crate) bus_durability: Family<[(&'static str, &'static str); 1], Gauge>,
    /// Age of the oldest tick that waits, by stage of the way; not there while unknown.
    behind: Family<[(&'static str, &'static str); 1], Gauge<f64, AtomicU64>>,
    judged_to_shown: Shown,
}

/// The time from a trade's verdict to the page.
#[derive(Clone, Debug)]
struct Shown(Histogram);

impl Default for Shown {
    fn default() -> Self {
        Self(exposition::latency_histogram())
    }
}

// === impl Metrics ===

impl Metrics {
    /// Registers the instruments.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("requests", "Requests answered, by class of status", all.requests.clone());
        registry.register("events", "Judged ticks seen on the bus, by kind", all.events.clone());
        registry.register("undecodable", "Messages that could not be read", all.undecodable.clone());
        registry.register("lagged", "Events that live clients were too slow for", all.lagged.clone());
        registry.register("clients", "Open live streams", all.clients.clone());
        registry.register("bus_connected", "1 while the bus answers", all.bus_connected.clone());
        let help = "1 while the database answers";
        registry.register("database_connected", help, all.database_connected.clone());
        registry.register("healthy", "1 while the whole system is healthy", all.healthy.clone());
        let help = "When the bus has messages on its disk: before an acknowledgement (strict) or soon after (standard)";
        registry.register("bus_durability", help, all.bus_durability.clone());
        let help = "Age of the oldest tick that waits in a stage, since its receipt; 0 where none waits";
        registry.register_with_unit("behind", help, Unit::Seconds, all.behind.clone());
        let help = "From a trade's verdict to the live stream of the page";
        registry.register_with_unit("judged_to_shown", help, Unit::Seconds, all.judged_to_shown.0.clone());
        // A rate needs a beginning: what has not happened yet is shown as 0.
        for kind in Kind::ALL {
            drop(all.events.get_or_create(&[("kind", kind.word())]));
        }
        all
    }

    /// How far a stage is behind; none while unknown.
    pub(crate) fn behind(&self, stage: &'static str, behind: Option<Duration>) {
        match behind {
            Some(behind) => drop(self.behind.get_or_create(&[("stage", stage)]).set(behind.as_secs_f64())),
            None => drop(self.behind.remove(&[("stage", stage)])),
        }
    }

    /// A trade reached the page; `waited_us`: microseconds since its verdict.
    pub(crate) fn shown(&self, waited_us: i64) {
        self.judged_to_shown.0.observe(exposition::seconds(waited_us));
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let class = CLASSES[usize::from(status / 100).clamp(1, 5) - 1];
        self.requests.get_or_create(&[("class", class)]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class() {
        let mut registry = Registry::with_prefix("polyfeed_dashboard");
        let metrics = Metrics::register(&mut registry);
        for status in [200, 404, 403, 999] {
            metrics.answered(status);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "polyfeed_dashboard_requests_total{class=\"2xx\"} 1",
            "polyfeed_dashboard_requests_total{class=\"4xx\"} 2",
            "polyfeed_dashboard_requests_total{class=\"5xx\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
