//! The order book of one token: snapshot, deltas, the prevailing quote.
//!
//! Knows: levels, match groups, what was best just before a trade. Never: a socket, a clock.
//!
//! What is not done here yet: the venue's SHA-1 over a book is carried, not computed.

mod ladder;
mod settled;

use std::time::Duration;

use contract::money::Price;
use contract::tick::{Book, Prevailing, PriceChange, Quote};
use contract::time::Timestamp;

pub use ladder::Ladder;
use settled::Settled;

/// A trade is stamped up to 30 ms after the book changes it caused; what is older than this was there before.
///
/// Source: captures of 2026-09-30 (20 to 30 ms between `best_bid_ask` and its `last_trade_price`).
const MATCH_SPREAD: Duration = Duration::from_millis(50);

/// Best bid and ask.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Top {
    /// Highest bid.
    pub best_bid: Option<Price>,
    /// Lowest ask.
    pub best_ask: Option<Price>,
}

/// What became of a snapshot or a delta.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Applied {
    /// It is in the book now.
    Yes,
    /// It is older than what the book holds, which contains it already.
    Older,
    /// A delta for a book that has had no snapshot: it waits for one.
    NoSnapshot,
}

/// The book of one token on one connection.
#[derive(Clone, Debug, Default)]
pub struct TokenBook {
    ladder: Option<Ladder>,
    /// Time of the newest snapshot or delta in the book, by the venue's clock.
    changed_at: Option<Timestamp>,
    /// Time of the newest snapshot.
    snapshot_at: Option<Timestamp>,
    /// When a frame last confirmed the book.
    confirmed_at: Option<Timestamp>,
    /// The best prices that the venue stated with the newest group.
    stated: Option<Top>,
    settled: Settled,
    differences: u64,
}

impl Top {
    /// Whether a bid stands at or above an ask, as it does inside a match group.
    pub fn is_crossed(self) -> bool {
        matches!((self.best_bid, self.best_ask), (Some(bid), Some(ask)) if bid >= ask)
    }
}

impl TokenBook {
    /// Replaces the book by a snapshot, unless the book already knows something newer.
    pub fn snapshot(&mut self, book: &Book) -> Applied {
        if self.ladder.is_some() && self.changed_at.is_some_and(|newest| book.changed_at < newest) {
            return Applied::Older;
        }
        self.settle();
        self.ladder = Some(Ladder::of(book));
        self.changed_at = Some(book.changed_at);
        self.snapshot_at = Some(book.changed_at);
        self.confirmed_at = Some(book.received_at);
        self.stated = None;
        self.settle();
        Applied::Yes
    }

    /// Applies one changed level. Changes with the same time belong to one group, seen as one.
    pub fn apply(&mut self, change: &PriceChange) -> Applied {
        if self.ladder.is_none() {
            return Applied::NoSnapshot;
        }
        if self.snapshot_at.is_some_and(|snapshot| change.changed_at < snapshot) {
            return Applied::Older;
        }
        if self.changed_at.is_some_and(|newest| newest != change.changed_at) {
            self.settle();
        }
        if let Some(ladder) = &mut self.ladder {
            ladder.set(change.side, change.price, change.size);
        }
        self.changed_at = self.changed_at.max(Some(change.changed_at));
        self.confirmed_at = Some(change.received_at);
        let stated = Top { best_bid: change.best_bid, best_ask: change.best_ask };
        self.stated = (stated != Top::default()).then_some(stated);
        Applied::Yes
    }

    /// Takes the venue's own best prices as a sign that the book is alive.
    pub fn confirm(&mut self, quote: &Quote) {
        if self.ladder.is_some() {
            self.confirmed_at = Some(quote.received_at);
        }
    }

    /// Forgets the book: its connection is lost, and nobody knows what changed since.
    pub fn lose(&mut self) {
        let differences = self.differences;
        *self = Self { differences, ..Self::default() };
    }

    /// Whether a snapshot has come since the connection stands.
    pub fn is_live(&self) -> bool {
        self.ladder.is_some()
    }

    /// The levels, if there is a book.
    pub fn ladder(&self) -> Option<&Ladder> {
        self.ladder.as_ref()
    }

    /// Times a settled group's best prices differed from those the venue stated with it.
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// The quote that prevailed just before a trade executed at `executed_at` and received at `received_at`.
    ///
    /// None without a book. Its age is the time since a frame last confirmed the book.
    pub fn prevailing(&self, executed_at: Timestamp, received_at: Timestamp) -> Option<Prevailing> {
        let ladder = self.ladder.as_ref()?;
        let before = executed_at.minus(MATCH_SPREAD);
        let open =
            self.changed_at.filter(|&at| at <= before).map(|_| ladder.top()).filter(|top| !top.is_crossed());
        let top = open.or_else(|| self.settled.at(before)).unwrap_or_else(|| ladder.top());
        let age = self.confirmed_at.map_or(Duration::ZERO, |at| received_at.since(at));
        let age_us = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        Some(Prevailing { best_bid: top.best_bid, best_ask: top.best_ask, age_us })
    }

    /// Ends the group under way: what the book shows now is what others may see.
    fn settle(&mut self) {
        let (Some(ladder), Some(changed_at)) = (&self.ladder, self.changed_at) else { return };
        let top = ladder.top();
        if let Some(stated) = self.stated.take()
            && stated != top
        {
            self.differences += 1;
        }
        if !top.is_crossed() {
            self.settled.push(changed_at, top);
        }
    }
}

#[cfg(test)]
mod tests;
