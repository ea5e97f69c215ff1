//! A book verified against the venue's hash, and the inputs of that hash.
//!
//! Knows: what has to be known for it, and what it costs. Never: when a group ends.

use contract::ids::BookHash;
use contract::money::Price;
use contract::tick::Book;
use contract::time::Timestamp;

use super::TokenBook;
use crate::hash::{self, HashInput, HashMatch};
use crate::{Budget, Check, Trust};

impl TokenBook {
    /// Holds the book against a hash, if the budget allows it or the book is suspect.
    pub(super) fn check(
        &mut self,
        hash: Option<&BookHash>,
        changed_at: Timestamp,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Check {
        let context = &self.context;
        let (Some(stated), Some(tick_size), Some(order_size_min), Some(ladder)) =
            (hash, context.tick_size, context.order_size_min, &self.ladder)
        else {
            return Check::Unknown;
        };
        if self.integrity.trust == Trust::Suspect {
            budget.charge(ladder.levels());
        } else if !budget.grants(ladder.levels(), self.checked_at, now) {
            return Check::Skipped;
        }
        self.checked_at = Some(now);
        let input = HashInput { context, tick_size, order_size_min, changed_at, ladder };
        let (held, searched) = hash::verify(&mut budget.text, input, stated, self.traded);
        budget.charge(searched);
        self.integrity.stats.checked += 1;
        match held {
            HashMatch::With(price) => {
                self.last_trade_was(price);
                Check::Agreed
            }
            HashMatch::Never => {
                self.integrity.stats.mismatches += 1;
                Check::Differs
            }
        }
    }

    /// Holds a suspect book against its last hash with the price of a trade that was not known then.
    pub(super) fn check_again(&mut self, price: Price, budget: &mut Budget) {
        let context = &self.context;
        let (Some(stated), Some(tick_size), Some(order_size_min), Some(ladder), Some(changed_at)) =
            (&self.hash, context.tick_size, context.order_size_min, &self.ladder, self.changed_at)
        else {
            return;
        };
        budget.charge(ladder.levels());
        let input = HashInput { context, tick_size, order_size_min, changed_at, ladder };
        if hash::agrees(&mut budget.text, input, stated, price) {
            self.integrity.stats.mismatches = self.integrity.stats.mismatches.saturating_sub(1);
            self.integrity.after_group(Check::Agreed);
            self.hash_ok = Some(true);
            self.verified_at = self.verified_at.max(self.ended.as_ref().map(|ended| ended.group.received_at));
        }
    }

    /// Takes over what a snapshot says of the inputs of its own hash.
    pub(super) fn learn(&mut self, book: &Book) {
        // Opening books state both; one with a grid and without a last trade is of a token that never traded.
        if book.last_trade_price.is_some() || book.tick_size.is_some() {
            self.last_trade_was(book.last_trade_price);
        }
        self.context.tick_size = book.tick_size.or(self.context.tick_size);
    }

    pub(super) fn last_trade_was(&mut self, price: Option<Price>) {
        if self.traded[0] != price {
            self.traded = [price, self.traded[0]];
        }
    }

    pub(super) fn state(&mut self, hash: Option<BookHash>, check: Check) {
        self.hash = hash;
        self.hash_ok = match check {
            Check::Agreed => Some(true),
            Check::Differs => Some(false),
            Check::Unknown | Check::Skipped => None,
        };
    }
}
