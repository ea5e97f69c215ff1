//! Subjects of the bus: built from checked ids, and read back.
//!
//! Knows: how a subject is spelled. Never: what is published on it.

use crate::ids::ConditionId;
use crate::stats::Service;
use crate::tick::Kind;
use crate::verdict::Verdict;

/// Every raw tick.
pub const RAW_ALL: &str = "ticks.raw.>";
/// Every raw trade.
pub const RAW_TRADES: &str = "ticks.raw.trade.*";
/// Every judged tick, by verdict.
pub const JUDGED_ALL: [&str; 3] = ["ticks.clean.>", "ticks.flagged.>", "ticks.refused.>"];
/// Every market.
pub const MARKETS_ALL: &str = "markets.*";
/// Every gap.
pub const GAPS_ALL: &str = "gaps.*";
/// Every dead letter.
pub const DEAD_ALL: &str = "dead.*";
/// Every book that REST has overruled.
pub const OVERRULED_ALL: &str = "control.overruled.*";
/// Every instance's counters.
pub const STATS_ALL: &str = "stats.*.*";

/// What a subject under `ticks.` says of its message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TickSubject {
    /// None on `ticks.raw`.
    pub verdict: Option<Verdict>,
    /// The kind of tick.
    pub kind: Kind,
}

/// Where the feed publishes a tick.
pub fn raw(kind: Kind, condition_id: &ConditionId) -> String {
    format!("ticks.raw.{kind}.{condition_id}")
}

/// Whether a subject is that of a raw trade.
pub fn is_raw_trade(subject: &str) -> bool {
    subject.starts_with("ticks.raw.trade.")
}

/// Where the processor publishes a judged tick.
pub fn judged(verdict: Verdict, kind: Kind, condition_id: &ConditionId) -> String {
    format!("ticks.{verdict}.{kind}.{condition_id}")
}

/// Where the feed publishes what it knows of a market.
pub fn market(condition_id: &ConditionId) -> String {
    format!("markets.{condition_id}")
}

/// Where the feed opens and heals gaps of a market.
pub fn gap(condition_id: &ConditionId) -> String {
    format!("gaps.{condition_id}")
}

/// Where a service puts what it cannot read.
pub fn dead(service: Service) -> String {
    format!("dead.{}", service.word())
}

/// Where the processor tells the feed that REST has overruled a book.
pub fn overruled(condition_id: &ConditionId) -> String {
    format!("control.overruled.{condition_id}")
}

/// Where an instance tells its counters. `instance` is a checked name (`chassis::instance`).
pub fn stats(service: Service, instance: &str) -> String {
    format!("stats.{}.{instance}", service.word())
}

/// Reads a subject under `ticks.`; none when it is no tick's subject.
pub fn of_tick(subject: &str) -> Option<TickSubject> {
    let mut parts = subject.split('.');
    if parts.next() != Some("ticks") {
        return None;
    }
    let stage = parts.next()?;
    let kind = Kind::of_word(parts.next()?)?;
    ConditionId::try_from(parts.next()?).ok()?;
    if parts.next().is_some() {
        return None;
    }
    match stage {
        "raw" => Some(TickSubject { verdict: None, kind }),
        word => Verdict::of_word(word).map(|verdict| TickSubject { verdict: Some(verdict), kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_as_it_was_built() {
        let market = ConditionId::try_from("0xab").unwrap();
        for kind in Kind::ALL {
            assert_eq!(of_tick(&raw(kind, &market)), Some(TickSubject { verdict: None, kind }));
            for verdict in Verdict::ALL {
                let expected = Some(TickSubject { verdict: Some(verdict), kind });
                assert_eq!(of_tick(&judged(verdict, kind, &market)), expected);
            }
        }
    }

    #[test]
    fn other_subjects_are_no_tick_subjects() {
        for text in [
            "",
            "ticks",
            "ticks.raw.trade",
            "ticks.raw.trade.*",
            "ticks.raw.x.0xab",
            "ticks.x.trade.0xab",
            "ticks.raw.trade.0xab.y",
            "gaps.0xab",
        ] {
            assert_eq!(of_tick(text), None, "{text}");
        }
    }

    #[test]
    fn every_service_has_its_own_dead_and_stats_subject() {
        assert_eq!(dead(Service::Writer), "dead.writer");
        assert_eq!(stats(Service::Feed, "feed-1"), "stats.feed.feed-1");
        let id = ConditionId::try_from("0xab").unwrap();
        assert_eq!((market(&id), gap(&id)), ("markets.0xab".to_owned(), "gaps.0xab".to_owned()));
    }
}
