//! The newest events, each once.
//!
//! Knows: order of arrival and what a filter lets through. Never: what an event means.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use contract::ids::{ConditionId, TickId, TokenId};
use contract::tick::Kind;
use contract::verdict::{Reason, Verdict};

use super::event::{Event, Name};

/// Newest events kept, and as many trades: among 200 price changes to a trade they would be gone in seconds.
pub(crate) const EVENTS_MAX: usize = 2_000;

/// The newest events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    all: Ring,
    trades: Ring,
}

/// Which events; what is none does not narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) kind: Option<Kind>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) token_id: Option<TokenId>,
    pub(crate) condition_id: Option<ConditionId>,
    /// Only trades with this reason.
    pub(crate) reason: Option<Reason>,
    /// All of these words, in small letters, are in question or outcome.
    pub(crate) text: String,
    /// Only those that came before this one; none at all when it is no longer kept, since what is older went first.
    pub(crate) before: Option<TickId>,
}

/// Some events, newest first.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Arc<Event>>,
    /// Events kept that pass the filter, wherever they stand.
    pub(crate) total: usize,
}

#[derive(Debug, Default)]
struct Ring {
    newest_last: VecDeque<Arc<Event>>,
    ids: HashSet<TickId>,
}

// === impl Events ===

impl Events {
    /// Keeps an event; none when it is kept already.
    pub(crate) fn keep(&mut self, event: Event) -> Option<Arc<Event>> {
        if self.all.ids.contains(&event.id) || self.trades.ids.contains(&event.id) {
            return None;
        }
        let event = Arc::new(event);
        self.all.push(event.clone());
        if event.kind == Kind::Trade {
            self.trades.push(event.clone());
        }
        Some(event)
    }

    /// The events that pass `filter`: `limit` of them behind the first `offset`.
    pub(crate) fn page(&self, filter: &EventFilter, limit: usize, offset: usize) -> EventPage {
        // Only trades are ever flagged or refused, and they are kept for longer.
        let only_trades = filter.kind == Some(Kind::Trade)
            || filter.reason.is_some()
            || matches!(filter.verdict, Some(Verdict::Flagged | Verdict::Refused));
        let ring = if only_trades { &self.trades } else { &self.all };
        let passing = || ring.newest_last.iter().rev().filter(|event| filter.lets_pass(event));
        let total = passing().count();
        let mut reached = filter.before.is_none();
        let behind = ring.newest_last.iter().rev().filter(|event| {
            let was_reached = reached;
            reached = reached || filter.before == Some(event.id);
            was_reached && filter.lets_pass(event)
        });
        EventPage { events: behind.skip(offset).take(limit).cloned().collect(), total }
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 4] {
        let (all, trades) = (&self.all, &self.trades);
        [all.newest_last.len(), all.ids.len(), trades.newest_last.len(), trades.ids.len()]
    }
}

// === impl EventFilter ===

impl EventFilter {
    fn lets_pass(&self, event: &Event) -> bool {
        self.kind.is_none_or(|kind| kind == event.kind)
            && self.verdict.is_none_or(|verdict| verdict == event.verdict)
            && self.token_id.as_ref().is_none_or(|id| *id == event.token_id)
            && self.condition_id.as_ref().is_none_or(|id| *id == event.condition_id)
            && self.reason.is_none_or(|reason| event.reasons.contains(&reason))
            && (self.text.is_empty() || event.name.as_ref().is_some_and(|name| self.is_about(name)))
    }

    fn is_about(&self, name: &Name) -> bool {
        let text = format!("{}\n{}", name.question, name.outcome).to_lowercase();
        self.text.split_whitespace().all(|word| text.contains(word))
    }
}

// === impl Ring ===

impl Ring {
    fn push(&mut self, event: Arc<Event>) {
        if self.newest_last.len() == EVENTS_MAX
            && let Some(oldest) = self.newest_last.pop_front()
        {
            self.ids.remove(&oldest.id);
        }
        self.ids.insert(event.id);
        self.newest_last.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::{judged_trade, price_change};

    fn trade(number: u32) -> Event {
        Event::of(judged_trade(number, Verdict::Clean))
    }

    fn numbers(events: &Events, filter: &EventFilter, limit: usize, offset: usize) -> Vec<TickId> {
        events.page(filter, limit, offset).events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn the_newest_event_comes_first_and_a_known_one_is_not_kept_twice() {
        let mut events = Events::default();
        assert!(events.keep(trade(1)).is_some());
        assert!(events.keep(trade(2)).is_some());
        assert!(events.keep(trade(1)).is_none());
        let ids = numbers(&events, &EventFilter::default(), 10, 0);
        assert_eq!(ids, [trade(2).id, trade(1).id]);
    }

    #[test]
    fn trades_outlive_the_price_changes_around_them() {
        let mut events = Events::default();
        events.keep(trade(1));
        for number in 0..u32::try_from(EVENTS_MAX).unwrap() {
            events.keep(Event::of(price_change(number)));
        }
        assert_eq!(events.page(&EventFilter::default(), 500, 0).total, EVENTS_MAX);
        let trades = EventFilter { kind: Some(Kind::Trade), ..EventFilter::default() };
        assert_eq!(numbers(&events, &trades, 10, 0), [trade(1).id]);
        assert!(events.keep(trade(1)).is_none(), "it is still known");
    }

    #[test]
    fn limit_offset_and_before_cut_the_list() {
        let mut events = Events::default();
        (1..=5).for_each(|number| drop(events.keep(trade(number))));
        let all = EventFilter::default();
        assert_eq!(numbers(&events, &all, 2, 1), [trade(4).id, trade(3).id]);
        let before = EventFilter { before: Some(trade(3).id), ..EventFilter::default() };
        assert_eq!(numbers(&events, &before, 9, 0), [trade(2).id, trade(1).id]);
        assert_eq!(events.page(&before, 1, 0).total, 5);
        let gone = EventFilter { before: Some(trade(77).id), ..EventFilter::default() };
        assert!(numbers(&events, &gone, 9, 0).is_empty());
    }

    #[test]
    fn each_filter_narrows() {
        let mut events = Events::default();
        events.keep(trade(1));
        events.keep(Event::of(judged_trade(2, Verdict::Flagged)));
        events.keep(Event::of(price_change(3)));
        let total = |filter: &EventFilter| events.page(filter, 10, 0).total;
        assert_eq!(total(&EventFilter { kind: Some(Kind::Price), ..Default::default() }), 1);
        assert_eq!(total(&EventFilter { verdict: Some(Verdict::Flagged), ..Default::default() }), 1);
        assert_eq!(total(&EventFilter { verdict: Some(Verdict::Clean), ..Default::default() }), 2);
        let token_id = Some(trade(1).token_id);
        assert_eq!(total(&EventFilter { token_id, ..Default::default() }), 3);
        assert_eq!(total(&EventFilter { reason: Some(Reason::G5), ..Default::default() }), 1);
        assert_eq!(total(&EventFilter { reason: Some(Reason::G1), ..Default::default() }), 0);
        assert_eq!(
            total(&EventFilter { text: "question".to_owned(), ..Default::default() }),
            0,
            "no name yet"
        );
        let condition_id = ConditionId::try_from("0xdead").ok();
        assert_eq!(total(&EventFilter { condition_id, ..Default::default() }), 0);
    }
}
