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

/// What had to make room for an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undo {
    replaced: Option<(Timestamp, Top)>,
    dropped: Option<(Timestamp, Top)>,
}

impl Settled {
    /// Remembers what was best after the group of `changed_at`; a second of the same time replaces the first.
    pub(crate) fn push(&mut self, changed_at: Timestamp, top: Top) -> Undo {
        let is_again = self.0.back().is_some_and(|(at, _)| *at == changed_at);
        let replaced = if is_again { self.0.pop_back() } else { None };
        let dropped = if self.0.len() == REMEMBERED { self.0.pop_front() } else { None };
        self.0.push_back((changed_at, top));
        Undo { replaced, dropped }
    }

    /// Forgets the newest entry again, as if it had never been pushed.
    pub(crate) fn take_back(&mut self, pushed: Undo) {
        self.0.pop_back();
        self.0.extend(pushed.replaced);
        if let Some(dropped) = pushed.dropped {
            self.0.push_front(dropped);
        }
    }

    /// What was best at `moment`; the oldest remembered, if `moment` lies before it.
    pub(crate) fn at(&self, moment: Timestamp) -> Option<Top> {
        let newest = self.0.iter().rev().find(|(at, _)| *at <= moment);
        newest.or_else(|| self.0.front()).map(|(_, top)| *top)
    }
}
