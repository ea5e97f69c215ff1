//! Answer of `/api/metrics`: the ingestion in numbers.
//!
//! Knows: how each number is put together from the state. Never: a number of its own.

use contract::stats::{Backlog, FeedReport, Report, Service, SocketReport, SocketState};
use contract::time::Timestamp;
use contract::verdict::Verdict;
use serde::Serialize;

use super::Number;
use crate::state::Projection;
use crate::state::counters::Counters;
use crate::state::dependency::Queue;
use crate::state::incidents::Incident;
use crate::state::latency::Spread;
use crate::state::rates::Slot;

/// `IngestionMetrics` of the contract, and beyond it what the page needs.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    at: Timestamp,
    websocket_connected: Option<bool>,
    websocket_connected_at: Option<Timestamp>,
    last_message_at: Option<Timestamp>,
    reconnection_count: Option<u64>,
    subscribed_markets: Option<u64>,
    events_received: Option<u64>,
    events_per_second: Option<Number>,
    trades_stored: Option<u64>,
    price_updates: Option<u64>,
    g1_stale_filtered: Option<u64>,
    g3_missing_size: Option<u64>,
    g3_size_backfilled: Option<u64>,
    g5_divergence_detected: Option<u64>,
    average_trade_age_seconds: Option<Number>,
    errors_last_hour: Vec<Error>,

    uptime_seconds: Option<u64>,
    sockets: Option<u64>,
    sockets_connected: Option<u64>,
    tokens: Option<u64>,
    tokens_with_book: Option<u64>,
    freshness: Option<Number>,
    coverage: Option<Number>,
    gates: Gates,
    judged: Judged,
    events_5m: Option<u64>,
    trades_5m: Option<u64>,
    gaps_open: Option<u64>,
    gaps_waiting: Option<u64>,
    trades_recovered: Option<u64>,
    hashes_checked: Option<u64>,
    hash_mismatches: Option<u64>,
    tokens_set_aside: Option<u64>,
    dropped: Option<u64>,
    dead: Option<u64>,
    buffered: Option<u64>,
    rest_calls: Option<u64>,
    rest_failures: Option<u64>,
    backlog: Vec<Waiting>,
    latency: Latency,
    series: Option<Series>,
    clients: Option<u64>,
    counted_since: Since,
}

/// Since when the counters of a service count: the start of the first of its instances heard of since this dashboard
/// started.
#[derive(Debug, Serialize)]
struct Since {
    feed: Option<Timestamp>,
    processor: Option<Timestamp>,
    writer: Option<Timestamp>,
}

/// One error of the last hour, or what made the verdict leave `trustworthy`.
#[derive(Debug, Serialize)]
pub(crate) struct Error {
    at: Timestamp,
    /// Of what lasted: when it was last so; null where it is so now, and of what is a moment.
    until: Option<Timestamp>,
    service: &'static str,
    instance: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Gates {
    g1: Gate,
    g3: Gate,
    g5: Gate,
    g3_backfilled: Option<u64>,
    g5_overruled: Option<u64>,
    skewed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Gate {
    evaluated: Option<u64>,
    hit: Option<u64>,
    unknown: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Judged {
    clean: Option<u64>,
    flagged: Option<u64>,
    refused: Option<u64>,
}

/// How far behind a shared consumer is; null when the bus did not say it lately.
#[derive(Debug, Serialize)]
struct Waiting {
    consumer: &'static str,
    service: &'static str,
    pending: Option<u64>,
    unacknowledged: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Latency {
    executed_to_received: Option<Percentiles>,
    received_to_judged: Option<Percentiles>,
}

/// Microseconds, signed: negative where two clocks differ.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50_us: i64,
    p90_us: i64,
    p99_us: i64,
    samples: usize,
}

/// The last 300 seconds, oldest first; the last one is not over yet.
#[derive(Debug, Serialize)]
struct Series {
    from: Timestamp,
    step_seconds: u64,
    events: Vec<u64>,
    trades: Vec<u64>,
    price_updates: Vec<u64>,
}

// === impl Metrics ===

impl Metrics {
    /// The numbers as they stand at `now`.
    pub(crate) fn of(fold: &Projection, now: Timestamp) -> Self {
        let fleet = &fold.fleet;
        let feed = fleet.counters(Service::Feed);
        let processor = fleet.counters(Service::Processor);
        let writer = fleet.counters(Service::Writer);
        let every = [&feed, &processor, &writer];
        let sum = fold.is_live().then(|| fold.rates.sum(now));
        let counted = |pick: fn(&Counters) -> u64| processor.as_ref().map(pick);
        let tokens = of_feeds(fold, now, |feed| feed.tokens);
        let tokens_with_book = of_feeds(fold, now, |feed| feed.tokens_with_book);
        let connected = sockets(fold, now, |socket| socket.state == SocketState::Connected);
        Self {
            at: now,
            websocket_connected: connected.map(|connected| connected > 0),
            websocket_connected_at: connected_at(fold, now),
            last_message_at: fleet.last_data_at(),
            reconnection_count: feed.map(|feed| feed.reconnections),
            subscribed_markets: of_feeds(fold, now, |feed| feed.markets),
            events_received: feed.map(|feed| feed.ticks),
            events_per_second: fold.is_live().then(|| Number(fold.rates.events_per_second(now))),
            trades_stored: fold.totals.as_ref().map(|rows| rows.get("trades").copied().unwrap_or(0)),
            price_updates: sum.map(|sum| sum.price_updates),
            g1_stale_filtered: counted(|all| all.g1.hit),
            g3_missing_size: counted(|all| all.g3.hit),
            g3_size_backfilled: counted(|all| all.g3_backfilled),
            g5_divergence_detected: counted(|all| all.g5.hit),
            average_trade_age_seconds: sum.as_ref().and_then(average_age),
            errors_last_hour: errors(fold, now),
            uptime_seconds: uptime(fold, now),
            sockets: sockets(fold, now, |_| true),
            sockets_connected: connected,
            tokens,
            tokens_with_book,
            freshness: processor
                .and_then(|all| Number::share(all.g1.evaluated.saturating_sub(all.g1.hit), all.g1.evaluated)),
            coverage: tokens_with_book.zip(tokens).and_then(|(part, whole)| Number::share(part, whole)),
            gates: Gates::of(processor.as_ref()),
            judged: Judged::of(processor.as_ref()),
            events_5m: sum.map(|sum| sum.events),
            trades_5m: sum.map(|sum| sum.trades),
            gaps_open: fold.is_live().then(|| fold.gaps.count()),
            gaps_waiting: of_feeds(fold, now, |feed| feed.depth.gaps_waiting),
            trades_recovered: of_feeds(fold, now, |feed| feed.depth.trades_recovered),
            hashes_checked: of_feeds(fold, now, |feed| feed.depth.hashes_checked),
            hash_mismatches: of_feeds(fold, now, |feed| feed.depth.hash_mismatches),
            tokens_set_aside: of_feeds(fold, now, |feed| feed.depth.set_aside_count),
            dropped: feed.map(|feed| feed.dropped),
            dead: every.into_iter().flatten().map(|all| all.dead).reduce(u64::saturating_add),
            buffered: of_feeds(fold, now, |feed| feed.buffered),
            rest_calls: counted(|all| all.rest_calls),
            rest_failures: counted(|all| all.rest_failures),
            backlog: Queue::ALL.map(|queue| Waiting::of(fold, queue, now)).into(),
            latency: Latency::of(fold),
            series: fold.is_live().then(|| Series::of(&fold.rates.series(now))),
            clients: clients(fold, now),
            counted_since: Since {
                feed: fleet.counted_since(Service::Feed),
                processor: fleet.counted_since(Service::Processor),
                writer: fleet.counted_since(Service::Writer),
            },
        }
    }
}

/// Since when the longest-running feed runs that is there; none without one.
pub(crate) fn uptime(fold: &Projection, now: Timestamp) -> Option<u64> {
    let there = fold.fleet.of(Service::Feed).filter(|instance| instance.is_present(now));
    let since = there.map(|instance| instance.stats.started_at).min()?;
    Some(now.since(since).as_secs())
}

fn of_feeds(fold: &Projection, now: Timestamp, pick: fn(&FeedReport) -> u64) -> Option<u64> {
    fold.fleet.feeds(now).map(pick).reduce(u64::saturating_add)
}

fn sockets(fold: &Projection, now: Timestamp, counts: fn(&SocketReport) -> bool) -> Option<u64> {
    fold.fleet.feeds(now).next()?;
    Some(fold.fleet.sockets(now).filter(|socket| counts(socket)).count() as u64)
}

fn connected_at(fold: &Projection, now: Timestamp) -> Option<Timestamp> {
    let connected = fold.fleet.sockets(now).filter(|socket| socket.state == SocketState::Connected);
    connected.filter_map(|socket| socket.connected_at).min()
}

fn average_age(sum: &Slot) -> Option<Number> {
    let trades = i64::try_from(sum.aged).ok().filter(|trades| *trades > 0)?;
    Some(Number::seconds(sum.age_us / trades))
}

fn errors(fold: &Projection, now: Timestamp) -> Vec<Error> {
    let error = |told: &crate::state::instances::Told| Error {
        at: told.note.at,
        until: None,
        service: told.service.word(),
        instance: told.instance.clone(),
        message: told.note.message.clone(),
    };
    let incident = |incident: &Incident| Error {
        at: incident.from,
        until: (!incident.is_open).then_some(incident.until),
        service: "verdict",
        instance: incident.who.clone(),
        message: incident.what.clone(),
    };
    let mut errors: Vec<Error> = fold.incidents.newest_first().map(incident).collect();
    errors.extend(fold.fleet.errors(now).into_iter().map(error));
    errors.sort_by_key(|error| std::cmp::Reverse(error.at));
    errors
}

fn clients(fold: &Projection, now: Timestamp) -> Option<u64> {
    let there = fold.fleet.of(Service::Dashboard).filter(|instance| instance.is_present(now));
    let clients = there.filter_map(|instance| match &instance.stats.report {
        Report::Dashboard(dashboard) => Some(dashboard.clients),
        Report::Feed(_) | Report::Processor(_) | Report::Writer(_) => None,
    });
    clients.reduce(u64::saturating_add)
}

// === impl the parts ===

impl Gates {
    fn of(all: Option<&Counters>) -> Self {
        let gate = |pick: fn(&Counters) -> contract::stats::GateCount| {
            let count = all.map(pick);
            Gate {
                evaluated: count.map(|gate| gate.evaluated),
                hit: count.map(|gate| gate.hit),
                unknown: count.map(|gate| gate.unknown),
            }
        };
        Self {
            g1: gate(|all| all.g1),
            g3: gate(|all| all.g3),
            g5: gate(|all| all.g5),
            g3_backfilled: all.map(|all| all.g3_backfilled),
            g5_overruled: all.map(|all| all.g5_overruled),
            skewed: all.map(|all| all.skewed),
        }
    }
}

impl Judged {
    fn of(all: Option<&Counters>) -> Self {
        let of = |verdict| {
            all.map(|all| match verdict {
                Verdict::Clean => all.clean,
                Verdict::Flagged => all.flagged,
                Verdict::Refused => all.refused,
            })
        };
        Self { clean: of(Verdict::Clean), flagged: of(Verdict::Flagged), refused: of(Verdict::Refused) }
    }
}

impl Waiting {
    fn of(fold: &Projection, queue: Queue, now: Timestamp) -> Self {
        let backlog: Option<Backlog> = fold.consumers.get(&queue).and_then(|queue| queue.present(now));
        Self {
            consumer: queue.word(),
            service: queue.service().word(),
            pending: backlog.map(|backlog| backlog.pending),
            unacknowledged: backlog.map(|backlog| backlog.unacknowledged),
        }
    }
}

impl Latency {
    fn of(fold: &Projection) -> Self {
        let percentiles = |spread: Spread| Percentiles {
            p50_us: spread.p50,
            p90_us: spread.p90,
            p99_us: spread.p99,
            samples: spread.samples,
        };
        Self {
            executed_to_received: fold.executed_to_received.spread().map(percentiles),
            received_to_judged: fold.received_to_judged.spread().map(percentiles),
        }
    }
}

impl Series {
    fn of(slots: &[Slot]) -> Self {
        let from = slots.first().map_or(0, |slot| slot.second);
        Self {
            from: Timestamp::from_micros(from.saturating_mul(1_000_000)),
            step_seconds: 1,
            events: slots.iter().map(|slot| slot.events).collect(),
            trades: slots.iter().map(|slot| slot.trades).collect(),
            price_updates: slots.iter().map(|slot| slot.price_updates).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::stats::{GateCount, ProcessorReport};
    use serde_json::{Value, json};

    use super::*;
    use crate::state::testing::{at, feed, hear_everybody, judged_trade, price_change, stats};

    fn shown(fold: &Projection, second: i64) -> Value {
        serde_json::from_str(&crate::view::json(&Metrics::of(fold, at(second)))).unwrap()
    }

    #[test]
    fn before_anything_is_known_every_number_is_null() {
        let shown = shown(&Projection::new(at(0)), 1);
        let Value::Object(members) = &shown else { panic!("{shown}") };
        let known = ["at", "errors_last_hour", "gates", "judged", "backlog", "latency", "counted_since"];
        for (name, value) in members.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            assert!(value.is_null(), "{name} is {value}");
        }
        assert_eq!(shown["errors_last_hour"], json!([]));
        assert_eq!(shown["counted_since"], json!({"feed": null, "processor": null, "writer": null}));
        assert_eq!(shown["gates"]["g1"], json!({"evaluated": null, "hit": null, "unknown": null}));
        let waiting =
            json!({"consumer": "raw", "service": "processor", "pending": null, "unacknowledged": null});
        assert_eq!(shown["backlog"][0], waiting);
    }

    #[test]
    fn the_numbers_are_those_of_bus_and_database() {
        let mut fold = Projection::new(at(0));
        fold.bus.told(Ok(()), at(0));
        hear_everybody(&mut fold, 0);
        let mut report = feed(1);
        report.ticks = [("price".to_owned(), 90), ("trade".to_owned(), 10)].into();
        report.reconnections = 3;
        fold.stats(stats("feed-1", 1, Report::Feed(report)), at(1));
        let gate = |evaluated, hit, unknown| GateCount { evaluated, hit, unknown };
        let report = ProcessorReport {
            g1: gate(8, 2, 0),
            g3: gate(10, 3, 1),
            g5: gate(8, 1, 4),
            g3_backfilled: 2,
            g5_overruled: 5,
            ..ProcessorReport::default()
        };
        fold.stats(stats("processor-1", 1, Report::Processor(report)), at(1));
        fold.tick(judged_trade(1, Verdict::Clean), at(3));
        fold.tick(price_change(1), at(3));
        fold.totals = Some([("trades".to_owned(), 42)].into());
        let shown = shown(&fold, 3);
        for (name, value) in [
            ("websocket_connected", json!(true)),
            ("websocket_connected_at", json!("2027-01-15T08:00:00.000000Z")),
            ("last_message_at", json!("2027-01-15T08:00:01.000000Z")),
            ("reconnection_count", json!(3)),
            ("subscribed_markets", json!(2)),
            ("events_received", json!(100)),
            ("events_per_second", json!(0.2)),
            ("trades_stored", json!(42)),
            ("price_updates", json!(1)),
            ("g1_stale_filtered", json!(2)),
            ("g3_missing_size", json!(3)),
            ("g3_size_backfilled", json!(2)),
            ("g5_divergence_detected", json!(1)),
            ("average_trade_age_seconds", json!(1.5)),
            ("freshness", json!(0.75)),
            ("coverage", json!(0.75)),
            ("uptime_seconds", json!(3)),
            ("gaps_open", json!(0)),
            ("gaps_waiting", json!(0)),
            ("trades_recovered", json!(5)),
            ("hashes_checked", json!(30)),
            ("hash_mismatches", json!(1)),
            ("trades_5m", json!(1)),
            ("clients", json!(0)),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        assert_eq!(shown["gates"]["g5"], json!({"evaluated": 8, "hit": 1, "unknown": 4}));
        assert_eq!(shown["latency"]["executed_to_received"]["p99_us"], json!(1_500_000));
        assert_eq!(shown["series"]["events"].as_array().unwrap().len(), 300);
        assert_eq!(shown["series"]["price_updates"][296], json!(1));
    }

    #[test]
    fn what_a_silent_feed_said_is_not_told_as_the_present() {
        let mut fold = Projection::new(at(0));
        hear_everybody(&mut fold, 0);
        let shown = shown(&fold, 6);
        for name in [
            "websocket_connected",
            "hashes_checked",
            "subscribed_markets",
            "uptime_seconds",
            "coverage",
            "sockets",
        ] {
            assert!(shown[name].is_null(), "{name}");
        }
        assert_eq!(shown["events_received"], json!(0), "what was counted stays counted");
        assert_eq!(shown["counted_since"]["feed"], json!("2027-01-15T08:00:00.000000Z"));
        assert!(shown["last_message_at"].is_string());
    }
}
