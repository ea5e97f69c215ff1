//! The tokens: what each is called, its best prices, when it was last heard of.
//!
//! Knows: each within a bound. Never: the levels of a book, a token's past.

mod tick_rate;
mod token_status;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Resolution};
use contract::money::Price;
use contract::tick::Kind;
use contract::time::Timestamp;
use contract::verdict::Verdict;
use rust_decimal::Decimal;

use super::event::{Event, Name};
use tick_rate::TickRate;

pub(crate) use token_status::{Row, Snapshot, TokenStatus};

/// Tokens kept: more than the venue ever had open at once. Beyond it the first learned go.
pub(crate) const TOKENS_MAX: usize = 100_000;

/// The tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// By slot, so that a row has a small name that lasts.
    slots: Vec<Token>,
    places: HashMap<TokenId, usize>,
    markets: HashMap<ConditionId, Arc<About>>,
    /// Markets that the feed gave up, by their gap of that cause.
    given_up: HashMap<ConditionId, Timestamp>,
    learned: VecDeque<TokenId>,
    /// Counts changes of names, so that an order by name is made anew only then.
    names: u64,
    max: usize,
}

/// What is known of a market.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct About {
    pub(crate) question: Arc<str>,
    pub(crate) slug: String,
    pub(crate) end_at: Option<Timestamp>,
    pub(crate) neg_risk: bool,
    pub(crate) tick_size: Option<Decimal>,
    pub(crate) volume_24h: Option<Decimal>,
    pub(crate) resolution: Option<Resolution>,
    closed: bool,
}

/// What a token is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Label {
    pub(crate) outcome: Arc<str>,
    /// Question, outcome and slug in small letters, to be searched.
    pub(crate) text: Arc<str>,
}

#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "`token_id` is its name everywhere")]
struct Token {
    token_id: TokenId,
    condition_id: ConditionId,
    about: Option<Arc<About>>,
    label: Option<Label>,
    live: Live,
}

/// How a token stands.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    bid: Option<Price>,
    ask: Option<Price>,
    /// When the feed read these two.
    quoted_at: Option<Timestamp>,
    last: Option<Price>,
    traded_at: Option<Timestamp>,
    has_book: bool,
    /// When a book agreed with the venue's hash.
    agreed_at: Option<Timestamp>,
    last_tick_at: Option<Timestamp>,
    pace: TickRate,
}

/// How a token stood when it was last stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seed {
    pub(crate) token_id: TokenId,
    pub(crate) bid: Option<Price>,
    pub(crate) ask: Option<Price>,
    pub(crate) quoted_at: Timestamp,
    pub(crate) last: Option<(Price, Timestamp)>,
}

// === impl Tokens ===

impl Tokens {
    /// Learns or corrects what is known of a market.
    pub(crate) fn learn(&mut self, market: &Market) {
        let about = Arc::new(About {
            question: market.question.as_str().into(),
            slug: market.slug.clone(),
            end_at: market.end_at,
            neg_risk: market.neg_risk,
            tick_size: market.tick_size,
            volume_24h: market.volume_24h,
            resolution: market.resolution.clone(),
            closed: market.closed,
        });
        self.markets.insert(market.condition_id.clone(), about.clone());
        for outcome in &market.tokens {
            let text = format!("{}\n{}\n{}", market.question, outcome.outcome, market.slug).to_lowercase();
            let label = Label { outcome: outcome.outcome.as_str().into(), text: text.into() };
            let place = self.place(&outcome.token_id, &market.condition_id);
            let token = &mut self.slots[place];
            token.about = Some(about.clone());
            if token.label.as_ref() != Some(&label) {
                token.label = Some(label);
                self.names += 1;
            }
        }
    }

    /// The feed does not follow a market since `opened_at`, or does again.
    pub(crate) fn followed(&mut self, market: &ConditionId, given_up_at: Option<Timestamp>) {
        match given_up_at {
            Some(at) if self.given_up.len() < self.max => drop(self.given_up.insert(market.clone(), at)),
            Some(_) => {}
            None => drop(self.given_up.remove(market)),
        }
    }

    /// Takes an event of a token.
    pub(crate) fn tick(&mut self, event: &Event, now: Timestamp) {
        let place = self.place(&event.token_id, &event.condition_id);
        self.slots[place].live.tick(event, now);
    }

    /// Takes how a token stood when it was last stored, where nothing newer is known.
    pub(crate) fn seed(&mut self, seed: &Seed) {
        let Some(&place) = self.places.get(&seed.token_id) else { return };
        let live = &mut self.slots[place].live;
        if live.quoted_at.is_none_or(|at| at < seed.quoted_at) {
            (live.bid, live.ask, live.quoted_at) = (seed.bid, seed.ask, Some(seed.quoted_at));
        }
        live.has_book = true;
        live.last_tick_at = live.last_tick_at.max(Some(seed.quoted_at));
        if let Some((price, at)) = seed.last {
            live.traded(price, at);
        }
    }

    /// Tokens without a book, which the database may know.
    pub(crate) fn bare(&self) -> Vec<TokenId> {
        let bare = self.slots.iter().filter(|token| !token.live.has_book && self.is_followed(token));
        bare.map(|token| token.token_id.clone()).collect()
    }

    /// Question and outcome of a token.
    pub(crate) fn name(&self, token_id: &TokenId) -> Option<Name> {
        let token = &self.slots[*self.places.get(token_id)?];
        let (about, label) = token.about.as_ref().zip(token.label.as_ref())?;
        Some(Name { question: about.question.clone(), outcome: label.outcome.clone() })
    }

    /// Market of a token.
    pub(crate) fn market_of(&self, token_id: &TokenId) -> Option<ConditionId> {
        self.places.get(token_id).map(|&place| self.slots[place].condition_id.clone())
    }

    /// Question of a market.
    pub(crate) fn question(&self, condition_id: &ConditionId) -> Option<Arc<str>> {
        self.markets.get(condition_id).map(|about| about.question.clone())
    }

    /// Known, and neither closed nor given up by the feed.
    fn is_followed(&self, token: &Token) -> bool {
        !token.about.as_ref().is_some_and(|about| about.closed)
            && !self.given_up.contains_key(&token.condition_id)
    }

    /// The slot of a token, which is made if there is none.
    fn place(&mut self, token_id: &TokenId, condition_id: &ConditionId) -> usize {
        if let Some(&place) = self.places.get(token_id) {
            return place;
        }
        let token = Token {
            token_id: token_id.clone(),
            condition_id: condition_id.clone(),
            about: self.markets.get(condition_id).cloned(),
            label: None,
            live: Live::default(),
        };
        self.names += 1;
        self.learned.push_back(token_id.clone());
        let oldest = if self.learned.len() > self.max { self.learned.pop_front() } else { None };
        let place = if let Some(place) = oldest.and_then(|oldest| self.places.remove(&oldest)) {
            let gone = std::mem::replace(&mut self.slots[place], token);
            self.markets.remove(&gone.condition_id);
            self.given_up.remove(&gone.condition_id);
            place
        } else {
            self.slots.push(token);
            self.slots.len() - 1
        };
        self.places.insert(token_id.clone(), place);
        place
    }

    #[cfg(test)]
    pub(crate) fn bounded(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.slots.len().max(self.places.len()).max(self.learned.len()).max(self.markets.len())
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            places: HashMap::new(),
            markets: HashMap::new(),
            given_up: HashMap::new(),
            learned: VecDeque::new(),
            names: 0,
            max: TOKENS_MAX,
        }
    }
}

// === impl Live ===

impl Live {
    fn tick(&mut self, event: &Event, now: Timestamp) {
        self.last_tick_at = self.last_tick_at.max(Some(event.received_at));
        self.pace.count(event.received_at, now);
        match event.kind {
            Kind::Trade => {
                if let Some(price) = event.price.filter(|_| event.verdict != Verdict::Refused) {
                    self.traded(price, event.at);
                }
            }
            Kind::Book => {
                self.has_book = true;
                self.quoted(event.best_bid, event.best_ask, event.received_at);
                if event.hash_ok == Some(true) {
                    self.agreed_at = self.agreed_at.max(Some(event.received_at));
                }
            }
            // A tick that states neither says nothing about them.
            Kind::Price | Kind::Quote => {
                if event.best_bid.is_some() || event.best_ask.is_some() {
                    self.quoted(event.best_bid, event.best_ask, event.received_at);
                }
            }
            Kind::TickSize => {}
        }
    }

    /// Several processors may pass on ticks out of order.
    fn quoted(&mut self, bid: Option<Price>, ask: Option<Price>, at: Timestamp) {
        if self.quoted_at.is_none_or(|quoted_at| quoted_at <= at) {
            (self.bid, self.ask, self.quoted_at) = (bid, ask, Some(at));
        }
    }

    fn traded(&mut self, price: Price, at: Timestamp) {
        if self.traded_at.is_none_or(|traded_at| traded_at <= at) {
            (self.last, self.traded_at) = (Some(price), Some(at));
        }
    }
}

#[cfg(test)]
mod tests;
