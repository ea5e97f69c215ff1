//! All followed tokens at one moment, each with its state.
//!
//! Knows: what makes a token live, quiet, suspect, resyncing or never seen. Never: an order among them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use contract::gap::Cause;
use contract::ids::{ConditionId, TokenId};
use contract::money::Price;
use contract::time::Timestamp;

use super::{About, Label, Token, Tokens};
use crate::state::gaps::Gaps;

/// A token without a tick for longer is quiet.
const LIVE_FOR: Duration = Duration::from_mins(1);

/// How far the book of a token can be trusted; the worst first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum TokenStatus {
    /// Its book disagrees with the venue's hash, or it is set aside.
    Suspect,
    /// Its ticks are missing: a gap is open, and nothing has come since.
    Resyncing,
    /// Followed; no book has come yet.
    NeverSeen,
    /// Its book is known; nothing came for a minute.
    Quiet,
    /// A tick came within a minute.
    Live,
}

/// One token.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its place in orders that are kept.
    pub(crate) slot: usize,
    pub(crate) token_id: TokenId,
    pub(crate) condition_id: ConditionId,
    pub(crate) about: Option<Arc<About>>,
    pub(crate) label: Option<Label>,
    pub(crate) bid: Option<Price>,
    pub(crate) ask: Option<Price>,
    pub(crate) last: Option<Price>,
    /// In the last ten whole seconds.
    pub(crate) ticks: u32,
    pub(crate) last_tick_at: Option<Timestamp>,
    pub(crate) standing: TokenStatus,
}

/// All followed tokens at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Timestamp,
    pub(crate) rows: Vec<Row>,
    /// Which names they had.
    pub(crate) names: u64,
}

/// What the feeds and the gaps say against tokens.
struct Doubts<'a> {
    /// The newest gap of each market whose book disagreed, and of each whose ticks broke off otherwise.
    gaps: HashMap<&'a ConditionId, Broken>,
    set_aside: &'a HashSet<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Broken {
    disagreed_at: Option<Timestamp>,
    broke_at: Option<Timestamp>,
}

// === impl TokenStatus ===

impl TokenStatus {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Suspect, Self::Resyncing, Self::NeverSeen, Self::Quiet, Self::Live];

    /// The word in answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Resyncing => "resyncing",
            Self::NeverSeen => "never_seen",
            Self::Quiet => "quiet",
            Self::Live => "live",
        }
    }

    /// The state with this word, if there is one.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.word() == word)
    }
}

// === impl Doubts ===

impl<'a> Doubts<'a> {
    fn of(gaps: &'a Gaps, set_aside: &'a HashSet<String>) -> Self {
        let mut broken: HashMap<&ConditionId, Broken> = HashMap::new();
        for gap in gaps.open() {
            let market = broken.entry(&gap.condition_id).or_default();
            let at = match gap.cause {
                Cause::BookMismatch => &mut market.disagreed_at,
                _ => &mut market.broke_at,
            };
            *at = (*at).max(Some(gap.opened_at));
        }
        Self { gaps: broken, set_aside }
    }

    fn standing(&self, token: &Token, now: Timestamp) -> TokenStatus {
        let live = &token.live;
        let gap = self.gaps.get(&token.condition_id).copied().unwrap_or_default();
        let is_since = |heard: Option<Timestamp>, at: Timestamp| heard.is_some_and(|heard| heard > at);
        let disagrees = gap.disagreed_at.is_some_and(|at| !is_since(live.agreed_at, at));
        let lacks_ticks = gap.broke_at.is_some_and(|at| !is_since(live.last_tick_at, at));
        if disagrees || self.set_aside.contains(token.token_id.as_str()) {
            TokenStatus::Suspect
        } else if !live.has_book && live.last_tick_at.is_none() {
            TokenStatus::NeverSeen
        } else if lacks_ticks {
            TokenStatus::Resyncing
        } else if live.last_tick_at.is_some_and(|at| now.since(at) <= LIVE_FOR) {
            TokenStatus::Live
        } else {
            TokenStatus::Quiet
        }
    }
}

// === impl Tokens ===

impl Tokens {
    /// All followed tokens. `set_aside`: those that the feeds named.
    pub(crate) fn snapshot(&self, gaps: &Gaps, set_aside: &HashSet<String>, now: Timestamp) -> Snapshot {
        let doubts = Doubts::of(gaps, set_aside);
        let followed = self.slots.iter().enumerate().filter(|(_, token)| self.is_followed(token));
        let rows = followed.map(|(slot, token)| token.row(slot, &doubts, now)).collect();
        Snapshot { at: now, rows, names: self.names }
    }

    /// One token; none where it is not followed.
    pub(crate) fn row(
        &self,
        token_id: &TokenId,
        gaps: &Gaps,
        set_aside: &HashSet<String>,
        now: Timestamp,
    ) -> Option<Row> {
        let slot = *self.places.get(token_id)?;
        let token = Some(&self.slots[slot]).filter(|token| self.is_followed(token))?;
        Some(token.row(slot, &Doubts::of(gaps, set_aside), now))
    }
}

impl Token {
    fn row(&self, slot: usize, doubts: &Doubts<'_>, now: Timestamp) -> Row {
        Row {
            slot,
            token_id: self.token_id.clone(),
            condition_id: self.condition_id.clone(),
            about: self.about.clone(),
            label: self.label.clone(),
            bid: self.live.bid,
            ask: self.live.ask,
            last: self.live.last,
            ticks: self.live.pace.of_ten_seconds(now),
            last_tick_at: self.live.last_tick_at,
            standing: doubts.standing(self, now),
        }
    }
}
