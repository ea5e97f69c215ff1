//! What instances have counted, in one shape that adds up.
//!
//! Knows: which counters are shown. Never: gauges; those are of the moment and do not add up over time.

use std::collections::BTreeMap;

use contract::stats::{GateCount, Report};

/// Counters of one instance, or of several together. What a service does not count stays zero.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counters {
    /// Ticks the feed read.
    pub(crate) ticks: u64,
    /// Ticks of the feed that the bus acknowledged.
    pub(crate) published: u64,
    /// Sockets opened again.
    pub(crate) reconnections: u64,
    /// Ticks dropped because the feed's buffer was full.
    pub(crate) dropped: u64,
    /// What could not be understood, or not be stored.
    pub(crate) dead: u64,
    /// Messages a processor or writer took from the bus.
    pub(crate) received: u64,
    /// Ticks judged clean.
    pub(crate) clean: u64,
    /// Ticks flagged.
    pub(crate) flagged: u64,
    /// Ticks refused.
    pub(crate) refused: u64,
    pub(crate) g1: GateCount,
    pub(crate) g3: GateCount,
    pub(crate) g5: GateCount,
    /// Sizes found by REST.
    pub(crate) g3_backfilled: u64,
    /// Trades REST cleared.
    pub(crate) g5_overruled: u64,
    /// Trades from the future.
    pub(crate) skewed: u64,
    pub(crate) rest_calls: u64,
    pub(crate) rest_failures: u64,
    /// Rows a writer stored.
    pub(crate) stored: u64,
    /// Rows that were there already.
    pub(crate) duplicates: u64,
}

// === impl Counters ===

impl Counters {
    /// What a report counts.
    pub(crate) fn of(report: &Report) -> Self {
        let none = Self::default();
        match report {
            Report::Feed(feed) => Self {
                ticks: sum(&feed.ticks),
                published: feed.published,
                reconnections: feed.reconnections,
                dropped: feed.dropped,
                dead: feed.dead,
                ..none
            },
            Report::Processor(processor) => Self {
                received: processor.received,
                clean: of_word(&processor.published, "clean"),
                flagged: of_word(&processor.published, "flagged"),
                refused: of_word(&processor.published, "refused"),
                g1: processor.g1,
                g3: processor.g3,
                g5: processor.g5,
                g3_backfilled: processor.g3_backfilled,
                g5_overruled: processor.g5_overruled,
                skewed: processor.skewed,
                rest_calls: processor.rest_calls,
                rest_failures: processor.rest_failures,
                dead: processor.dead,
                ..none
            },
            Report::Writer(writer) => Self {
                received: writer.received,
                stored: sum(&writer.stored),
                duplicates: writer.duplicates,
                dead: writer.dead,
                ..none
            },
            Report::Dashboard(_) => none,
        }
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            ticks: self.ticks.saturating_add(other.ticks),
            published: self.published.saturating_add(other.published),
            reconnections: self.reconnections.saturating_add(other.reconnections),
            dropped: self.dropped.saturating_add(other.dropped),
            dead: self.dead.saturating_add(other.dead),
            received: self.received.saturating_add(other.received),
            clean: self.clean.saturating_add(other.clean),
            flagged: self.flagged.saturating_add(other.flagged),
            refused: self.refused.saturating_add(other.refused),
            g1: gates(self.g1, other.g1),
            g3: gates(self.g3, other.g3),
            g5: gates(self.g5, other.g5),
            g3_backfilled: self.g3_backfilled.saturating_add(other.g3_backfilled),
            g5_overruled: self.g5_overruled.saturating_add(other.g5_overruled),
            skewed: self.skewed.saturating_add(other.skewed),
            rest_calls: self.rest_calls.saturating_add(other.rest_calls),
            rest_failures: self.rest_failures.saturating_add(other.rest_failures),
            stored: self.stored.saturating_add(other.stored),
            duplicates: self.duplicates.saturating_add(other.duplicates),
        }
    }

    /// What an instance passed on: ticks to the bus, or rows to the database.
    pub(crate) const fn output(&self) -> u64 {
        let judged = self.clean.saturating_add(self.flagged).saturating_add(self.refused);
        self.published.saturating_add(judged).saturating_add(self.stored)
    }

    /// The one number by which an instance's work is told: ticks read, or messages taken.
    pub(crate) const fn work(&self) -> u64 {
        self.ticks.saturating_add(self.received)
    }
}

fn gates(left: GateCount, right: GateCount) -> GateCount {
    GateCount {
        evaluated: left.evaluated.saturating_add(right.evaluated),
        hit: left.hit.saturating_add(right.hit),
        unknown: left.unknown.saturating_add(right.unknown),
    }
}

fn sum(by_word: &BTreeMap<String, u64>) -> u64 {
    by_word.values().fold(0, |sum, count| sum.saturating_add(*count))
}

fn of_word(by_word: &BTreeMap<String, u64>, word: &str) -> u64 {
    by_word.get(word).copied().unwrap_or(0)
}
