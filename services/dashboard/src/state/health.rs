//! Whether what is shown can be trusted, and because of whom not.
//!
//! Knows: the rule of the contract, in words. Never: how it is mended.

use std::time::Duration;

use contract::stats::{Service, SocketState};
use contract::time::Timestamp;

use super::Fold;
use super::link::Queue;

/// Data older than this means that the venue is not being read.
pub(crate) const DATA_AGE_MAX: Duration = Duration::from_mins(1);
/// Most notices that are told one by one; the rest is counted.
const NOTICES_MAX: usize = 50;

/// The verdict on the whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Everything works, and nobody complains.
    Trustworthy,
    /// Live data flows, but something is missing or somebody complains.
    Degraded,
    /// No live data, or nobody judges it.
    Down,
}

/// Something that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// With whom: a service, an instance, `bus`, `database`.
    pub(crate) who: String,
    /// What, in words.
    pub(crate) what: String,
}

/// How things stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Health {
    /// The verdict.
    pub(crate) trust: Trust,
    /// Since when it is this one.
    pub(crate) since: Timestamp,
    /// What breaks the rule of the contract; healthy without any.
    pub(crate) problems: Vec<Problem>,
    /// What does not, but should be known.
    pub(crate) notices: Vec<Problem>,
}

/// Since when the verdict stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    trust: Option<Trust>,
    since: Timestamp,
}

#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    notices: Vec<Problem>,
    is_cut: bool,
}

/// How things stand; the moment since when is not known here.
pub(crate) fn assess(fold: &Fold, now: Timestamp) -> Health {
    let mut findings = Findings::default();
    findings.links(fold, now);
    for service in Service::ALL {
        findings.service(fold, service, now);
    }
    findings.venue(fold, now);
    findings.queues(fold, now);
    findings.complaints(fold, now);
    let Findings { problems, notices, is_cut } = findings;
    let trust = if is_cut {
        Trust::Down
    } else if problems.is_empty() && notices.is_empty() {
        Trust::Trustworthy
    } else {
        Trust::Degraded
    };
    Health { trust, since: now, problems, notices }
}

// === impl Trust ===

impl Trust {
    /// The word in answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Trustworthy => "trustworthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

// === impl Health ===

impl Health {
    /// Whether the rule of the contract holds.
    pub(crate) fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

// === impl Settled ===

impl Settled {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { trust: None, since: now }
    }

    pub(super) fn note(&mut self, trust: Trust, now: Timestamp) {
        if self.trust != Some(trust) {
            *self = Self { trust: Some(trust), since: now };
        }
    }

    pub(super) fn since(self, trust: Trust, now: Timestamp) -> Timestamp {
        if self.trust == Some(trust) { self.since } else { now }
    }
}

// === impl Findings ===

impl Findings {
    fn problem(&mut self, who: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem { who: who.into(), what: what.into() });
    }

    fn notice(&mut self, who: impl Into<String>, what: impl Into<String>) {
        self.notices.push(Problem { who: who.into(), what: what.into() });
    }

    fn links(&mut self, fold: &Fold, now: Timestamp) {
        for (who, link) in [("bus", &fold.bus), ("database", &fold.database)] {
            let age = seconds(now.since(link.since));
            let what = match (link.is_up, link.problem.as_deref()) {
                (Some(true), _) => continue,
                (None, _) => format!("has not answered yet (asked for {age})"),
                (Some(false), Some(why)) => format!("does not answer for {age}: {why}"),
                (Some(false), None) => format!("does not answer for {age}"),
            };
            self.is_cut |= who == "bus";
            self.problem(who, what);
        }
    }

    fn service(&mut self, fold: &Fold, service: Service, now: Timestamp) {
        if fold.fleet.of(service).any(|instance| instance.is_present(now)) {
            return;
        }
        self.is_cut |= matches!(service, Service::Feed | Service::Processor);
        match fold.fleet.last_heard(service) {
            Some(at) => {
                let what = format!("unknown: last heard of {} ago", seconds(now.since(at)));
                self.problem(service.word(), what);
            }
            None => self.problem(service.word(), "unknown: not heard of yet"),
        }
    }

    fn venue(&mut self, fold: &Fold, now: Timestamp) {
        if fold.fleet.feeds(now).next().is_none() {
            return; // Said already: nothing is known of the feed.
        }
        let is_connected = fold.fleet.sockets(now).any(|socket| socket.state == SocketState::Connected);
        if !is_connected {
            self.is_cut = true;
            let why = fold.fleet.sockets(now).find_map(|socket| socket.problem.as_deref());
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            self.problem("feed", format!("no socket to the venue is connected{why}"));
        }
        match fold.fleet.last_data_at() {
            Some(at) if now.since(at) <= DATA_AGE_MAX => {}
            Some(at) => {
                self.is_cut = true;
                self.problem("feed", format!("no data from the venue for {}", seconds(now.since(at))));
            }
            None => {
                self.is_cut = true;
                self.problem("feed", "no data from the venue yet");
            }
        }
    }

    fn queues(&mut self, fold: &Fold, now: Timestamp) {
        for (queue, consumer) in &fold.consumers {
            let Some(idle) = consumer.stuck_for(fold.fleet.moved_at(queue.service()), now) else { continue };
            self.is_cut |= *queue == Queue::Raw;
            let waiting = consumer.backlog.pending;
            let (who, word, idle) = (queue.service().word(), queue.word(), seconds(idle));
            self.problem(who, format!("stuck: {waiting} `{word}` messages wait, none taken for {idle}"));
        }
    }

    fn complaints(&mut self, fold: &Fold, now: Timestamp) {
        let mut left_out = 0;
        for instance in fold.fleet.all() {
            let name = &instance.stats.instance;
            if instance.is_present(now) {
                for what in &instance.stats.problems {
                    if self.notices.len() < NOTICES_MAX {
                        self.notice(name, what);
                    } else {
                        left_out += 1;
                    }
                }
            } else {
                let age = seconds(now.since(instance.heard_at));
                self.notice(name, format!("unknown: last heard of {age} ago"));
            }
        }
        if left_out > 0 {
            self.notice("others", format!("{left_out} more complaints"));
        }
        if fold.undecodable > 0 {
            self.notice("dashboard", format!("{} messages could not be read", fold.undecodable));
        }
        if fold.is_live() && fold.gaps.count() > 0 {
            let what = format!("{} gaps are open: trades may be missing", fold.gaps.count());
            self.notice("feed", what);
        }
    }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs())
}
