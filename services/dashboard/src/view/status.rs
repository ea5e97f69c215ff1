//! Answer of `/api/status`: whether all is well, and who is not.
//!
//! Knows: `HealthStatus` of the contract and its details. Never: the rule behind it.

use contract::stats::{Report, Service, SocketReport, SocketState, Stats};
use contract::time::Timestamp;
use serde::Serialize;

use super::Number;
use super::delivery::Delivery;
use super::history::Gap;
use super::metrics::uptime;
use crate::state::Projection;
use crate::state::dependency::Dependency;
use crate::state::health::{Health, Problem};
use crate::state::instances::Instance;
use crate::state::restarts::Restart;

/// Open gaps that are told one by one.
const GAPS_TOLD: usize = 50;

/// `HealthStatus` of the contract.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Whether the rule of the contract holds: 200, else 503.
    pub(crate) healthy: bool,
    uptime_seconds: Option<u64>,
    websocket_state: Option<SocketState>,
    last_event_age_seconds: Option<Number>,
    database_connected: Option<bool>,
    errors_last_hour: u64,
    details: Details,
}

#[derive(Debug, Serialize)]
struct Details {
    at: Timestamp,
    verdict: &'static str,
    verdict_since: Timestamp,
    /// What breaks the rule.
    problems: Vec<Wrong>,
    /// What does not, but should be known.
    notices: Vec<Wrong>,
    bus: Server,
    database: Server,
    /// How far behind what is stored and shown is.
    delivery: Delivery,
    services: Vec<OfService>,
    /// Processes that took the place of others within the last hour, the newest first.
    restarts: Vec<Restarted>,
    /// Whether events from before the start of this dashboard are still being read.
    catching_up: bool,
    gaps_open: Option<u64>,
    gap_oldest_at: Option<Timestamp>,
    gaps: Vec<Gap>,
}

#[derive(Debug, Serialize)]
struct Wrong {
    who: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct Restarted {
    service: &'static str,
    at: Timestamp,
    instance: String,
    before: String,
}

#[derive(Debug, Serialize)]
struct Server {
    connected: Option<bool>,
    since: Timestamp,
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct OfService {
    service: &'static str,
    /// `running`, or `unknown` when it was not heard of for 4 s.
    state: &'static str,
    heard_age_seconds: Option<Number>,
    instances: Vec<OfInstance>,
}

#[derive(Debug, Serialize)]
struct OfInstance {
    instance: String,
    version: String,
    state: &'static str,
    started_at: Timestamp,
    uptime_seconds: u64,
    heard_age_seconds: Number,
    /// Ticks read or messages taken in a second.
    per_second: Option<Number>,
    errors_last_hour: u64,
    problems: Vec<String>,
    report: OfReport,
}

/// What only this kind of service has, of its present state.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OfReport {
    Feed {
        shard: String,
        universe: String,
        markets: u64,
        tokens: u64,
        tokens_with_book: u64,
        buffered: u64,
        dropped: u64,
        sockets: Vec<SocketReport>,
    },
    Processor {
        received: u64,
        redelivered: u64,
        asking: u64,
        rest_failures: u64,
    },
    Writer {
        received: u64,
        batch_rows: u64,
        batch_us: u64,
        database_connected: bool,
    },
    Dashboard {
        clients: u64,
        lagged: u64,
    },
}

// === impl Status ===

impl Status {
    /// How things stand at `now`. `durability`: the mode the bus was set up with.
    pub(crate) fn of(fold: &Projection, durability: &'static str, now: Timestamp) -> Self {
        let health = fold.health(now);
        Self {
            healthy: health.is_healthy(),
            uptime_seconds: uptime(fold, now),
            websocket_state: websocket_state(fold, now),
            last_event_age_seconds: fold.fleet.last_data_at().map(|at| Number::span(now.since(at))),
            database_connected: fold.database.is_up,
            errors_last_hour: fold.fleet.errors_last_hour(now) + fold.incidents.count(),
            details: Details::of(fold, health, durability, now),
        }
    }
}

/// One word for all sockets: the best of their states; none while no feed is heard of.
fn websocket_state(fold: &Projection, now: Timestamp) -> Option<SocketState> {
    fold.fleet.feeds(now).next()?;
    let has = |state| fold.fleet.sockets(now).any(|socket| socket.state == state);
    let states = [SocketState::Connected, SocketState::Connecting, SocketState::Reconnecting];
    Some(states.into_iter().find(|state| has(*state)).unwrap_or(SocketState::Disconnected))
}

// === impl Details ===

impl Details {
    fn of(fold: &Projection, health: Health, durability: &'static str, now: Timestamp) -> Self {
        let wrong = |problem: Problem| Wrong { who: problem.who, what: problem.what };
        let gap = |gap: &contract::gap::Gap| Gap::of_bus(gap, fold.question(&gap.condition_id).as_deref());
        Self {
            at: now,
            verdict: health.trust.word(),
            verdict_since: health.since,
            problems: health.problems.into_iter().map(wrong).collect(),
            notices: health.notices.into_iter().map(wrong).collect(),
            bus: Server { durability: Some(durability), ..Server::of(&fold.bus) },
            database: Server::of(&fold.database),
            delivery: Delivery::of(&fold.delivery, now),
            services: Service::ALL.map(|service| OfService::of(fold, service, now)).into(),
            restarts: fold.fleet.restarts().map(Restarted::of).collect(),
            catching_up: fold.is_catching_up(now),
            gaps_open: fold.is_live().then(|| fold.gaps.count()),
            gap_oldest_at: fold.gaps.oldest(),
            gaps: fold.gaps.newest(GAPS_TOLD).into_iter().map(gap).collect(),
        }
    }
}

impl Restarted {
    fn of(restart: &Restart) -> Self {
        let Restart { service, at, instance, before } = restart.clone();
        Self { service: service.word(), at, instance, before }
    }
}

impl Server {
    fn of(link: &Dependency) -> Self {
        Self { connected: link.is_up, since: link.since, problem: link.problem.clone(), durability: None }
    }
}

impl OfService {
    fn of(fold: &Projection, service: Service, now: Timestamp) -> Self {
        let instances = || fold.fleet.of(service);
        let heard_at = fold.fleet.last_heard(service);
        Self {
            service: service.word(),
            state: state_word(instances().any(|instance| instance.is_present(now))),
            heard_age_seconds: heard_at.map(|at| Number::span(now.since(at))),
            instances: instances().map(|instance| OfInstance::of(instance, now)).collect(),
        }
    }
}

impl OfInstance {
    fn of(instance: &Instance, now: Timestamp) -> Self {
        let Stats { instance: name, version, started_at, problems, errors_last_hour, report, .. } =
            instance.stats.clone();
        Self {
            instance: name,
            version,
            state: if instance.is_replaced { "replaced" } else { state_word(instance.is_present(now)) },
            started_at,
            uptime_seconds: now.since(started_at).as_secs(),
            heard_age_seconds: Number::span(now.since(instance.heard_at)),
            per_second: match report {
                Report::Dashboard(_) => None,
                Report::Feed(_) | Report::Processor(_) | Report::Writer(_) => {
                    instance.rate().filter(|_| instance.is_present(now)).map(Number)
                }
            },
            errors_last_hour,
            problems,
            report: OfReport::of(report),
        }
    }
}

impl OfReport {
    fn of(report: Report) -> Self {
        match report {
            Report::Feed(feed) => Self::Feed {
                shard: feed.shard,
                universe: feed.universe,
                markets: feed.markets,
                tokens: feed.tokens,
                tokens_with_book: feed.tokens_with_book,
                buffered: feed.buffered,
                dropped: feed.dropped,
                sockets: feed.sockets,
            },
            Report::Processor(processor) => Self::Processor {
                received: processor.received,
                redelivered: processor.redelivered,
                asking: processor.asking,
                rest_failures: processor.rest_failures,
            },
            Report::Writer(writer) => Self::Writer {
                received: writer.received,
                batch_rows: writer.batch_rows,
                batch_us: writer.batch_us,
                database_connected: writer.database_connected,
            },
            Report::Dashboard(dashboard) => {
                Self::Dashboard { clients: dashboard.clients, lagged: dashboard.lagged }
            }
        }
    }
}

fn state_word(is_present: bool) -> &'static str {
    if is_present { "running" } else { "unknown" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::state::testing::{at, feed, gap, hear_everybody, market, stats};

    fn shown(fold: &Projection, second: i64) -> Value {
        serde_json::from_str(&crate::view::json(&Status::of(fold, "standard", at(second)))).unwrap()
    }

    #[test]
    fn before_anything_is_known_nothing_is_claimed() {
        let shown = shown(&Projection::new(at(0)), 1);
        assert_eq!(shown["healthy"], json!(false));
        for name in ["uptime_seconds", "websocket_state", "last_event_age_seconds", "database_connected"] {
            assert!(shown[name].is_null(), "{name}");
        }
        let details = &shown["details"];
        assert_eq!((&details["verdict"], &details["bus"]["connected"]), (&json!("starting"), &Value::Null));
        assert_eq!(details["catching_up"], json!(true));
        let feed = json!({"service": "feed", "state": "unknown", "heard_age_seconds": null, "instances": []});
        assert_eq!(details["services"][0], feed);
    }

    #[test]
    fn a_healthy_system_shows_each_service_with_its_instances() {
        let mut fold = Projection::new(at(0));
        fold.bus.told(Ok(()), at(0));
        fold.database.told(Ok(()), at(0));
        hear_everybody(&mut fold, 0);
        let shown = shown(&fold, 2);
        assert_eq!(shown["healthy"], json!(true), "{shown}");
        assert_eq!((&shown["websocket_state"], &shown["uptime_seconds"]), (&json!("connected"), &json!(2)));
        assert_eq!(shown["last_event_age_seconds"], json!(2));
        assert_eq!(shown["details"]["bus"]["durability"], json!("standard"));
        assert_eq!(shown["details"]["database"].get("durability"), None);
        let instance = &shown["details"]["services"][0]["instances"][0];
        assert_eq!((&instance["instance"], &instance["state"]), (&json!("feed-1"), &json!("running")));
        assert_eq!(instance["report"]["sockets"][0]["state"], json!("connected"));
    }

    #[test]
    fn the_best_socket_gives_the_word_for_all() {
        let mut fold = Projection::new(at(0));
        let mut report = feed(0);
        for (state, word) in [
            (SocketState::Reconnecting, "reconnecting"),
            (SocketState::Connecting, "connecting"),
            (SocketState::Disconnected, "disconnected"),
        ] {
            report.sockets[0].state = state;
            fold.stats(stats("feed-1", 0, Report::Feed(report.clone())), at(0));
            assert_eq!(shown(&fold, 0)["websocket_state"], json!(word));
        }
        assert_eq!(shown(&fold, 6)["websocket_state"], Value::Null, "not heard of for 6 s");
    }

    #[test]
    fn open_gaps_are_told_with_their_question() {
        let mut fold = Projection::new(at(0));
        fold.market(&market(1));
        fold.gap(gap(1));
        let details = &shown(&fold, 2)["details"];
        assert_eq!(details["gaps"][0]["question"], json!("Question 1?"));
        assert_eq!(details["gaps"][0]["cause"], json!("silence"));
        assert_eq!(details["gaps_open"], Value::Null, "the bus does not answer");
    }
}
