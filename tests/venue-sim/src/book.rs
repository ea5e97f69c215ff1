//! The order book of one token, in the order of the wire.
//!
//! Knows: levels, their order, the best of each side. Never: a market, a frame, a clock.

use crate::digest::Hash;
use crate::units::{Price, Side, Size};

/// One price with the shares resting there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Level {
    pub(crate) price: Price,
    pub(crate) size: Size,
}

/// Both sides of one token's book. The best level of each side is the last one, as on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    /// Ascending.
    bids: Vec<Level>,
    /// Descending.
    asks: Vec<Level>,
    /// Moment of the last change, in ms since the epoch; 0 while the book was never filled.
    pub(crate) changed_at_ms: u64,
    /// Hash after the last change.
    pub(crate) hash: Hash,
    /// Price of the last trade of this token, if it ever traded.
    pub(crate) last_trade: Option<Price>,
}

impl Book {
    pub(crate) fn empty() -> Self {
        Self { bids: Vec::new(), asks: Vec::new(), changed_at_ms: 0, hash: Hash::default(), last_trade: None }
    }

    /// The levels of a side: bids ascending, asks descending.
    pub(crate) fn levels(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Sets the total size at a price; size 0 removes the level.
    pub(crate) fn set(&mut self, side: Side, price: Price, size: Size) {
        let (levels, found) = match side {
            Side::Buy => {
                let found = self.bids.binary_search_by(|level| level.price.cmp(&price));
                (&mut self.bids, found)
            }
            Side::Sell => {
                let found = self.asks.binary_search_by(|level| price.cmp(&level.price));
                (&mut self.asks, found)
            }
        };
        match (found, size == Size::ZERO) {
            (Ok(at), true) => {
                levels.remove(at);
            }
            (Ok(at), false) => levels[at].size = size,
            (Err(at), false) => levels.insert(at, Level { price, size }),
            (Err(_), true) => {}
        }
    }

    /// Size resting at a price, 0 if none.
    pub(crate) fn size_at(&self, side: Side, price: Price) -> Size {
        self.levels(side).iter().find(|level| level.price == price).map_or(Size::ZERO, |level| level.size)
    }

    /// Removes every level.
    pub(crate) fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// The best level of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).last().copied()
    }

    /// Best bid as shown: 0 when there is none.
    pub(crate) fn best_bid(&self) -> Price {
        self.best(Side::Buy).map_or(Price::ZERO, |level| level.price)
    }

    /// Best ask as shown: 1 when there is none.
    pub(crate) fn best_ask(&self) -> Price {
        self.best(Side::Sell).map_or(Price::ONE, |level| level.price)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bids_ascend_and_asks_descend_so_that_the_best_is_last() {
        let mut book = Book::empty();
        for units in [500, 300, 400] {
            book.set(Side::Buy, Price::of(units), Size::of_hundredths(100));
            book.set(Side::Sell, Price::of(units + 1000), Size::of_hundredths(100));
        }
        let prices = |side| book.levels(side).iter().map(|level| level.price.units()).collect::<Vec<_>>();
        assert_eq!(prices(Side::Buy), [300, 400, 500]);
        assert_eq!(prices(Side::Sell), [1500, 1400, 1300]);
        assert_eq!((book.best_bid(), book.best_ask()), (Price::of(500), Price::of(1300)));
    }

    #[test]
    fn an_empty_side_shows_zero_as_bid_and_one_as_ask() {
        let book = Book::empty();
        assert_eq!((book.best_bid(), book.best_ask()), (Price::ZERO, Price::ONE));
    }

    proptest! {
        #[test]
        fn a_book_equals_a_plain_map_after_any_changes(
            changes in proptest::collection::vec((any::<bool>(), 0_u16..50, 0_u64..4), 0..200)
        ) {
            let mut book = Book::empty();
            let mut model = BTreeMap::new();
            for (buys, price, size) in changes {
                let side = if buys { Side::Buy } else { Side::Sell };
                book.set(side, Price::of(price), Size::of_hundredths(size));
                if size == 0 { model.remove(&(buys, price)); } else { model.insert((buys, price), size); }
            }
            let of = |wanted: bool| model.iter().filter(move |((buys, _), _)| *buys == wanted)
                .map(|((_, price), size)| (*price, Size::of_hundredths(*size))).collect::<Vec<_>>();
            let seen = |side| book.levels(side).iter().map(|l| (l.price.units(), l.size)).collect::<Vec<_>>();
            prop_assert_eq!(seen(Side::Buy), of(true));
            prop_assert_eq!(seen(Side::Sell), of(false).into_iter().rev().collect::<Vec<_>>());
        }
    }
}
