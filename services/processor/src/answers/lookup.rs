//! Looking things up in batches: gathered for a moment, asked for once, kept for a moment.
//!
//! Knows: keys, values, and how many calls may be under way. Never: what is looked up.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use chassis::clock;
use chassis::trace::Span;
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
pub(super) struct BatchLoader<K, V, F> {
    route: &'static str,
    batch_max: usize,
    fetch: F,
    metrics: Metrics,
    questions: mpsc::Receiver<Asked<K, V>>,
    circuit: Circuit,
    gathered: VecDeque<K>,
    call_at: Instant,
    waiting: HashMap<K, Vec<Waiting<V>>>,
    waiting_count: usize,
    kept: HashMap<K, (Instant, V)>,
}

type Reply<V> = oneshot::Sender<Option<V>>;
type Asked<K, V> = (K, Waiting<V>);

/// Somebody who waits for a value.
struct Waiting<V> {
    reply: Reply<V>,
    /// The span of the call that brings it, if that is looked at; forgotten where no call is made.
    span: Option<Span>,
}

/// How a call went.
enum Outcome {
    Answered,
    Failed(String),
}

/// The two ends of a lookup. `fetch` makes one call for at most `batch_max` keys; a key that it leaves out
/// is one that nobody knows.
pub(super) fn lookup<K, V, F>(
    route: &'static str,
    batch_max: usize,
    metrics: Metrics,
    fetch: F,
) -> (Lookup<K, V>, BatchLoader<K, V, F>) {
    let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let desk = BatchLoader {
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
    /// The value of `key`; none when nobody knows, the call fails, or too many ask at once. `span`: of the call
    /// that it may take.
    pub(super) async fn get(&self, key: K, span: Option<Span>) -> Option<V> {
        let (reply, told) = oneshot::channel();
        self.questions.try_send((key, Waiting { reply, span })).ok()?;
        told.await.ok().flatten()
    }
}

impl<K, V> Clone for Lookup<K, V> {
    fn clone(&self) -> Self {
        Self { questions: self.questions.clone() }
    }
}

// === impl BatchLoader ===

impl<K, V, F, Call> BatchLoader<K, V, F>
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
                    Some((key, waiting)) => self.take(key, waiting),
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

    fn take(&mut self, key: K, waiting: Waiting<V>) {
        let now = Instant::now();
        let kept = self.kept.get(&key).filter(|(at, _)| now - *at < KEEP);
        if let Some((_, value)) = kept {
            answer(waiting.reply, Some(value.clone()));
        } else if self.circuit.is_open(now) || self.waiting_count >= QUESTIONS_MAX {
            answer(waiting.reply, None);
        } else {
            self.waiting_count += 1;
            let others = self.waiting.entry(key.clone()).or_default();
            others.push(waiting);
            if others.len() == 1 {
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
                self.reply(&key, None, None);
            }
            return Vec::new();
        }
        let mut keys = Vec::new();
        while keys.len() < self.batch_max
            && let Some(key) = self.gathered.pop_front()
        {
            let waiting = self.waiting.get_mut(&key).map(Vec::as_mut_slice).unwrap_or_default();
            if waiting.iter().any(|waiting| !waiting.reply.is_closed()) {
                // Whoever joins later sees the rest of the call.
                waiting.iter_mut().for_each(Waiting::called);
                keys.push(key);
            } else {
                self.reply(&key, None, None);
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
        let (mut values, outcome) = match told {
            Ok(values) => {
                if self.circuit.succeeded() {
                    info!(rest.route = self.route, "answers again; asking it as before");
                    suspended.set(0);
                }
                (values, Outcome::Answered)
            }
            Err(error) => {
                self.metrics.rest_failures.get_or_create(&[("route", self.route)]).inc();
                let why = chassis::logline::error_chain(&error);
                if self.circuit.failed(now, error.retry_after()) {
                    warn!(rest.route = self.route, "left alone for a while after failures: {why}");
                    suspended.set(1);
                } else {
                    debug!(rest.route = self.route, "a question was not answered: {why}");
                }
                (HashMap::new(), Outcome::Failed(why))
            }
        };
        self.kept.retain(|_, (at, _)| now - *at < KEEP);
        for key in keys {
            let value = values.remove(&key);
            self.reply(&key, value.as_ref(), Some(&outcome));
            if let Some(value) = value.filter(|_| self.kept.len() < KEPT_MAX) {
                self.kept.insert(key, (now, value));
            }
        }
    }

    /// Answers all who wait for `key`. `outcome`: how the call for it went, if one was made.
    fn reply(&mut self, key: &K, value: Option<&V>, outcome: Option<&Outcome>) {
        let waiting = self.waiting.remove(key).unwrap_or_default();
        self.waiting_count -= waiting.len();
        for Waiting { reply, span } in waiting {
            match (span, outcome) {
                (Some(span), Some(Outcome::Answered)) => span.number("http.response.status_code", 200).end(),
                (Some(span), Some(Outcome::Failed(why))) => span.failed(why.as_str()).end(),
                _ => {}
            }
            answer(reply, value.cloned());
        }
    }
}

// === impl Waiting ===

impl<V> Waiting<V> {
    fn called(&mut self) {
        self.span = self.span.take().map(|span| span.begun_at(clock::now()));
    }
}

fn answer<V>(reply: Reply<V>, value: Option<V>) {
    // Whoever asked may have run out of time; then nobody needs the answer.
    let _too_late = reply.send(value);
}

#[cfg(test)]
mod tests;
