//! Every instrument of the feed.
//!
//! Knows: names, units, help texts. Never: where the numbers come from; the board is mirrored once a second.

use std::sync::atomic::{AtomicU64, Ordering};

use contract::stats::{FeedReport, SocketState};
use contract::tick::Kind;
use contract::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Count = Counter<u64, AtomicU64>;

/// The instruments.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ticks: Family<[(&'static str, &'static str); 1], Count>,
    frames: Count,
    published: Count,
    dead: Count,
    dropped: Count,
    reconnections: Count,
    quote_differences: Count,
    tokens: Gauge,
    tokens_with_book: Gauge,
    sockets_connected: Gauge,
    buffered: Gauge,
    buffered_bytes: Gauge,
    gaps_open: Gauge,
    data_age_seconds: Gauge,
}

impl Metrics {
    /// Registers the instruments.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("ticks", "Ticks read from the venue, by kind", metrics.ticks.clone());
        registry.register("frames", "Data frames read from the venue", metrics.frames.clone());
        registry.register("published", "Messages acknowledged by the bus", metrics.published.clone());
        registry.register("dead", "Elements that could not be understood", metrics.dead.clone());
        registry.register("dropped", "Ticks dropped because the buffer was full", metrics.dropped.clone());
        registry.register("reconnections", "Sockets opened again", metrics.reconnections.clone());
        let help = "Settled books whose best prices differed from the stated ones";
        registry.register("quote_differences", help, metrics.quote_differences.clone());
        registry.register("tokens", "Tokens followed", metrics.tokens.clone());
        registry.register("tokens_with_book", "Tokens with a live book", metrics.tokens_with_book.clone());
        registry.register("sockets_connected", "Sockets that are open", metrics.sockets_connected.clone());
        registry.register("buffered", "Messages that wait for the bus", metrics.buffered.clone());
        registry.register("buffered_bytes", "Bytes of the ticks that wait", metrics.buffered_bytes.clone());
        registry.register("gaps_open", "Gaps now open", metrics.gaps_open.clone());
        let help = "Age of the newest data frame; -1 before the first";
        registry.register("data_age_seconds", help, metrics.data_age_seconds.clone());
        metrics
    }

    /// Takes over what the report says.
    pub(crate) fn mirror(&self, report: &FeedReport, now: Timestamp) {
        for kind in Kind::ALL {
            let count = report.ticks.get(kind.word()).copied().unwrap_or(0);
            set(&self.ticks.get_or_create(&[("kind", kind.word())]), count);
        }
        set(&self.frames, report.frames);
        set(&self.published, report.published);
        set(&self.dead, report.dead);
        set(&self.dropped, report.dropped);
        set(&self.reconnections, report.reconnections);
        set(&self.quote_differences, report.quote_differences);
        let connected = report.sockets.iter().filter(|socket| socket.state == SocketState::Connected).count();
        let age =
            report.last_data_at.map_or(-1, |at| i64::try_from(now.since(at).as_secs()).unwrap_or(i64::MAX));
        let gauges = [
            (&self.tokens, report.tokens),
            (&self.tokens_with_book, report.tokens_with_book),
            (&self.sockets_connected, connected as u64),
            (&self.buffered, report.buffered),
            (&self.buffered_bytes, report.buffered_bytes),
            (&self.gaps_open, report.gaps_open),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.data_age_seconds.set(age);
    }
}

/// The board counts; the instrument only shows.
fn set(counter: &Count, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruments_show_what_the_report_says() {
        let mut registry = Registry::with_prefix("polyfeed_feed");
        let metrics = Metrics::register(&mut registry);
        let mut report = FeedReport { frames: 7, gaps_open: 2, ..FeedReport::default() };
        report.ticks.insert("trade".to_owned(), 3);
        metrics.mirror(&report, Timestamp::from_micros(0));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "polyfeed_feed_frames_total 7",
            "polyfeed_feed_gaps_open 2",
            "polyfeed_feed_ticks_total{kind=\"trade\"} 3",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("polyfeed_feed_data_age_seconds -1"));
    }
}
