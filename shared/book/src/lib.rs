//! The order book of one token: snapshots, match groups, the venue's hash, the prevailing quote.
//!
//! Knows: levels, which changes are one match, what was best just before a trade. Never: a socket, a clock.

mod budget;
mod group;
mod hash;
mod ladder;
mod pending_deltas;
mod settled;
mod token_book;

use std::ops::AddAssign;
use std::time::Duration;

use contract::ids::{ConditionId, TokenId};
use contract::money::Price;
use rust_decimal::Decimal;

pub use budget::Budget;
pub use ladder::Ladder;
pub use token_book::TokenBook;

/// A group of which nothing came for so long, by receive time, has ended.
///
/// Source: in the capture of 2026-09-11 each match came within a millisecond; the rest is for slow lines.
pub const GROUP_QUIET: Duration = Duration::from_millis(100);

/// Changes kept of a book that waits for its snapshot: a busy token changes 30 times a second, a dump takes 10 s.
pub const EARLY_MAX: usize = 1_024;

/// A trade is stamped up to 30 ms after the book changes it caused; what is older than this was there before.
///
/// Source: captures of 2026-09-30 (20 to 30 ms between `best_bid_ask` and its `last_trade_price`).
const MATCH_SPREAD: Duration = Duration::from_millis(50);

/// What of a book's surroundings goes into its hash, as the catalogue and the venue tell it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HashContext {
    /// The market.
    pub condition_id: ConditionId,
    /// The token.
    pub token_id: TokenId,
    /// Price grid; unknown means that no hash can be checked.
    pub tick_size: Option<Decimal>,
    /// Smallest order, in shares; unknown means that no hash can be checked.
    pub order_size_min: Option<Decimal>,
    /// Part of a group of which one outcome wins.
    pub neg_risk: bool,
}

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
    /// A delta for a book that has had no snapshot: it is kept and waits for one.
    NoSnapshot,
}

/// What came of holding a book against the venue's hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// The book is the venue's.
    Agreed,
    /// It is not, whatever the last trade price may have been.
    Differs,
    /// No hash was stated, it is of a state that has passed, or an input of it is not known.
    Unknown,
    /// Not checked: the budget did not allow it.
    Skipped,
}

/// How far a book is to be believed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// Nothing speaks against it.
    #[default]
    Fine,
    /// One group or the snapshot itself differed, or changes before the snapshot were too many to keep.
    Suspect,
    /// Two groups in a row differed: the book has to be re-fetched.
    Broken,
}

/// Counters of one book; they outlive its connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BookStats {
    /// Match groups that ended.
    pub groups: u64,
    /// Groups and snapshots verified against their hash.
    pub checked: u64,
    /// Those of them that differed.
    pub mismatches: u64,
    /// Groups after which our best prices differed from those the venue stated with them.
    pub differences: u64,
}

// === impl Top ===

impl Top {
    /// Whether a bid stands at or above an ask, as it does inside a match group.
    pub fn is_crossed(self) -> bool {
        matches!((self.best_bid, self.best_ask), (Some(bid), Some(ask)) if bid >= ask)
    }
}

// === impl BookStats ===

impl AddAssign for BookStats {
    fn add_assign(&mut self, other: Self) {
        self.groups += other.groups;
        self.checked += other.checked;
        self.mismatches += other.mismatches;
        self.differences += other.differences;
    }
}

#[cfg(test)]
mod tests;
