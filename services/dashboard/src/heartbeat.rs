//! Once a second: what this dashboard says of itself, and what it tells its live clients.
//!
//! Knows: stats, latches, instruments. Never: a judged tick.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bus::Bus;
use chassis::clock;
use chassis::ready::Latch;
use chassis::telemetry::ErrorLog;
use contract::codec::encode;
use contract::stats::{DashboardReport, ErrorNote, Report, Service, Stats};
use contract::subject;
use contract::time::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::metrics::Metrics;
use crate::shared_state::SharedState;
use crate::state::delivery::Stage;
use crate::state::dependency::Dependency;
use crate::view;

/// How often.
const PULSE_EVERY: Duration = Duration::from_secs(1);
/// How long telling our stats may take.
const TELL_MAX: Duration = Duration::from_secs(1);
/// Newest errors that are told.
const ERRORS_TOLD: usize = 20;

/// Tells.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) instance: String,
    pub(crate) durability: &'static str,
    pub(crate) started_at: Timestamp,
    pub(crate) errors: ErrorLog,
    pub(crate) board: SharedState,
    pub(crate) metrics: Metrics,
    pub(crate) bus_latch: Latch,
    pub(crate) database_latch: Latch,
    pub(crate) reached: Arc<OnceLock<Bus>>,
}

// === impl Pulse ===

impl Pulse {
    /// Tells until `stop`.
    ///
    /// # Errors
    /// Never: what cannot be told now is told the next time.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let subject = subject::stats(Service::Dashboard, &self.instance);
        let mut every = interval(PULSE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let stats = self.beat(clock::now().into());
            let Some(bus) = self.reached.get().filter(|bus| bus.connected()) else { continue };
            tokio::select! {
                told = timeout(TELL_MAX, bus.publish_unacked(subject.clone(), encode(&stats))) => {
                    if !matches!(told, Ok(Ok(()))) {
                        debug!("stats were not told");
                    }
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// One beat; gives our stats. We hear ourselves without the bus, too.
    fn beat(&self, now: Timestamp) -> Stats {
        let (bus, database) = self.board.with(|fold| (fold.bus.clone(), fold.database.clone()));
        show(&self.bus_latch, &bus);
        show(&self.database_latch, &database);
        let stats = self.stats(&bus, &database, now);
        let told = stats.clone();
        let (healthy, answers, stages) = self.board.with(|fold| {
            fold.stats(told, now);
            fold.settle(now);
            let answers = self.board.hub().has_clients().then(|| {
                let status = view::status::Status::of(fold, self.durability, now);
                (view::metrics::Metrics::of(fold, now), status)
            });
            let behind = |stage| (stage, fold.delivery.standing(stage, now).map(|standing| standing.behind));
            (fold.health(now).is_healthy(), answers, Stage::ALL.map(behind))
        });
        for (stage, behind) in stages {
            self.metrics.behind(stage.word(), behind);
        }
        if let Some((metrics, status)) = answers {
            self.board.hub().tell("metrics", &metrics);
            self.board.hub().tell("status", &status);
        }
        self.metrics.bus_connected.set(i64::from(bus.is_up == Some(true)));
        self.metrics.database_connected.set(i64::from(database.is_up == Some(true)));
        self.metrics.healthy.set(i64::from(healthy));
        stats
    }

    fn stats(&self, bus: &Dependency, database: &Dependency, now: Timestamp) -> Stats {
        let moment = now.date_time().unwrap_or_default();
        let newest = self.errors.last_hour(moment).into_iter().take(ERRORS_TOLD);
        let problem = |(name, link): (&str, &Dependency)| {
            let why = link.problem.as_deref().unwrap_or("does not answer");
            (link.is_up == Some(false)).then(|| format!("{name}: {why}"))
        };
        Stats {
            service: Service::Dashboard,
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            at: now,
            problems: [("bus", bus), ("database", database)].into_iter().filter_map(problem).collect(),
            errors: newest.map(|note| ErrorNote { at: note.at.into(), message: note.message }).collect(),
            errors_last_hour: self.errors.count_last_hour(moment),
            report: Report::Dashboard(DashboardReport {
                clients: u64::try_from(self.metrics.clients.get()).unwrap_or(0),
                lagged: self.metrics.lagged.get(),
            }),
        }
    }
}

fn show(latch: &Latch, link: &Dependency) {
    match (link.is_up, &link.problem) {
        (Some(true), _) => latch.set(true),
        (Some(false), Some(why)) => latch.fail(why),
        (Some(false), None) => latch.set(false),
        (None, _) => latch.fail("has not answered yet"),
    }
}

#[cfg(test)]
mod tests {
    use chassis::ready::Readiness;

    use super::*;
    use crate::live::{Frame, Hub};
    use crate::state::testing::at;

    fn pulse(readiness: &Readiness) -> Pulse {
        Pulse {
            instance: "dashboard-1".to_owned(),
            durability: "standard",
            started_at: at(0),
            errors: ErrorLog::default(),
            board: SharedState::new(Hub::new(at(0)), at(0)),
            metrics: Metrics::default(),
            bus_latch: readiness.latch("bus"),
            database_latch: readiness.latch("database"),
            reached: Arc::default(),
        }
    }

    #[test]
    fn a_beat_hears_itself_and_sets_the_latches() {
        let readiness = Readiness::new();
        let pulse = pulse(&readiness);
        pulse.board.with(|fold| fold.bus.told(Ok(()), at(0)));
        pulse.board.with(|fold| fold.database.told(Err("away".to_owned()), at(0)));
        let stats = pulse.beat(at(1));
        assert_eq!(readiness.problems(), ["database: away"]);
        assert_eq!(stats.problems, ["database: away"]);
        assert!(pulse.board.with(|fold| fold.fleet.of(Service::Dashboard).count()) == 1);
        assert_eq!((pulse.metrics.bus_connected.get(), pulse.metrics.healthy.get()), (1, 0));
    }

    #[test]
    fn live_clients_are_told_metrics_and_status() {
        let pulse = pulse(&Readiness::new());
        let mut frames = pulse.board.hub().listen();
        pulse.beat(at(1));
        for kind in ["metrics", "status"] {
            let Ok(Frame::Broadcast(text)) = frames.try_recv() else { panic!("nothing was told") };
            assert!(text.starts_with(&format!(r#"{{"type":"{kind}","{kind}":{{"#)), "{text}");
        }
        assert!(frames.try_recv().is_err());
    }
}
