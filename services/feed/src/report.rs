//! The feed's word on itself, once a second.
//!
//! Knows: the stats, the log's errors, what is wrong. Never: how to mend it.

use std::time::Duration;

use bus::{Bus, BusError, Gauges};
use chassis::clock;
use chassis::ready::Latch;
use chassis::telemetry::ErrorLog;
use contract::codec::encode;
use contract::stats::{ErrorNote, FeedReport, Report, Service, Stats};
use contract::subject;
use contract::time::Timestamp;
use polymarket::rest::Rest;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::Config;
use crate::feed_stats::FeedStats;
use crate::gaps::Gaps;
use crate::gaps::fills::Fills;
use crate::metrics::Metrics;
use crate::publish::dead_letters::DeadLetterLimiter;
use crate::publish::queue::PublishQueue;

/// Newest errors that are reported.
const ERRORS_TOLD: usize = 20;
/// Data older than this means that the venue is not being read.
const DATA_AGE_MAX: Duration = Duration::from_mins(1);

/// Tells stats and metrics.
#[derive(Debug)]
pub(crate) struct Reporter {
    instance: String,
    shard: String,
    universe: String,
    started_at: Timestamp,
    errors: ErrorLog,
    stats: FeedStats,
    sources: Sources,
    metrics: Metrics,
    gauges: Gauges,
}

/// What else counts.
#[derive(Debug)]
pub(crate) struct Sources {
    /// What waits for the bus.
    pub(crate) queue: PublishQueue,
    /// The gaps.
    pub(crate) gaps: Gaps,
    /// The fills published.
    pub(crate) fills: Fills,
    /// The dead letters.
    pub(crate) letters: DeadLetterLimiter,
    /// The venue's REST.
    pub(crate) rest: Rest,
}

impl Reporter {
    /// A reporter for this process, which started now.
    pub(crate) fn new(
        config: &Config,
        errors: ErrorLog,
        stats: FeedStats,
        sources: Sources,
        (metrics, gauges): (Metrics, Gauges),
    ) -> Self {
        Self {
            instance: config.instance.clone(),
            shard: config.shard.to_string(),
            universe: config.universe.to_string(),
            started_at: clock::now().into(),
            errors,
            stats,
            sources,
            metrics,
            gauges,
        }
    }

    /// Tells until `stop`. The latches: bus, venue.
    pub(crate) async fn run(
        self,
        bus: Bus,
        latches: [Latch; 2],
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let subject = subject::stats(Service::Feed, &self.instance);
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let now = Timestamp::from(clock::now());
            let report = self.report();
            let Sources { queue, gaps, .. } = &self.sources;
            self.metrics.mirror(&report, queue.level(), &gaps.causes(), now);
            self.gauges.connected(&bus);
            let problems = self.problems(&bus, &report, now);
            match bus.check() {
                Ok(()) => latches[0].set(true),
                Err(error @ BusError::Closed) => return Err(error.into()),
                Err(error) => latches[0].fail(error.to_string()),
            }
            match self.stats.last_data_at().filter(|&at| now.since(at) <= DATA_AGE_MAX) {
                Some(_) => latches[1].set(true),
                None => latches[1].fail("no data from the venue for a minute"),
            }
            let stats = self.stats(report, problems, now);
            if let Err(error) = bus.publish_unacked(subject.clone(), encode(&stats)).await {
                debug!(%error, "stats were not published");
            }
        }
    }

    fn report(&self) -> FeedReport {
        let Sources { queue, gaps, fills, letters, rest } = &self.sources;
        let mut report = self.stats.report(&self.shard, &self.universe, queue);
        let counts = gaps.counts();
        report.gaps_open = counts.open;
        report.depth.gaps_waiting = counts.waiting;
        report.depth.trades_recognised = fills.recognised();
        report.depth.letters_left_out = letters.left_out();
        report.depth.unknown_events = letters.unknown();
        report.depth.rest_calls = rest.calls();
        report.depth.oldest_unpublished_at = queue.level().oldest;
        report
    }

    fn problems(&self, bus: &Bus, report: &FeedReport, now: Timestamp) -> Vec<String> {
        let mut problems = self.stats.problems();
        problems.extend(bus.check().err().map(|error| error.to_string()));
        problems.extend(bus.recreated());
        if report.gaps_open > 0 {
            let (count, are) = (report.gaps_open, if report.gaps_open == 1 { "gap is" } else { "gaps are" });
            problems.push(format!("{count} {are} open"));
        }
        match self.sources.gaps.postponed() {
            0 => {}
            count => problems.push(format!("the trades of {count} gaps cannot be had: the log says why")),
        }
        match report.last_data_at {
            None => problems.push("no data from the venue yet".to_owned()),
            Some(at) if now.since(at) > DATA_AGE_MAX => {
                problems.push(format!("no data from the venue for {} s", now.since(at).as_secs()));
            }
            Some(_) => {}
        }
        problems
    }

    fn stats(&self, report: FeedReport, problems: Vec<String>, now: Timestamp) -> Stats {
        let notes = self.errors.last_hour(clock::now());
        let newest = notes.iter().take(ERRORS_TOLD);
        Stats {
            service: Service::Feed,
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            at: now,
            problems,
            errors: newest
                .map(|note| ErrorNote { at: note.at.into(), message: note.message.clone() })
                .collect(),
            errors_last_hour: self.errors.count_last_hour(clock::now()),
            report: Report::Feed(report),
        }
    }
}
