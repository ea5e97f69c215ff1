//! Every instrument of the processor, and its report, which is read off them.
//!
//! Knows: names, units, help texts. Never: a verdict's reason.

use std::sync::atomic::AtomicU64;

use chassis::exposition::{self, Calls};
use contract::stats::{Backlog, GateCount, ProcessorReport};
use contract::tick::Kind;
use contract::verdict::Verdict;
use gates::judge::{Judgement, Outcome};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Count = Counter<u64, AtomicU64>;
type Labelled<T> = Family<[(&'static str, &'static str); 1], T>;

/// The instruments. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Messages taken from the bus.
    pub(crate) received: Count,
    /// Messages among them that had been delivered before.
    pub(crate) redelivered: Count,
    /// Messages that could not be understood.
    pub(crate) dead: Count,
    /// Messages published again because their acknowledgement did not come.
    pub(crate) published_again: Count,
    /// Messages given up on for now; the bus delivers them again.
    pub(crate) left_for_redelivery: Count,
    /// Trades that wait for an answer.
    pub(crate) asking: Gauge,
    /// Messages published and not acknowledged yet, the waiting trades' left out.
    pub(crate) publishes_under_way: Gauge,
    /// Trades judged without an answer because too many others were waiting for theirs.
    pub(crate) not_asked: Count,
    /// REST calls, by route.
    pub(crate) rest_calls: Labelled<Count>,
    /// REST calls that failed, by route.
    pub(crate) rest_failures: Labelled<Count>,
    /// Whether a route is left alone after failures (1) or asked (0).
    pub(crate) rest_suspended: Labelled<Gauge>,
    published: Family<[(&'static str, &'static str); 2], Count>,
    gates: Family<[(&'static str, &'static str); 2], Count>,
    received_to_judged: Judging,
    backfilled: Count,
    overruled: Count,
    skewed: Count,
    trade_age_us: Gauge,
    trades_aged: Count,
}

/// The time from a trade's receipt to its verdict.
#[derive(Clone, Debug)]
struct Judging(Histogram);

impl Default for Judging {
    fn default() -> Self {
        Self(exposition::latency_histogram())
    }
}

/// The routes that questions go to.
pub(crate) const ROUTES: [&str; 2] = ["trades", "books"];

impl Metrics {
    /// Registers the instruments, the calls to the venue's REST among them. The sum of ages is for the report alone.
    pub(crate) fn register(registry: &mut Registry, calls: &Calls) -> Self {
        let metrics = Self::default();
        let counts = [
            ("received", "Messages taken from the bus", &metrics.received),
            ("redelivered", "Messages that had been delivered before", &metrics.redelivered),
            ("dead", "Messages that could not be understood", &metrics.dead),
            ("published_again", "Messages published again", &metrics.published_again),
            ("left_for_redelivery", "Messages left to be delivered again", &metrics.left_for_redelivery),
            ("not_asked", "Trades judged without an answer for lack of room", &metrics.not_asked),
            ("g3_backfilled", "Sizes found by REST", &metrics.backfilled),
            ("g5_overruled", "Divergences that the venue's book cleared", &metrics.overruled),
            ("skewed", "Trades too far in the future", &metrics.skewed),
        ];
        for (name, help, count) in counts {
            registry.register(name, help, count.clone());
        }
        registry.register("published", "Ticks published, by kind and verdict", metrics.published.clone());
        registry.register("gates", "Trades by gate and what it did", metrics.gates.clone());
        registry.register("asking", "Trades that wait for an answer", metrics.asking.clone());
        let help = "Messages published and not acknowledged yet, the waiting trades' left out";
        registry.register("publishes_under_way", help, metrics.publishes_under_way.clone());
        let help = "From the receipt of a trade to its verdict, questions to the venue included";
        let judging = metrics.received_to_judged.0.clone();
        registry.register_with_unit("received_to_judged", help, Unit::Seconds, judging);
        let help = "Calls to the venue's REST, by route and outcome, waiting for their turn included";
        registry.register_with_unit("rest_duration", help, Unit::Seconds, calls.clone());
        registry.register("rest_calls", "REST calls, by route", metrics.rest_calls.clone());
        registry.register("rest_failures", "REST calls that failed, by route", metrics.rest_failures.clone());
        let help = "Whether a route is left alone after failures";
        registry.register("rest_suspended", help, metrics.rest_suspended.clone());
        metrics.begin();
        metrics
    }

    /// A rate needs a beginning: what has not happened yet is shown as 0.
    fn begin(&self) {
        for kind in Kind::ALL {
            drop(self.published.get_or_create(&tick_label(kind, Verdict::Clean)));
        }
        for verdict in Verdict::ALL {
            drop(self.published.get_or_create(&tick_label(Kind::Trade, verdict)));
        }
        for gate in ["G1", "G3", "G5"] {
            self.count_gate(gate, Outcome::default());
        }
        for route in ROUTES {
            drop(self.rest_calls.get_or_create(&[("route", route)]));
            drop(self.rest_failures.get_or_create(&[("route", route)]));
            drop(self.rest_suspended.get_or_create(&[("route", route)]));
        }
    }

    /// Counts a tick that is published as it came.
    pub(crate) fn count_passed(&self, kind: Kind) {
        self.published.get_or_create(&tick_label(kind, Verdict::Clean)).inc();
    }

    /// Notes how long a trade had to wait for its verdict, in microseconds.
    pub(crate) fn judged_after(&self, waited_us: i64) {
        self.received_to_judged.0.observe(exposition::seconds(waited_us));
    }

    /// Counts a judged trade. `age_us`: its age, of a socket trade.
    pub(crate) fn count_judged(&self, judgement: &Judgement, age_us: Option<i64>) {
        self.published.get_or_create(&tick_label(Kind::Trade, judgement.verdict)).inc();
        for (gate, outcome) in [("G1", judgement.g1), ("G3", judgement.g3), ("G5", judgement.g5)] {
            self.count_gate(gate, outcome);
        }
        let marks = [
            (&self.backfilled, judgement.backfilled),
            (&self.overruled, judgement.overruled),
            (&self.skewed, judgement.skewed),
        ];
        for (count, _) in marks.into_iter().filter(|(_, is_so)| *is_so) {
            count.inc();
        }
        if let Some(age_us) = age_us {
            self.trade_age_us.inc_by(age_us);
            self.trades_aged.inc();
        }
    }

    /// What the instruments say now.
    pub(crate) fn report(&self, backlog: Option<Backlog>) -> ProcessorReport {
        let published = |verdict| {
            let of = |kind| self.published.get_or_create(&tick_label(kind, verdict)).get();
            let count = match verdict {
                Verdict::Clean => Kind::ALL.map(of).iter().sum(),
                Verdict::Flagged | Verdict::Refused => of(Kind::Trade),
            };
            (verdict.word().to_owned(), count)
        };
        let sum = |family: &Labelled<Count>| {
            ROUTES.iter().map(|route| family.get_or_create(&[("route", *route)]).get()).sum()
        };
        ProcessorReport {
            received: self.received.get(),
            redelivered: self.redelivered.get(),
            published: Verdict::ALL.map(published).into(),
            g1: self.gate("G1"),
            g3: self.gate("G3"),
            g3_backfilled: self.backfilled.get(),
            g5: self.gate("G5"),
            g5_overruled: self.overruled.get(),
            skewed: self.skewed.get(),
            trade_age_us: self.trade_age_us.get(),
            trades_aged: self.trades_aged.get(),
            rest_calls: sum(&self.rest_calls),
            rest_failures: sum(&self.rest_failures),
            asking: u64::try_from(self.asking.get()).unwrap_or(0),
            dead: self.dead.get(),
            backlog,
        }
    }

    /// The routes that are left alone after failures.
    pub(crate) fn suspended(&self) -> Vec<&'static str> {
        let is_suspended =
            |route: &&'static str| self.rest_suspended.get_or_create(&[("route", *route)]).get() != 0;
        ROUTES.into_iter().filter(is_suspended).collect()
    }

    fn count_gate(&self, gate: &'static str, outcome: Outcome) {
        let Outcome { evaluated, hit, unknown } = outcome;
        for (what, is_so) in [("evaluated", evaluated), ("hit", hit), ("unknown", unknown)] {
            self.gates.get_or_create(&[("gate", gate), ("what", what)]).inc_by(u64::from(is_so));
        }
    }

    fn gate(&self, gate: &'static str) -> GateCount {
        let count = |what| self.gates.get_or_create(&[("gate", gate), ("what", what)]).get();
        GateCount { evaluated: count("evaluated"), hit: count("hit"), unknown: count("unknown") }
    }
}

fn tick_label(kind: Kind, verdict: Verdict) -> [(&'static str, &'static str); 2] {
    [("kind", kind.word()), ("verdict", verdict.word())]
}

#[cfg(test)]
mod tests {
    use gates::evidence::Answer;
    use gates::judge::{Decision, Evidence, judge};
    use gates::limits::Limits;

    use super::*;
    use crate::testing::trade;

    fn judgement(trade: &contract::tick::Trade) -> Judgement {
        let evidence = Evidence { size: Some(Answer::Unavailable), book: Some(Answer::Unavailable) };
        let Decision::Decided(judgement) = judge(trade, &evidence, &Limits::default()) else {
            panic!("asks")
        };
        judgement
    }

    #[test]
    fn the_report_and_the_exposition_say_the_same() {
        let mut registry = Registry::with_prefix("polyfeed_processor");
        let metrics = Metrics::register(&mut registry, &exposition::calls());
        let mut sizeless = trade();
        sizeless.size = None;
        metrics.received.inc();
        metrics.count_passed(Kind::Book);
        metrics.count_judged(&judgement(&trade()), Some(-7));
        metrics.count_judged(&judgement(&sizeless), None);
        metrics.rest_calls.get_or_create(&[("route", "books")]).inc();
        let report = metrics.report(None);
        assert_eq!((report.received, report.published["clean"], report.published["refused"]), (1, 3, 0));
        assert_eq!(report.g1, GateCount { evaluated: 2, hit: 0, unknown: 0 });
        assert_eq!(report.g3, GateCount { evaluated: 2, hit: 1, unknown: 1 });
        assert_eq!((report.trade_age_us, report.trades_aged, report.rest_calls), (-7, 1, 1));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "polyfeed_processor_received_total 1",
            "polyfeed_processor_published_total{kind=\"trade\",verdict=\"clean\"} 2",
            "polyfeed_processor_published_total{kind=\"book\",verdict=\"clean\"} 1",
            "polyfeed_processor_published_total{kind=\"trade\",verdict=\"flagged\"} 0",
            "polyfeed_processor_gates_total{gate=\"G3\",what=\"unknown\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_suspended_route_is_named() {
        let metrics = Metrics::default();
        assert!(metrics.suspended().is_empty());
        metrics.rest_suspended.get_or_create(&[("route", "trades")]).set(1);
        assert_eq!(metrics.suspended(), ["trades"]);
    }
}
