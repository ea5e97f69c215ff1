//! What made the verdict leave `trustworthy`: each from its first to its last second.
//!
//! Knows: who, what, from when to when, within the last hour. Never: an incident of the start, when nothing is known yet.

use std::collections::VecDeque;
use std::time::Duration;

use contract::time::Timestamp;

use super::health::{Health, Problem, Trust};

/// Incidents kept, newest last.
const INCIDENTS_MAX: usize = 200;
/// How long one that is over is kept.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// One that is back within this time was not over.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Characters, without digits, by which one incident is known again.
const SAME_LENGTH: usize = 24;

/// The incidents of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    oldest_first: VecDeque<Incident>,
    was_trustworthy: bool,
}

/// Something that was wrong for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Incident {
    /// With whom.
    pub(crate) who: String,
    /// What, as it was said last.
    pub(crate) what: String,
    /// Since when.
    pub(crate) from: Timestamp,
    /// When it was last so.
    pub(crate) until: Timestamp,
    /// Whether it is so now.
    pub(crate) is_open: bool,
}

// === impl Incidents ===

impl Incidents {
    /// How things stand at `now`.
    pub(crate) fn note(&mut self, health: &Health, now: Timestamp) {
        self.was_trustworthy |= health.trust == Trust::Trustworthy;
        self.oldest_first.iter_mut().for_each(|incident| incident.is_open = false);
        if self.was_trustworthy {
            for problem in health.problems.iter().chain(&health.notices) {
                self.one(problem, now);
            }
        }
        self.oldest_first.retain(|incident| now.since(incident.until) < KEPT_FOR);
    }

    /// Those of the last hour, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Incident> {
        self.oldest_first.iter().rev()
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u64 {
        self.oldest_first.len() as u64
    }

    fn one(&mut self, problem: &Problem, now: Timestamp) {
        let same = self.oldest_first.iter_mut().rev().find(|incident| {
            incident.who == problem.who
                && now.since(incident.until) <= PAUSE_MAX
                && is_same(&incident.what, &problem.what)
        });
        if let Some(incident) = same {
            incident.what.clone_from(&problem.what);
            (incident.until, incident.is_open) = (now, true);
            return;
        }
        let Problem { who, what } = problem.clone();
        self.oldest_first.push_back(Incident { who, what, from: now, until: now, is_open: true });
        if self.oldest_first.len() > INCIDENTS_MAX {
            self.oldest_first.pop_front();
        }
    }
}

/// Whether two texts begin with the same words: numbers count on, and how it goes on may change.
fn is_same(one: &str, two: &str) -> bool {
    let words =
        |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).take(SAME_LENGTH).collect::<String>();
    words(one) == words(two)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::at;

    fn health(what: &[&str]) -> Health {
        let problem = |what: &&str| Problem { who: "feed".to_owned(), what: (*what).to_owned() };
        let problems: Vec<Problem> = what.iter().map(problem).collect();
        let trust = if problems.is_empty() { Trust::Trustworthy } else { Trust::Degraded };
        Health { trust, since: at(0), problems, notices: Vec::new() }
    }

    fn told(incidents: &Incidents) -> Vec<(String, Timestamp, Timestamp, bool)> {
        let one =
            |incident: &Incident| (incident.what.clone(), incident.from, incident.until, incident.is_open);
        incidents.newest_first().map(one).collect()
    }

    #[test]
    fn what_is_wrong_before_all_was_well_once_is_the_start() {
        let mut incidents = Incidents::default();
        incidents.note(&health(&["not heard of yet"]), at(0));
        incidents.note(&health(&[]), at(1));
        assert_eq!(incidents.count(), 0);
        incidents.note(&health(&["not heard of yet"]), at(2));
        assert_eq!(incidents.count(), 1);
    }

    #[test]
    fn one_that_counts_on_is_one_with_its_first_and_last_second() {
        let mut incidents = Incidents::default();
        incidents.note(&health(&[]), at(0));
        for second in 10..=30 {
            incidents.note(&health(&[&format!("no data for {second} s")]), at(second));
        }
        assert_eq!(told(&incidents), [("no data for 30 s".to_owned(), at(10), at(30), true)]);
        incidents.note(&health(&[]), at(31));
        incidents.note(&health(&["no data for 10 s"]), at(40));
        assert_eq!(
            told(&incidents),
            [("no data for 10 s".to_owned(), at(10), at(40), true)],
            "it was not over"
        );
        incidents.note(&health(&[]), at(41));
        incidents.note(&health(&["no data for 10 s", "a socket is gone"]), at(60));
        assert_eq!(incidents.count(), 3);
        incidents.note(&health(&[]), at(61));
        assert!(told(&incidents).iter().all(|(.., is_open)| !is_open));
        incidents.note(&health(&[]), at(41 + 3_600));
        assert_eq!(incidents.count(), 2);
    }

    #[test]
    fn two_that_begin_with_a_number_are_two() {
        let mut incidents = Incidents::default();
        incidents.note(&health(&[]), at(0));
        incidents.note(&health(&["803 ticks were dropped", "3 gaps are open"]), at(1));
        incidents.note(&health(&["950 ticks were dropped", "4 gaps are open"]), at(2));
        let what: Vec<String> = told(&incidents).into_iter().map(|(what, ..)| what).collect();
        assert_eq!(what, ["4 gaps are open", "950 ticks were dropped"]);
    }

    #[test]
    fn a_thousand_different_ones_fill_no_memory() {
        let mut incidents = Incidents::default();
        incidents.note(&health(&[]), at(0));
        for letter in 0..1_000_u32 {
            let what: String =
                letter.to_string().bytes().map(|digit| char::from(digit + b'a' - b'0')).collect();
            incidents.note(&health(&[&what]), at(1));
        }
        assert_eq!(incidents.newest_first().count(), INCIDENTS_MAX);
    }
}
