//! How instruments are shown: the registry every service starts with, and its text in the form that was asked for.
//!
//! Knows: two text formats of Prometheus, the instruments every process has. Never: what a service counts.
//!
//! A scraper that accepts OpenMetrics gets it. Everybody else gets the classic text format, which every tool reads;
//! there the names of counters carry their `_total` in the lines of help and type, too.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::process::Process;

/// What a scraper names that wants OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text";
/// The type of an answer in it.
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The type of an answer in the classic text format.
const CLASSIC_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets of a time on the way, in seconds: from a step on one machine to an outage.
const WAY_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// Calls made by HTTP, by route and outcome. A clone is the same instrument.
pub type Calls = Family<[(&'static str, &'static str); 2], Histogram>;

/// A new registry with what every process shows: `polyfeed_build_info` and the standard `process_*`.
///
/// The service's own instruments belong below its prefix: `registry.sub_registry_with_prefix("polyfeed_feed")`.
pub fn registry(service: &'static str, version: &'static str) -> Registry {
    let mut registry = Registry::default();
    let build = Family::<[(&'static str, &'static str); 2], Gauge>::default();
    build.get_or_create(&[("service", service), ("version", version)]).set(1);
    registry.register("polyfeed_build_info", "The program that answers; always 1", build);
    registry.register_collector(Box::new(Process::default()));
    registry
}

/// A histogram of the time that something is on its way.
pub fn latency_histogram() -> Histogram {
    Histogram::new(WAY_SECONDS)
}

/// A time in the unit of the instruments, in seconds; negative where two clocks differ.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "an instrument takes seconds as a float"
)]
pub fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Calls by HTTP, none made yet.
pub fn calls() -> Calls {
    Family::new_with_constructor(latency_histogram)
}

/// Notes a call.
pub fn observe_call(calls: &Calls, route: &'static str, outcome: &'static str, took: Duration) {
    calls.get_or_create(&[("route", route), ("outcome", outcome)]).observe(took.as_secs_f64());
}

/// Type and text of an answer to somebody who accepts `accept`.
///
/// # Errors
/// Never, as far as is known: an instrument would have to fail to write itself to memory.
pub fn answer(registry: &Registry, accept: Option<&str>) -> Result<(&'static str, String), fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    if accept.is_some_and(|accept| accept.contains(OPEN_METRICS)) {
        return Ok((OPEN_METRICS_TYPE, text));
    }
    Ok((CLASSIC_TYPE, classic(&text)))
}

/// OpenMetrics in the words of the classic format, as far as we use it: no units, no end mark, counters by the name
/// of their samples.
fn classic(text: &str) -> String {
    let mut lines = Vec::new();
    let mut help = "";
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described;
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap_or((typed, "untyped"));
            let total = if kind == "counter" { "_total" } else { "" };
            let help = help.strip_prefix(name).unwrap_or(help);
            lines.push(format!("# HELP {name}{total}{help}"));
            lines.push(format!("# TYPE {name}{total} {kind}"));
        } else if !line.starts_with('#') {
            lines.push(line.to_owned());
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::registry::Unit;

    use super::*;

    fn text(accept: Option<&str>) -> (&'static str, String) {
        let mut registry = registry("feed", "1.2.3");
        let own = registry.sub_registry_with_prefix("polyfeed_feed");
        let ticks = Counter::<u64>::default();
        ticks.inc_by(7);
        own.register("ticks", "Ticks seen", ticks);
        let duration = latency_histogram();
        duration.observe(0.2);
        own.register_with_unit("duration", "How long", Unit::Seconds, duration);
        answer(&registry, accept).unwrap()
    }

    #[test]
    fn a_scraper_that_accepts_open_metrics_gets_it_with_units_and_an_end() {
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        let (kind, text) = text(Some(accept));
        assert_eq!(kind, OPEN_METRICS_TYPE);
        assert!(text.contains("# TYPE polyfeed_feed_ticks counter\npolyfeed_feed_ticks_total 7\n"), "{text}");
        assert!(text.contains("# UNIT polyfeed_feed_duration_seconds seconds\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn everybody_else_gets_the_classic_text() {
        for accept in [None, Some("*/*"), Some("text/plain")] {
            let (kind, text) = text(accept);
            assert_eq!(kind, CLASSIC_TYPE);
            let ticks = "# HELP polyfeed_feed_ticks_total Ticks seen.\n# TYPE polyfeed_feed_ticks_total counter\n\
                         polyfeed_feed_ticks_total 7\n";
            assert!(text.contains(ticks), "{text}");
            assert!(text.contains("polyfeed_feed_duration_seconds_bucket{le=\"0.25\"} 1\n"), "{text}");
            assert!(!text.contains("# UNIT") && !text.contains("# EOF") && text.ends_with('\n'), "{text}");
        }
    }

    #[test]
    fn every_process_says_which_program_it_is() {
        let (_, text) = text(None);
        assert!(text.contains("polyfeed_build_info{service=\"feed\",version=\"1.2.3\"} 1"), "{text}");
    }
}
