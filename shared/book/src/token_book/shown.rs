//! What others may see of a book: the quote before a trade, and the book as a tick.
//!
//! Knows: which states are between two groups. Never: a change.

use std::time::Duration;

use contract::ids::TickId;
use contract::tick::{Book, Prevailing};
use contract::time::Timestamp;

use super::TokenBook;
use crate::MATCH_SPREAD;

impl TokenBook {
    /// The quote that prevailed just before a trade executed at `executed_at` and received at `received_at`.
    ///
    /// None without a book, and as long as every state of it was crossed. Its age is the time since a frame last
    /// confirmed the book.
    pub fn prevailing(&self, executed_at: Timestamp, received_at: Timestamp) -> Option<Prevailing> {
        let ladder = self.ladder.as_ref()?;
        let before = executed_at.minus(MATCH_SPREAD);
        let is_inside = self.group.as_ref().is_some_and(|group| !group.is_quiet(received_at));
        let is_before = self.changed_at.is_some_and(|at| at <= before);
        let now = Some(ladder.top()).filter(|top| is_before && !is_inside && !top.is_crossed());
        let top = now.or_else(|| self.settled.at(before))?;
        let age = self.confirmed_at.map_or(Duration::ZERO, |at| received_at.since(at));
        let age_us = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        Some(Prevailing { best_bid: top.best_bid, best_ask: top.best_ask, age_us })
    }

    /// The book as it is now, as a tick; none without a live book, inside a group, or crossed.
    ///
    /// `hash` is the newest stated, `hash_ok` what the check of just this state said (none: not checked),
    /// `changed_at` the newest change.
    pub fn to_tick(&self, received_at: Timestamp) -> Option<Book> {
        let ladder =
            self.ladder.as_ref().filter(|ladder| self.group.is_none() && !ladder.top().is_crossed())?;
        let mut book = Book {
            id: TickId::of_bytes([0; 16]),
            condition_id: self.context.condition_id.clone(),
            token_id: self.context.token_id.clone(),
            bids: ladder.bids().collect(),
            asks: ladder.asks().collect(),
            hash: self.hash.clone(),
            hash_ok: self.hash_ok,
            tick_size: self.context.tick_size,
            last_trade_price: self.last_trade_price(),
            changed_at: self.changed_at?,
            received_at,
        };
        book.id = book.content_id();
        Some(book)
    }
}
