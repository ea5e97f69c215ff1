//! What the writer says of itself on the bus, once a second.
//!
//! Knows: the shape of that message. Never: what is counted.

use std::time::Duration;

use bus::{Bus, BusError, SharedConsumer};
use chassis::clock;
use chassis::telemetry::Telemetry;
use contract::stats::{ErrorNote, Report, Service, Stats};
use contract::time::Timestamp;
use contract::{codec, subject};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::writer_stats::WriterStats;

/// How often.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Every so many tellings the stream is asked for room, and old messages go.
const TRIM_EVERY: u64 = 10;
/// Every so many tellings the streams and their consumers are looked at: eight questions to the server.
const LOOK_EVERY: u64 = 5;
/// Most errors in one message.
const ERRORS_MAX: usize = 20;

/// Tells until `stop`, and keeps the bus's latch and its streams in order.
///
/// # Errors
/// Never: what cannot be told now is told the next time.
pub async fn run(
    bus: Bus,
    stats: WriterStats,
    telemetry: Telemetry,
    instance: String,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let started_at = clock::now().into();
    let subject = subject::stats(Service::Writer, &instance);
    let mut ticks = interval(PUBLISH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let is_there = bus.connected();
        stats.gauges().connected(&bus);
        let standing = bus.check();
        stats.bus_is(standing.as_ref().copied().map_err(ToString::to_string));
        if let Err(error @ BusError::Closed) = standing {
            return Err(error.into());
        }
        if !is_there {
            stats.backlog(None, clock::now().into());
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = ask(&bus, &stats, round) => {}
        }
        let mut heartbeat = heartbeat_of(&stats, &telemetry, &instance, started_at, clock::now().into());
        heartbeat.problems.extend(bus.recreated());
        if let Err(error) = bus.publish_unacked(subject.clone(), codec::encode(&heartbeat)).await {
            debug!("could not publish the heartbeat: {error}");
        }
    }
    Ok(())
}

async fn ask(bus: &Bus, stats: &WriterStats, round: u64) {
    stats.backlog(bus.backlog(SharedConsumer::Judged).await.ok(), clock::now().into());
    if round.is_multiple_of(LOOK_EVERY) {
        stats
            .gauges()
            .look(
                bus,
                &[
                    SharedConsumer::Judged,
                    SharedConsumer::Markets,
                    SharedConsumer::Gaps,
                    SharedConsumer::Dead,
                ],
            )
            .await;
    }
    if round.is_multiple_of(TRIM_EVERY)
        && let Err(error) = bus.trim(SharedConsumer::Judged).await
    {
        debug!("could not make room on the bus: {error}");
    }
}

fn heartbeat_of(
    stats: &WriterStats,
    telemetry: &Telemetry,
    instance: &str,
    started_at: Timestamp,
    at: Timestamp,
) -> Stats {
    let errors = telemetry.errors();
    let now = at.date_time().unwrap_or_default();
    let note = |note: chassis::telemetry::ErrorNote| ErrorNote { at: note.at.into(), message: note.message };
    Stats {
        service: Service::Writer,
        instance: instance.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        at,
        problems: stats.readiness().problems(),
        errors: errors.last_hour(now).into_iter().take(ERRORS_MAX).map(note).collect(),
        errors_last_hour: errors.count_last_hour(now),
        report: Report::Writer(stats.report()),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_writer_tells_its_name_its_problems_and_its_counters() {
        let stats = WriterStats::new(&mut Registry::default());
        stats.received(1);
        let telemetry = chassis::telemetry::start("writer", "writer-1");
        let (start, now) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let told = heartbeat_of(&stats, &telemetry, "writer-1", start, now);
        assert_eq!((told.service, told.instance.as_str()), (Service::Writer, "writer-1"));
        assert_eq!(told.problems, ["bus: not ready yet", "database: not ready yet"]);
        let Report::Writer(report) = told.report else { panic!("another service's report") };
        assert_eq!((report.received, report.database_connected), (1, false));
    }
}
