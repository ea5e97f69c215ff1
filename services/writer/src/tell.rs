//! What the writer says of itself on the bus, once a second.
//!
//! Knows: the shape of that message. Never: what is counted.

use std::time::Duration;

use bus::{Bus, BusError, Work};
use chassis::clock;
use chassis::telemetry::Telemetry;
use contract::stats::{ErrorNote, Report, Service, Stats};
use contract::time::Timestamp;
use contract::{codec, subject};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::board::Board;

/// How often.
const TELL_EVERY: Duration = Duration::from_secs(1);
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
pub async fn tell(
    bus: Bus,
    board: Board,
    telemetry: Telemetry,
    instance: String,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let started_at = clock::now().into();
    let subject = subject::stats(Service::Writer, &instance);
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let is_there = bus.connected();
        board.gauges().connected(&bus);
        let standing = bus.check();
        board.bus_is(standing.as_ref().copied().map_err(ToString::to_string));
        if let Err(error @ BusError::Closed) = standing {
            return Err(error.into());
        }
        if !is_there {
            board.backlog(None, clock::now().into());
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = ask(&bus, &board, round) => {}
        }
        let mut stats = stats(&board, &telemetry, &instance, started_at, clock::now().into());
        stats.problems.extend(bus.recreated());
        if let Err(error) = bus.announce(subject.clone(), codec::encode(&stats)).await {
            debug!("could not tell our state: {error}");
        }
    }
    Ok(())
}

async fn ask(bus: &Bus, board: &Board, round: u64) {
    board.backlog(bus.backlog(Work::Judged).await.ok(), clock::now().into());
    if round.is_multiple_of(LOOK_EVERY) {
        board.gauges().look(bus, &[Work::Judged, Work::Markets, Work::Gaps, Work::Dead]).await;
    }
    if round.is_multiple_of(TRIM_EVERY)
        && let Err(error) = bus.trim(Work::Judged).await
    {
        debug!("could not make room on the bus: {error}");
    }
}

fn stats(
    board: &Board,
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
        problems: board.readiness().problems(),
        errors: errors.last_hour(now).into_iter().take(ERRORS_MAX).map(note).collect(),
        errors_last_hour: errors.count_last_hour(now),
        report: Report::Writer(board.report()),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_writer_tells_its_name_its_problems_and_its_counters() {
        let board = Board::new(&mut Registry::default());
        board.received(1);
        let telemetry = chassis::telemetry::start("writer", "writer-1");
        let (start, now) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let told = stats(&board, &telemetry, "writer-1", start, now);
        assert_eq!((told.service, told.instance.as_str()), (Service::Writer, "writer-1"));
        assert_eq!(told.problems, ["bus: not ready yet", "database: not ready yet"]);
        let Report::Writer(report) = told.report else { panic!("another service's report") };
        assert_eq!((report.received, report.database_connected), (1, false));
    }
}
