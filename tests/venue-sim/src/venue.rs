//! The venue's whole state, and the one way in which frames leave it.
//!
//! Knows: markets, listeners, fills, the ledger; each send is recorded and queued in one step, so that an
//! opening book and the changes after it cannot cross. Never: when or why something is sent; it never waits.

pub(crate) mod catalogue;
mod faults;
pub(crate) mod listing;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::ws::Message;

use self::catalogue::Catalogue;
use self::faults::Faults;
use self::listing::Listings;
use self::windows::Windows;
use crate::expect::Expectation;
use crate::fills::{Fill, Fills};
use crate::frame::{self, Change, Trade};
use crate::hub::{Hub, Reach};
use crate::initial_markets;
use crate::ledger::{Kind, Ledger, Occasion, Record, Settled, Special};
use crate::market::{Market, mirrored};
use crate::scenario::Scenario;
use crate::scenario::catalogue::Settlement;
use crate::units::{Price, Side, Size};
use crate::universe::Row;

/// Everything behind the one lock.
#[derive(Debug)]
pub(crate) struct Venue {
    pub(crate) markets: Vec<Market>,
    pub(crate) hub: Hub,
    pub(crate) fills: Fills,
    /// Markets that somebody subscribed to once: the ordinary stream goes there.
    pub(crate) active: Vec<usize>,
    /// When an opening book was last sent.
    pub(crate) opened_at_ms: u64,
    /// While true nothing but PONG goes out.
    pub(crate) frozen: bool,
    /// No opening book is sent before that moment.
    pub(crate) books_from_ms: u64,
    /// A byte that no UTF-8 has was sent: from then on the wires look for it.
    pub(crate) unclean: Arc<AtomicBool>,
    /// How much later than asked for opening books are queued, in ms.
    pub(crate) dump_lag_ms: u64,
    /// How many of a hundred opening books lack a member.
    pub(crate) sparse_books_percent: u32,
    pub(crate) ailments: Faults,
    pub(crate) listings: Listings,
    pub(crate) catalogue: Catalogue,
    pub(crate) settlement: Settlement,
    windows: Windows,
    pub(crate) by_token: HashMap<Arc<str>, (usize, usize)>,
    pub(crate) by_condition: HashMap<Arc<str>, usize>,
    pub(crate) ledger: Arc<Ledger>,
    scratch: String,
}

/// An order in the terms of the first token's book: the new total at a price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) size: Size,
}

/// A trade about to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Print {
    pub(crate) market: usize,
    pub(crate) token: usize,
    pub(crate) side: Side,
    pub(crate) price: Price,
    /// The true size, as the Data API tells it.
    pub(crate) size: Size,
    /// The size on the wire; `None` leaves it out.
    pub(crate) size_text: Option<String>,
    pub(crate) timestamp_ms: u64,
    /// As the Data API tells it.
    pub(crate) transaction_hash: String,
    /// As the frame tells it; `None` leaves it out.
    pub(crate) hash_text: Option<String>,
    /// The side as the frame tells it, in JSON; `None` leaves it out.
    pub(crate) side_json: Option<&'static str>,
    pub(crate) at_rest: bool,
    pub(crate) expected: Expectation,
}

impl Venue {
    /// A venue as a scenario begins; `rows` takes the place of its ordinary markets.
    pub(crate) fn of_scenario(
        scenario: &Scenario,
        rows: Option<Vec<Row>>,
        fills: Fills,
        ledger: Arc<Ledger>,
        now_ms: u64,
    ) -> Self {
        let mut venue = Self::of_markets(initial_markets::markets(scenario, rows, now_ms), fills, ledger);
        venue.dump_lag_ms = scenario.dump_lag_ms;
        venue.sparse_books_percent = scenario.sparse_books_percent;
        venue.windows = scenario.updown.map(|updown| Windows::of(&venue.markets, updown)).unwrap_or_default();
        venue.catalogue = Catalogue {
            late: scenario.late_listing,
            closed_tokens: scenario.closed_tokens,
            tick_lag_ms: scenario.tick_lag_ms,
            close_lag_ms: scenario.close_lag_ms,
            resolution_form: scenario.resolution_form,
        };
        venue.settlement = scenario.settlement;
        venue.afflict(scenario);
        venue
    }

    /// A venue with these markets.
    pub(crate) fn of_markets(markets: Vec<Market>, fills: Fills, ledger: Arc<Ledger>) -> Self {
        let mut by_token = HashMap::with_capacity(markets.len() * 2);
        let mut by_condition = HashMap::with_capacity(markets.len());
        for (at, market) in markets.iter().enumerate() {
            by_condition.insert(Arc::clone(&market.condition_id), at);
            for (token_at, token) in market.tokens.iter().enumerate() {
                by_token.insert(Arc::clone(&token.id), (at, token_at));
            }
        }
        Self {
            hub: Hub::for_markets(markets.len()),
            listings: Listings::of(&markets),
            catalogue: Catalogue::default(),
            settlement: Settlement::default(),
            windows: Windows::default(),
            markets,
            fills,
            active: Vec::new(),
            opened_at_ms: 0,
            frozen: false,
            books_from_ms: 0,
            unclean: Arc::default(),
            dump_lag_ms: 0,
            sparse_books_percent: 0,
            ailments: Faults::default(),
            by_token,
            by_condition,
            ledger,
            scratch: String::new(),
        }
    }

    /// Applies a match group or a single change, then sends one price change for each order, all with the
    /// final hashes and best prices. `lead` is the token named first in each frame.
    pub(crate) fn change(
        &mut self,
        market: usize,
        orders: &[Order],
        stamp_ms: u64,
        lead: usize,
        now_ms: u64,
    ) {
        self.apply(market, orders, stamp_ms);
        for order in orders {
            self.send_change(market, *order, lead, Occasion::Live, now_ms);
        }
    }

    /// Applies orders and computes hashes; sends nothing.
    pub(crate) fn apply(&mut self, market: usize, orders: &[Order], stamp_ms: u64) {
        let of = &mut self.markets[market];
        for order in orders {
            of.apply(order.side, order.price, order.size);
        }
        of.rehash(stamp_ms, &mut self.scratch);
    }

    /// Sends a price change for an order that is applied already.
    pub(crate) fn send_change(
        &mut self,
        market: usize,
        order: Order,
        lead: usize,
        occasion: Occasion,
        now_ms: u64,
    ) {
        self.markets[market].touched_at_ms = now_ms;
        let of = &self.markets[market];
        let changes: Vec<Change> = [lead, 1 - lead]
            .into_iter()
            .filter(|token| *token < of.tokens.len())
            .map(|token| {
                let (side, price) = mirrored(token, order.side, order.price);
                Change { token, side, price, size: order.size }
            })
            .collect();
        let stamp_ms = of.book().changed_at_ms;
        let text = frame::price_change(of, &changes, stamp_ms);
        let record = |change: &Change| (change.token, self.change_record(market, *change, occasion, now_ms));
        let records = changes.iter().map(record).collect();
        self.publish(market, Reach::Token, &Message::text(text), records);
    }

    /// Sends the best prices of a market's tokens.
    pub(crate) fn send_quotes(&mut self, market: usize, stamp_ms: u64, now_ms: u64) {
        for token in 0..self.markets[market].tokens.len() {
            let of = &self.markets[market];
            let text = frame::best_bid_ask(of, token, stamp_ms);
            let best = (of.tokens[token].book.best_bid(), of.tokens[token].book.best_ask());
            let mut record = self.record(market, token, Kind::Quote, stamp_ms, now_ms);
            record.best = Some(best);
            self.publish(market, Reach::TokenCustom, &Message::text(text), vec![(token, record)]);
        }
    }

    /// Sends both books of a market, as after a trade.
    pub(crate) fn send_books(&mut self, market: usize, now_ms: u64) {
        for token in 0..self.markets[market].tokens.len() {
            let text = frame::book(&self.markets[market], token);
            let record = self.book_record(market, token, Occasion::Live, now_ms);
            self.publish(market, Reach::Token, &Message::text(text), vec![(token, record)]);
        }
    }

    /// Sends a new tick size of a market, which its books take over.
    pub(crate) fn send_tick_size(&mut self, market: usize, tick: u16, now_ms: u64) {
        let old = std::mem::replace(&mut self.markets[market].tick, tick);
        self.markets[market].tick_before = Some((old, now_ms));
        let stamp_ms = self.markets[market].next_stamp(now_ms);
        for token in 0..self.markets[market].tokens.len() {
            let held_at_ms = self.markets[market].tokens[token].book.changed_at_ms;
            self.markets[market].rehash_token(token, held_at_ms, &mut self.scratch);
            let text = frame::tick_size_change(&self.markets[market], token, old, stamp_ms);
            let record = self.record(market, token, Kind::TickSize, stamp_ms, now_ms);
            self.publish(market, Reach::Token, &Message::text(text), vec![(token, record)]);
        }
    }

    /// Sends a trade and writes down its fill. Both books show its price as the last one from then on.
    pub(crate) fn send_trade(&mut self, print: &Print, now_ms: u64) {
        let price_text = print.price.to_string();
        let trade = Trade {
            token: print.token,
            price: &price_text,
            size: print.size_text.as_deref(),
            side: print.side_json,
            timestamp_ms: print.timestamp_ms,
            transaction_hash: print.hash_text.as_deref(),
        };
        let text = frame::last_trade_price(&self.markets[print.market], trade);
        let record = self.trade_record(print, now_ms);
        self.settle(print);
        self.publish(print.market, Reach::Token, &Message::text(text), vec![(print.token, record)]);
    }

    /// What follows from a trade besides its frame: the last trade price, and the fill if REST is to know it.
    pub(crate) fn settle(&mut self, print: &Print) {
        let market = &mut self.markets[print.market];
        market.last_side = Some(print.side);
        if market.book().last_trade != Some(print.price) {
            market.trade_at(print.price);
            for token in 0..market.tokens.len() {
                let held_at_ms = market.tokens[token].book.changed_at_ms;
                market.rehash_token(token, held_at_ms, &mut self.scratch);
            }
        }
        if print.at_rest {
            let fill = Fill {
                number: 0,
                market: print.market,
                token: print.token,
                side: print.side,
                price: print.price,
                size: print.size,
                settled_at_ms: 0,
                transaction_hash: print.transaction_hash.clone(),
            };
            self.fills.push(fill, print.timestamp_ms);
        }
    }

    /// Records and queues one frame. Without anybody to get it only its trades are recorded: nothing else
    /// that nobody could see matters, while a trade can still be asked for at REST.
    pub(crate) fn publish(
        &mut self,
        market: usize,
        reach: Reach,
        message: &Message,
        records: Vec<(usize, Record)>,
    ) {
        let bits: Vec<u8> = records.iter().map(|(token, _)| 1_u8 << (*token & 7)).collect();
        let all = bits.iter().fold(0, |all, bit| all | bit);
        if self.frozen || !self.hub.reaches(market, all, reach) {
            let trades =
                records.into_iter().map(|(_, record)| record).filter(|record| record.kind == Kind::Trade);
            self.ledger.push(trades);
            return;
        }
        let first = self.ledger.push(records.into_iter().map(|(_, record)| record));
        self.hub.deliver(market, &bits, reach, message, first);
    }

    /// Records and queues one frame about several tokens (replay).
    pub(crate) fn publish_across(
        &mut self,
        about: &[(usize, usize)],
        message: &Message,
        records: Vec<Record>,
    ) {
        let first = self.ledger.push(records.into_iter());
        if !self.frozen {
            self.hub.deliver_across(about, message, first);
        }
    }

    /// A record with only the members that every kind has.
    pub(crate) fn record(
        &self,
        market: usize,
        token: usize,
        kind: Kind,
        stamp_ms: u64,
        now_ms: u64,
    ) -> Record {
        let of = &self.markets[market];
        Record {
            kind,
            occasion: Occasion::Live,
            condition_id: Arc::clone(&of.condition_id),
            // A market that cannot be traded has none.
            token_id: of.tokens.get(token).map_or_else(|| Arc::from(""), |token| Arc::clone(&token.id)),
            side: None,
            price: None,
            size: None,
            best: None,
            timestamp_ms: stamp_ms,
            hash: None,
            sent_at_ms: now_ms,
            special: None,
            deliveries: 0,
            doubts: 0,
        }
    }

    /// The record of a trade.
    pub(crate) fn trade_record(&self, print: &Print, now_ms: u64) -> Record {
        let mut record = self.record(print.market, print.token, Kind::Trade, print.timestamp_ms, now_ms);
        record.side = (print.side_json == Some(print.side.json())).then_some(print.side);
        record.price = Some(print.price);
        record.special = Some(Box::new(Special {
            size: print.size_text.clone(),
            transaction_hash: print.hash_text.clone(),
            expected: Some(print.expected.clone()),
            at_rest: print.at_rest.then(|| Settled {
                transaction_hash: print.transaction_hash.clone(),
                size: print.size.to_string(),
            }),
            ..Special::default()
        }));
        record
    }

    /// The record of one entry of a price change, as its book is now.
    pub(crate) fn change_record(
        &self,
        market: usize,
        change: Change,
        occasion: Occasion,
        now_ms: u64,
    ) -> Record {
        let book = &self.markets[market].tokens[change.token].book;
        let mut record = self.record(market, change.token, Kind::Price, book.changed_at_ms, now_ms);
        record.occasion = occasion;
        record.side = Some(change.side);
        record.price = Some(change.price);
        record.size = Some(change.size);
        record.best = Some((book.best_bid(), book.best_ask()));
        record.hash = Some(book.hash);
        record
    }

    /// The record of a book as it is now.
    pub(crate) fn book_record(&self, market: usize, token: usize, occasion: Occasion, now_ms: u64) -> Record {
        let book = &self.markets[market].tokens[token].book;
        let mut record = self.record(market, token, Kind::Book, book.changed_at_ms, now_ms);
        record.occasion = occasion;
        record.hash = Some(book.hash);
        record
    }
}
