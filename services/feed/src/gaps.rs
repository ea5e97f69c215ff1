//! The gaps of all markets: opened once, healed once, each told to the bus when it happens.
//!
//! Knows: which market lacks ticks since when, and which gaps wait for their trades. Never: why a socket broke.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::Message;
use contract::codec::encode;
use contract::gap::{Cause, Gap};
use contract::ids::{ConditionId, TickId};
use contract::subject;
use contract::time::Timestamp;
use tokio::sync::Notify;

use crate::relay::Relay;

/// Times that the trades of a gap are asked for: early, for those in a hurry, and when all of them must have settled.
const ROUNDS: u32 = 2;
/// When the early one is, as a part of the settlement time.
const EARLY: u32 = 8;

/// Healed gaps that are remembered: more than are healed while a stream is missed, with a whole shard's broken at once.
const CLOSED_KEPT: usize = 40_000;

/// The gaps; a clone is the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Gaps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shard: String,
    settlement: Duration,
    relay: Relay,
    state: Mutex<State>,
    /// Open gaps of an overrun buffer: asked with every tick.
    overrun: AtomicUsize,
    restored: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Of followed markets; ticks do not flow yet.
    open: BTreeMap<ConditionId, Vec<Gap>>,
    /// Of markets that are not followed now.
    dormant: HashMap<ConditionId, Vec<Gap>>,
    /// Ticks flow again; trades are still to be fetched.
    waiting: Vec<Waiting>,
    /// Those healed last, should the bus lose them before they are stored.
    closed: VecDeque<Gap>,
    /// Gaps told as opened and as healed since the start, by the word of their cause.
    opened: BTreeMap<&'static str, u64>,
    healed: BTreeMap<&'static str, u64>,
}

/// A gap behind which ticks flow again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Waiting {
    /// The gap, with the trades recovered so far.
    pub(crate) gap: Gap,
    /// From here on the market is complete again.
    pub(crate) live_at: Timestamp,
    rounds: u32,
    /// Its trades could not be had: not asked for before this moment.
    not_before: Option<Timestamp>,
}

/// The gaps by cause: now open, opened and healed since the start; a cause without one is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Causes {
    /// Of followed markets, without ticks.
    pub(crate) open: BTreeMap<&'static str, u64>,
    /// Told as opened by this process.
    pub(crate) opened: BTreeMap<&'static str, u64>,
    /// Told as healed by this process.
    pub(crate) healed: BTreeMap<&'static str, u64>,
    /// Since when the oldest of the open ones is open.
    pub(crate) oldest: Option<Timestamp>,
}

/// How many gaps there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Of followed markets, without ticks.
    pub(crate) open: u64,
    /// With ticks again, without their trades.
    pub(crate) waiting: u64,
}

impl Gaps {
    /// No gap yet. `settlement`: longest time from a match to its row at the Data API.
    pub(crate) fn new(shard: &str, settlement: Duration, relay: Relay) -> Self {
        let shared = Shared {
            shard: shard.to_owned(),
            settlement,
            relay,
            state: Mutex::default(),
            overrun: AtomicUsize::new(0),
            restored: Notify::new(),
        };
        Self(Arc::new(shared))
    }

    /// A gap that an earlier feed left open, or a new one that `is_new` tells of: it goes on until its market is complete.
    pub(crate) fn inherit(&self, gap: Gap, is_new: New) {
        if is_new == New::Yes {
            self.0.relay.tell(message(&gap));
            *self.state().opened.entry(gap.cause.word()).or_default() += 1;
        }
        self.state().dormant.entry(gap.condition_id.clone()).or_default().push(gap);
    }

    /// The market is followed from now on; gaps of its past are open again.
    pub(crate) fn follow(&self, market: &ConditionId) {
        let mut state = self.state();
        if let Some(gaps) = state.dormant.remove(market) {
            let overrun = gaps.iter().filter(|gap| gap.cause == Cause::BufferFull).count();
            self.0.overrun.fetch_add(overrun, Ordering::Relaxed);
            state.open.entry(market.clone()).or_default().extend(gaps);
        }
    }

    /// The market is not followed any more: a gap from `at` on, until it is followed again.
    pub(crate) fn unfollow(&self, market: &ConditionId, at: Timestamp) {
        self.open(market, Cause::NotFollowed, at);
        let mut state = self.state();
        let gaps = self.close(&mut state, market);
        state.dormant.entry(market.clone()).or_default().extend(gaps);
    }

    /// Markets that an earlier feed followed and this one does not.
    pub(crate) fn of_the_past(&self) -> Vec<ConditionId> {
        let state = self.state();
        let left = |gaps: &Vec<Gap>| gaps.iter().any(|gap| gap.cause != Cause::NotFollowed);
        state.dormant.iter().filter(|(_, gaps)| left(gaps)).map(|(market, _)| market.clone()).collect()
    }

    /// Opens a gap, if the market has none: what breaks inside a gap lies inside it.
    pub(crate) fn open(&self, market: &ConditionId, cause: Cause, opened_at: Timestamp) {
        let mut state = self.state();
        if !state.open.contains_key(market) {
            let gap = Gap::opened(market.clone(), &self.0.shard, cause, opened_at);
            self.0.relay.tell(message(&gap));
            *state.opened.entry(cause.word()).or_default() += 1;
            state.open.insert(market.clone(), vec![gap]);
            self.0.overrun.fetch_add(usize::from(cause == Cause::BufferFull), Ordering::Relaxed);
        }
    }

    /// A span in which ticks were lost, after which they flow: its trades are to be fetched.
    /// `not_before`: not before this moment are they asked for.
    pub(crate) fn missed(
        &self,
        market: &ConditionId,
        cause: Cause,
        (from, until): (Timestamp, Timestamp),
        not_before: Option<Timestamp>,
    ) {
        let mut state = self.state();
        // One that is healed up to somewhere stays so: the new one begins there.
        let healed = |gap: &&Gap| gap.condition_id == *market && gap.cause == cause && gap.opened_at == from;
        let from = state.closed.iter().rev().find(healed).and_then(|gap| gap.healed_at).unwrap_or(from);
        let gap = Gap::opened(market.clone(), &self.0.shard, cause, from);
        // Two losses before anything was stored again are one span.
        if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.gap.id == gap.id) {
            (waiting.live_at, waiting.rounds) = (until, 0);
            return;
        }
        self.0.relay.tell(message(&gap));
        *state.opened.entry(cause.word()).or_default() += 1;
        state.waiting.push(Waiting { gap, live_at: until, rounds: 0, not_before });
        self.0.restored.notify_one();
    }

    /// Publishes again what a stream that was lost held of gaps: those that are not healed, and those healed last.
    pub(crate) fn publish_again(&self) {
        let state = self.state();
        let open = state.open.values().chain(state.dormant.values()).flatten();
        let open = open.chain(state.waiting.iter().map(|waiting| &waiting.gap));
        for gap in open.chain(&state.closed) {
            self.0.relay.tell(message(gap));
        }
    }

    /// The market is complete again since `live_at` (or nothing more will ever come): its trades are to be fetched.
    pub(crate) fn restored(&self, market: &ConditionId, live_at: Timestamp) {
        let mut state = self.state();
        let open = self.close(&mut state, market);
        let gaps = open.into_iter().chain(state.dormant.remove(market).into_iter().flatten());
        let waiting: Vec<Waiting> =
            gaps.map(|gap| Waiting { gap, live_at, rounds: 0, not_before: None }).collect();
        if !waiting.is_empty() {
            state.waiting.extend(waiting);
            self.0.restored.notify_one();
        }
    }

    /// Whether any market lost ticks to an overrun buffer and is not complete again.
    pub(crate) fn any_overrun(&self) -> bool {
        self.0.overrun.load(Ordering::Relaxed) > 0
    }

    /// Whether the market has an open gap of this cause.
    pub(crate) fn is_open_for(&self, market: &ConditionId, cause: Cause) -> bool {
        self.state().open.get(market).is_some_and(|gaps| gaps.iter().any(|gap| gap.cause == cause))
    }

    /// Those whose trades are to be asked for now, of at most `markets` markets.
    pub(crate) fn due(&self, now: Timestamp, markets: usize) -> Vec<Waiting> {
        let state = self.state();
        let mut named: HashSet<&ConditionId> = HashSet::new();
        let due = state.waiting.iter().filter(|waiting| self.due_at(waiting) <= now);
        let chosen = due.filter(|waiting| {
            let market = &waiting.gap.condition_id;
            named.contains(market) || (named.len() < markets && named.insert(market))
        });
        chosen.cloned().collect()
    }

    /// When the next trades are to be asked for.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.state().waiting.iter().map(|waiting| self.due_at(waiting)).min()
    }

    /// Waits until a market is restored.
    pub(crate) async fn one_restored(&self) {
        self.0.restored.notified().await;
    }

    /// So many more trades of a gap were published.
    pub(crate) fn recovered(&self, gap: TickId, trades: u64) {
        let mut state = self.state();
        if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.gap.id == gap) {
            waiting.gap.trades_recovered += trades;
        }
    }

    /// All trades of a gap were asked for at `now`. It is healed by the last round.
    pub(crate) fn asked(&self, gap: TickId, now: Timestamp) {
        let mut state = self.state();
        let Some(at) = state.waiting.iter().position(|waiting| waiting.gap.id == gap) else { return };
        let settled = state.waiting[at].live_at.plus(self.0.settlement);
        let waiting = &mut state.waiting[at];
        waiting.rounds = if now >= settled { ROUNDS } else { waiting.rounds + 1 };
        if waiting.rounds >= ROUNDS {
            let mut healed = state.waiting.swap_remove(at);
            // A gap never ends before it opened.
            healed.gap.healed_at = Some(healed.live_at.max(healed.gap.opened_at));
            self.0.relay.tell(message(&healed.gap));
            *state.healed.entry(healed.gap.cause.word()).or_default() += 1;
            state.closed.push_back(healed.gap);
            if state.closed.len() > CLOSED_KEPT {
                state.closed.pop_front();
            }
        }
    }

    /// The trades of a gap cannot be had now: it waits on, and costs no other.
    pub(crate) fn postpone(&self, gap: TickId, not_before: Timestamp) {
        let mut state = self.state();
        if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.gap.id == gap) {
            waiting.not_before = Some(not_before);
        }
    }

    /// Gaps whose trades could not be had so far.
    pub(crate) fn postponed(&self) -> u64 {
        self.state().waiting.iter().filter(|waiting| waiting.not_before.is_some()).count() as u64
    }

    /// How many there are.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        let open: usize = state.open.values().map(Vec::len).sum();
        Counts { open: open as u64, waiting: state.waiting.len() as u64 }
    }

    /// The same by cause.
    pub(crate) fn causes(&self) -> Causes {
        let state = self.state();
        let mut open = BTreeMap::new();
        for gap in state.open.values().flatten() {
            *open.entry(gap.cause.word()).or_default() += 1;
        }
        let oldest = state.open.values().flatten().map(|gap| gap.opened_at).min();
        Causes { open, opened: state.opened.clone(), healed: state.healed.clone(), oldest }
    }

    /// When the oldest gap was opened whose trades may still be asked for.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let state = self.state();
        // Of a market that left, only the last fills before it matter: those are not kept for its return.
        let dormant = state.dormant.values().flatten().filter(|gap| gap.cause != Cause::NotFollowed);
        let open = state.open.values().flatten().chain(dormant).map(|gap| gap.opened_at);
        open.chain(state.waiting.iter().map(|waiting| waiting.gap.opened_at)).min()
    }

    /// The open gaps of a market, taken out.
    fn close(&self, state: &mut State, market: &ConditionId) -> Vec<Gap> {
        let gaps = state.open.remove(market).unwrap_or_default();
        let overrun = gaps.iter().filter(|gap| gap.cause == Cause::BufferFull).count();
        self.0.overrun.fetch_sub(overrun, Ordering::Relaxed);
        gaps
    }

    fn due_at(&self, waiting: &Waiting) -> Timestamp {
        let early = waiting.rounds == 0;
        let due_at = waiting.live_at.plus(if early { self.0.settlement / EARLY } else { self.0.settlement });
        waiting.not_before.map_or(due_at, |not_before| due_at.max(not_before))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the bus knows of a gap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum New {
    /// It is to be told.
    Yes,
    /// An earlier feed told it.
    No,
}

/// A gap on its subject; opened and healed are two messages.
fn message(gap: &Gap) -> Message {
    let word = if gap.healed_at.is_some() { "healed" } else { "opened" };
    Message::new(subject::gap(&gap.condition_id), format!("{}-{word}", gap.id), encode(gap))
}

#[cfg(test)]
mod tests;
