//! What is known of the venue's markets, and which of them are followed.
//!
//! Knows: markets, ranks, what was told of them. Never: a request, a clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bus::Message;
use contract::codec::encode;
use contract::ids::{ConditionId, TickId};
use contract::market::Market;
use contract::subject;
use contract::time::Timestamp;

use crate::choice::Choice;
use crate::shard::Shard;

/// A sweep that shows less than this part of what is followed is not believed.
const SHRUNK: usize = 10;
/// A market of `top:N` stays until it falls out of the first `N` times this: ranks change every minute.
const STAYS: usize = 2;
/// A new volume alone is told again after this long.
const VOLUME_EVERY: Duration = Duration::from_mins(10);

/// Markets that come and go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Change {
    /// To be followed, the busiest first.
    pub(crate) new: Vec<Market>,
    /// Not to be followed any more.
    pub(crate) gone: Vec<(ConditionId, Gone)>,
    /// Tokens that will be followed when all is known, as far as can be told.
    pub(crate) tokens_expected: usize,
}

/// Why a market is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gone {
    /// Resolved or withdrawn: no tick of it will come.
    Closed,
    /// Others are busier: ticks of it come and are not read.
    Unchosen,
}

/// Whether a sweep is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Believed {
    /// It is.
    Yes,
    /// It showed nothing.
    Empty,
    /// It showed suddenly far less than there was.
    Shrunk {
        /// Markets seen before.
        from: usize,
        /// Markets seen now.
        to: usize,
    },
}

/// What came of learning about markets.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Those to be followed from now on.
    pub(crate) new: Vec<Market>,
    /// What is to be told of them.
    pub(crate) messages: Vec<Message>,
}

/// The catalogue as far as it concerns us.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// `N` of `top:N`.
    top: Option<usize>,
    all: bool,
    shard: Shard,
    known: HashMap<ConditionId, Known>,
    /// Ids in the order of the sweep under way or of the last one.
    ranks: Vec<ConditionId>,
    /// Markets of the last sweep that was believed.
    seen_last: usize,
}

#[derive(Debug)]
struct Known {
    market: Market,
    followed: bool,
    told: TickId,
    told_at: Timestamp,
}

impl Catalogue {
    /// An empty one for this choice.
    pub(crate) fn new(choice: &Choice, shard: Shard) -> Self {
        let (top, all) = match choice {
            Choice::Top(count) => (Some(*count), false),
            Choice::All => (None, true),
            Choice::Markets(_) | Choice::Tokens(_) => (None, false),
        };
        Self { top, all, shard, known: HashMap::new(), ranks: Vec::new(), seen_last: 0 }
    }

    /// A sweep begins; what one that broke off had shown is forgotten.
    pub(crate) fn begin(&mut self) {
        self.ranks.clear();
    }

    /// Rows of a sweep that have to be seen.
    pub(crate) fn ranks_needed(&self) -> usize {
        self.top.map_or(usize::MAX, |top| top.saturating_mul(STAYS))
    }

    /// Whether an announced market would be followed.
    pub(crate) fn wants(&self, market: &ConditionId) -> bool {
        self.all && self.shard.holds(market) && !self.known.contains_key(market)
    }

    /// Whether a market is followed.
    pub(crate) fn follows(&self, market: &ConditionId) -> bool {
        self.known.get(market).is_some_and(|known| known.followed)
    }

    /// Tokens that will be followed, as far as can be told: each market has two.
    pub(crate) fn tokens_expected(&self) -> usize {
        let followed = self.followed();
        let expected =
            self.top.map_or(followed, |top| followed.max(top / usize::try_from(self.shard.of).unwrap_or(1)));
        2 * expected
    }

    /// Takes over what a page shows. During the first sweep what is chosen is followed at once.
    pub(crate) fn learn(&mut self, markets: Vec<Market>) -> Learned {
        let mut learned = Learned::default();
        for market in markets {
            let id = market.condition_id.clone();
            self.ranks.push(id.clone());
            let rank = self.ranks.len();
            if !self.shard.holds(&id) {
                continue;
            }
            let chosen = self.top.is_none_or(|top| self.seen_last == 0 && rank <= top);
            let known = self.known.entry(id).or_insert_with(|| Known::of(market.clone()));
            known.market = market;
            if chosen && !known.followed {
                known.followed = true;
                learned.new.push(known.market.clone());
            }
            if known.followed {
                learned.messages.extend(known.tell());
            }
        }
        learned
    }

    /// Every market that is followed, as it was published last: for a stream that has lost them.
    pub(crate) fn published(&self) -> Vec<Message> {
        self.known.values().filter(|known| known.followed).map(Known::message).collect()
    }

    /// Whether the sweep that showed these is believed.
    pub(crate) fn believe(&mut self, seen: &[ConditionId]) -> Believed {
        let (from, to) = (self.seen_last, seen.len());
        let verdict = match to {
            0 => Believed::Empty,
            _ if to < from / SHRUNK => Believed::Shrunk { from, to },
            _ => Believed::Yes,
        };
        match verdict {
            Believed::Yes => self.seen_last = to,
            Believed::Empty | Believed::Shrunk { .. } => {}
        }
        verdict
    }

    /// Followed markets that the sweep did not show.
    pub(crate) fn missing(&self, seen: &HashSet<ConditionId>) -> Vec<ConditionId> {
        let followed = self.known.iter().filter(|(_, known)| known.followed);
        let mut missing: Vec<ConditionId> =
            followed.filter(|(id, _)| !seen.contains(*id)).map(|(id, _)| id.clone()).collect();
        missing.sort_unstable();
        missing
    }

    /// Gives up closed markets, those of an earlier feed too.
    pub(crate) fn close(&mut self, closed: Vec<Market>) -> (Change, Vec<Message>) {
        let (mut change, mut messages) = (Change::default(), Vec::new());
        for market in closed.into_iter().filter(|market| market.closed) {
            change.gone.push((market.condition_id.clone(), Gone::Closed));
            let known = self.known.remove(&market.condition_id);
            let mut known = known.unwrap_or_else(|| Known::of(market.clone()));
            // The venue may have taken the tokens of a closed market away.
            let had = std::mem::take(&mut known.market.tokens);
            known.market = market;
            if known.market.tokens.is_empty() {
                known.market.tokens = had;
            }
            messages.extend(known.tell());
        }
        (change, messages)
    }

    /// A sweep is over: of `top:N`, those that fell too far go, and the highest that are not followed take their places.
    pub(crate) fn rank(&mut self) -> Change {
        let ranks = std::mem::take(&mut self.ranks);
        let Some(top) = self.top else { return Change::default() };
        let mut change = Change::default();
        let near: HashSet<&ConditionId> = ranks.iter().take(self.ranks_needed()).collect();
        for (id, known) in self.known.iter_mut().filter(|(id, known)| known.followed && !near.contains(id)) {
            known.followed = false;
            change.gone.push((id.clone(), Gone::Unchosen));
        }
        // Other shards fill up too: all of them together follow `N`, so each looks at its own among the first.
        let ours: Vec<&ConditionId> = ranks.iter().filter(|id| self.known.contains_key(*id)).collect();
        let wanted = ranks.iter().take(top).filter(|id| self.known.contains_key(*id)).count();
        let mut followed = self.followed();
        for id in ours {
            let Some(known) = self.known.get_mut(id).filter(|known| !known.followed) else { continue };
            if followed >= wanted {
                break;
            }
            known.followed = true;
            followed += 1;
            change.new.push(known.market.clone());
        }
        // What is not followed is learned anew with each sweep.
        self.known.retain(|_, known| known.followed);
        change
    }

    fn followed(&self) -> usize {
        self.known.values().filter(|known| known.followed).count()
    }
}

impl Known {
    fn of(market: Market) -> Self {
        Self { market, followed: false, told: TickId::of_bytes([0; 16]), told_at: Timestamp::from_micros(0) }
    }

    /// The market on its subject, if there is anything new to tell of it.
    fn tell(&mut self) -> Option<Message> {
        let at = self.market.updated_at;
        let lasting =
            Market { updated_at: Timestamp::from_micros(0), volume_24h: None, ..self.market.clone() };
        let told = TickId::of_content(&["market", &format!("{lasting:?}")]);
        if self.told == told && at.since(self.told_at) < VOLUME_EVERY {
            return None;
        }
        (self.told, self.told_at) = (told, at);
        Some(self.message())
    }

    fn message(&self) -> Message {
        let at = self.told_at.micros().to_string();
        let id = TickId::of_content(&["told", &self.told.to_string(), &at]);
        Message::new(subject::market(&self.market.condition_id), id.to_string(), encode(&self.market))
    }
}

#[cfg(test)]
mod tests;
