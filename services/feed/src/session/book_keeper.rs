//! Where the frames of one socket become ticks: numbered, stamped, checked against what is followed.
//!
//! Knows: the books of its tokens. Never: a socket, the bus, a clock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use book::{Applied, BookStats, Budget, Check, TokenBook, Trust};
use contract::gap::Cause;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::money::Price;
use contract::overruled::Overruled;
use contract::tick::{Book, Tick, TickSizeChange};
use contract::time::Timestamp;
use polymarket::rest::RestBook;
use polymarket::translate::{ControlFrame, FrameEvent, frame};
use rust_decimal::Decimal;

use crate::control::MarketEvent;
use crate::publish::dead_letters::Unknown;
use crate::session::assignments::AssignedMarket;
use crate::session::last_trades::LastTrades;
use crate::session::occurrence::OccurrenceCounter;

/// A book is not re-fetched more often than this.
const RESYNC_EVERY: Duration = Duration::from_mins(1);

/// A book that one group did not match, and that no later group has confirmed, is re-fetched after this long.
const SUSPECT_MAX: Duration = Duration::from_secs(2);
/// So many checks say whether the venue's rule is understood at all.
const CHECKS_MIN: u64 = 50;

/// The step in which books show their last trade.
const SHOWN_STEP: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// The books of one socket. It outlives the connections of its socket.
#[derive(Debug)]
pub(crate) struct BookKeeper {
    tokens: HashMap<TokenId, TrackedToken>,
    markets: HashMap<ConditionId, AssignedMarket>,
    occurrences: OccurrenceCounter,
    budget: HashBudget,
    /// Tokens with a match group that has not ended.
    grouping: HashSet<TokenId>,
    /// Tokens whose book one group did not agree with.
    suspects: HashSet<TokenId>,
    /// Of markets that left.
    past: BookStats,
    /// An older trade says nothing of the price before the next one.
    trade_age_max: Duration,
}

/// What may be hashed by all sockets together.
pub(crate) type HashBudget = Arc<Mutex<Budget>>;

/// What a frame came to.
#[derive(Debug, Default)]
pub(crate) struct FrameOutcome {
    /// Ticks, in the frame's order, ready to be published.
    pub(crate) ticks: Vec<Tick>,
    /// What could not be understood: why, and its bytes.
    pub(crate) refused: Vec<(String, Vec<u8>)>,
    /// Events of types that this version does not know.
    pub(crate) unknown: Vec<Unknown>,
    /// Tokens whose book came with this frame.
    pub(crate) opened: Vec<TokenId>,
    /// Tokens of which something came, and which have no book.
    pub(crate) without_book: Vec<TokenId>,
    /// Markets whose snapshot shows a last trade that we never received.
    pub(crate) missed: Vec<ConditionId>,
    /// Markets all of whose books are live since this frame.
    pub(crate) completed: Vec<ConditionId>,
    /// Books to be re-fetched.
    pub(crate) broken: Vec<WrongBook>,
    /// Events that the venue sends to every socket.
    pub(crate) news: Vec<MarketEvent>,
    /// Ticks about tokens that nobody asked for.
    pub(crate) unwatched: u64,
    /// Hashes that are none; their ticks were read.
    pub(crate) hashes_unreadable: u64,
    /// The venue did not understand what was subscribed.
    pub(crate) not_understood: bool,
    /// Our `PING` was answered.
    pub(crate) pong: bool,
    /// The venue wants an answer.
    pub(crate) ping: bool,
}

/// A book that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WrongBook {
    /// How that is known.
    pub(crate) cause: Cause,
    /// Its token.
    pub(crate) token: TokenId,
    /// Its market.
    pub(crate) market: ConditionId,
    /// Up to here the book was right, as far as is known.
    pub(crate) right_until: Option<Timestamp>,
}

#[derive(Debug)]
struct TrackedToken {
    market: ConditionId,
    book: TokenBook,
    last_trades: LastTrades,
    heard_at: Option<Timestamp>,
    /// Since when the book is suspect.
    suspect_at: Option<Timestamp>,
    resynced_at: Option<Timestamp>,
    /// `changed_at` of the book that was published last.
    told_at: Option<Timestamp>,
}

impl BookKeeper {
    /// A book keeper without tokens.
    pub(crate) fn new(budget: HashBudget, trade_age_max: Duration) -> Self {
        Self {
            trade_age_max,
            tokens: HashMap::new(),
            markets: HashMap::new(),
            occurrences: OccurrenceCounter::default(),
            budget,
            grouping: HashSet::new(),
            suspects: HashSet::new(),
            past: BookStats::default(),
        }
    }

    /// Makes the list of what is watched its own: tokens to be subscribed, then those to be given up.
    pub(crate) fn follow(&mut self, list: &[AssignedMarket]) -> (Vec<TokenId>, Vec<TokenId>) {
        let wanted: HashSet<&TokenId> = list.iter().flat_map(|watched| &watched.tokens).collect();
        let left: Vec<TokenId> =
            self.tokens.keys().filter(|token| !wanted.contains(token)).cloned().collect();
        for token in &left {
            if let Some(held) = self.tokens.remove(token) {
                self.past += held.book.stats();
            }
            self.grouping.remove(token);
            self.suspects.remove(token);
        }
        self.markets = list.iter().map(|watched| (watched.market.clone(), watched.clone())).collect();
        let mut new = Vec::new();
        for watched in list {
            for token in &watched.tokens {
                if let Some(held) = self.tokens.get_mut(token) {
                    held.book.set_context(watched.hash_context(token));
                } else {
                    self.tokens.insert(token.clone(), TrackedToken::new(watched, token));
                    new.push(token.clone());
                }
            }
        }
        (new, left)
    }

    /// The tokens, a market's side by side.
    pub(crate) fn tokens(&self) -> Vec<TokenId> {
        self.markets.values().flat_map(|watched| watched.tokens.iter().cloned()).collect()
    }

    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        self.tokens.len()
    }

    /// The markets.
    pub(crate) fn markets(&self) -> impl Iterator<Item = &ConditionId> {
        self.markets.keys()
    }

    /// Whether the token is one of this books's and has no book.
    pub(crate) fn lacks_book(&self, token: &TokenId) -> bool {
        self.tokens.get(token).is_some_and(|held| !held.book.is_live())
    }

    /// The token with a book that nothing was said of for the longest time.
    pub(crate) fn quietest(&self) -> Option<TokenId> {
        let live = self.tokens.iter().filter(|(_, held)| held.book.is_live());
        live.min_by_key(|(_, held)| held.heard_at).map(|(token, _)| token.clone())
    }

    /// Tokens whose book is live.
    pub(crate) fn live(&self) -> usize {
        self.tokens.values().filter(|held| held.book.is_live()).count()
    }

    /// What was counted of all books, those that left included.
    pub(crate) fn stats(&self) -> BookStats {
        let mut tally = self.past;
        for held in self.tokens.values() {
            tally += held.book.stats();
        }
        tally
    }

    /// Whether all books of the market are live, and none of its tokens is held back.
    pub(crate) fn is_complete(&self, market: &ConditionId) -> bool {
        let watched = self.markets.get(market).filter(|watched| watched.held == 0);
        watched.is_some_and(|watched| !watched.tokens.iter().any(|token| self.lacks_book(token)))
    }

    /// Forgets all books and last prices: the connection is lost. Occurrence counters stay.
    pub(crate) fn reset_books(&mut self) {
        for held in self.tokens.values_mut() {
            held.book.reset();
            held.last_trades.forget();
        }
        self.grouping.clear();
        self.suspects.clear();
    }

    /// Resets the book of a token that is about to be subscribed again.
    pub(crate) fn reset_book(&mut self, token: &TokenId) {
        if let Some(held) = self.tokens.get_mut(token) {
            held.book.reset();
            held.last_trades.forget();
        }
        self.grouping.remove(token);
        self.suspects.remove(token);
    }

    /// Reads a text frame received at `received_at`.
    pub(crate) fn read(&mut self, text: &str, received_at: Timestamp) -> FrameOutcome {
        let mut reading = FrameOutcome::default();
        for event in frame(text, received_at) {
            match event {
                FrameEvent::Tick(tick) => self.take(tick, &mut reading),
                FrameEvent::Refused { error, bytes } => {
                    reading.refused.push((error, bytes.as_bytes().to_vec()));
                }
                FrameEvent::Unknown { kind, count, sample } => {
                    reading.unknown.push(Unknown { kind, count, sample: sample.as_bytes().to_vec() });
                }
                FrameEvent::HashUnreadable(count) => reading.hashes_unreadable += count,
                FrameEvent::NotUnderstood => reading.not_understood = true,
                FrameEvent::Nothing(ControlFrame::Pong) => reading.pong = true,
                FrameEvent::Nothing(ControlFrame::Ping) => reading.ping = true,
                FrameEvent::Nothing(ControlFrame::Empty) => {}
                FrameEvent::NewMarket(market) => reading.news.push(MarketEvent::New(market)),
                FrameEvent::Resolved(market, resolution) => {
                    reading.news.push(MarketEvent::Resolved(market, resolution));
                }
            }
        }
        reading
    }

    /// Takes a book from REST that the socket did not bring.
    pub(crate) fn snapshot(&mut self, book: RestBook, received_at: Timestamp) -> FrameOutcome {
        let mut reading = FrameOutcome::default();
        if self.lacks_book(&book.token_id) {
            self.take(Tick::Book(of_rest(book, received_at)), &mut reading);
        }
        reading
    }

    /// The book that REST has overruled, unless it agrees with the trade by now.
    pub(crate) fn doubted(&mut self, overruled: &Overruled, now: Timestamp) -> Option<WrongBook> {
        let held = self.tokens.get_mut(&overruled.token_id)?;
        let top = held.book.ladder()?.top();
        let sides = [top.best_bid, top.best_ask].into_iter().flatten().map(Price::decimal);
        let (low, high) = (sides.clone().min()?, sides.max()?);
        let price = overruled.price.decimal();
        let away = (low - price).max(price - high);
        (away > overruled.deviation_max)
            .then(|| held.fetch_anew(&overruled.token_id, Cause::Overruled, now))?
    }

    /// Whether a match group waits for its end, or a suspect for its time.
    pub(crate) fn has_open_groups(&self) -> bool {
        !self.grouping.is_empty() || !self.suspects.is_empty()
    }

    /// Closes the groups that have been idle for a while; returns the books to be re-fetched.
    pub(crate) fn close_idle_groups(&mut self, now: Timestamp) -> Vec<WrongBook> {
        let mut broken = Vec::new();
        {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            let (tokens, suspects) = (&mut self.tokens, &mut self.suspects);
            self.grouping.retain(|token| {
                let Some(held) = tokens.get_mut(token) else { return false };
                let open = held.book.close_idle_group(now, &mut budget);
                if held.is_suspect(now) {
                    suspects.insert(token.clone());
                }
                open
            });
            suspects.retain(|token| {
                let Some(held) = tokens.get_mut(token) else { return false };
                broken.extend(held.broken(token, now));
                held.is_suspect(now)
            });
        }
        self.credible(broken)
    }

    /// Nothing is re-fetched while most books mismatch: then the hash rule itself is not understood.
    fn credible(&self, broken: Vec<WrongBook>) -> Vec<WrongBook> {
        if broken.is_empty() {
            return broken;
        }
        let BookStats { checked, mismatches, .. } = self.stats();
        if checked >= CHECKS_MIN && 2 * mismatches > checked { Vec::new() } else { broken }
    }

    /// The books that changed since they were published last, as they are now.
    pub(crate) fn changed_books(&mut self, now: Timestamp) -> Vec<Book> {
        let mut books = Vec::new();
        for held in self.tokens.values_mut() {
            let Some(book) = held.book.to_tick(now) else { continue };
            if held.told_at.is_none_or(|told_at| book.changed_at > told_at) {
                held.told_at = Some(book.changed_at);
                books.push(book);
            }
        }
        books
    }

    fn take(&mut self, mut tick: Tick, reading: &mut FrameOutcome) {
        let token = tick.token_id().clone();
        let Some(held) = self.tokens.get_mut(&token) else {
            reading.unwatched += 1;
            return;
        };
        if held.market != *tick.condition_id() {
            let error =
                format!("token {token} belongs to market {}, not to {}", held.market, tick.condition_id());
            reading.refused.push((error, contract::codec::encode_tick(&tick)));
            return;
        }
        if !matches!(tick, Tick::Book(_)) {
            tick.set_id(self.occurrences.next_id(tick.id()));
        }
        let (was_live, received_at) = (held.book.is_live(), tick.received_at());
        held.heard_at = Some(received_at);
        if held.missed_trade(&tick) {
            reading.missed.push(held.market.clone());
        }
        {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            held.note(&mut tick, &mut budget, self.trade_age_max);
        }
        if !matches!(tick, Tick::Book(_)) && held.is_suspect(received_at) {
            self.suspects.insert(token.clone());
        }
        let broken = held.broken(&token, received_at);
        if held.book.has_open_group() {
            self.grouping.insert(token.clone());
        }
        if let Tick::TickSize(TickSizeChange { new_tick_size, changed_at, .. }) = &tick {
            reading.news.push(MarketEvent::TickSize(held.market.clone(), *new_tick_size, *changed_at));
        }
        let opens = !was_live && held.book.is_live();
        let market = held.market.clone();
        reading.broken.extend(self.credible(broken.into_iter().collect()));
        if let Tick::Trade(trade) = &tick {
            // Both books of a market show its last trade (captured on 2026-06-30).
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            for sibling in self.markets.get(&market).into_iter().flat_map(|watched| &watched.tokens) {
                if let Some(held) = self.tokens.get_mut(sibling) {
                    held.book.traded(trade.price, &mut budget);
                }
            }
        }
        if opens {
            if self.is_complete(&market) {
                reading.completed.push(market);
            }
            reading.opened.push(token);
        } else if !was_live {
            reading.without_book.push(token);
        }
        reading.ticks.push(tick);
    }
}

impl TrackedToken {
    fn new(watched: &AssignedMarket, token: &TokenId) -> Self {
        Self {
            market: watched.market.clone(),
            book: TokenBook::new(watched.hash_context(token)),
            last_trades: LastTrades::default(),
            heard_at: None,
            suspect_at: None,
            resynced_at: None,
            told_at: None,
        }
    }

    /// Brings the book up to date and stamps a trade with what prevailed before it.
    fn note(&mut self, tick: &mut Tick, budget: &mut Budget, trade_age_max: Duration) {
        match tick {
            Tick::Book(book) => {
                let (applied, check) = self.book.snapshot(book, budget);
                book.hash_ok = match check {
                    Check::Agreed => Some(true),
                    Check::Differs => Some(false),
                    Check::Unknown | Check::Skipped => None,
                };
                if applied == Applied::Yes {
                    self.told_at = self.told_at.max(Some(book.changed_at));
                }
            }
            Tick::Price(change) => {
                self.book.apply(change, budget);
            }
            Tick::Quote(quote) => self.book.confirm(quote),
            Tick::Trade(trade) => {
                // The last trade of a book is the market's, which may be the other outcome's: it says nothing here.
                let counts = trade.received_at.since(trade.executed_at) <= trade_age_max;
                trade.price_before = self.last_trades.before(trade.executed_at, trade.price, counts);
                trade.prevailing = self.book.prevailing(trade.executed_at, trade.received_at);
            }
            Tick::TickSize(change) => self.book.set_tick_size(change.new_tick_size),
        }
    }

    /// Whether a group did not agree; the time since is kept.
    fn is_suspect(&mut self, now: Timestamp) -> bool {
        let suspect = self.book.trust() == Trust::Suspect;
        self.suspect_at = suspect.then(|| self.suspect_at.unwrap_or(now));
        suspect
    }

    /// The book to be re-fetched, if any; not again within a minute, for where the venue's own hash is odd
    /// that helps nobody.
    fn broken(&mut self, token: &TokenId, now: Timestamp) -> Option<WrongBook> {
        let lasting = self.suspect_at.is_some_and(|at| now.since(at) >= SUSPECT_MAX);
        let is_broken =
            self.book.trust() == Trust::Broken || (self.book.trust() == Trust::Suspect && lasting);
        is_broken.then(|| self.fetch_anew(token, Cause::BookMismatch, now))?
    }

    fn fetch_anew(&mut self, token: &TokenId, cause: Cause, now: Timestamp) -> Option<WrongBook> {
        if self.resynced_at.is_some_and(|at| now.since(at) < RESYNC_EVERY) {
            return None;
        }
        self.resynced_at = Some(now);
        Some(WrongBook {
            cause,
            token: token.clone(),
            market: self.market.clone(),
            right_until: self.book.verified_at(),
        })
    }

    /// Whether a snapshot shows another last trade than the one we received.
    fn missed_trade(&self, tick: &Tick) -> bool {
        let Tick::Book(book) = tick else { return false };
        let pair = book.last_trade_price.zip(self.book.last_trade_price());
        // The venue shows three decimals.
        pair.is_some_and(|(shown, received)| (shown.decimal() - received.decimal()).abs() >= SHOWN_STEP)
    }
}

/// A book of REST as the tick that a socket would have brought.
fn of_rest(book: RestBook, received_at: Timestamp) -> Book {
    let mut tick = Book {
        id: TickId::of_bytes([0; 16]),
        condition_id: book.condition_id,
        token_id: book.token_id,
        bids: book.bids,
        asks: book.asks,
        hash: book.hash,
        hash_ok: None,
        tick_size: book.tick_size,
        last_trade_price: book.last_trade_price,
        changed_at: book.changed_at,
        received_at,
    };
    tick.id = tick.content_id();
    tick
}

#[cfg(test)]
mod tests;
