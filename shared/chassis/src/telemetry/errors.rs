//! The memory of the latest errors, for the page and the counters.
//!
//! Knows: events of level ERROR, their time and text. Never: more than a bounded number of them.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::{clock, logline};

/// Errors kept: what a person reads of an hour. Their number is counted beyond it.
const KEPT_MAX: usize = 200;

/// Longest text of an error, in characters.
const MESSAGE_MAX: usize = 500;

/// How far back errors count.
const MEMORY: TimeDelta = TimeDelta::hours(1);

/// Minutes counted: an hour, and the minute under way.
const MINUTES_MAX: usize = 61;

/// The newest errors of this process. A clone is the same memory.
#[derive(Clone, Debug, Default)]
pub struct ErrorLog {
    memory: Arc<Mutex<Memory>>,
}

/// One remembered error.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ErrorNote {
    /// When it was logged; UTC, microseconds.
    pub at: DateTime<Utc>,
    /// The module that logged it, such as `feed::socket`.
    pub target: String,
    /// Message and fields, at most 500 characters, control characters escaped.
    pub message: String,
}

#[derive(Debug, Default)]
struct Memory {
    newest: VecDeque<ErrorNote>,
    /// Minute since 1970 and the errors logged in it, oldest first.
    minutes: VecDeque<(i64, u64)>,
}

#[derive(Debug)]
pub(super) struct ErrorLayer {
    log: ErrorLog,
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

// === impl ErrorLog ===

impl ErrorLog {
    /// The errors of the hour before `now`, newest first, at most 200.
    pub fn last_hour(&self, now: DateTime<Utc>) -> Vec<ErrorNote> {
        let oldest = now - MEMORY;
        self.memory().newest.iter().rev().filter(|note| note.at > oldest).cloned().collect()
    }

    /// How many errors were logged in the hour before `now`: exact up to 200, to the minute beyond.
    pub fn count_last_hour(&self, now: DateTime<Utc>) -> u64 {
        let memory = self.memory();
        let oldest = now - MEMORY;
        let recent = memory.newest.iter().filter(|note| note.at > oldest).count();
        if recent < KEPT_MAX {
            return recent as u64;
        }
        let oldest_minute = minute_of(oldest);
        memory.minutes.iter().filter(|(minute, _)| *minute > oldest_minute).map(|(_, count)| count).sum()
    }

    fn keep(&self, note: ErrorNote) {
        let mut memory = self.memory();
        let minute = minute_of(note.at);
        match memory.minutes.back_mut() {
            // A clock set back counts into the minute under way.
            Some((last, count)) if minute <= *last => *count += 1,
            _ => memory.minutes.push_back((minute, 1)),
        }
        if memory.minutes.len() > MINUTES_MAX {
            memory.minutes.pop_front();
        }
        if memory.newest.len() == KEPT_MAX {
            memory.newest.pop_front();
        }
        memory.newest.push_back(note);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minute_of(moment: DateTime<Utc>) -> i64 {
    moment.timestamp().div_euclid(60)
}

// === impl ErrorLayer ===

impl ErrorLayer {
    pub(super) fn new(log: ErrorLog) -> Self {
        Self { log }
    }
}

impl<S: Subscriber> Layer<S> for ErrorLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let message = logline::sanitize(&(line.message + &line.fields), MESSAGE_MAX);
        self.log.keep(ErrorNote { at: clock::now(), target: event.metadata().target().to_owned(), message });
    }
}

// === impl Line ===

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
        written.expect("writing to a String cannot fail");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", logline::error_chain(value)));
    }
}

#[cfg(test)]
mod tests {
    use tracing::{error, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(log: impl FnOnce()) -> Vec<ErrorNote> {
        let errors = ErrorLog::default();
        let subscriber = tracing_subscriber::registry().with(ErrorLayer::new(errors.clone()));
        tracing::subscriber::with_default(subscriber, log);
        errors.last_hour(clock::now())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn note(seconds: i64) -> ErrorNote {
        ErrorNote { at: at(seconds), target: "feed".to_owned(), message: seconds.to_string() }
    }

    #[test]
    fn an_error_is_kept_with_message_fields_and_target_and_a_warning_is_not() {
        let cause = std::io::Error::other("refused");
        let notes = logged(|| {
            warn!("only a warning");
            error!(subject = "ticks", tries = 3, error = &cause as &dyn Error, "could not publish");
        });
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].message, "could not publish subject=\"ticks\" tries=3 error=refused");
        assert!(notes[0].target.ends_with("errors::tests"), "{}", notes[0].target);
    }

    #[test]
    fn a_message_is_cut_at_500_characters_and_its_control_characters_are_escaped() {
        let notes = logged(|| error!("{}\u{1b}[2J", "x".repeat(490)));
        assert!(notes[0].message.ends_with("x\\u{1b}[2J"), "{}", notes[0].message);
        let notes = logged(|| error!("{}", "x".repeat(501)));
        assert_eq!(notes[0].message, "x".repeat(500) + "…");
    }

    #[test]
    fn an_error_counts_for_less_than_an_hour() {
        let log = ErrorLog::default();
        log.keep(note(0));
        assert_eq!(log.count_last_hour(at(3_599)), 1);
        assert_eq!(log.last_hour(at(3_599)), [note(0)]);
        assert_eq!(log.count_last_hour(at(3_600)), 0);
        assert!(log.last_hour(at(3_600)).is_empty());
    }

    #[test]
    fn the_newest_200_are_kept_newest_first_and_all_are_counted() {
        let log = ErrorLog::default();
        (0..250).for_each(|second| log.keep(note(second)));
        let kept = log.last_hour(at(250));
        assert_eq!((kept.len(), &kept[0], &kept[199]), (200, &note(249), &note(50)));
        assert_eq!(log.count_last_hour(at(250)), 250);
    }

    #[test]
    fn the_memory_of_minutes_is_bounded_and_a_clock_set_back_does_no_harm() {
        let log = ErrorLog::default();
        for minute in 0..200 {
            (0..10).for_each(|_| log.keep(note(minute * 60)));
        }
        log.keep(note(0));
        assert_eq!(log.memory().minutes.len(), MINUTES_MAX);
        assert_eq!(log.clone().last_hour(at(199 * 60)).len(), 199);
        assert_eq!(log.count_last_hour(at(199 * 60)), 199);
    }
}
