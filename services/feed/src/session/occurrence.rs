//! Which of several identical ticks this one is.
//!
//! Knows: the content ids seen recently. Never: a clock; it turns its memory over by count.

use std::collections::HashMap;

use contract::ids::TickId;

/// Ids remembered in the newer half. Identical ticks carry the same millisecond, so they come close
/// together: at 5,000 ticks/s this is ten seconds and more.
const REMEMBERED: usize = 65_536;

/// Counts identical ticks, over reconnects too.
///
/// Without it two real fills of the same size in the same millisecond would be stored as one.
#[derive(Debug, Default)]
pub(crate) struct OccurrenceCounter {
    newer: HashMap<TickId, u32>,
    older: HashMap<TickId, u32>,
}

impl OccurrenceCounter {
    /// The id of the next tick with this content: the first keeps it, each further one gets its own.
    pub(crate) fn next_id(&mut self, content: TickId) -> TickId {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        let seen = self.newer.get(&content).or_else(|| self.older.get(&content)).copied().unwrap_or(0);
        self.newer.insert(content, seen + 1);
        content.nth(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(number: usize) -> TickId {
        TickId::of_content(&["x", &number.to_string()])
    }

    #[test]
    fn identical_ticks_get_ids_of_their_own_and_the_same_ones_in_another_process() {
        let (mut one, mut other) = (OccurrenceCounter::default(), OccurrenceCounter::default());
        let ids = |occurrences: &mut OccurrenceCounter| -> Vec<TickId> {
            (0..3).map(|_| occurrences.next_id(content(1))).collect()
        };
        let first = ids(&mut one);
        assert_eq!(first, ids(&mut other));
        assert_eq!(first[0], content(1));
        assert!(first[1] != first[0] && first[2] != first[1]);
    }

    #[test]
    fn memory_is_bounded_and_what_came_of_late_is_remembered() {
        let mut occurrences = OccurrenceCounter::default();
        occurrences.next_id(content(0));
        for number in 1..=REMEMBERED {
            occurrences.next_id(content(number));
        }
        assert_ne!(occurrences.next_id(content(0)), content(0), "one turn later it is still known");
        for number in 0..3 * REMEMBERED {
            occurrences.next_id(content(REMEMBERED + 1 + number));
        }
        assert!(occurrences.newer.len() + occurrences.older.len() <= 2 * REMEMBERED);
        assert_eq!(occurrences.next_id(content(1)), content(1), "long ago is forgotten");
    }
}
