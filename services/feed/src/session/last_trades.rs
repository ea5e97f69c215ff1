//! The newest trades of a token, by the time of their execution: what the price was before another one.
//!
//! Knows: times and prices of one token's own trades. Never: a verdict, the other outcome of the market.

use std::collections::VecDeque;

use contract::money::Price;
use contract::time::Timestamp;

/// Trades remembered: a burst comes in another order than it was executed in, but not by more.
const REMEMBERED: usize = 16;

/// The newest trades, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct LastTrades(VecDeque<(Timestamp, Price)>);

impl LastTrades {
    /// The price of the trade before one executed at `at`, and remembers that one. `counts`: whether it is young enough
    /// to say anything about what comes.
    pub(crate) fn before(&mut self, at: Timestamp, price: Price, counts: bool) -> Option<Price> {
        let place = self.0.partition_point(|(executed_at, _)| *executed_at <= at);
        let before = place.checked_sub(1).map(|place| self.0[place].1);
        if counts {
            self.0.insert(place, (at, price));
            if self.0.len() > REMEMBERED {
                self.0.pop_front();
            }
        }
        before
    }

    /// Trades may have been missed: nothing is known of the price before the next one.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::of_text(text).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn before(trades: &mut LastTrades, second: i64, text: &str, counts: bool) -> Option<String> {
        trades.before(at(second), price(text), counts).map(|price| price.to_string())
    }

    #[test]
    fn the_price_before_is_that_of_the_trade_executed_before_in_whatever_order_they_come() {
        let mut trades = LastTrades::default();
        assert_eq!(before(&mut trades, 10, "0.5", true), None);
        assert_eq!(before(&mut trades, 30, "0.7", true).as_deref(), Some("0.5"));
        assert_eq!(before(&mut trades, 20, "0.6", true).as_deref(), Some("0.5"), "it came late");
        assert_eq!(before(&mut trades, 40, "0.8", true).as_deref(), Some("0.7"));
        assert_eq!(before(&mut trades, 25, "0.1", true).as_deref(), Some("0.6"));
        assert_eq!(
            before(&mut trades, 40, "0.9", true).as_deref(),
            Some("0.8"),
            "of the same moment, the first one received"
        );
    }

    #[test]
    fn a_trade_that_is_too_old_moves_nothing_and_one_from_the_future_comes_after_the_others() {
        let mut trades = LastTrades::default();
        before(&mut trades, 1_000, "0.5", true);
        assert_eq!(before(&mut trades, 600, "0.1", false), None);
        assert_eq!(before(&mut trades, 1_060, "0.9", true).as_deref(), Some("0.5"));
        assert_eq!(
            before(&mut trades, 1_001, "0.6", true).as_deref(),
            Some("0.5"),
            "not the one from the future"
        );
    }

    #[test]
    fn after_a_break_nothing_is_known_and_memory_is_bounded() {
        let mut trades = LastTrades::default();
        for second in 0..100 {
            before(&mut trades, second, "0.5", true);
        }
        assert_eq!(trades.0.len(), REMEMBERED);
        trades.forget();
        assert_eq!(before(&mut trades, 200, "0.5", true), None);
    }
}
