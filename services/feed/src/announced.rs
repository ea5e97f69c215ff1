//! What the venue told everybody, once.
//!
//! Knows: which announcements came of late. Never: what they lead to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use contract::ids::ConditionId;

/// Announcements remembered in the newer half: about 16 come in a minute, and each comes on every socket.
const REMEMBERED: usize = 4_096;

/// What the venue tells every socket.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum News {
    /// A market came into being.
    New(ConditionId),
    /// A market was resolved.
    Resolved(ConditionId),
}

/// The announcements of late; a clone is the same memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announced(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    newer: HashSet<News>,
    older: HashSet<News>,
}

impl Announced {
    /// Whether this is the first time that it is told.
    pub(crate) fn is_first(&self, news: &News) -> bool {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.newer.len() >= REMEMBERED {
            halves.older = std::mem::take(&mut halves.newer);
        }
        !halves.older.contains(news) && halves.newer.insert(news.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(number: usize) -> ConditionId {
        ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
    }

    #[test]
    fn what_every_socket_tells_is_told_once() {
        let announced = Announced::default();
        let other_socket = announced.clone();
        assert!(announced.is_first(&News::New(market(1))));
        assert!(!other_socket.is_first(&News::New(market(1))));
        assert!(other_socket.is_first(&News::Resolved(market(1))), "its end is other news");
    }

    #[test]
    fn memory_is_bounded_and_what_came_of_late_is_remembered() {
        let announced = Announced::default();
        for number in 0..=REMEMBERED {
            announced.is_first(&News::New(market(number)));
        }
        assert!(!announced.is_first(&News::New(market(0))), "one turn later it is still known");
        for number in 0..2 * REMEMBERED {
            announced.is_first(&News::New(market(REMEMBERED + 1 + number)));
        }
        assert!(announced.is_first(&News::New(market(0))), "long ago is forgotten");
    }
}
