//! The gaps of all markets: opened, waiting for their trades, closed; each step is published when it happens.
//!
//! Knows: which market lacks ticks since when, and which gaps wait for their trades. Never: why a socket broke.

pub(crate) mod backfill;
pub(crate) mod checkpoint;
pub(crate) mod fills;
pub(crate) mod stream_watch;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::Message;
use contract::codec::encode;
use contract::gap::{Cause, Gap, State as Stage};
use contract::ids::{ConditionId, TickId};
use contract::subject;
use contract::time::Timestamp;
use tokio::sync::Notify;

use crate::publish::queue::PublishQueue;

/// Times that the trades of a gap are asked for: early, for those in a hurry, and when all of them must have settled.
const ROUNDS: u32 = 2;
/// When the early one is, as a part of the settlement time.
const EARLY: u32 = 8;

/// Times that the trades of a gap could not be had; then it is closed as incomplete.
const POSTPONED_MAX: u32 = 6;

/// Closed gaps that are remembered: more than are healed while a stream is missed, with a whole shard's broken at once.
const CLOSED_KEPT: usize = 40_000;

/// The gaps; a clone is the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Gaps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shard: String,
    settlement: Duration,
    queue: PublishQueue,
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
    /// Those closed last, should the bus lose them before they are stored.
    closed: VecDeque<Gap>,
    /// Gaps opened and closed since the start, by the word of their cause.
    opened: BTreeMap<&'static str, u64>,
    healed: BTreeMap<&'static str, u64>,
    incomplete: BTreeMap<&'static str, u64>,
}

/// A gap behind which ticks flow again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Waiting {
    /// The gap, with the trades recovered so far.
    pub(crate) gap: Gap,
    rounds: u32,
    /// How often its trades could not be had.
    postponed: u32,
    /// They are not asked for before this moment.
    not_before: Option<Timestamp>,
}

/// Whether the trades of a gap can be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trades {
    /// They are asked for.
    ToFetch,
    /// They are lost: the gap is closed as incomplete.
    Lost,
}

/// The gaps by cause: now open, opened and healed since the start; a cause without one is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Causes {
    /// Of followed markets, without ticks.
    pub(crate) open: BTreeMap<&'static str, u64>,
    /// Opened by this process.
    pub(crate) opened: BTreeMap<&'static str, u64>,
    /// Healed by this process.
    pub(crate) healed: BTreeMap<&'static str, u64>,
    /// Closed by this process although trades are missing.
    pub(crate) incomplete: BTreeMap<&'static str, u64>,
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
    pub(crate) fn new(shard: &str, settlement: Duration, queue: PublishQueue) -> Self {
        let shared = Shared {
            shard: shard.to_owned(),
            settlement,
            queue,
            state: Mutex::default(),
            overrun: AtomicUsize::new(0),
            restored: Notify::new(),
        };
        Self(Arc::new(shared))
    }

    /// A gap that an earlier feed did not close, or a new one that `is_new` tells of: it goes on.
    pub(crate) fn inherit(&self, gap: Gap, is_new: New) {
        let mut state = self.state();
        if is_new == New::Yes {
            self.0.queue.enqueue_urgent(message(&gap));
            *state.opened.entry(gap.cause.word()).or_default() += 1;
        }
        match gap.state {
            Stage::Open => state.dormant.entry(gap.condition_id.clone()).or_default().push(gap),
            Stage::Waiting => {
                state.waiting.push(Waiting::of(gap));
                self.0.restored.notify_one();
            }
            Stage::Incomplete | Stage::Healed => {}
        }
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
        self.open(market, Cause::NotFollowed, at, at);
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

    /// Opens a gap from `opened_at` on, noticed at `now`, if the market has none: what breaks inside a gap lies inside it.
    pub(crate) fn open(&self, market: &ConditionId, cause: Cause, opened_at: Timestamp, now: Timestamp) {
        let mut state = self.state();
        if !state.open.contains_key(market) {
            let gap = Gap::opened(market.clone(), &self.0.shard, cause, opened_at, now);
            self.0.queue.enqueue_urgent(message(&gap));
            *state.opened.entry(cause.word()).or_default() += 1;
            state.open.insert(market.clone(), vec![gap]);
            self.0.overrun.fetch_add(usize::from(cause == Cause::BufferFull), Ordering::Relaxed);
        }
    }

    /// A span up to now in which ticks were lost, after which they flow.
    pub(crate) fn missed(
        &self,
        market: &ConditionId,
        cause: Cause,
        (from, now): (Timestamp, Timestamp),
        trades: Trades,
    ) {
        let mut state = self.state();
        // One that is closed up to somewhere stays so: the new one begins there.
        let closed = |gap: &&Gap| gap.condition_id == *market && gap.cause == cause && gap.opened_at == from;
        let from = state.closed.iter().rev().find(closed).and_then(|gap| gap.healed_at).unwrap_or(from);
        let mut gap = Gap::opened(market.clone(), &self.0.shard, cause, from, now);
        (gap.state, gap.healed_at) = (Stage::Waiting, Some(now.max(from)));
        // Two losses before anything was stored again are one span.
        let earlier = state.waiting.iter().position(|waiting| waiting.gap.id == gap.id);
        match earlier.map(|at| state.waiting.swap_remove(at)) {
            Some(earlier) => {
                gap.detected_at = earlier.gap.detected_at;
                gap.trades_recovered = earlier.gap.trades_recovered;
            }
            None => *state.opened.entry(cause.word()).or_default() += 1,
        }
        match trades {
            Trades::ToFetch => {
                self.0.queue.enqueue_urgent(message(&gap));
                state.waiting.push(Waiting::of(gap));
                self.0.restored.notify_one();
            }
            Trades::Lost => self.closed(&mut state, gap, Stage::Incomplete),
        }
    }

    /// Publishes again what a stream that was lost held of gaps: those that are not closed, and those closed last.
    pub(crate) fn publish_again(&self) {
        let state = self.state();
        let open = state.open.values().chain(state.dormant.values()).flatten();
        let open = open.chain(state.waiting.iter().map(|waiting| &waiting.gap));
        for gap in open.chain(&state.closed) {
            self.0.queue.enqueue_urgent(message(gap));
        }
    }

    /// The market is complete again since `live_at` (or nothing more will ever come): its trades are to be fetched.
    pub(crate) fn restored(&self, market: &ConditionId, live_at: Timestamp) {
        let mut state = self.state();
        let open = self.close(&mut state, market);
        let gaps = open.into_iter().chain(state.dormant.remove(market).into_iter().flatten());
        let before = state.waiting.len();
        for mut gap in gaps {
            // A gap never ends before it opened.
            (gap.state, gap.healed_at) = (Stage::Waiting, Some(live_at.max(gap.opened_at)));
            self.0.queue.enqueue_urgent(message(&gap));
            state.waiting.push(Waiting::of(gap));
        }
        if state.waiting.len() > before {
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
        self.round(gap, now, Stage::Healed);
    }

    /// The trades of a gap that can be had were asked for at `now`; others are lost. It is closed by the last round.
    pub(crate) fn asked_in_part(&self, gap: TickId, now: Timestamp) {
        self.round(gap, now, Stage::Incomplete);
    }

    fn round(&self, gap: TickId, now: Timestamp, by_the_last: Stage) {
        let mut state = self.state();
        let Some(at) = state.waiting.iter().position(|waiting| waiting.gap.id == gap) else { return };
        let waiting = &mut state.waiting[at];
        let settled = waiting.live_at().plus(self.0.settlement);
        waiting.rounds = if now >= settled { ROUNDS } else { waiting.rounds + 1 };
        if waiting.rounds >= ROUNDS {
            let gap = state.waiting.swap_remove(at).gap;
            self.closed(&mut state, gap, by_the_last);
        }
    }

    /// The trades of a gap cannot be had now: it waits on, and costs no other; after so many times it is incomplete.
    pub(crate) fn postpone(&self, gap: TickId, not_before: Timestamp) {
        let mut state = self.state();
        let Some(at) = state.waiting.iter().position(|waiting| waiting.gap.id == gap) else { return };
        let waiting = &mut state.waiting[at];
        waiting.postponed += 1;
        waiting.not_before = Some(not_before);
        if waiting.postponed >= POSTPONED_MAX {
            let gap = state.waiting.swap_remove(at).gap;
            self.closed(&mut state, gap, Stage::Incomplete);
        }
    }

    /// Nothing more is done for a gap.
    fn closed(&self, state: &mut State, mut gap: Gap, by: Stage) {
        gap.state = by;
        self.0.queue.enqueue_urgent(message(&gap));
        let counts = if by == Stage::Healed { &mut state.healed } else { &mut state.incomplete };
        *counts.entry(gap.cause.word()).or_default() += 1;
        state.closed.push_back(gap);
        if state.closed.len() > CLOSED_KEPT {
            state.closed.pop_front();
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
        Causes {
            open,
            opened: state.opened.clone(),
            healed: state.healed.clone(),
            incomplete: state.incomplete.clone(),
            oldest,
        }
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
        let due_at =
            waiting.live_at().plus(if early { self.0.settlement / EARLY } else { self.0.settlement });
        waiting.not_before.map_or(due_at, |not_before| due_at.max(not_before))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn of(gap: Gap) -> Self {
        Self { gap, rounds: 0, postponed: 0, not_before: None }
    }

    /// Since when ticks flow again.
    pub(crate) fn live_at(&self) -> Timestamp {
        self.gap.healed_at.unwrap_or(self.gap.opened_at)
    }
}

/// Whether the bus knows of a gap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum New {
    /// It is to be published.
    Yes,
    /// An earlier feed published it.
    No,
}

/// A gap on its subject; each of its states is a message, and a later end of one that waits.
fn message(gap: &Gap) -> Message {
    let until = gap.healed_at.map_or(0, Timestamp::micros);
    Message::new(
        subject::gap(&gap.condition_id),
        format!("{}-{}-{until}", gap.id, gap.state.word()),
        encode(gap),
    )
}

#[cfg(test)]
mod tests;
