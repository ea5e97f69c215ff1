//! Every instrument of the feed.
//!
//! Knows: names, units, help texts. Never: where the numbers come from; the board is mirrored once a second.

use std::sync::atomic::{AtomicU64, Ordering};

use contract::stats::{FeedReport, SocketState};
use contract::tick::{Kind, Tick};
use contract::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Count = Counter<u64, AtomicU64>;

/// Upper bounds of the buckets of the skew, in seconds; below zero the venue's clock is ahead of ours.
const SKEW_SECONDS: [f64; 14] =
    [-5.0, -1.0, -0.1, -0.01, 0.0, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0, 300.0];

/// How long before we read a tick the venue stamped it: signed, never clamped. A clone is the same instrument.
#[derive(Clone, Debug)]
pub(crate) struct Skew(Histogram);

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
    groups: Count,
    hashes_checked: Count,
    hash_mismatches: Count,
    resyncs: Count,
    trades_recovered: Count,
    trades_recognised: Count,
    unwatched: Count,
    rest_calls: Count,
    tokens: Gauge,
    tokens_with_book: Gauge,
    sockets_connected: Gauge,
    buffered: Gauge,
    buffered_bytes: Gauge,
    gaps_open: Gauge,
    gaps_waiting: Gauge,
    tokens_set_aside: Gauge,
    markets_left_out: Gauge,
    clock_offset: Gauge,
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
        registry.register("groups", "Match groups that ended", metrics.groups.clone());
        registry.register(
            "hashes_checked",
            "Books held against the venue's hash",
            metrics.hashes_checked.clone(),
        );
        registry.register(
            "hash_mismatches",
            "Books that did not agree with it",
            metrics.hash_mismatches.clone(),
        );
        registry.register("resyncs", "Books fetched anew for that", metrics.resyncs.clone());
        registry.register(
            "trades_recovered",
            "Trades of gaps fetched by REST",
            metrics.trades_recovered.clone(),
        );
        let help = "Trades that came over a socket after REST had told them";
        registry.register("trades_recognised", help, metrics.trades_recognised.clone());
        registry.register("unwatched", "Ticks about tokens that are not followed", metrics.unwatched.clone());
        registry.register("rest_calls", "REST calls, failed ones included", metrics.rest_calls.clone());
        registry.register("tokens", "Tokens followed", metrics.tokens.clone());
        registry.register("tokens_with_book", "Tokens with a live book", metrics.tokens_with_book.clone());
        registry.register("sockets_connected", "Sockets that are open", metrics.sockets_connected.clone());
        registry.register("buffered", "Messages that wait for the bus", metrics.buffered.clone());
        registry.register("buffered_bytes", "Bytes of the ticks that wait", metrics.buffered_bytes.clone());
        registry.register("gaps_open", "Gaps of followed markets, without ticks", metrics.gaps_open.clone());
        registry.register(
            "gaps_waiting",
            "Gaps whose trades are still to be fetched",
            metrics.gaps_waiting.clone(),
        );
        let help = "Tokens that make the venue close the socket";
        registry.register("tokens_set_aside", help, metrics.tokens_set_aside.clone());
        registry.register("markets_left_out", "Markets without a socket", metrics.markets_left_out.clone());
        let help = "The venue's clock minus ours, in milliseconds; 0 while unknown";
        registry.register("clock_offset_milliseconds", help, metrics.clock_offset.clone());
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
        let depth = &report.depth;
        for (counter, value) in [
            (&self.groups, depth.groups),
            (&self.hashes_checked, depth.hashes_checked),
            (&self.hash_mismatches, depth.hash_mismatches),
            (&self.resyncs, depth.resyncs),
            (&self.trades_recovered, depth.trades_recovered),
            (&self.trades_recognised, depth.trades_recognised),
            (&self.unwatched, depth.unwatched),
            (&self.rest_calls, depth.rest_calls),
        ] {
            set(counter, value);
        }
        self.clock_offset.set(depth.clock_offset_ms.unwrap_or(0));
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
            (&self.gaps_waiting, depth.gaps_waiting),
            (&self.tokens_set_aside, depth.set_aside_count),
            (&self.markets_left_out, depth.left_out),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.data_age_seconds.set(age);
    }
}

// === impl Skew ===

impl Skew {
    /// Registers the instrument.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let skew = Self(Histogram::new(SKEW_SECONDS));
        let help = "From the venue's time of a tick to its receipt; books are left out, their time is their last change";
        registry.register_with_unit("skew", help, Unit::Seconds, skew.0.clone());
        skew
    }

    /// Notes a tick.
    pub(crate) fn note(&self, tick: &Tick) {
        let (stamped_at, received_at) = match tick {
            Tick::Book(_) => return,
            Tick::Price(change) => (change.changed_at, change.received_at),
            Tick::Trade(trade) => (trade.executed_at, trade.received_at),
            Tick::Quote(quote) => (quote.changed_at, quote.received_at),
            Tick::TickSize(change) => (change.changed_at, change.received_at),
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_arithmetic,
            reason = "a histogram takes seconds as a float; no money is in it"
        )]
        self.0.observe(received_at.micros_since(stamped_at) as f64 / 1e6);
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
