//! What is known of the venue's markets, and which of them are followed.
//!
//! Knows: markets, ranks, what was published of them. Never: a request, a clock.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bus::Message;
use contract::codec::encode;
use contract::ids::{ConditionId, TickId};
use contract::market::{Market, Resolution};
use contract::subject;
use contract::time::Timestamp;
use rust_decimal::Decimal;

use crate::control::{CatalogueChange, Gone};
use crate::shard::Shard;
use crate::universe::selector::UniverseSelector;

/// A sweep that shows less than this part of what is followed is not believed.
const SHRUNK: usize = 10;
/// A market of `top:N` stays until it falls out of the first `N` times this: ranks change every minute.
const STAYS: usize = 2;
/// A new volume alone is published again after this long.
const VOLUME_EVERY: Duration = Duration::from_mins(10);
/// For this long a tick size from a frame overrides rows of the catalogue, which may be older.
const GRID_HELD: Duration = Duration::from_mins(15);

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
    /// Those followed already whose books depend on what has been corrected.
    pub(crate) corrected: Vec<Market>,
    /// What is to be published of them.
    pub(crate) messages: Vec<Message>,
}

/// The catalogue as far as it concerns us.
#[derive(Debug)]
pub(crate) struct Catalogue {
    choice: UniverseSelector,
    shard: Shard,
    known: HashMap<ConditionId, KnownMarket>,
    /// Ids in the order of the sweep under way or of the last one.
    ranks: Vec<ConditionId>,
    /// Markets of the last sweep that was believed.
    seen_last: usize,
}

#[derive(Debug)]
struct KnownMarket {
    market: Market,
    /// Named by the choice, whatever its rank.
    picked: bool,
    /// Followed for its rank.
    ranked: bool,
    /// Tick size stated by a frame, and when.
    grid: Option<(Decimal, Timestamp)>,
    published: TickId,
    published_at: Timestamp,
}

impl Catalogue {
    /// An empty one for this choice.
    pub(crate) fn new(choice: &UniverseSelector, shard: Shard) -> Self {
        Self { choice: choice.clone(), shard, known: HashMap::new(), ranks: Vec::new(), seen_last: 0 }
    }

    /// A sweep begins; what one that broke off had shown is forgotten.
    pub(crate) fn begin(&mut self) {
        self.ranks.clear();
    }

    /// Rows of a sweep that have to be seen.
    pub(crate) fn ranks_needed(&self) -> usize {
        let all = self.choice.needs_all_pages();
        self.choice.top().filter(|_| !all).map_or(usize::MAX, |top| top.saturating_mul(STAYS))
    }

    /// Whether an announced market may have to be followed.
    pub(crate) fn wants(&self, market: &Market) -> bool {
        let id = &market.condition_id;
        self.choice.may_pick(market) && self.shard.holds(id) && !self.known.contains_key(id)
    }

    /// Whether it is to be followed from its announcement on.
    pub(crate) fn picks(&self, market: &Market) -> bool {
        market.tokens.len() == 2 && self.choice.picks(market)
    }

    /// Whether a market is followed.
    pub(crate) fn follows(&self, market: &ConditionId) -> bool {
        self.known.get(market).is_some_and(KnownMarket::is_followed)
    }

    /// Takes over the tick size stated by a frame; returns what is to be published, if that is new.
    pub(crate) fn regrid(&mut self, market: &ConditionId, step: Decimal, at: Timestamp) -> Option<Message> {
        let known = self.known.get_mut(market).filter(|known| known.is_followed())?;
        if known.grid.is_some_and(|(_, before)| at < before) {
            return None;
        }
        known.grid = Some((step, at));
        known.market.tick_size = Some(step);
        known.market.updated_at = known.market.updated_at.max(at);
        known.tell()
    }

    /// Takes over how a market ended; what is to be published, where that is new.
    pub(crate) fn resolved(
        &mut self,
        market: &ConditionId,
        resolution: Resolution,
        at: Timestamp,
    ) -> Option<Message> {
        let known = self.known.get_mut(market).filter(|known| known.is_followed())?;
        known.market.resolution = Some(resolution);
        known.market.updated_at = known.market.updated_at.max(at);
        known.tell()
    }

    /// Tokens that will be followed, as far as is known: each market has two.
    pub(crate) fn tokens_expected(&self) -> usize {
        let followed = self.followed();
        let top = self.choice.top().unwrap_or(0) / usize::try_from(self.shard.of).unwrap_or(1);
        2 * followed.max(top)
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
            let is_ranked = self.choice.top().is_some_and(|top| self.seen_last == 0 && rank <= top);
            let is_picked = self.choice.picks(&market);
            let known = self.known.entry(id).or_insert_with(|| KnownMarket::of(market.clone()));
            let was_followed = known.is_followed();
            let is_corrected = known.take(market);
            known.picked |= is_picked;
            known.ranked |= is_ranked;
            match (was_followed, known.is_followed()) {
                (false, true) => learned.new.push(known.market.clone()),
                (true, _) if is_corrected => learned.corrected.push(known.market.clone()),
                _ => {}
            }
            if known.is_followed() {
                learned.messages.extend(known.tell());
            }
        }
        learned
    }

    /// Every market that is followed, as it was published last: for a stream that has lost them.
    pub(crate) fn published(&self) -> Vec<Message> {
        self.known.values().filter(|known| known.is_followed()).map(KnownMarket::message).collect()
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
        let followed = self.known.iter().filter(|(_, known)| known.is_followed());
        let mut missing: Vec<ConditionId> =
            followed.filter(|(id, _)| !seen.contains(*id)).map(|(id, _)| id.clone()).collect();
        missing.sort_unstable();
        missing
    }

    /// Gives up closed markets, those of an earlier feed too; what is to be published, and the markets as they were known.
    pub(crate) fn close(&mut self, closed: Vec<Market>) -> (CatalogueChange, Vec<Message>, Vec<Market>) {
        let (mut change, mut messages, mut closed_now) = (CatalogueChange::default(), Vec::new(), Vec::new());
        for market in closed.into_iter().filter(|market| market.closed) {
            change.gone.push((market.condition_id.clone(), Gone::Closed));
            let known = self.known.remove(&market.condition_id);
            let mut known = known.unwrap_or_else(|| KnownMarket::of(market.clone()));
            // The venue may have taken the tokens of a closed market away.
            let had = std::mem::take(&mut known.market.tokens);
            known.take(market);
            if known.market.tokens.is_empty() {
                known.market.tokens = had;
            }
            messages.extend(known.tell());
            closed_now.push(known.market);
        }
        (change, messages, closed_now)
    }

    /// A sweep is over: of `top:N`, those that fell too far go, and the highest that are not followed take their places.
    pub(crate) fn rank(&mut self) -> CatalogueChange {
        let ranks = std::mem::take(&mut self.ranks);
        let mut change = CatalogueChange::default();
        let top = self.choice.top().unwrap_or(0);
        let near: HashSet<&ConditionId> = ranks.iter().take(top.saturating_mul(STAYS)).collect();
        for (id, known) in self.known.iter_mut().filter(|(id, known)| known.ranked && !near.contains(id)) {
            known.ranked = false;
            if !known.picked {
                change.gone.push((id.clone(), Gone::Unchosen));
            }
        }
        // Other shards fill up too: all of them together follow `N`, so each looks at its own among the first.
        let ours: Vec<&ConditionId> = ranks.iter().filter(|id| self.known.contains_key(*id)).collect();
        let wanted = ranks.iter().take(top).filter(|id| self.known.contains_key(*id)).count();
        let mut ranked = self.known.values().filter(|known| known.ranked).count();
        for id in ours {
            let Some(known) = self.known.get_mut(id).filter(|known| !known.ranked) else { continue };
            if ranked >= wanted {
                break;
            }
            known.ranked = true;
            ranked += 1;
            if !known.picked {
                change.new.push(known.market.clone());
            }
        }
        // What is not followed is learned again with each sweep.
        self.known.retain(|_, known| known.is_followed());
        change
    }

    fn followed(&self) -> usize {
        self.known.values().filter(|known| known.is_followed()).count()
    }
}

impl KnownMarket {
    fn of(market: Market) -> Self {
        let (published, published_at) = (TickId::of_bytes([0; 16]), Timestamp::from_micros(0));
        Self { market, picked: false, ranked: false, grid: None, published, published_at }
    }

    const fn is_followed(&self) -> bool {
        self.picked || self.ranked
    }

    /// Takes over a row of the catalogue but for what is known better; whether books depend on what is new.
    fn take(&mut self, row: Market) -> bool {
        let before = std::mem::replace(&mut self.market, row);
        let now = &mut self.market;
        self.grid = self.grid.filter(|(_, at)| now.updated_at.since(*at) < GRID_HELD);
        now.tick_size = self.grid.map(|(step, _)| step).or(now.tick_size);
        now.resolution = before.resolution.or(now.resolution.take());
        (before.order_size_min, before.neg_risk, before.end_at, before.tick_size)
            != (now.order_size_min, now.neg_risk, now.end_at, now.tick_size)
    }

    /// The market on its subject, if there is anything new to tell of it.
    fn tell(&mut self) -> Option<Message> {
        let at = self.market.updated_at;
        let lasting =
            Market { updated_at: Timestamp::from_micros(0), volume_24h: None, ..self.market.clone() };
        let published = TickId::of_content(&["market", &format!("{lasting:?}")]);
        if self.published == published && at.since(self.published_at) < VOLUME_EVERY {
            return None;
        }
        (self.published, self.published_at) = (published, at);
        Some(self.message())
    }

    fn message(&self) -> Message {
        let at = self.published_at.micros().to_string();
        let id = TickId::of_content(&["told", &self.published.to_string(), &at]);
        Message::new(subject::market(&self.market.condition_id), id.to_string(), encode(&self.market))
    }
}

/// A market that is not followed any more, on its subject.
pub(crate) fn message_of(market: &Market) -> Message {
    let mut known = KnownMarket::of(market.clone());
    known.published_at = market.updated_at;
    known.published = TickId::of_content(&["market", &format!("{market:?}")]);
    known.message()
}

#[cfg(test)]
mod tests;
