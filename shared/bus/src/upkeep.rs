//! Streams, consumers and buckets that are gone are made again, and it is reported.
//!
//! Knows: when each was created, and so whether it is still the one that we had. Never: what it held.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::datetime::DateTime;
use async_nats::jetstream::stream::Info;
use tokio::time::sleep;
use tracing::{debug, error};

use crate::connect::Bus;
use crate::error::BusError;
use crate::topology::{self, Limits, Work, streams_of, works_of};

/// How often it is checked whether everything is still there.
const CHECK_EVERY: Duration = Duration::from_secs(3);
/// How long one that was made again is a problem: what it held is lost, and somebody should know.
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

/// Tells a stream from another one of the same name that was made later.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamIdentity(i128);

/// How far a stream and its shared consumer are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Which stream it is.
    pub identity: StreamIdentity,
    /// Sequence of the newest message.
    pub last: u64,
    /// Every message up to this sequence is acknowledged.
    pub acknowledged: u64,
}

// === impl StreamIdentity ===

impl StreamIdentity {
    fn of(info: &Info) -> Self {
        Self(info.created.unix_timestamp_nanos())
    }
}

// === impl Declared ===

impl Declared {
    /// `what` is there since `created`. Where it was there before and this is another one, it was made again.
    pub(crate) fn note(&self, what: &str, created: DateTime, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.created.insert(what.to_owned(), created);
        if before.is_some_and(|before| before != created) {
            error!("{what} was gone and has been made again: what it held is lost");
            state.again.push_back((what.to_owned(), now));
            while state.again.len() > REPORTED_MAX {
                state.again.pop_front();
            }
        }
    }

    fn problems(&self, now: Instant) -> Vec<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.again.retain(|(_, at)| now.duration_since(*at) < REPORTED_FOR);
        let problem = |(what, at): &(String, Instant)| {
            let ago = now.duration_since(*at).as_secs();
            format!("{what} was gone and has been made again {ago} s ago: what it held is lost")
        };
        state.again.iter().map(problem).collect()
    }
}

impl Bus {
    /// Makes again what is gone of the service's own streams, consumers and buckets: for ever, every three seconds.
    pub async fn upkeep(self) {
        loop {
            sleep(CHECK_EVERY).await;
            if self.connected()
                && let Err(error) = self.repair().await
            {
                debug!(%error, "what is on the bus could not be checked; it will be");
            }
        }
    }

    /// What had gone and was made again within the last minute, in words.
    pub fn recreated(&self) -> Vec<String> {
        self.declared.problems(Instant::now())
    }

    /// How far a stream and its shared consumer are.
    ///
    /// # Errors
    /// When the server does not answer within 5 s, or one of the two is not there.
    pub async fn progress(&self, work: Work) -> Result<Progress, BusError> {
        let info = topology::stream_info(&self.jetstream, work.stream()).await?;
        let consumer = self.consumer_info(work).await?;
        Ok(Progress {
            identity: StreamIdentity::of(&info),
            last: info.state.last_sequence,
            acknowledged: consumer.ack_floor.stream_sequence,
        })
    }

    /// Which stream of this name there is now.
    ///
    /// # Errors
    /// When the server does not answer within 5 s, or it is not there.
    pub async fn identity(&self, work: Work) -> Result<StreamIdentity, BusError> {
        Ok(StreamIdentity::of(&topology::stream_info(&self.jetstream, work.stream()).await?))
    }

    async fn repair(&self) -> Result<(), BusError> {
        let (limits, service): (&Limits, _) = (&self.limits, self.service);
        for &work in streams_of(service) {
            topology::declare_stream(&self.jetstream, limits, work, &self.declared).await?;
        }
        for &work in works_of(service) {
            // Asked first: a declaration goes through the whole cluster even where it changes nothing.
            match self.consumer_info(work).await {
                Ok(info) => self.declared.note(&topology::consumer_name(work), info.created, Instant::now()),
                Err(_) => topology::declare_consumer(&self.jetstream, work, &self.declared).await?,
            }
        }
        topology::declare_bucket(&self.jetstream, limits, service, &self.declared).await
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
        assert_eq!(
            told,
            ["the stream `DEAD` was gone and has been made again 59 s ago: what it held is lost"]
        );
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
