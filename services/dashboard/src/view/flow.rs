//! Answer of `/api/flow`: the way of a tick as a picture, from the venue to the page.
//!
//! Knows: stages, arrows, when a stage is behind. Never: whether the whole can be trusted; the status says that.

use std::time::Duration;

use contract::stats::{FeedReport, Report, Service};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Number;
use crate::state::Projection;
use crate::state::dependency::{Dependency, Queue};
use crate::state::health::DATA_AGE_MAX;
use crate::state::instances::Instance;
use crate::state::latency_heatmap::percentile;

/// Fewer messages that wait are no backlog: a batch under way is not one.
const LAG_MIN: u64 = 500;
/// So many seconds of work may wait.
const LAG_S_MAX: u64 = 2;

/// The picture.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    at: Timestamp,
    stages: Vec<Stage>,
    arrows: Vec<Arrow>,
}

#[derive(Debug, Serialize)]
struct Stage {
    name: &'static str,
    /// `ok`, `behind`, `down`, `unknown`.
    state: &'static str,
    /// What passes in a second: ticks, messages or rows; null while unknown.
    rate: Option<Number>,
    instances: Vec<OfInstance>,
}

/// An instance of a stage.
#[derive(Debug, Serialize)]
struct OfInstance {
    instance: String,
    age_s: Number,
    rate: Option<Number>,
    /// Null where it was not heard of for 4 s.
    ok: Option<bool>,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Arrow {
    from: &'static str,
    to: &'static str,
    rate: Option<Number>,
    /// Messages that wait; null where nobody counts them.
    lag: Option<u64>,
    /// How old is what arrives: since the last data at the venue's end and at the page, else the usual time of this
    /// step.
    age_s: Option<Number>,
}

/// What the services say, added up.
struct Sums<'a> {
    fold: &'a Projection,
    now: Timestamp,
}

// === impl Flow ===

impl Flow {
    /// The picture as it stands at `now`.
    pub(crate) fn of(fold: &Projection, now: Timestamp) -> Self {
        let sums = Sums { fold, now };
        Self { at: now, stages: sums.stages(), arrows: sums.arrows() }
    }
}

// === impl Sums ===

impl Sums<'_> {
    fn stages(&self) -> Vec<Stage> {
        let (feed, judged) = (self.rate(Service::Feed), self.output(Service::Processor));
        let service = |name, service: Service, rate: Option<Decimal>, is_behind: bool| {
            let there = self.fold.fleet.current(service);
            let instances: Vec<OfInstance> =
                there.map(|instance| OfInstance::of(instance, self.now)).collect();
            let state = match instances.iter().filter(|instance| instance.ok.is_some()).count() {
                0 => "unknown",
                _ if is_behind || self.is_stuck(service) => "behind",
                _ => "ok",
            };
            Stage { name, state, rate: rate.map(Number), instances }
        };
        let server = |name, link: &Dependency, rate: Option<Decimal>| {
            let state = match link.is_up {
                None => "unknown",
                Some(true) => "ok",
                Some(false) => "down",
            };
            Stage { name, state, rate: rate.map(Number), instances: Vec::new() }
        };
        let raw_waits = self.waits(Queue::Raw, self.rate(Service::Processor));
        let judged_waits = self.waits(Queue::Judged, self.rate(Service::Writer));
        let buffered = is_behind(self.buffered(), feed);
        let bus = &self.fold.bus;
        let shown = self.fold.is_live().then(|| self.fold.rates.events_per_second(self.now));
        vec![
            Stage { name: "venue", state: self.venue(), rate: feed.map(Number), instances: Vec::new() },
            service("feed", Service::Feed, feed, buffered),
            server("nats_raw", bus, self.output(Service::Feed)),
            service("processor", Service::Processor, self.rate(Service::Processor), raw_waits),
            server("nats_judged", bus, judged),
            service("writer", Service::Writer, self.rate(Service::Writer), judged_waits),
            server("postgres", &self.fold.database, self.output(Service::Writer)),
            service("dashboard", Service::Dashboard, shown, false),
        ]
    }

    fn arrows(&self) -> Vec<Arrow> {
        let fold = self.fold;
        let arrow = |from, to, rate: Option<Decimal>, lag, age_s| Arrow {
            from,
            to,
            rate: rate.map(Number),
            lag,
            age_s,
        };
        let age = |at: Option<Timestamp>| at.map(|at| Number::span(self.now.since(at)));
        let judged = fold.received_to_judged.spread().map(|spread| Number::seconds(spread.p50));
        let stored = percentile(&fold.stored_heat.recent(self.now), 50).map(Number::seconds);
        let shown = fold.is_live().then(|| fold.rates.events_per_second(self.now));
        vec![
            arrow("venue", "feed", self.rate(Service::Feed), None, age(fold.fleet.last_data_at())),
            arrow("feed", "nats_raw", self.output(Service::Feed), self.buffered(), None),
            arrow("nats_raw", "processor", self.rate(Service::Processor), self.pending(Queue::Raw), judged),
            arrow("processor", "nats_judged", self.output(Service::Processor), None, None),
            arrow("nats_judged", "writer", self.rate(Service::Writer), self.pending(Queue::Judged), stored),
            arrow("writer", "postgres", self.output(Service::Writer), None, self.batch()),
            arrow("nats_judged", "dashboard", shown, None, age(fold.newest_at)),
        ]
    }

    fn rate(&self, service: Service) -> Option<Decimal> {
        self.sum(service, Instance::rate)
    }

    fn output(&self, service: Service) -> Option<Decimal> {
        self.sum(service, Instance::output_rate)
    }

    fn sum(&self, service: Service, rate: fn(&Instance) -> Option<Decimal>) -> Option<Decimal> {
        let there = self.fold.fleet.of(service).filter(|instance| instance.is_present(self.now));
        there.filter_map(rate).reduce(|sum, rate| sum + rate)
    }

    fn pending(&self, queue: Queue) -> Option<u64> {
        let consumer = self.fold.consumers.get(&queue)?;
        consumer.present(self.now).map(|backlog| backlog.pending)
    }

    fn waits(&self, queue: Queue, rate: Option<Decimal>) -> bool {
        is_behind(self.pending(queue), rate)
    }

    fn is_stuck(&self, service: Service) -> bool {
        let moved_at = self.fold.fleet.moved_at(service);
        let mut queues = self.fold.consumers.iter().filter(|(queue, _)| queue.service() == service);
        queues.any(|(_, consumer)| consumer.stuck_for(moved_at, self.now).is_some())
    }

    fn buffered(&self) -> Option<u64> {
        self.feeds().map(|feed| feed.buffered).reduce(u64::saturating_add)
    }

    fn feeds(&self) -> impl Iterator<Item = &FeedReport> {
        self.fold.fleet.feeds(self.now)
    }

    fn venue(&self) -> &'static str {
        let last = self.fold.fleet.last_data_at();
        match (self.feeds().next(), last) {
            (None, _) => "unknown",
            (Some(_), Some(at)) if self.now.since(at) <= DATA_AGE_MAX => "ok",
            (Some(_), _) => "down",
        }
    }

    /// How long the newest batch of the slowest writer took.
    fn batch(&self) -> Option<Number> {
        let there = self.fold.fleet.of(Service::Writer).filter(|instance| instance.is_present(self.now));
        let took = there.filter_map(|instance| match &instance.stats.report {
            Report::Writer(writer) if writer.batches > 0 => Some(writer.batch_us),
            _ => None,
        });
        took.max().map(|micros| Number::span(Duration::from_micros(micros)))
    }
}

fn is_behind(lag: Option<u64>, rate: Option<Decimal>) -> bool {
    let bearable = rate.unwrap_or_default() * Decimal::from(LAG_S_MAX);
    lag.is_some_and(|lag| lag >= LAG_MIN && Decimal::from(lag) > bearable)
}

// === impl OfInstance ===

impl OfInstance {
    fn of(instance: &Instance, now: Timestamp) -> Self {
        let is_present = instance.is_present(now);
        let rate = match instance.stats.service {
            Service::Dashboard => None,
            _ => instance.rate(),
        };
        Self {
            instance: instance.stats.instance.clone(),
            age_s: Number::span(now.since(instance.heard_at)),
            rate: rate.filter(|_| is_present).map(Number),
            ok: is_present.then_some(instance.stats.problems.is_empty()),
            note: instance.stats.problems.first().cloned(),
        }
    }
}
