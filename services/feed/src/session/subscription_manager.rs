//! Brings catalogue, slots and sockets together: who follows what, and what becomes of troublesome tokens.
//!
//! Knows: changes of the catalogue, words of the sockets, findings of the prober. Never: a frame.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chassis::clock;
use chassis::tasks::Tasks;
use contract::gap::Cause;
use contract::ids::{ConditionId, TokenId};
use contract::overruled::Overruled;
use contract::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::control::{COMMANDS_MAX, ControlChannels, ControlEvent, ProbeResult, SocketCommand};
use crate::control::{CatalogueChange, Gone};
use crate::feed_stats::FeedStats;
use crate::session::assignments::{AssignedMarket, SocketAssignments};
use crate::session::book_keeper::{BookKeeper, HashBudget};
use crate::session::connect_limiter::ConnectRateLimiter;
use crate::session::recent_events::RecentEvents;
use crate::session::snapshot_requests::SnapshotRequests;
use crate::session::socket::Socket;
use crate::session::tick_publisher::TickPublisher;

/// A token that makes the venue close its socket is tried again after this long, beside the sockets.
const ASIDE_FOR: Duration = Duration::from_mins(10);
/// A market that is over and has no book is looked at again after this long.
const DEAD_FOR: Duration = Duration::from_hours(1);
/// How often it is looked whether one is to be tried again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time that the sockets have to end once asked to.
const GRACE: Duration = Duration::from_secs(6);

/// The subscription manager of one feed.
#[derive(Debug)]
pub(crate) struct SubscriptionManager {
    config: Arc<Config>,
    stats: FeedStats,
    publisher: TickPublisher,
    budget: HashBudget,
    limiter: ConnectRateLimiter,
    announced: RecentEvents,
    channels: ControlChannels,
    events: mpsc::Sender<ControlEvent>,
    assignments: SocketAssignments,
    lists: Vec<watch::Sender<Arc<[AssignedMarket]>>>,
    orders: Vec<mpsc::Sender<SocketCommand>>,
    snapshots: SnapshotRequests,
    moved: HashSet<TokenId>,
    aside: HashMap<TokenId, Instant>,
    /// Tokens without a book at REST, of markets whose time is over.
    bookless: HashSet<TokenId>,
    /// Markets whose time is over and that have no book, until when they are left alone.
    dead: HashMap<ConditionId, (AssignedMarket, Instant)>,
}

impl SubscriptionManager {
    /// A subscription manager without markets. `words`: where its sockets reach it.
    pub(crate) fn new(
        config: Arc<Config>,
        stats: FeedStats,
        publisher: TickPublisher,
        budget: HashBudget,
        (limiter, snapshots): (ConnectRateLimiter, SnapshotRequests),
        channels: ControlChannels,
        events: mpsc::Sender<ControlEvent>,
    ) -> Self {
        let assignments = SocketAssignments::new(config.tokens_per_socket, config.sockets_max);
        Self {
            config,
            stats,
            publisher,
            budget,
            limiter,
            announced: RecentEvents::default(),
            channels,
            events,
            assignments,
            lists: Vec::new(),
            orders: Vec::new(),
            snapshots,
            moved: HashSet::new(),
            aside: HashMap::new(),
            bookless: HashSet::new(),
            dead: HashMap::new(),
        }
    }

    /// Conducts until `stop`, then waits for its sockets.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<ControlEvent>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut sockets = Tasks::new(stop.clone());
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = events.recv() => {
                    let now = clock::now().into();
                    self.handle(event, now);
                    // Handle what came meanwhile before sending the lists: a sweep comes page by page.
                    while let Ok(event) = events.try_recv() {
                        self.handle(event, now);
                    }
                    self.send_assignments(&mut sockets, &stop);
                }
                _ = look.tick() => {
                    self.try_again(Instant::now());
                    self.send_assignments(&mut sockets, &stop);
                }
                // None ends before the stop, unless it failed.
                () = sockets.one_ended() => {}
            }
        }
        drop(self.lists);
        sockets.join(GRACE).await
    }

    fn handle(&mut self, event: ControlEvent, now: Timestamp) {
        match event {
            ControlEvent::Catalogue(change) => self.change(&change, now),
            ControlEvent::Missing(tokens) => self.missing(&tokens, now),
            ControlEvent::Suspects(tokens) => self.suspect(tokens),
            ControlEvent::Probed(finding) => self.probed(finding),
            ControlEvent::Overruled(overruled) => self.overruled(overruled),
            ControlEvent::Looked { with_book, without } => {
                self.bookless(&without, now);
                self.move_away(&with_book, now);
            }
            ControlEvent::MarketEvent(news) => {
                // What finds the ear full is found by the next sweep.
                let _full = self.channels.universe.try_send(news);
            }
        }
    }

    fn change(&mut self, change: &CatalogueChange, now: Timestamp) {
        for (market, gone) in &change.gone {
            self.assignments.remove(market);
            self.dead.remove(market);
            match gone {
                // Nothing more will ever come: what its gaps lack can be fetched now.
                Gone::Closed => self.publisher.gaps.restored(market, now),
                Gone::Unchosen => self.publisher.gaps.unfollow(market, now),
            }
        }
        if !change.gone.is_empty() {
            let assignments = &self.assignments;
            self.moved.retain(|token| assignments.market_of(token).is_some());
            self.bookless.retain(|token| assignments.market_of(token).is_some());
            self.aside.retain(|token, _| assignments.market_of(token).is_some());
            self.stats.set_aside(self.aside.keys());
            self.report_dead();
        }
        self.assignments.expect(change.tokens_expected);
        for market in &change.new {
            self.publisher.gaps.follow(&market.condition_id);
            self.assignments.add(AssignedMarket::of(market));
        }
        for market in &change.corrected {
            self.assignments.correct(market);
        }
        self.publish_followed();
    }

    fn publish_followed(&self) {
        let followed: Arc<[ConditionId]> = self.assignments.markets().cloned().collect();
        self.channels.followed.send_replace(followed);
    }

    /// A book that REST has overruled: its socket decides.
    fn overruled(&self, overruled: Overruled) {
        let socket =
            self.assignments.socket_of(&overruled.token_id).and_then(|socket| self.orders.get(socket));
        if let Some(orders) = socket
            && let Err(error) = orders.try_send(SocketCommand::Doubt(overruled))
        {
            debug!(%error, "a socket has more orders than it can do");
        }
    }

    /// Tokens without a book get another socket, once; after that their socket asks now and then, and they are named.
    /// Those whose market is over may never get one: REST is asked whether there are any.
    fn missing(&mut self, tokens: &[TokenId], now: Timestamp) {
        let is_over = |token: &TokenId| self.assignments.end_of(token).is_some_and(|end| end < now);
        let (over, others): (Vec<TokenId>, Vec<TokenId>) = tokens.iter().cloned().partition(is_over);
        self.snapshots.look(&over);
        self.move_away(&others, now);
    }

    fn move_away(&mut self, tokens: &[TokenId], now: Timestamp) {
        for token in tokens {
            let Some(market) = self.assignments.market_of(token).cloned() else { continue };
            if self.moved.insert(token.clone()) && self.assignments.move_away(token) {
                info!(token.id = %token, "no opening book came for a token: its market moves to another socket");
                self.publisher.gaps.open(&market, Cause::Resubscribed, now, now);
            } else {
                warn!(token.id = %token, "no opening book comes for a token, on two sockets");
            }
        }
    }

    /// REST has no book for these tokens either: where their market's time is over and neither of its tokens has one,
    /// nothing more will come of it.
    fn bookless(&mut self, tokens: &[TokenId], now: Timestamp) {
        self.bookless.extend(tokens.iter().cloned());
        for token in tokens {
            let is_over = |it: &&AssignedMarket| {
                it.end_at.is_some_and(|end| end < now)
                    && it.tokens.iter().all(|other| self.bookless.contains(other))
            };
            let Some(watched) = self.assignments.watched(token).filter(is_over) else { continue };
            let watched = watched.clone();
            for token in &watched.tokens {
                self.bookless.remove(token);
            }
            info!(market.id = %watched.market, "a market is over and has no book: left alone for {DEAD_FOR:?}");
            self.assignments.remove(&watched.market);
            // Nothing is missing: what it traded before its gap began can be fetched.
            self.publisher.gaps.restored(&watched.market, now);
            self.dead.insert(watched.market.clone(), (watched, Instant::now() + DEAD_FOR));
        }
        self.report_dead();
        self.publish_followed();
    }

    fn report_dead(&self) {
        self.stats.dead(self.dead.values().map(|(watched, _)| watched.tokens.len()).sum());
    }

    fn suspect(&mut self, tokens: Vec<TokenId>) {
        let held: Vec<TokenId> = tokens.into_iter().filter(|token| self.assignments.hold(token)).collect();
        warn!(
            tokens = held.len(),
            "the venue closed a socket twice when {} tokens were subscribed: they are tried apart",
            held.len()
        );
        self.probe(held);
    }

    fn probed(&mut self, finding: ProbeResult) {
        for token in &finding.good {
            self.aside.remove(token);
            self.assignments.release(token);
        }
        for token in finding.bad {
            warn!(token.id = %token, "a token makes the venue close the socket: set aside for {ASIDE_FOR:?}");
            if self.assignments.hold(&token) {
                self.aside.insert(token, Instant::now() + ASIDE_FOR);
            }
        }
        self.stats.set_aside(self.aside.keys());
    }

    fn try_again(&mut self, now: Instant) {
        let due: Vec<TokenId> =
            self.aside.iter().filter(|(_, at)| **at <= now).map(|(token, _)| token.clone()).collect();
        for token in due {
            self.aside.insert(token.clone(), now + ASIDE_FOR);
            self.probe(vec![token]);
        }
        let due: Vec<ConditionId> =
            self.dead.iter().filter(|(_, (_, at))| *at <= now).map(|(market, _)| market.clone()).collect();
        for market in &due {
            if let Some((watched, _)) = self.dead.remove(market) {
                self.assignments.add(watched);
            }
        }
        if !due.is_empty() {
            self.report_dead();
            self.publish_followed();
        }
    }

    fn probe(&mut self, tokens: Vec<TokenId>) {
        if tokens.is_empty() {
            return;
        }
        if let Err(error) = self.channels.prober.try_send(tokens) {
            // The prober has more than it can do: back to their sockets, which will name them again.
            let (mpsc::error::TrySendError::Full(tokens) | mpsc::error::TrySendError::Closed(tokens)) = error;
            for token in &tokens {
                self.assignments.release(token);
            }
        }
    }

    /// Tells each socket its list where that changed; new ones are opened.
    fn send_assignments(&mut self, sockets: &mut Tasks, stop: &CancellationToken) {
        while self.lists.len() < self.assignments.sockets() {
            let number = self.lists.len();
            let (list, receiver) = watch::channel(Arc::default());
            self.lists.push(list);
            let orders = mpsc::channel(COMMANDS_MAX);
            self.orders.push(orders.0.clone());
            self.stats.add_socket();
            let socket = Socket {
                number,
                instance: self.config.instance.clone(),
                settings: self.config.sockets.clone(),
                list: receiver,
                books: BookKeeper::new(self.budget.clone(), self.config.trade_age_max),
                publisher: self.publisher.clone(),
                stats: self.stats.clone(),
                events: self.events.clone(),
                orders,
                snapshots: self.snapshots.clone(),
                limiter: self.limiter.clone(),
                announced: self.announced.clone(),
                book_every: self.config.book_every,
            };
            sockets.spawn(format!("socket {number}"), socket.run(stop.clone()));
        }
        for (socket, list) in self.assignments.changes() {
            self.lists[socket].send_replace(list);
        }
        let (markets, tokens, left_out) = self.assignments.sizes();
        self.stats.followed(markets, tokens, left_out);
    }
}
