//! Deduplicates the market events that every socket receives.
//!
//! Knows: which events came recently. Never: what they lead to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use contract::ids::ConditionId;
use contract::time::Timestamp;
use rust_decimal::Decimal;

use crate::control::MarketEvent;

/// Announcements remembered in the newer half: about 16 come in a minute, and each comes on every socket.
const REMEMBERED: usize = 4_096;

/// What makes two announcements the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    New(ConditionId),
    Resolved(ConditionId),
    TickSize(ConditionId, Decimal, Timestamp),
}

/// The recent events; a clone is the same memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentEvents(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<Key>,
    older: HashSet<Key>,
}

impl RecentEvents {
    /// Whether this event is seen for the first time.
    pub(crate) fn is_first(&self, event: &MarketEvent) -> bool {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.newer.len() >= REMEMBERED {
            halves.older = std::mem::take(&mut halves.newer);
        }
        let key = Key::of(event);
        !halves.older.contains(&key) && halves.newer.insert(key)
    }
}

impl Key {
    fn of(event: &MarketEvent) -> Self {
        match event {
            MarketEvent::New(market) => Self::New(market.condition_id.clone()),
            MarketEvent::Resolved(market, _) => Self::Resolved(market.clone()),
            MarketEvent::TickSize(market, step, at) => Self::TickSize(market.clone(), *step, *at),
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::market::{Market, Resolution};

    use super::*;

    fn market(number: usize) -> ConditionId {
        ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
    }

    fn new(number: usize) -> MarketEvent {
        MarketEvent::New(Box::new(Market::unknown(market(number), Timestamp::from_micros(0))))
    }

    fn resolved(number: usize) -> MarketEvent {
        let source = contract::market::ResolutionSource::MarketResolved;
        let unknown = Resolution { resolved_at: None, winning_token_id: None, winning_outcome: None, source };
        MarketEvent::Resolved(market(number), unknown)
    }

    #[test]
    fn what_every_socket_tells_is_told_once() {
        let announced = RecentEvents::default();
        let other_socket = announced.clone();
        assert!(announced.is_first(&new(1)));
        assert!(!other_socket.is_first(&new(1)));
        assert!(other_socket.is_first(&resolved(1)), "its end is other news");
    }

    #[test]
    fn memory_is_bounded_and_what_came_of_late_is_remembered() {
        let announced = RecentEvents::default();
        for number in 0..=REMEMBERED {
            announced.is_first(&new(number));
        }
        assert!(!announced.is_first(&new(0)), "one turn later it is still known");
        for number in 0..2 * REMEMBERED {
            announced.is_first(&new(REMEMBERED + 1 + number));
        }
        assert!(announced.is_first(&new(0)), "long ago is forgotten");
    }
}
