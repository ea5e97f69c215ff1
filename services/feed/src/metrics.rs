//! Every instrument of the feed.
//!
//! Knows: names, units, help texts. Never: where the numbers come from; the stats is mirrored once a second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use chassis::exposition::{self, Calls};
use contract::gap::Cause;
use contract::stats::{FeedReport, SocketState};
use contract::tick::{Kind, Tick};
use contract::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::gaps::Causes;
use crate::publish::queue::{Level, PublishQueue};

type Count = Counter<u64, AtomicU64>;
/// Names that only the venue knows; the feed bounds how many.
type Named<T> = Family<[(&'static str, String); 1], T>;
type Labelled<T> = Family<[(&'static str, &'static str); 1], T>;
/// What is not known is not a number.
type Seconds = Gauge<f64, AtomicU64>;

/// Upper bounds of the buckets of the skew, in seconds; below zero the venue's clock is ahead of ours.
const SKEW_SECONDS: [f64; 14] =
    [-5.0, -1.0, -0.1, -0.01, 0.0, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0, 300.0];

/// Name, help text, and where the number stands.
type Metric = (&'static str, &'static str, fn(&FeedReport) -> u64);

/// What the report counts.
const COUNTS: [Metric; 15] = [
    ("frames", "Data frames read from the venue", |report| report.frames),
    ("published", "Messages acknowledged by the bus", |report| report.published),
    ("dead", "Frames with something that could not be understood", |report| report.dead),
    ("letters_left_out", "Dead letters not written: there were too many", |report| {
        report.depth.letters_left_out
    }),
    ("dropped", "Ticks dropped because the buffer was full", |report| report.dropped),
    ("reconnections", "Sockets opened again", |report| report.reconnections),
    ("quote_differences", "Settled books whose best prices differed from the stated ones", |report| {
        report.quote_differences
    }),
    ("groups", "Match groups that ended", |report| report.depth.groups),
    ("hashes_checked", "Books verified against the venue's hash", |report| report.depth.hashes_checked),
    ("hash_mismatches", "Books that did not agree with it", |report| report.depth.hash_mismatches),
    ("resyncs", "Books re-fetched for that", |report| report.depth.resyncs),
    ("trades_recovered", "Trades of gaps fetched by REST", |report| report.depth.trades_recovered),
    ("trades_recognised", "Trades that came over a socket after REST had reported them", |report| {
        report.depth.trades_recognised
    }),
    ("unwatched", "Ticks about tokens that are not followed", |report| report.depth.unwatched),
    ("hashes_unreadable", "Hashes of the venue that are none; their ticks were read", |report| {
        report.depth.hashes_unreadable
    }),
];

/// What the report states.
const LEVELS: [Metric; 8] = [
    ("markets", "Markets followed", |report| report.markets),
    ("tokens", "Tokens followed", |report| report.tokens),
    ("tokens_with_book", "Tokens with a live book; the others are silent", |report| report.tokens_with_book),
    ("buffered", "Messages that wait for the bus, those under way included", |report| report.buffered),
    ("gaps_waiting", "Gaps whose trades are still to be fetched", |report| report.depth.gaps_waiting),
    ("tokens_set_aside", "Tokens that make the venue close the socket", |report| {
        report.depth.set_aside_count
    }),
    ("markets_left_out", "Markets without a socket", |report| report.depth.left_out),
    ("tokens_dead", "Tokens of markets whose time is over and that have no book", |report| {
        report.depth.tokens_dead
    }),
];

/// How long before we read a tick the venue stamped it: signed, never clamped. A clone is the same instrument.
#[derive(Clone, Debug)]
pub(crate) struct Skew(Histogram);

/// The instruments.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counts: [Count; COUNTS.len()],
    levels: [Gauge; LEVELS.len()],
    ticks: Labelled<Count>,
    unknown_events: Named<Count>,
    sockets: Labelled<Gauge>,
    gaps_open: Labelled<Gauge>,
    gaps_opened: Labelled<Count>,
    gaps_incomplete: Labelled<Count>,
    gaps_healed: Labelled<Count>,
    publishes_repeated: Count,
    publishes_refused: Count,
    publishes_under_way: Gauge,
    buffered_bytes: Gauge,
    clock_offset: Seconds,
    data_age: Seconds,
    gap_age: Seconds,
}

impl Metrics {
    /// Registers the instruments, those of the queue and the calls to the venue's REST among them.
    pub(crate) fn register(registry: &mut Registry, queue: &PublishQueue, calls: &Calls) -> Self {
        let all = Self::default();
        for ((name, help, _), count) in COUNTS.iter().zip(&all.counts) {
            registry.register(*name, *help, count.clone());
        }
        for ((name, help, _), level) in LEVELS.iter().zip(&all.levels) {
            registry.register(*name, *help, level.clone());
        }
        registry.register("ticks", "Ticks read from the venue, by kind", all.ticks.clone());
        let help = "Events of types that this version does not know, by type";
        registry.register("unknown_events", help, all.unknown_events.clone());
        registry.register("sockets", "Sockets, by state", all.sockets.clone());
        let help = "Gaps of followed markets, without ticks, by cause";
        registry.register("gaps_open", help, all.gaps_open.clone());
        registry.register("gaps_opened", "Gaps opened, by cause", all.gaps_opened.clone());
        registry.register("gaps_healed", "Gaps healed, by cause", all.gaps_healed.clone());
        let help = "Gaps closed although trades are missing, by cause";
        registry.register("gaps_incomplete", help, all.gaps_incomplete.clone());
        let help = "Messages handed to the bus again for want of an acknowledgement";
        registry.register("publishes_repeated", help, all.publishes_repeated.clone());
        let help = "Messages among them that a full stream refused";
        registry.register("publishes_refused", help, all.publishes_refused.clone());
        let help = "Ticks handed to the bus and not acknowledged yet";
        registry.register("publishes_under_way", help, all.publishes_under_way.clone());
        let help = "Size of the ticks that wait for the bus";
        registry.register_with_unit("buffered", help, Unit::Bytes, all.buffered_bytes.clone());
        let seconds = [
            ("clock_offset", "The venue's clock minus ours; NaN while unknown", &all.clock_offset),
            ("data_age", "Age of the newest data frame; NaN before the first", &all.data_age),
            ("gap_age", "Age of the oldest open gap; 0 without one", &all.gap_age),
        ];
        for (name, help, gauge) in seconds {
            registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        }
        let help = "From the receipt of a tick to its acknowledgement by the bus";
        registry.register_with_unit("received_to_published", help, Unit::Seconds, queue.settling());
        let help = "Calls to the venue's REST, by route and outcome, waiting for their turn included";
        registry.register_with_unit("rest_duration", help, Unit::Seconds, calls.clone());
        all
    }

    /// Takes over what the feed says of itself.
    pub(crate) fn mirror(&self, report: &FeedReport, level: Level, gaps: &Causes, now: Timestamp) {
        for ((_, _, of), count) in COUNTS.iter().zip(&self.counts) {
            set(count, of(report));
        }
        for ((_, _, of), gauge) in LEVELS.iter().zip(&self.levels) {
            gauge.set(wide(of(report)));
        }
        for kind in Kind::ALL {
            let count = report.ticks.get(kind.word()).copied().unwrap_or(0);
            set(&self.ticks.get_or_create(&[("kind", kind.word())]), count);
        }
        for (kind, &count) in &report.depth.unknown_events {
            set(&self.unknown_events.get_or_create(&[("type", kind.clone())]), count);
        }
        for state in SocketState::ALL {
            let count = report.sockets.iter().filter(|socket| socket.state == state).count();
            self.sockets.get_or_create(&[("state", state.word())]).set(wide(count as u64));
        }
        for cause in Cause::ALL.map(Cause::word) {
            let of = |counted: &BTreeMap<&str, u64>| counted.get(cause).copied().unwrap_or(0);
            let label = [("cause", cause)];
            self.gaps_open.get_or_create(&label).set(wide(of(&gaps.open)));
            set(&self.gaps_opened.get_or_create(&label), of(&gaps.opened));
            set(&self.gaps_healed.get_or_create(&label), of(&gaps.healed));
            set(&self.gaps_incomplete.get_or_create(&label), of(&gaps.incomplete));
        }
        set(&self.publishes_repeated, level.repeated);
        set(&self.publishes_refused, level.refused);
        self.publishes_under_way.set(wide(level.under_way));
        self.buffered_bytes.set(wide(level.bytes));
        let age = |at| exposition::seconds(now.micros_since(at));
        let offset = report.depth.clock_offset_ms.map(|ms| exposition::seconds(ms.saturating_mul(1_000)));
        self.clock_offset.set(offset.unwrap_or(f64::NAN));
        self.data_age.set(report.last_data_at.map_or(f64::NAN, age));
        self.gap_age.set(gaps.oldest.map_or(0.0, age));
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
        self.0.observe(exposition::seconds(received_at.micros_since(stamped_at)));
    }
}

/// The stats counts; the instrument only shows.
fn set(counter: &Count, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

fn wide(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use contract::stats::{FeedDetails, SocketReport};

    use super::*;

    #[test]
    fn the_instruments_show_what_the_feed_says_of_itself() {
        let mut registry = Registry::with_prefix("polyfeed_feed");
        let metrics = Metrics::register(&mut registry, &PublishQueue::new(1), &exposition::calls());
        let unknown_events = [("settlement_preview".to_owned(), 8)].into();
        let depth = FeedDetails { clock_offset_ms: Some(-1_500), unknown_events, ..FeedDetails::default() };
        let connected = SocketReport { state: SocketState::Connected, ..SocketReport::default() };
        let sockets = vec![connected.clone(), connected, SocketReport::default()];
        let mut report = FeedReport { frames: 7, tokens: 5, sockets, depth, ..FeedReport::default() };
        report.ticks.insert("trade".to_owned(), 3);
        let opened_at = Some(Timestamp::from_millis(500));
        let gaps = Causes { open: [("silence", 2)].into(), oldest: opened_at, ..Causes::default() };
        let level = Level { bytes: 9, refused: 4, ..Level::default() };
        metrics.mirror(&report, level, &gaps, Timestamp::from_millis(2_000));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "polyfeed_feed_frames_total 7",
            "polyfeed_feed_tokens 5",
            "polyfeed_feed_ticks_total{kind=\"trade\"} 3",
            "polyfeed_feed_unknown_events_total{type=\"settlement_preview\"} 8",
            "polyfeed_feed_sockets{state=\"connected\"} 2",
            "polyfeed_feed_sockets{state=\"disconnected\"} 1",
            "polyfeed_feed_gaps_open{cause=\"silence\"} 2",
            "polyfeed_feed_gaps_opened_total{cause=\"buffer_full\"} 0",
            "polyfeed_feed_publishes_refused_total 4",
            "polyfeed_feed_buffered_bytes 9",
            "polyfeed_feed_clock_offset_seconds -1.5",
            "polyfeed_feed_gap_age_seconds 1.5",
            "polyfeed_feed_data_age_seconds NaN",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}: {text}");
        }
    }
}
