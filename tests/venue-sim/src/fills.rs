//! The fills that the Data API tells.
//!
//! Knows: which fill becomes visible when, newest first, within a bound. Never: the shape of an answer.

use std::collections::{HashMap, VecDeque};

use crate::units::{Price, Side, Size};

/// Fills kept of one market, and of the feed over all markets.
const KEPT: usize = 10_000;

/// One fill as the chain settled it.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    /// Running number; also what a cursor points at.
    pub(crate) number: u64,
    pub(crate) market: usize,
    pub(crate) token: usize,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) size: Size,
    /// Moment of the block, in ms: the match and the settlement delay.
    pub(crate) settled_at_ms: u64,
    pub(crate) transaction_hash: String,
}

/// All fills that are kept.
#[derive(Debug)]
pub(crate) struct Fills {
    settlement_ms: u64,
    next: u64,
    recent: VecDeque<Fill>,
    by_market: HashMap<usize, VecDeque<Fill>>,
}

impl Fills {
    pub(crate) fn new(settlement_ms: u64) -> Self {
        Self { settlement_ms, next: 1, recent: VecDeque::new(), by_market: HashMap::new() }
    }

    /// Writes down a fill matched at `matched_at_ms`; its number and block time are given here.
    pub(crate) fn push(&mut self, mut fill: Fill, matched_at_ms: u64) {
        fill.number = self.next;
        fill.settled_at_ms = matched_at_ms + self.settlement_ms;
        self.next += 1;
        let of_market = self.by_market.entry(fill.market).or_default();
        for queue in [of_market, &mut self.recent] {
            queue.push_back(fill.clone());
            if queue.len() > KEPT {
                queue.pop_front();
            }
        }
    }

    /// The settlement delay in ms.
    pub(crate) fn settlement_ms(&self) -> u64 {
        self.settlement_ms
    }

    /// What is visible at `now_ms` of these markets (of all, if none is named), newest first.
    pub(crate) fn visible(&self, markets: Option<&[usize]>, now_ms: u64) -> Vec<&Fill> {
        let mut found: Vec<&Fill> = match markets {
            None => self.recent.iter().collect(),
            Some(markets) => {
                markets.iter().filter_map(|market| self.by_market.get(market)).flatten().collect()
            }
        };
        found.retain(|fill| fill.settled_at_ms <= now_ms);
        found.sort_by_key(|fill| std::cmp::Reverse((fill.settled_at_ms / 1000, fill.number)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(market: usize) -> Fill {
        Fill {
            number: 0,
            market,
            token: 0,
            side: Side::Buy,
            price: Price::of(5_000),
            size: Size::of_hundredths(100),
            settled_at_ms: 0,
            transaction_hash: "0xabc".to_owned(),
        }
    }

    #[test]
    fn a_fill_is_visible_from_its_settlement_on_and_not_before() {
        let mut fills = Fills::new(2_000);
        fills.push(fill(3), 10_000);
        assert_eq!(fills.visible(Some(&[3]), 11_999).len(), 0);
        assert_eq!(fills.visible(Some(&[3]), 12_000).len(), 1);
        assert_eq!(fills.visible(Some(&[4]), 12_000).len(), 0);
        assert_eq!(fills.visible(None, 12_000).len(), 1);
    }

    #[test]
    fn fills_come_newest_first() {
        let mut fills = Fills::new(0);
        for moment in [5_000, 9_000, 7_000] {
            fills.push(fill(1), moment);
        }
        let order: Vec<u64> = fills.visible(None, 99_000).iter().map(|fill| fill.settled_at_ms).collect();
        assert_eq!(order, [9_000, 7_000, 5_000]);
    }
}
