//! The processor's word on itself, once a second.
//!
//! Knows: the instruments, the log's errors, the backlog, how full the raw stream is. Never: how to mend it.

use std::time::Duration;

use bus::{Bus, BusError, Gauges, SharedConsumer};
use chassis::clock;
use chassis::ready::Latch;
use chassis::telemetry::ErrorLog;
use contract::codec::encode;
use contract::stats::{Backlog, ErrorNote, ProcessorReport, Report, Service, Stats};
use contract::subject;
use contract::time::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::metrics::Metrics;

/// Newest errors that are told.
const ERRORS_TOLD: usize = 20;
/// The backlog is asked for once in so many reports: it costs the server some answers.
const BACKLOG_EVERY: u32 = 3;
/// Room is made in the raw stream once in so many reports; nothing is done before it is 70 % full.
const TRIM_EVERY: u32 = 5;
/// Longest wait for the backlog, so that the report itself is never late by much.
const BACKLOG_WITHIN: Duration = Duration::from_secs(1);

/// Tells stats.
#[derive(Debug)]
pub(crate) struct Reporter {
    instance: String,
    started_at: Timestamp,
    errors: ErrorLog,
    metrics: Metrics,
    gauges: Gauges,
}

impl Reporter {
    /// A reporter for this process, which started now.
    pub(crate) fn new(instance: &str, errors: ErrorLog, metrics: Metrics, gauges: Gauges) -> Self {
        Self { instance: instance.to_owned(), started_at: clock::now().into(), errors, metrics, gauges }
    }

    /// Tells until `stop`, and keeps the latch of the bus.
    pub(crate) async fn run(self, bus: Bus, latch: Latch, stop: CancellationToken) -> anyhow::Result<()> {
        let subject = subject::stats(Service::Processor, &self.instance);
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut backlog, mut round) = (None, 0_u32);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let connected = bus.connected();
            let standing = bus.check();
            match &standing {
                Ok(()) => latch.set(true),
                Err(error) => latch.fail(error.to_string()),
            }
            if let Err(error @ BusError::Closed) = standing {
                return Err(error.into());
            }
            self.gauges.connected(&bus);
            if round.is_multiple_of(BACKLOG_EVERY) {
                backlog = if connected { backlog_of(&bus).await } else { None };
                self.gauges.look(&bus, &[SharedConsumer::Raw]).await;
            }
            if connected && round.is_multiple_of(TRIM_EVERY) {
                make_room(&bus).await;
            }
            round = round.wrapping_add(1);
            let mut stats = self.stats(self.metrics.report(backlog), &standing, clock::now().into());
            stats.problems.extend(bus.recreated());
            if let Err(error) = bus.publish_unacked(subject.clone(), encode(&stats)).await {
                debug!(%error, "stats were not told");
            }
        }
    }

    fn stats(&self, report: ProcessorReport, bus: &Result<(), BusError>, now: Timestamp) -> Stats {
        let notes = self.errors.last_hour(clock::now());
        let newest = notes.iter().take(ERRORS_TOLD);
        let mut problems = Vec::new();
        problems.extend(bus.as_ref().err().map(ToString::to_string));
        for route in self.metrics.suspended() {
            problems.push(format!("the venue's REST route for {route} does not answer"));
        }
        Stats {
            service: Service::Processor,
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            at: now,
            problems,
            errors: newest
                .map(|note| ErrorNote { at: note.at.into(), message: note.message.clone() })
                .collect(),
            errors_last_hour: self.errors.count_last_hour(clock::now()),
            report: Report::Processor(report),
        }
    }
}

async fn backlog_of(bus: &Bus) -> Option<Backlog> {
    match timeout(BACKLOG_WITHIN, bus.backlog(SharedConsumer::Raw)).await {
        Ok(Ok(backlog)) => Some(backlog),
        Ok(Err(error)) => {
            debug!(%error, "the backlog is not known");
            None
        }
        Err(_late) => None,
    }
}

/// What every processor is done with goes once the raw stream is nearly full: a full one refuses the feed.
async fn make_room(bus: &Bus) {
    match timeout(BACKLOG_WITHIN, bus.trim(SharedConsumer::Raw)).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(messages)) => debug!(messages, "made room in the raw stream"),
        Ok(Err(error)) => debug!(%error, "could not make room in the raw stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let metrics = Metrics::default();
        let reporter = Reporter::new("processor-1", ErrorLog::default(), metrics.clone(), Gauges::default());
        let told = |bus| reporter.stats(metrics.report(None), &bus, Timestamp::from_micros(1)).problems;
        assert!(told(Ok(())).is_empty());
        metrics.rest_suspended.get_or_create(&[("route", "books")]).set(1);
        assert_eq!(
            told(Err(BusError::Lost)),
            ["the bus is away", "the venue's REST route for books does not answer"]
        );
    }
}
