//! The fold: judged ticks, stats, gaps and markets go in, what the page shows comes out.
//!
//! Knows: everything shown, each part within its bound. Never: a clock, a task, a socket; `now` is told to it.

pub(crate) mod counters;
pub(crate) mod delivery;
pub(crate) mod dependency;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod gaps;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod instances;
pub(crate) mod latency;
pub(crate) mod latency_heatmap;
pub(crate) mod rates;
pub(crate) mod restarts;
pub(crate) mod series;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use contract::gap::{Cause, Gap};
use contract::ids::{ConditionId, TokenId};
use contract::market::Market;
use contract::stats::{Backlog, Service, SocketReport, SocketState, Stats};
use contract::tick::{Kind, Origin};
use contract::time::Timestamp;
use contract::verdict::Reason;

use delivery::{Delivery, Reading, Stage};
use dependency::{Consumer, Dependency, Queue};
use event::{Event, Judged};
use events::{EventFilter, EventPage, Events};
use gaps::Gaps;
use health::{Health, Settled};
use incidents::Incidents;
use instances::Instances;
use latency::Samples;
use latency_heatmap::LatencyHeatmap;
use rates::Rates;
use series::{Sample, Series};
use tokens::{Row, Seed, Snapshot, Tokens};

/// So long after its start what this process has not heard of yet is no fault of anybody: servers answer within a second
/// and services speak once a second; a feed has its sockets open within a few.
const STARTING_FOR: Duration = Duration::from_secs(15);

/// What the bus and the database have told so far.
#[derive(Debug)]
pub(crate) struct Projection {
    events: Events,
    tokens: Tokens,
    /// Per-second counts of the last five minutes.
    pub(crate) rates: Rates,
    /// What was read off once a second.
    pub(crate) series: Series,
    /// From the match to the feed, in microseconds; socket trades whose time is not at fault (`G1`, `SKEW`).
    pub(crate) executed_to_received: Samples,
    /// The same over the last hour, with those from the future (`SKEW`).
    pub(crate) received_heat: LatencyHeatmap,
    /// From the feed to the verdict, in microseconds; all trades.
    pub(crate) received_to_judged: Samples,
    /// The same over the last hour.
    pub(crate) judged_heat: LatencyHeatmap,
    /// From the verdict to the commit, as the writers count it.
    pub(crate) stored_heat: LatencyHeatmap,
    /// When the feed read the newest event.
    pub(crate) newest_at: Option<Timestamp>,
    /// The instances heard of.
    pub(crate) fleet: Instances,
    /// The gaps now open.
    pub(crate) gaps: Gaps,
    /// The bus.
    pub(crate) bus: Dependency,
    /// The database.
    pub(crate) database: Dependency,
    /// Rows ever stored, by table; none while the database does not answer.
    pub(crate) totals: Option<BTreeMap<String, u64>>,
    /// How far behind the shared consumers are.
    pub(crate) consumers: BTreeMap<Queue, Consumer>,
    /// How far what is stored and shown is behind what is received.
    pub(crate) delivery: Delivery,
    /// Everything that the feeds received before this moment is stored; it stands still while that is not known.
    pub(crate) stored_until: Option<Timestamp>,
    /// Messages that could not be read.
    pub(crate) undecodable: u64,
    /// What made the verdict leave `trustworthy` within the last hour.
    pub(crate) incidents: Incidents,
    settled: Settled,
    started_at: Timestamp,
    has_history: bool,
}

// === impl Projection ===

impl Projection {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            events: Events::default(),
            tokens: Tokens::default(),
            rates: Rates::default(),
            series: Series::default(),
            executed_to_received: Samples::default(),
            received_heat: LatencyHeatmap::default(),
            received_to_judged: Samples::default(),
            judged_heat: LatencyHeatmap::default(),
            stored_heat: LatencyHeatmap::default(),
            newest_at: None,
            fleet: Instances::default(),
            gaps: Gaps::default(),
            bus: Dependency::new(now),
            database: Dependency::new(now),
            totals: None,
            consumers: BTreeMap::new(),
            delivery: Delivery::default(),
            stored_until: None,
            undecodable: 0,
            incidents: Incidents::default(),
            settled: Settled::new(now),
            started_at: now,
            has_history: false,
        }
    }

    /// Whether this process has just begun: what it has not heard of yet may well be there.
    pub(crate) fn is_starting(&self, now: Timestamp) -> bool {
        now.since(self.started_at) < STARTING_FOR
    }

    /// What was on the bus before this process is read.
    pub(crate) fn has_history(&mut self) {
        self.has_history = true;
    }

    /// Whether events from before this process are still being read.
    pub(crate) fn is_catching_up(&self, now: Timestamp) -> bool {
        !self.has_history && self.is_starting(now)
    }

    /// Takes a judged tick; gives the event it became, or none when it is known already.
    pub(crate) fn tick(&mut self, judged: Judged, now: Timestamp) -> Option<Arc<Event>> {
        let mut event = Event::of(judged);
        // On a busy bus there is always something to come; what was received since is no history.
        self.has_history |= event.received_at >= self.started_at;
        event.name = self.tokens.name(&event.token_id);
        let event = self.events.keep(event)?;
        self.tokens.tick(&event, now);
        // Trades whose time is at fault are counted by G1; their hours would drown the ages of all others.
        let is_aged = event.kind == Kind::Trade
            && event.origin == Some(Origin::Socket)
            && !event.reasons.iter().any(|reason| matches!(reason, Reason::G1 | Reason::Skew));
        let age_us = is_aged.then(|| event.received_at.micros_since(event.at));
        self.rates.count(event.kind, event.received_at, age_us, now);
        self.newest_at = self.newest_at.max(Some(event.received_at));
        if let Some(age_us) = age_us {
            self.executed_to_received.keep(age_us);
            self.series.aged(age_us);
        }
        if event.origin == Some(Origin::Socket) && !event.reasons.contains(&Reason::G1) {
            let age_us = event.received_at.micros_since(event.at);
            self.received_heat.count(age_us, event.received_at, now);
        }
        if let Some(judged_at) = event.judged_at {
            let took_us = judged_at.micros_since(event.received_at);
            self.received_to_judged.keep(took_us);
            self.judged_heat.count(took_us, judged_at, now);
        }
        Some(event)
    }

    /// Takes what an instance says of itself.
    pub(crate) fn stats(&mut self, stats: Stats, now: Timestamp) {
        if let Some(counts) = self.fleet.stored_since(&stats) {
            self.stored_heat.add(&counts, now, now);
        }
        self.delivery.feed(&stats, now);
        self.fleet.heard(stats, now);
    }

    /// Takes what is known of a market.
    pub(crate) fn market(&mut self, market: &Market) {
        self.tokens.learn(market);
    }

    /// Takes a gap, opened or healed.
    pub(crate) fn gap(&mut self, gap: Gap) {
        if gap.cause == Cause::NotFollowed {
            let given_up_at = gap.healed_at.is_none().then_some(gap.opened_at);
            self.tokens.followed(&gap.condition_id, given_up_at);
        }
        self.gaps.take(gap);
    }

    /// Takes how far behind a shared consumer is.
    pub(crate) fn backlog(&mut self, queue: Queue, backlog: Backlog, now: Timestamp) {
        let behind = self.consumers.entry(queue).or_insert_with(|| Consumer::new(now));
        behind.told(backlog, now);
    }

    /// Forgets what is too old to be shown, and notes since when things are as they are.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        self.fleet.expire(now);
        self.read_feeds(now);
        self.stored_until = self.stored_until.max(self.stored_until_now(now));
        let health = health::assess(self, now);
        self.settled.note(health.trust, now);
        self.incidents.note(&health, now);
        let sample = self.sample(now);
        self.series.sample(sample);
    }

    /// What waits in the feeds for the bus: the oldest of all of them.
    fn read_feeds(&mut self, now: Timestamp) {
        let mut sum: Option<Reading> = None;
        for instance in self.fleet.of(Service::Feed).filter(|instance| instance.is_present(now)) {
            let Some(feed) = instance.feed() else { continue };
            // As it was when the feed said so: since then it may have gone.
            let (oldest, waiting) = (feed.depth.oldest_unpublished_at, feed.buffered);
            let one = Reading::of_oldest(oldest, waiting, instance.stats.at);
            sum = Some(sum.map_or(one, |all| Reading {
                at: all.at.min(one.at),
                behind: all.behind.max(one.behind),
                oldest: all.oldest.into_iter().chain(one.oldest).min(),
                waiting: all.waiting.saturating_add(one.waiting),
            }));
        }
        if let Some(reading) = sum {
            self.delivery.read(Stage::Published, reading);
        }
    }

    /// Behind the last word of a feed nothing is known of what it received, and what waits is not stored.
    fn stored_until_now(&self, now: Timestamp) -> Option<Timestamp> {
        let heard_at = self.fleet.of(Service::Feed).map(|instance| instance.stats.at).min()?;
        Some(self.delivery.stored_until(now)?.min(heard_at))
    }

    fn sample(&self, now: Timestamp) -> Sample {
        let pending = |queue| self.consumers.get(&queue)?.present(now).map(|backlog| backlog.pending);
        let is_open = |socket: &&SocketReport| socket.state == SocketState::Connected;
        let feeds = self.fleet.feeds(now).next();
        Sample {
            second: now.micros().div_euclid(1_000_000),
            trade_age_p50: None,
            hits: self.fleet.counters(Service::Processor).map(|all| [all.g1.hit, all.g3.hit, all.g5.hit]),
            stored: self.fleet.counters(Service::Writer).map(|all| all.stored),
            gaps_open: self.is_live().then(|| self.gaps.count()),
            sockets_open: feeds.map(|_| self.fleet.sockets(now).filter(is_open).count() as u64),
            raw_pending: pending(Queue::Raw),
            judged_pending: pending(Queue::Judged),
        }
    }

    /// How things stand.
    pub(crate) fn health(&self, now: Timestamp) -> Health {
        let mut health = health::assess(self, now);
        health.since = self.settled.since(health.trust, now);
        health
    }

    /// A page of the newest events, newest first, each with its names as far as they are known by now.
    pub(crate) fn page(&self, filter: &EventFilter, limit: usize, offset: usize) -> EventPage {
        let mut page = self.events.page(filter, limit, offset);
        for event in &mut page.events {
            if event.name.is_none()
                && let Some(name) = self.tokens.name(&event.token_id)
            {
                *event = Arc::new(Event { name: Some(name), ..Event::clone(event) });
            }
        }
        page
    }

    /// All followed tokens, as they stand.
    pub(crate) fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.tokens.snapshot(&self.gaps, &self.set_aside(now), now)
    }

    /// One followed token, as it stands.
    pub(crate) fn token(&self, token_id: &TokenId, now: Timestamp) -> Option<Row> {
        self.tokens.row(token_id, &self.gaps, &self.set_aside(now), now)
    }

    /// Followed tokens of which no book was seen.
    pub(crate) fn bare_tokens(&self) -> Vec<TokenId> {
        self.tokens.bare()
    }

    /// Takes how a token stood when it was last stored.
    pub(crate) fn seed(&mut self, seed: &Seed) {
        self.tokens.seed(seed);
    }

    fn set_aside(&self, now: Timestamp) -> HashSet<String> {
        self.fleet.feeds(now).flat_map(|feed| &feed.depth.set_aside).cloned().collect()
    }

    /// The market of a token, where it is known.
    pub(crate) fn market_of(&self, token_id: &TokenId) -> Option<ConditionId> {
        self.tokens.market_of(token_id)
    }

    /// The question of a market, where it is known.
    pub(crate) fn question(&self, condition_id: &ConditionId) -> Option<Arc<str>> {
        self.tokens.question(condition_id)
    }

    /// Whether what is followed on the bus is the present: the bus answers.
    pub(crate) fn is_live(&self) -> bool {
        self.bus.is_up == Some(true)
    }
}
