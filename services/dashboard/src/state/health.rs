//! Whether what is shown can be trusted, and because of whom not.
//!
//! Knows: the rule of the contract, in words. Never: how it is mended.

use std::time::Duration;

use contract::ids::ConditionId;
use contract::stats::{Service, SocketState};
use contract::time::Timestamp;

use rust_decimal::Decimal;

use super::Projection;
use super::delivery::{Slope, Stage, Standing};
use super::dependency::Queue;

/// Data older than this is said: a quiet venue, or the beginning of a problem.
const DATA_AGE_NOTICED: Duration = Duration::from_secs(10);
/// Data older than this means that the venue is not being read.
pub(crate) const DATA_AGE_MAX: Duration = Duration::from_mins(1);
/// Most notices that are told one by one; the rest is counted.
const NOTICES_MAX: usize = 50;

/// Markets with open gaps that are named; the rest is counted.
const MARKETS_NAMED: usize = 3;

/// The verdict on the whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Everything works, and nobody complains.
    Trustworthy,
    /// Live data flows, but something is missing or somebody complains.
    Degraded,
    /// This process has just begun, and has not heard of everybody yet.
    Starting,
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
    /// Live data does not flow.
    is_cut: bool,
    /// Nobody has told yet whether it flows.
    is_untold: bool,
    /// Somebody has not said anything yet.
    is_unheard: bool,
}

/// How things stand; the moment since when is not known here.
pub(crate) fn assess(fold: &Projection, now: Timestamp) -> Health {
    let mut findings = Findings::default();
    findings.links(fold, now);
    for service in Service::ALL {
        findings.service(fold, service, now);
    }
    findings.venue(fold, now);
    findings.queues(fold, now);
    findings.delivery(fold, now);
    findings.complaints(fold, now);
    let Findings { problems, notices, is_cut, is_untold, is_unheard } = findings;
    let trust = if (is_untold || is_unheard) && !is_cut && fold.is_starting(now) {
        Trust::Starting
    } else if is_cut || is_untold {
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
            Self::Starting => "starting",
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

    fn links(&mut self, fold: &Projection, now: Timestamp) {
        for (who, link) in [("bus", &fold.bus), ("database", &fold.database)] {
            let age = seconds(now.since(link.since));
            let what = match (link.is_up, link.problem.as_deref()) {
                (Some(true), _) => continue,
                (None, _) => format!("has not answered yet (asked for {age})"),
                (Some(false), Some(why)) => format!("does not answer for {age}: {why}"),
                (Some(false), None) => format!("does not answer for {age}"),
            };
            self.is_unheard |= !link.has_answered();
            self.is_untold |= who == "bus" && !link.has_answered();
            self.is_cut |= who == "bus" && link.has_answered();
            self.problem(who, what);
        }
    }

    fn service(&mut self, fold: &Projection, service: Service, now: Timestamp) {
        // Without the bus nobody can be heard: that is the bus's fault, and said.
        let heard_until = fold.bus.heard_until(now);
        if fold.bus.is_up == Some(false) || fold.fleet.of(service).any(|one| one.is_present(heard_until)) {
            return;
        }
        let is_vital = matches!(service, Service::Feed | Service::Processor);
        if let Some(at) = fold.fleet.last_heard(service) {
            self.is_cut |= is_vital;
            self.problem(service.word(), format!("unknown: last heard of {} ago", seconds(now.since(at))));
        } else {
            self.is_unheard = true;
            self.is_untold |= is_vital;
            self.problem(service.word(), "unknown: not heard of yet");
        }
    }

    fn venue(&mut self, fold: &Projection, now: Timestamp) {
        if fold.fleet.feeds(now).next().is_none() {
            return; // Said already: nothing is known of the feed.
        }
        let is_connected = fold.fleet.sockets(now).any(|socket| socket.state == SocketState::Connected);
        if !is_connected {
            let why = fold.fleet.sockets(now).find_map(|socket| socket.problem.as_deref());
            let is_first = fold.fleet.last_data_at().is_none() && why.is_none();
            self.is_untold |= is_first;
            self.is_cut |= !is_first;
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            self.problem("feed", format!("no socket to the venue is connected{why}"));
        }
        match fold.fleet.last_data_at() {
            Some(at) if now.since(at) < DATA_AGE_NOTICED => {}
            Some(at) if now.since(at) <= DATA_AGE_MAX => {
                self.notice("feed", format!("no data from the venue for {}", seconds(now.since(at))));
            }
            Some(at) => {
                self.is_cut = true;
                self.problem("feed", format!("no data from the venue for {}", seconds(now.since(at))));
            }
            None => {
                self.is_untold = true;
                self.problem("feed", "no data from the venue yet");
            }
        }
    }

    fn queues(&mut self, fold: &Projection, now: Timestamp) {
        for (queue, consumer) in &fold.consumers {
            let Some(idle) = consumer.stuck_for(fold.fleet.moved_at(queue.service()), now) else { continue };
            self.is_cut |= *queue == Queue::Raw;
            let waiting = consumer.backlog.pending;
            let (who, word, idle) = (queue.service().word(), queue.word(), seconds(idle));
            self.problem(who, format!("stuck: {waiting} `{word}` messages wait, none taken for {idle}"));
        }
    }

    fn delivery(&mut self, fold: &Projection, now: Timestamp) {
        let delivery = &fold.delivery;
        for (end, done) in [(Stage::Stored, "stored"), (Stage::Shown, "shown")] {
            let Some((stage, late)) = delivery.late(end, now) else { continue };
            let (who, waits) = match stage {
                Stage::Published => ("feed", "for the bus"),
                Stage::Judged => ("processor", "to be judged"),
                Stage::Stored => ("writer", "to be stored"),
                Stage::Shown => ("dashboard", "to be shown"),
            };
            self.problem(who, behind(done, &late, waits, end.limit(), now));
        }
        if let Some(drops) = delivery.drops(now) {
            let share = share(drops.ticks, drops.of);
            let since = seconds(now.since(drops.since));
            let what = format!(
                "{} ticks{share} were dropped within the last minute, again and again for {since}: its buffer is full",
                drops.ticks
            );
            self.problem("feed", what);
        }
        if let Some((ticks, at)) = delivery.skipped(now) {
            let ago = seconds(now.since(at));
            self.notice(
                "dashboard",
                format!("{ticks} ticks were left out to show what is new, last {ago} ago; no other reader lacks them"),
            );
        }
    }

    fn complaints(&mut self, fold: &Projection, now: Timestamp) {
        let mut left_out = 0;
        for instance in fold.fleet.all() {
            let name = &instance.stats.instance;
            if instance.is_present(fold.bus.heard_until(now)) {
                for what in &instance.stats.problems {
                    if self.notices.len() < NOTICES_MAX {
                        self.notice(name, what);
                    } else {
                        left_out += 1;
                    }
                }
            } else if fold.bus.is_up != Some(false) && !instance.is_replaced {
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
        if let Some(oldest) = fold.gaps.oldest().filter(|_| fold.is_live()) {
            self.notice("feed", open_gaps(fold, oldest, now));
        }
    }
}

/// `3 gaps are open, the oldest for 35 s: ticks of Will it rain?, Will it snow? and 1 more market may be missing`.
fn open_gaps(fold: &Projection, oldest: Timestamp, now: Timestamp) -> String {
    let age = seconds(now.since(oldest));
    let since = match fold.gaps.count() {
        1 => format!("1 gap is open for {age}"),
        count => format!("{count} gaps are open, the oldest for {age}"),
    };
    let markets = fold.gaps.markets();
    let (named, others) = markets.split_at(MARKETS_NAMED.min(markets.len()));
    let name = |market: &&ConditionId| fold.question(market).unwrap_or_else(|| market.as_str().into());
    let names = named.iter().map(|market| name(market).to_string()).collect::<Vec<_>>().join(", ");
    let more = match others.len() {
        0 => String::new(),
        1 => " and 1 more market".to_owned(),
        count => format!(" and {count} more markets"),
    };
    format!("{since}: ticks of {names}{more} may be missing")
}

/// `what is stored is 21 s behind what is received, and falls further behind: 82000 ticks wait for the bus; …`
fn behind(what: &str, late: &Standing, waits: &str, limit: Duration, now: Timestamp) -> String {
    let slope = match late.slope {
        Slope::Growing => "and falls further behind",
        Slope::Steady => "and stays so",
        Slope::Shrinking => "and catches up",
    };
    let over =
        late.over_since.map(|since| format!(", for {}", seconds(now.since(since)))).unwrap_or_default();
    let (behind, waiting, limit) = (seconds(late.behind), late.waiting, seconds(limit));
    format!(
        "what is {what} is {behind} behind what is received (over {limit}{over}), {slope}: {waiting} ticks wait {waits}"
    )
}

/// ` (7.3 %)`, where it is known of how many.
fn share(part: u64, whole: u64) -> String {
    match Decimal::from(part).checked_div(Decimal::from(whole)) {
        Some(share) => format!(" ({} %)", (share * Decimal::from(100)).round_dp(1)),
        None => String::new(),
    }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs())
}
