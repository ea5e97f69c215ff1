//! The newest best prices that were settled, with their times.
//!
//! Knows: what was best when. Never: more than a few groups back.

use std::collections::VecDeque;

use contract::time::Timestamp;

use crate::Top;

/// Settled groups that are remembered: a match spreads over two or three.
const REMEMBERED: usize = 8;

/// Best prices after each of the newest groups, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled(VecDeque<(Timestamp, Top)>);

impl Settled {
    /// Remembers what was best after the group of `changed_at`; the same group told again replaces itself.
    pub(crate) fn push(&mut self, changed_at: Timestamp, top: Top) {
        if self.0.back().is_some_and(|(at, _)| *at == changed_at) {
            self.0.pop_back();
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((changed_at, top));
    }

    /// What was best at `moment`; the oldest remembered, if `moment` lies before it.
    pub(crate) fn at(&self, moment: Timestamp) -> Option<Top> {
        let newest = self.0.iter().rev().find(|(at, _)| *at <= moment);
        newest.or_else(|| self.0.front()).map(|(_, top)| *top)
    }
}
