//! Brings catalogue, seats and sockets together: who follows what, and what becomes of troublesome tokens.
//!
//! Knows: changes of the catalogue, words of the sockets, findings of the prober. Never: a frame.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chassis::clock;
use chassis::tasks::Tasks;
use contract::gap::Cause;
use contract::ids::{ConditionId, TokenId};
use contract::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::announced::Announced;
use crate::board::Board;
use crate::catalogue::{Change, Gone};
use crate::config::Config;
use crate::control::{Ears, Finding, Word};
use crate::desk::{Desk, HashBudget};
use crate::outlet::Outlet;
use crate::roster::{Roster, Watched};
use crate::socket::Socket;
use crate::turnstile::Turnstile;

/// A token that makes the venue close its socket is tried again after this long, beside the sockets.
const ASIDE_FOR: Duration = Duration::from_mins(10);
/// How often it is looked whether one is to be tried again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time that the sockets have to end once asked to.
const GRACE: Duration = Duration::from_secs(6);

/// The conductor of one feed.
#[derive(Debug)]
pub(crate) struct Conductor {
    config: Arc<Config>,
    board: Board,
    outlet: Outlet,
    budget: HashBudget,
    turnstile: Turnstile,
    announced: Announced,
    ears: Ears,
    words: mpsc::Sender<Word>,
    roster: Roster,
    lists: Vec<watch::Sender<Arc<[Watched]>>>,
    moved: HashSet<TokenId>,
    aside: HashMap<TokenId, Instant>,
}

impl Conductor {
    /// A conductor without markets. `words`: where its sockets reach it.
    pub(crate) fn new(
        config: Arc<Config>,
        board: Board,
        outlet: Outlet,
        budget: HashBudget,
        turnstile: Turnstile,
        ears: Ears,
        words: mpsc::Sender<Word>,
    ) -> Self {
        let roster = Roster::new(config.tokens_per_socket, config.sockets_max);
        Self {
            config,
            board,
            outlet,
            budget,
            turnstile,
            announced: Announced::default(),
            ears,
            words,
            roster,
            lists: Vec::new(),
            moved: HashSet::new(),
            aside: HashMap::new(),
        }
    }

    /// Conducts until `stop`, then waits for its sockets.
    pub(crate) async fn run(
        mut self,
        mut heard: mpsc::Receiver<Word>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut sockets = Tasks::new(stop.clone());
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(word) = heard.recv() => {
                    let now = clock::now().into();
                    self.heed(word, now);
                    // What came meanwhile is heeded too before lists are told: a sweep comes page by page.
                    while let Ok(word) = heard.try_recv() {
                        self.heed(word, now);
                    }
                    self.tell_lists(&mut sockets, &stop);
                }
                _ = look.tick() => self.try_again(Instant::now()),
                // None ends before the stop, unless it failed.
                () = sockets.one_ended() => {}
            }
        }
        drop(self.lists);
        sockets.join(GRACE).await
    }

    fn heed(&mut self, word: Word, now: Timestamp) {
        match word {
            Word::Catalogue(change) => self.change(&change, now),
            Word::Missing(tokens) => self.missing(&tokens, now),
            Word::Suspects(tokens) => self.suspect(tokens),
            Word::Probed(finding) => self.probed(finding),
            Word::News(news) => {
                // What finds the ear full is found by the next sweep.
                let _full = self.ears.universe.try_send(news);
            }
        }
    }

    fn change(&mut self, change: &Change, now: Timestamp) {
        for (market, gone) in &change.gone {
            self.roster.remove(market);
            match gone {
                // Nothing more will ever come: what its gaps lack can be fetched now.
                Gone::Closed => self.outlet.gaps.restored(market, now),
                Gone::Unchosen => self.outlet.gaps.unfollow(market, now),
            }
        }
        if !change.gone.is_empty() {
            let roster = &self.roster;
            self.moved.retain(|token| roster.market_of(token).is_some());
            self.aside.retain(|token, _| roster.market_of(token).is_some());
            self.board.set_aside(self.aside.keys());
        }
        self.roster.expect(change.tokens_expected);
        for market in &change.new {
            self.outlet.gaps.follow(&market.condition_id);
            self.roster.add(Watched::of(market));
        }
        let followed: Arc<[ConditionId]> = self.roster.markets().cloned().collect();
        self.ears.followed.send_replace(followed);
    }

    /// Tokens without a book get another socket, once; after that their socket asks now and then, and they are named.
    fn missing(&mut self, tokens: &[TokenId], now: Timestamp) {
        for token in tokens {
            let Some(market) = self.roster.market_of(token).cloned() else { continue };
            if self.moved.insert(token.clone()) && self.roster.move_away(token) {
                info!(token.id = %token, "no opening book came for a token: its market moves to another socket");
                self.outlet.gaps.open(&market, Cause::Resubscribed, now, now);
            } else {
                warn!(token.id = %token, "no opening book comes for a token, on two sockets");
            }
        }
    }

    fn suspect(&mut self, tokens: Vec<TokenId>) {
        let held: Vec<TokenId> = tokens.into_iter().filter(|token| self.roster.hold(token)).collect();
        warn!(
            tokens = held.len(),
            "the venue closed a socket twice when {} tokens were subscribed: they are tried apart",
            held.len()
        );
        self.probe(held);
    }

    fn probed(&mut self, finding: Finding) {
        for token in &finding.good {
            self.aside.remove(token);
            self.roster.release(token);
        }
        for token in finding.bad {
            warn!(token.id = %token, "a token makes the venue close the socket: set aside for {ASIDE_FOR:?}");
            if self.roster.hold(&token) {
                self.aside.insert(token, Instant::now() + ASIDE_FOR);
            }
        }
        self.board.set_aside(self.aside.keys());
    }

    fn try_again(&mut self, now: Instant) {
        let due: Vec<TokenId> =
            self.aside.iter().filter(|(_, at)| **at <= now).map(|(token, _)| token.clone()).collect();
        for token in due {
            self.aside.insert(token.clone(), now + ASIDE_FOR);
            self.probe(vec![token]);
        }
    }

    fn probe(&mut self, tokens: Vec<TokenId>) {
        if tokens.is_empty() {
            return;
        }
        if let Err(error) = self.ears.prober.try_send(tokens) {
            // The prober has more than it can do: back to their sockets, which will name them again.
            let (mpsc::error::TrySendError::Full(tokens) | mpsc::error::TrySendError::Closed(tokens)) = error;
            for token in &tokens {
                self.roster.release(token);
            }
        }
    }

    /// Tells each socket its list where that changed; new ones are opened.
    fn tell_lists(&mut self, sockets: &mut Tasks, stop: &CancellationToken) {
        while self.lists.len() < self.roster.sockets() {
            let number = self.lists.len();
            let (list, told) = watch::channel(Arc::default());
            self.lists.push(list);
            self.board.add_socket();
            let socket = Socket {
                number,
                instance: self.config.instance.clone(),
                settings: self.config.sockets.clone(),
                list: told,
                desk: Desk::new(self.budget.clone(), self.config.trade_age_max),
                outlet: self.outlet.clone(),
                board: self.board.clone(),
                words: self.words.clone(),
                turnstile: self.turnstile.clone(),
                announced: self.announced.clone(),
                book_every: self.config.book_every,
            };
            sockets.spawn(format!("socket {number}"), socket.run(stop.clone()));
        }
        for (socket, list) in self.roster.changes() {
            self.lists[socket].send_replace(list);
        }
        let (markets, tokens, left_out) = self.roster.sizes();
        self.board.followed(markets, tokens, left_out);
    }
}
