//! What a service has declared on the bus, and what of it was made again since.
//!
//! Knows: when each was created, and so whether it is still the one that we had. Never: the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::datetime::DateTime;
use tracing::error;

/// How long one that was made again is a problem: somebody should know.
const REPORTED_FOR: Duration = Duration::from_mins(1);
/// The most that are reported at a time.
const REPORTED_MAX: usize = 16;

/// What was declared, and what of it was made again; a clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    created: HashMap<String, DateTime>,
    again: VecDeque<(String, Instant)>,
}

// === impl Declared ===

impl Declared {
    /// `what` is there since `created`. Where it was there before and this is another one, it was made again.
    pub(crate) fn note(&self, what: &str, created: DateTime, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.created.insert(what.to_owned(), created);
        if before.is_some_and(|before| before != created) {
            error!("{what} was gone and has been made again");
            state.again.push_back((what.to_owned(), now));
            while state.again.len() > REPORTED_MAX {
                state.again.pop_front();
            }
        }
    }

    /// What was made again within the last minute, in words.
    pub(crate) fn problems(&self, now: Instant) -> Vec<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.again.retain(|(_, at)| now.duration_since(*at) < REPORTED_FOR);
        let problem = |(what, at): &(String, Instant)| {
            let ago = now.duration_since(*at).as_secs();
            format!("{what} was gone and has been made again {ago} s ago")
        };
        state.again.iter().map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_again_is_a_problem_for_a_minute_and_what_was_made_first_is_none() {
        let (declared, now) = (Declared::default(), Instant::now());
        let created =
            |seconds: i64| async_nats::datetime::from_nanos(i128::from(seconds) * 1_000_000_000).unwrap();
        declared.note("the stream `DEAD`", created(1), now);
        declared.note("the stream `DEAD`", created(1), now);
        assert!(declared.problems(now).is_empty());
        declared.note("the stream `DEAD`", created(2), now);
        let told = declared.problems(now + Duration::from_secs(59));
        assert_eq!(told, ["the stream `DEAD` was gone and has been made again 59 s ago"]);
        assert!(declared.problems(now + REPORTED_FOR).is_empty());
    }

    #[test]
    fn a_server_that_makes_everything_anew_all_the_time_fills_no_memory() {
        let (declared, now) = (Declared::default(), Instant::now());
        for second in 0..100 {
            declared.note("x", async_nats::datetime::from_nanos(second).unwrap(), now);
        }
        assert_eq!(declared.problems(now).len(), REPORTED_MAX);
    }
}
