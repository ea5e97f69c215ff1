//! Looking things up in batches: gathered for a moment, asked for once, kept for a moment.
//!
//! Knows: keys, values, and how many calls may be under way. Never: what is looked up.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use polymarket::rest::RestError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::circuit::Circuit;
use crate::metrics::Metrics;

/// Questions that wait at once; those beyond are answered "nobody knows" without waiting.
pub(super) const QUESTIONS_MAX: usize = 1_024;
/// How long questions are gathered before a call: short beside a call, long beside the gap between two trades of a burst.
const GATHER: Duration = Duration::from_millis(20);
/// How long a value is kept: a second asker of the same moment shares it, a later attempt does not.
const KEEP: Duration = Duration::from_secs(1);
/// Values kept at once, should more than this be looked up within a second.
const KEPT_MAX: usize = 4_096;
/// Calls under way at once on one route.
const CALLS_MAX: usize = 4;

/// The asking end. Cloning shares it.
#[derive(Debug)]
pub(super) struct Lookup<K, V> {
    questions: mpsc::Sender<Asked<K, V>>,
}

/// The end that makes the calls.
pub(super) struct Desk<K, V, F> {
    route: &'static str,
    batch_max: usize,
    fetch: F,
    metrics: Metrics,
    questions: mpsc::Receiver<Asked<K, V>>,
    circuit: Circuit,
    gathered: VecDeque<K>,
    call_at: Instant,
    waiting: HashMap<K, Vec<Reply<V>>>,
    waiting_count: usize,
    kept: HashMap<K, (Instant, V)>,
}

type Reply<V> = oneshot::Sender<Option<V>>;
type Asked<K, V> = (K, Reply<V>);

/// The two ends of a lookup. `fetch` makes one call for at most `batch_max` keys; a key that it leaves out
/// is one that nobody knows.
pub(super) fn lookup<K, V, F>(
    route: &'static str,
    batch_max: usize,
    metrics: Metrics,
    fetch: F,
) -> (Lookup<K, V>, Desk<K, V, F>) {
    let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let desk = Desk {
        route,
        batch_max,
        fetch,
        metrics,
        questions,
        circuit: Circuit::default(),
        gathered: VecDeque::new(),
        call_at: Instant::now(),
        waiting: HashMap::new(),
        waiting_count: 0,
        kept: HashMap::new(),
    };
    (Lookup { questions: sender }, desk)
}

// === impl Lookup ===

impl<K, V> Lookup<K, V> {
    /// The value of `key`; none when nobody knows, the call fails, or too many ask at once.
    pub(super) async fn get(&self, key: K) -> Option<V> {
        let (reply, told) = oneshot::channel();
        self.questions.try_send((key, reply)).ok()?;
        told.await.ok().flatten()
    }
}

impl<K, V> Clone for Lookup<K, V> {
    fn clone(&self) -> Self {
        Self { questions: self.questions.clone() }
    }
}

// === impl Desk ===

impl<K, V, F, Call> Desk<K, V, F>
where
    K: Clone + Eq + Hash,
    V: Clone,
    F: Fn(Vec<K>) -> Call,
    Call: Future<Output = Result<HashMap<K, V>, RestError>>,
{
    /// Answers until nobody is left to ask.
    pub(super) async fn run(mut self) {
        let mut calls = FuturesUnordered::new();
        loop {
            let may_call = !self.gathered.is_empty() && calls.len() < CALLS_MAX;
            tokio::select! {
                asked = self.questions.recv() => match asked {
                    Some((key, reply)) => self.take(key, reply),
                    None => return,
                },
                () = sleep_until(self.call_at), if may_call => {
                    let keys = self.next_batch();
                    if !keys.is_empty() {
                        let call = (self.fetch)(keys.clone());
                        calls.push(async move { (keys, call.await) });
                    }
                }
                Some((keys, told)) = calls.next(), if !calls.is_empty() => self.learn(keys, told),
            }
        }
    }

    fn take(&mut self, key: K, reply: Reply<V>) {
        let now = Instant::now();
        let kept = self.kept.get(&key).filter(|(at, _)| now - *at < KEEP);
        if let Some((_, value)) = kept {
            answer(reply, Some(value.clone()));
        } else if self.circuit.is_open(now) || self.waiting_count >= QUESTIONS_MAX {
            answer(reply, None);
        } else {
            self.waiting_count += 1;
            let replies = self.waiting.entry(key.clone()).or_default();
            replies.push(reply);
            if replies.len() == 1 {
                if self.gathered.is_empty() {
                    self.call_at = now + GATHER;
                }
                self.gathered.push_back(key);
            }
        }
    }

    /// The keys of the next call; none when nobody waits for them any more or the service is left alone.
    fn next_batch(&mut self) -> Vec<K> {
        if self.circuit.is_open(Instant::now()) {
            for key in std::mem::take(&mut self.gathered) {
                self.reply(&key, None);
            }
            return Vec::new();
        }
        let mut keys = Vec::new();
        while keys.len() < self.batch_max
            && let Some(key) = self.gathered.pop_front()
        {
            let is_wanted =
                self.waiting.get(&key).is_some_and(|replies| replies.iter().any(|reply| !reply.is_closed()));
            if is_wanted {
                keys.push(key);
            } else {
                self.reply(&key, None);
            }
        }
        if !keys.is_empty() {
            self.circuit.begin();
            self.metrics.rest_calls.get_or_create(&[("route", self.route)]).inc();
        }
        keys
    }

    fn learn(&mut self, keys: Vec<K>, told: Result<HashMap<K, V>, RestError>) {
        let now = Instant::now();
        let suspended = self.metrics.rest_suspended.get_or_create(&[("route", self.route)]).clone();
        let mut values = match told {
            Ok(values) => {
                if self.circuit.succeeded() {
                    info!(rest.route = self.route, "answers again; asking it as before");
                    suspended.set(0);
                }
                values
            }
            Err(error) => {
                self.metrics.rest_failures.get_or_create(&[("route", self.route)]).inc();
                let why = chassis::logline::chain(&error);
                if self.circuit.failed(now, error.retry_after()) {
                    warn!(rest.route = self.route, "left alone for a while after failures: {why}");
                    suspended.set(1);
                } else {
                    debug!(rest.route = self.route, "a question was not answered: {why}");
                }
                HashMap::new()
            }
        };
        self.kept.retain(|_, (at, _)| now - *at < KEEP);
        for key in keys {
            let value = values.remove(&key);
            self.reply(&key, value.as_ref());
            if let Some(value) = value.filter(|_| self.kept.len() < KEPT_MAX) {
                self.kept.insert(key, (now, value));
            }
        }
    }

    fn reply(&mut self, key: &K, value: Option<&V>) {
        let replies = self.waiting.remove(key).unwrap_or_default();
        self.waiting_count -= replies.len();
        for reply in replies {
            answer(reply, value.cloned());
        }
    }
}

fn answer<V>(reply: Reply<V>, value: Option<V>) {
    // Whoever asked may have run out of time; then nobody needs the answer.
    let _too_late = reply.send(value);
}

#[cfg(test)]
mod tests;
