//! The levels of a book, both sides.
//!
//! Knows: what rests at which price. Never: when that changed.

use std::collections::BTreeMap;

use contract::money::{Price, Size};
use contract::tick::{Book, Level, Side};

use crate::Top;

/// All levels, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ladder {
    bids: BTreeMap<Price, Size>,
    asks: BTreeMap<Price, Size>,
}

impl Ladder {
    /// The levels of a snapshot.
    pub fn of(book: &Book) -> Self {
        let side = |levels: &[Level]| levels.iter().map(|&Level(price, size)| (price, size)).collect();
        Self { bids: side(&book.bids), asks: side(&book.asks) }
    }

    /// Sets the total resting at a level; zero removes it.
    pub fn set(&mut self, side: Side, price: Price, total: Size) {
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if total.is_zero() {
            levels.remove(&price);
        } else {
            levels.insert(price, total);
        }
    }

    /// Best bid and ask.
    pub fn top(&self) -> Top {
        Top {
            best_bid: self.bids.last_key_value().map(|(&price, _)| price),
            best_ask: self.asks.first_key_value().map(|(&price, _)| price),
        }
    }

    /// Bids, best first.
    pub fn bids(&self) -> impl Iterator<Item = Level> + '_ {
        self.bids.iter().rev().map(|(&price, &size)| Level(price, size))
    }

    /// Asks, best first.
    pub fn asks(&self) -> impl Iterator<Item = Level> + '_ {
        self.asks.iter().map(|(&price, &size)| Level(price, size))
    }

    /// How many levels there are on both sides.
    pub fn levels(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// Bids, lowest first, as they are hashed.
    pub(crate) fn bids_upwards(&self) -> impl Iterator<Item = Level> + '_ {
        self.bids.iter().map(|(&price, &size)| Level(price, size))
    }

    /// Asks, highest first, as they are hashed.
    pub(crate) fn asks_downwards(&self) -> impl Iterator<Item = Level> + '_ {
        self.asks.iter().rev().map(|(&price, &size)| Level(price, size))
    }
}
