//! Which markets are open, and their order at Gamma.
//!
//! Knows: what is reserved, opened, closed; ranks. Never: a book, a filter of a question.

use std::collections::VecDeque;

use axum::extract::ws::Message;

use super::{Order, Venue};
use crate::controls::{Announced, Replaced};
use crate::frame;
use crate::hub::Reach;
use crate::ledger::Kind;
use crate::market::{Listing, Market, Purpose};
use crate::scenario::Scenario;
use crate::scenario::catalogue::Settlement;
use crate::units::{Side, Size};

/// Close code of a socket that has nothing left to say.
const NORMAL: u16 = 1000;
/// How long a market goes on to trade that nobody listens to: longer than any client takes to come back.
const UNHEARD_MAX_MS: u64 = 600_000;

/// Orders and queues of market numbers.
#[derive(Debug)]
pub(crate) struct Listings {
    pub(crate) by_volume: Ranking,
    pub(crate) by_id: Ranking,
    /// Not announced yet, in the order in which they will be.
    reserved: VecDeque<usize>,
    /// Announced in this run, oldest first.
    announced: Vec<usize>,
}

/// All markets in one order, whatever their listing; it never changes.
#[derive(Debug)]
pub(crate) struct Ranking {
    order: Vec<usize>,
    /// By market number: its place in the order.
    ranks: Vec<usize>,
}

impl Ranking {
    fn by<K: Ord>(markets: &[Market], key: impl Fn(&Market) -> K) -> Self {
        let mut order: Vec<usize> = (0..markets.len()).collect();
        order.sort_by_cached_key(|at| key(&markets[*at]));
        let mut ranks = vec![0; order.len()];
        for (rank, at) in order.iter().enumerate() {
            ranks[*at] = rank;
        }
        Self { order, ranks }
    }

    /// All market numbers, first rank first.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The place of a market, from 0; that of an unknown one is behind all others.
    pub(crate) fn rank(&self, market: usize) -> usize {
        self.ranks.get(market).copied().unwrap_or(usize::MAX)
    }
}

impl Listings {
    pub(crate) fn of(markets: &[Market]) -> Self {
        // Short ones wait for their window.
        let reserved =
            markets.iter().filter(|market| market.listing == Listing::Reserved && market.window.is_none());
        Self {
            by_volume: Ranking::by(markets, |market| (std::cmp::Reverse(market.volume_cents), market.number)),
            by_id: Ranking::by(markets, |market| {
                (frame::gamma_id(market).parse::<u64>().unwrap_or(u64::MAX), market.number)
            }),
            reserved: reserved.map(|market| market.number).collect(),
            announced: Vec::new(),
        }
    }
}

impl Venue {
    /// The market and the place in it of an open token.
    pub(crate) fn token(&self, id: &str) -> Option<(usize, usize)> {
        let found = self.by_token.get(id).copied();
        found.filter(|(market, _)| self.markets[*market].listing == Listing::Open)
    }

    /// The market of a condition id that was announced.
    pub(crate) fn condition(&self, id: &str) -> Option<usize> {
        let found = self.by_condition.get(id).copied();
        found.filter(|market| self.markets[*market].listing != Listing::Reserved)
    }

    /// The last market that was announced in this run and is still open.
    pub(crate) fn last_announced(&self) -> Option<usize> {
        let open = |market: &&usize| self.markets[**market].listing == Listing::Open;
        self.listings.announced.iter().rev().find(open).copied()
    }

    /// Opens the next reserved market and tells everybody with custom features.
    pub(crate) fn open_next(&mut self, now_ms: u64) -> Option<usize> {
        let market = self.listings.reserved.pop_front()?;
        self.listings.announced.push(market);
        self.announce(market, now_ms);
        Some(market)
    }

    /// Opens a reserved market and tells everybody with custom features; Gamma may list it later.
    pub(crate) fn announce(&mut self, market: usize, now_ms: u64) {
        let late = self.catalogue.late.map(|late| (now_ms + u64::from(late.for_s) * 1000, late.form));
        (self.markets[market].listing, self.markets[market].late) = (Listing::Open, late);
        let text = frame::new_market(&self.markets[market], now_ms);
        self.proclaim(market, text, now_ms);
    }

    /// Closes those of these markets that Gamma calls open, and returns how many were.
    pub(crate) fn close(&mut self, markets: &[usize], announced: Announced, now_ms: u64) -> usize {
        let mut closed = 0;
        for market in markets.iter().copied() {
            if !self.markets[market].listing.is_open_at_gamma() {
                continue;
            }
            closed += 1;
            let observed = announced == Announced::Openly && self.settlement == Settlement::Observed;
            if observed {
                self.empty(market, now_ms);
            }
            self.markets[market].listing = Listing::Closed;
            self.markets[market].closed_at_ms = now_ms;
            match (announced, observed) {
                (Announced::Openly, false) => {
                    let text = frame::market_resolved(&self.markets[market], now_ms);
                    self.proclaim(market, text, now_ms);
                }
                (Announced::Openly, true) => self.tell_subscribers(market, now_ms),
                (Announced::Silently, _) => {}
            }
        }
        self.rest();
        closed
    }

    /// Removes every level of a market's books, each with a change.
    fn empty(&mut self, market: usize, now_ms: u64) {
        let book = self.markets[market].book();
        let gone = |side| {
            let levels = book.levels(side).iter();
            levels.map(move |level| Order { side, price: level.price, size: Size::ZERO })
        };
        let orders: Vec<Order> = gone(Side::Buy).chain(gone(Side::Sell)).collect();
        if !orders.is_empty() {
            let stamp_ms = self.markets[market].next_stamp(now_ms);
            self.change(market, &orders, stamp_ms, 0, now_ms);
        }
    }

    /// Tells a resolution to the subscribers of the market alone, and closes the sockets that have no open one.
    fn tell_subscribers(&mut self, market: usize, now_ms: u64) {
        let text = frame::market_resolved(&self.markets[market], now_ms);
        let tokens = 0..self.markets[market].tokens.len();
        let record = |token| (token, self.record(market, token, Kind::Market, now_ms, now_ms));
        let records = tokens.map(record).collect();
        self.publish(market, Reach::TokenCustom, &Message::text(text), records);
        for (socket, markets) in self.hub.listeners(market) {
            if markets.iter().all(|at| self.markets[*at].listing == Listing::Closed) {
                self.hub.close(socket, NORMAL, "all subscribed assets resolved");
            }
        }
    }

    /// Only open markets stay in the ordinary stream.
    pub(super) fn rest(&mut self) {
        let Self { markets, active, .. } = self;
        active.retain(|active| markets[*active].listing == Listing::Open);
    }

    /// Takes the markets from the ordinary stream that nobody has listened to for long: a client that left is
    /// not to have the ticks of those that came after it.
    pub(crate) fn leave_unheard(&mut self, now_ms: u64) {
        let Self { markets, active, hub, .. } = self;
        active.retain(|at| {
            let market = &mut markets[*at];
            if hub.reaches(*at, u8::MAX, Reach::Token) {
                market.heard_at_ms = now_ms;
            }
            market.active = now_ms < market.heard_at_ms + UNHEARD_MAX_MS;
            market.active
        });
    }

    /// Silently closes a share of the open ordinary markets, evenly spread, and opens as many reserved ones;
    /// no more than there are of these.
    pub(crate) fn replace(&mut self, part_percent: u32, now_ms: u64) -> Replaced {
        let open = self.open_ordinary();
        let part = usize::try_from(part_percent.min(100)).unwrap_or(100);
        let count = (open.len() * part / 100).min(self.listings.reserved.len());
        let closing = spread(&open, count);
        self.close(&closing, Announced::Silently, now_ms);
        let opened: Vec<usize> = (0..count).filter_map(|_| self.open_next(now_ms)).collect();
        let ids =
            |markets: Vec<usize>| markets.into_iter().map(|at| self.markets[at].condition_id.to_string());
        Replaced { closed: ids(closing).collect(), opened: ids(opened).collect() }
    }

    /// Gives the venue the poisoned tokens and missing books of a scenario: of ordinary markets, spread evenly
    /// over all of them; poisoned are first tokens, missing are the books of second ones.
    pub(crate) fn afflict(&mut self, scenario: &Scenario) {
        let open = self.open_ordinary();
        let id = |market: usize, token: usize| self.markets[market].tokens[token].id.to_string();
        let poisoned: Vec<String> =
            spread(&open, scenario.poison_tokens).into_iter().map(|market| id(market, 0)).collect();
        let missing = scenario.missing_books.iter().map(|missing| missing.tokens).sum();
        let mut missing = spread(&open, missing).into_iter().map(|market| id(market, 1)).collect::<Vec<_>>();
        self.ailments.poison(poisoned);
        for group in &scenario.missing_books {
            let rest = missing.split_off(group.tokens.min(missing.len()));
            self.ailments.withhold(std::mem::replace(&mut missing, rest), group.times);
        }
    }

    /// The open ordinary markets that have tokens, by number.
    fn open_ordinary(&self) -> Vec<usize> {
        let fits = |market: &&Market| {
            market.listing == Listing::Open
                && market.purpose == Purpose::Ordinary
                && !market.tokens.is_empty()
        };
        self.markets.iter().filter(fits).map(|market| market.number).collect()
    }

    fn proclaim(&mut self, market: usize, text: String, now_ms: u64) {
        let record = self.record(market, 0, Kind::Market, now_ms, now_ms);
        self.publish(market, Reach::EveryCustom, &Message::text(text), vec![(0, record)]);
    }
}

/// So many of these, at even distances, each at most once.
fn spread(all: &[usize], count: usize) -> Vec<usize> {
    let count = count.min(all.len());
    (0..count).map(|at| all[(2 * at + 1) * all.len() / (2 * count)]).collect()
}

#[cfg(test)]
#[path = "../listing_tests.rs"]
mod tests;
