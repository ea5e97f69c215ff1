//! Whether a server answers, and how far behind its consumers are.
//!
//! Knows: since when, and why not. Never: how it was asked.

use std::time::Duration;

use contract::stats::{Backlog, Service};
use contract::time::Timestamp;

/// A consumer that has messages waiting and takes none for this long is stuck.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(15);

/// A backlog older than this says nothing about now.
const BACKLOG_AGE_MAX: Duration = Duration::from_secs(5);

/// Whether a server answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dependency {
    /// None before the first answer or failure.
    pub(crate) is_up: Option<bool>,
    /// Since when it is so: of one that does not answer, since its last good answer.
    pub(crate) since: Timestamp,
    answered_at: Option<Timestamp>,
    /// Why it does not answer, in words that tell no address.
    pub(crate) problem: Option<String>,
}

/// The shared consumers, by what they take.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Queue {
    /// Raw ticks, for processors.
    Raw,
    /// Judged ticks, for writers.
    Judged,
    /// Markets, for writers.
    Markets,
    /// Gaps, for writers.
    Gaps,
    /// Dead letters, for writers.
    Dead,
}

/// How far behind a shared consumer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Consumer {
    /// As the bus said last.
    pub(crate) backlog: Backlog,
    /// When it said so.
    pub(crate) at: Timestamp,
    waiting_since: Option<Timestamp>,
}

// === impl Dependency ===

impl Dependency {
    /// Nothing is known yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { is_up: None, since: now, answered_at: None, problem: None }
    }

    /// It answered, or why it did not.
    pub(crate) fn told(&mut self, answer: Result<(), String>, now: Timestamp) {
        let is_up = Some(answer.is_ok());
        if self.is_up != is_up {
            self.since = if answer.is_ok() { now } else { self.answered_at.unwrap_or(self.since) };
        }
        if answer.is_ok() {
            self.answered_at = Some(now);
        }
        (self.is_up, self.problem) = (is_up, answer.err());
    }
}

impl Dependency {
    /// Whether it ever answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered_at.is_some()
    }

    /// Until when whoever spoke was heard: until the last good answer.
    pub(crate) fn heard_until(&self, now: Timestamp) -> Timestamp {
        self.answered_at.unwrap_or(now)
    }
}

// === impl Queue ===

impl Queue {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Raw, Self::Judged, Self::Markets, Self::Gaps, Self::Dead];

    /// The word in answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Judged => "judged",
            Self::Markets => "markets",
            Self::Gaps => "gaps",
            Self::Dead => "dead",
        }
    }

    /// Who takes from it.
    pub(crate) const fn service(self) -> Service {
        match self {
            Self::Raw => Service::Processor,
            Self::Judged | Self::Markets | Self::Gaps | Self::Dead => Service::Writer,
        }
    }
}

// === impl Consumer ===

impl Consumer {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { backlog: Backlog::default(), at: now, waiting_since: None }
    }

    pub(super) fn told(&mut self, backlog: Backlog, now: Timestamp) {
        (self.backlog, self.at) = (backlog, now);
        self.waiting_since =
            if backlog.pending == 0 { None } else { Some(self.waiting_since.unwrap_or(now)) };
    }

    /// The backlog, if it says anything about now.
    pub(crate) fn present(&self, now: Timestamp) -> Option<Backlog> {
        (now.since(self.at) <= BACKLOG_AGE_MAX).then_some(self.backlog)
    }

    /// For how long messages have waited while nobody took one; none while it is not stuck.
    /// `moved_at`: when its takers' counters last moved.
    pub(crate) fn stuck_for(&self, moved_at: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
        self.present(now)?;
        let waiting_since = self.waiting_since?;
        let idle_since = moved_at.map_or(waiting_since, |moved_at| moved_at.max(waiting_since));
        let idle = now.since(idle_since);
        (idle >= STUCK_AFTER).then_some(idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn pending(pending: u64) -> Backlog {
        Backlog { pending, unacknowledged: 0 }
    }

    #[test]
    fn a_link_is_up_since_its_first_answer_and_away_since_its_last() {
        let mut link = Dependency::new(at(0));
        link.told(Ok(()), at(3));
        link.told(Ok(()), at(4));
        assert_eq!((link.is_up, link.since), (Some(true), at(3)));
        link.told(Err("away".to_owned()), at(5));
        link.told(Err("still away".to_owned()), at(6));
        assert_eq!(
            (link.is_up, link.since, link.problem.as_deref()),
            (Some(false), at(4), Some("still away"))
        );
        link.told(Ok(()), at(7));
        assert_eq!((link.is_up, link.since), (Some(true), at(7)));
        let mut never = Dependency::new(at(0));
        never.told(Err("away".to_owned()), at(5));
        assert_eq!(never.since, at(0), "it has never answered");
    }

    #[test]
    fn a_consumer_is_stuck_after_15_s_in_which_messages_waited_and_nobody_took_one() {
        let mut consumer = Consumer::new(at(0));
        consumer.told(pending(5), at(10));
        consumer.told(pending(9), at(20));
        assert_eq!(consumer.stuck_for(Some(at(2)), at(24)), None);
        assert_eq!(consumer.stuck_for(Some(at(2)), at(25)), Some(Duration::from_secs(15)));
        assert_eq!(consumer.stuck_for(Some(at(12)), at(25)), None, "something was taken since");
        assert_eq!(consumer.stuck_for(None, at(25)), Some(Duration::from_secs(15)));
        consumer.told(pending(0), at(26));
        assert_eq!(consumer.stuck_for(None, at(41)), None, "nothing waits");
    }

    #[test]
    fn an_old_backlog_says_nothing() {
        let mut consumer = Consumer::new(at(0));
        consumer.told(pending(5), at(0));
        assert_eq!(consumer.present(at(5)), Some(pending(5)));
        assert_eq!(consumer.present(at(6)), None);
        assert_eq!(consumer.stuck_for(None, at(16)), None);
    }
}
