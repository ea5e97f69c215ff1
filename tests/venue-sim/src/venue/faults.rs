//! What this venue does wrong on purpose and in silence: poisoned tokens, books that do not come, lost removals.
//!
//! Knows: which tokens, how often, what was lost. Never: a clock; who asked for it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use axum::extract::ws::Message;

use super::{Order, Venue};
use crate::controls::LostRemoval;
use crate::frame::{self, Change};
use crate::hub::Reach;
use crate::ledger::{Occasion, Special};
use crate::market::mirrored;
use crate::units::{Price, Size};

/// Lost removals remembered; an endless run loses far fewer.
const LOST_MAX: usize = 10_000;
/// The token whose entry is lost.
const LOSER: usize = 0;

/// The ailments of a venue.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    poisoned: BTreeSet<String>,
    /// Opening books still to be left out, by token.
    withheld: HashMap<String, u32>,
    /// Removals that are still to be lost.
    armed: u32,
    lost: VecDeque<LostRemoval>,
}

impl Faults {
    /// From now on these tokens end the socket that asks for them.
    pub(crate) fn poison(&mut self, tokens: impl IntoIterator<Item = String>) {
        self.poisoned.extend(tokens);
    }

    /// A token is harmless again.
    pub(crate) fn cure(&mut self, token: &str) {
        self.poisoned.remove(token);
    }

    /// The tokens that are poisoned.
    pub(crate) fn poisoned(&self) -> Vec<String> {
        self.poisoned.iter().cloned().collect()
    }

    /// Whether one of these tokens is poisoned.
    pub(crate) fn is_poisoned(&self, tokens: &[String]) -> bool {
        !self.poisoned.is_empty() && tokens.iter().any(|token| self.poisoned.contains(token))
    }

    /// The next `times` opening books of each of these tokens do not come.
    pub(crate) fn withhold(&mut self, tokens: impl IntoIterator<Item = String>, times: u32) {
        self.withheld.extend(tokens.into_iter().map(|token| (token, times)));
    }

    /// Whether the opening book that is due now is left out; counts it.
    pub(crate) fn withholds(&mut self, token: &str) -> bool {
        match self.withheld.get_mut(token) {
            None | Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// One more removal is to be lost.
    pub(crate) fn arm_loss(&mut self) {
        self.armed = self.armed.saturating_add(1);
    }

    /// What was lost, oldest first.
    pub(crate) fn lost(&self) -> Vec<LostRemoval> {
        self.lost.iter().cloned().collect()
    }
}

impl Venue {
    /// Data flows again, and opening books from that moment on.
    pub(crate) fn thaw(&mut self, books_from_ms: u64) {
        (self.frozen, self.books_from_ms) = (false, books_from_ms);
    }

    /// Moves the book of a market by 0.2 and more without a word, and sends nothing of it for a while.
    pub(crate) fn move_in_silence(&mut self, market: usize, quiet_until_ms: u64, now_ms: u64) {
        let of = &mut self.markets[market];
        of.furnish(now_ms);
        let mid = if of.book().best_bid() >= Price::of(4_900) { 2_500 } else { 7_500 };
        let (stamp_ms, mut random) = (of.next_stamp(now_ms), fastrand::Rng::with_seed(now_ms));
        of.furnish_around(mid, stamp_ms, &mut random);
        of.held_until_ms = quiet_until_ms;
    }

    /// Whether this order is a removal that is to be lost, and somebody is there to miss it.
    pub(crate) fn loses(&self, market: usize, order: Order) -> bool {
        self.ailments.armed > 0
            && order.size == Size::ZERO
            && !self.frozen
            && self.hub.reaches(market, 1 << LOSER, Reach::Token)
    }

    /// Applies an order and tells it of the second token only; the ledger has the entry that was withheld.
    pub(crate) fn change_but_lose(&mut self, market: usize, order: Order, stamp_ms: u64, now_ms: u64) {
        self.apply(market, &[order], stamp_ms);
        self.markets[market].touched_at_ms = now_ms;
        let entry = |token| {
            let (side, price) = mirrored(token, order.side, order.price);
            Change { token, side, price, size: order.size }
        };
        let (lost, kept) = (entry(LOSER), entry(1 - LOSER));
        let mut record = self.change_record(market, lost, Occasion::Live, now_ms);
        record.special = Some(Box::new(Special { note: Some("withheld"), ..Special::default() }));
        self.ledger.push(std::iter::once(record));
        self.ailments.armed -= 1;
        if self.ailments.lost.len() == LOST_MAX {
            self.ailments.lost.pop_front();
        }
        let of = &self.markets[market];
        self.ailments.lost.push_back(LostRemoval {
            condition_id: of.condition_id.to_string(),
            token_id: of.tokens[LOSER].id.to_string(),
            side: lost.side,
            price: lost.price.to_string(),
            at_ms: now_ms,
        });
        let text = frame::price_change(of, &[kept], of.book().changed_at_ms);
        let told = self.change_record(market, kept, Occasion::Live, now_ms);
        self.publish(market, Reach::Token, &Message::text(text), vec![(kept.token, told)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_withheld_so_many_times_and_then_comes() {
        let mut ailments = Faults::default();
        ailments.withhold(["11".to_owned()], 2);
        let seen: Vec<bool> = (0..3).map(|_| ailments.withholds("11")).collect();
        assert_eq!((seen, ailments.withholds("22")), (vec![true, true, false], false));
    }

    #[test]
    fn a_cured_token_is_harmless() {
        let mut ailments = Faults::default();
        ailments.poison(["11".to_owned(), "22".to_owned()]);
        assert!(ailments.is_poisoned(&["33".to_owned(), "22".to_owned()]));
        ailments.cure("22");
        assert!(!ailments.is_poisoned(&["22".to_owned()]));
        assert_eq!(ailments.poisoned(), ["11"]);
    }
}
