//! What a test does to a running simulator, and what it may look at.
//!
//! Knows: the handles and their plain answers. Never: how a frame is made; it waits for nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Simulator;
use crate::book::Level;
use crate::clock;
use crate::market::Listing;
use crate::scenario::Cut;
use crate::scenario::catalogue::{ClosedTokens, LateListing, ResolutionForm};
use crate::units::Side;

/// Whether the venue says that a market ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Announced {
    /// With a `market_resolved` to everybody who asked for custom features.
    Openly,
    /// Only Gamma shows it.
    Silently,
}

/// What [`Simulator::replace_markets`] did: condition ids, in the order of the markets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replaced {
    /// Closed without a word.
    pub closed: Vec<String>,
    /// Opened with a `new_market`.
    pub opened: Vec<String>,
}

/// A removal that the venue made and did not tell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LostRemoval {
    /// Market.
    pub condition_id: String,
    /// The token whose entry was left out.
    pub token_id: String,
    /// Side of the level in that token's book.
    pub side: Side,
    /// Its price, as text.
    pub price: String,
    /// When, in ms since the epoch.
    pub at_ms: u64,
}

/// The venue's own book of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrueBook {
    /// Price and size, best first, as texts of the wire.
    pub bids: Vec<(String, String)>,
    /// Price and size, best first, as texts of the wire.
    pub asks: Vec<(String, String)>,
    /// Moment of the last change, in ms since the epoch.
    pub timestamp_ms: u64,
    /// Hash after that change: 40 hexadecimal digits.
    pub hash: String,
}

impl Simulator {
    /// From now on a subscription that names one of these tokens closes its socket with 1011 and has no other
    /// effect. Sockets that have the token already are left alone.
    pub fn poison(&self, tokens: impl IntoIterator<Item = String>) {
        self.shared.venue().ailments.poison(tokens);
    }

    /// Takes back the poison of a token.
    pub fn cure(&self, token: &str) {
        self.shared.venue().ailments.cure(token);
    }

    /// The tokens that are poisoned, those of the scenario included.
    pub fn poisoned(&self) -> Vec<String> {
        self.shared.venue().ailments.poisoned()
    }

    /// The next `times` opening books of each of these tokens do not come; changes flow as usual. Counted is
    /// only what would have come otherwise.
    pub fn withhold_books(&self, tokens: impl IntoIterator<Item = String>, times: u32) {
        self.shared.venue().ailments.withhold(tokens, times);
    }

    /// The next time the ordinary stream removes a level behind the best one on a market whose first token is
    /// subscribed, that token is not told. Each call arms one loss.
    pub fn lose_removal(&self) {
        self.shared.venue().ailments.arm_loss();
    }

    /// Moves the venue's own book of a market by 0.2 and more without a word: the sockets show a wrong one. For
    /// so long nothing is sent of it; then changes carry the hashes of the true one.
    pub fn move_book(&self, condition_id: &str, quiet_for: Duration) {
        let (mut venue, now_ms) = (self.shared.venue(), clock::now_ms());
        let quiet_ms = u64::try_from(quiet_for.as_millis()).unwrap_or(u64::MAX);
        if let Some(market) = venue.condition(condition_id) {
            venue.move_in_silence(market, now_ms.saturating_add(quiet_ms), now_ms);
        }
    }

    /// Changes the smallest price step of a market, in ten-thousandths of a dollar: 10 is 0.001.
    pub fn set_tick_size(&self, condition_id: &str, ten_thousandths: u16) {
        let mut venue = self.shared.venue();
        if let Some(market) = venue.condition(condition_id) {
            venue.send_tick_size(market, ten_thousandths, clock::now_ms());
        }
    }

    /// What was lost so far, oldest first; 10,000 at most.
    pub fn lost_removals(&self) -> Vec<LostRemoval> {
        self.shared.venue().ailments.lost()
    }

    /// Closes those of these markets that are open: Gamma calls them closed, their tokens have no book and no
    /// more changes. Returns how many were open.
    pub fn resolve(&self, condition_ids: &[String], announced: Announced) -> usize {
        let mut venue = self.shared.venue();
        let markets: Vec<usize> = condition_ids.iter().filter_map(|id| venue.condition(id)).collect();
        venue.close(&markets, announced, clock::now_ms())
    }

    /// Takes the books of those of these markets that are open, without a word: their end is long past, Gamma
    /// goes on to call them open and accepting orders. Returns how many were open.
    pub fn expire(&self, condition_ids: &[String]) -> usize {
        let mut venue = self.shared.venue();
        let markets: Vec<usize> = condition_ids.iter().filter_map(|id| venue.condition(id)).collect();
        venue.expire(&markets, clock::now_ms())
    }

    /// Opens the next reserved market with a `new_market` to everybody; its condition id, if there was one.
    pub fn announce(&self) -> Option<String> {
        let mut venue = self.shared.venue();
        let market = venue.open_next(clock::now_ms())?;
        Some(venue.markets[market].condition_id.to_string())
    }

    /// How Gamma shows the markets that are announced from now on; `None`: in full at once.
    pub fn list_late(&self, late: Option<LateListing>) {
        self.shared.venue().catalogue.late = late;
    }

    /// How Gamma shows the tokens of closed markets from now on.
    pub fn show_closed_tokens(&self, tokens: ClosedTokens) {
        self.shared.venue().catalogue.closed_tokens = tokens;
    }

    /// How the Data API tells resolutions from now on.
    pub fn tell_resolutions(&self, form: ResolutionForm) {
        self.shared.venue().catalogue.resolution_form = form;
    }

    /// The tokens of a market that was announced, whatever Gamma shows of it.
    pub fn tokens_of(&self, condition_id: &str) -> Vec<String> {
        let venue = self.shared.venue();
        let market = venue.condition(condition_id).map(|at| &venue.markets[at]);
        market.into_iter().flat_map(|market| &market.tokens).map(|token| token.id.to_string()).collect()
    }

    /// Silently closes that share of the open ordinary markets, evenly spread, and opens as many reserved ones
    /// with a `new_market` to everybody; no more than are reserved. One frame a market goes to each socket.
    pub fn replace_markets(&self, part_percent: u32) -> Replaced {
        self.shared.venue().replace(part_percent, clock::now_ms())
    }

    /// Starts to end that many sockets, chosen by the seed, and returns how many they are.
    pub fn drop_some(&self, count: usize, cut: Cut, seed: u64) -> usize {
        let mut ids = self.shared.venue().hub.ids();
        ids.sort_unstable();
        fastrand::Rng::with_seed(seed).shuffle(&mut ids);
        ids.truncate(count);
        self.shared.end_these(&ids, cut);
        ids.len()
    }

    /// WebSocket upgrades beyond that many in any one second are answered with 429; `None` lifts the limit.
    pub fn limit_connects(&self, per_s: Option<u32>) {
        self.shared.door.limit(per_s);
    }

    /// From now on `/data/trades` answers 404.
    pub fn retire_v1(&self) {
        self.shared.desk.retire_v1();
    }

    /// All tokens of all open markets.
    pub fn open_tokens(&self) -> Vec<String> {
        let venue = self.shared.venue();
        let open = venue.markets.iter().filter(|market| market.listing == Listing::Open);
        open.flat_map(|market| &market.tokens).map(|token| token.id.to_string()).collect()
    }

    /// The venue's own book of an open token; none if it is not open or its book is not known yet (replay).
    pub fn book_of(&self, token: &str) -> Option<TrueBook> {
        let mut venue = self.shared.venue();
        let (market, token) = venue.token(token)?;
        venue.markets[market].furnish(clock::now_ms());
        let book = &venue.markets[market].tokens[token].book;
        let best_first = |levels: &[Level]| -> Vec<(String, String)> {
            levels.iter().rev().map(|level| (level.price.to_string(), level.size.to_string())).collect()
        };
        (book.changed_at_ms > 0).then(|| TrueBook {
            bids: best_first(book.levels(Side::Buy)),
            asks: best_first(book.levels(Side::Sell)),
            timestamp_ms: book.changed_at_ms,
            hash: book.hash.text(),
        })
    }
}
