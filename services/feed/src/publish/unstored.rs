//! Trades that the bus has and the database may not have yet: kept, so that a stream that is lost loses none of them.
//!
//! Knows: up to which moment everything is stored, and the messages of later trades. Never: the bus itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::{Message, Progress};
use contract::time::Timestamp;

/// Bytes of messages kept at the most: at 60 trades a second an hour in which nothing is stored.
const BYTES_MAX: usize = 128 << 20;
/// What a message takes beside its payload.
const MESSAGE_OVERHEAD: usize = 400;
/// Looks remembered at the most; at one in two seconds this is more than a day in which nothing is stored.
const LOOKS_MAX: usize = 50_000;

/// The kept trades; a clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstored(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// By the moment of their acknowledgement.
    trades: VecDeque<(Timestamp, Message)>,
    bytes: usize,
    /// Kept no longer, although they may not be stored: there was no room.
    let_go: u64,
}

/// Up to which moment everything that the bus has acknowledged is stored, as far as the streams show.
#[derive(Debug, Default)]
pub(crate) struct StoredUntil {
    /// When it was looked, and the newest raw message then.
    judging: VecDeque<(Timestamp, u64)>,
    /// When it was looked, and the newest judged message once all raw ones of then had been judged.
    storing: VecDeque<(Timestamp, u64)>,
    until: Option<Timestamp>,
}

// === impl Unstored ===

impl Unstored {
    /// The bus acknowledged a trade at `at`.
    pub(crate) fn keep(&self, trade: Message, at: Timestamp) {
        let mut kept = self.kept();
        kept.bytes += bytes(&trade);
        kept.trades.push_back((at, trade));
        while kept.bytes > BYTES_MAX {
            let Some((_, oldest)) = kept.trades.pop_front() else { break };
            kept.bytes -= bytes(&oldest);
            kept.let_go += 1;
        }
    }

    /// Everything acknowledged before `until` is stored.
    pub(crate) fn stored(&self, until: Timestamp) {
        let mut kept = self.kept();
        while kept.trades.front().is_some_and(|(at, _)| *at < until) {
            let Some((_, trade)) = kept.trades.pop_front() else { break };
            kept.bytes -= bytes(&trade);
        }
        if kept.trades.is_empty() {
            kept.let_go = 0;
        }
    }

    /// All that is kept, taken out, to be published once more, and how many had to be let go.
    pub(crate) fn take(&self) -> (Vec<Message>, u64) {
        let kept = std::mem::take(&mut *self.kept());
        (kept.trades.into_iter().map(|(_, message)| message).collect(), kept.let_go)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(message: &Message) -> usize {
    message.payload.len() + MESSAGE_OVERHEAD
}

// === impl StoredUntil ===

impl StoredUntil {
    /// A look that began at `at`; the judged stream was asked after the raw one. Up to when everything is stored.
    pub(crate) fn look(&mut self, at: Timestamp, raw: Progress, judged: Progress) -> Option<Timestamp> {
        if self.judging.len() < LOOKS_MAX {
            self.judging.push_back((at, raw.last));
        }
        while let Some(&(at, _)) = self.judging.front().filter(|(_, last)| *last <= raw.acknowledged) {
            self.judging.pop_front();
            self.storing.push_back((at, judged.last));
        }
        while let Some(&(at, _)) = self.storing.front().filter(|(_, last)| *last <= judged.acknowledged) {
            self.storing.pop_front();
            self.until = Some(at);
        }
        self.until
    }

    /// A stream was lost: what was under way will not arrive.
    pub(crate) fn lost(&mut self) -> Option<Timestamp> {
        self.judging.clear();
        self.storing.clear();
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn progress(last: u64, acknowledged: u64) -> Progress {
        Progress { identity: bus::StreamIdentity::default(), last, acknowledged }
    }

    fn trade(bytes: usize) -> Message {
        Message::new("ticks.raw.trade.0xab".to_owned(), "id".to_owned(), vec![0; bytes])
    }

    #[test]
    fn everything_is_stored_up_to_the_look_whose_messages_both_consumers_have_acknowledged() {
        let mut stored = StoredUntil::default();
        assert_eq!(stored.look(at(1), progress(10, 8), progress(7, 7)), None, "two raw ones are not judged");
        assert_eq!(
            stored.look(at(2), progress(20, 15), progress(16, 9)),
            None,
            "judged up to 16, stored up to 9"
        );
        assert_eq!(stored.look(at(3), progress(20, 20), progress(21, 16)), Some(at(1)));
        assert_eq!(stored.look(at(4), progress(20, 20), progress(21, 21)), Some(at(4)));
    }

    #[test]
    fn after_a_loss_only_what_comes_behind_it_counts() {
        let mut stored = StoredUntil::default();
        stored.look(at(1), progress(10, 10), progress(10, 10));
        stored.look(at(2), progress(90, 10), progress(10, 10));
        assert_eq!(stored.lost(), Some(at(1)));
        // The new stream counts from 1 again: its 5 is not the old one's 90.
        assert_eq!(stored.look(at(3), progress(5, 0), progress(10, 10)), Some(at(1)));
        assert_eq!(stored.look(at(4), progress(5, 5), progress(12, 12)), Some(at(4)));
    }

    #[test]
    fn a_trade_is_kept_until_it_is_stored_and_handed_out_once() {
        let unstored = Unstored::default();
        for second in 1..=4 {
            unstored.keep(trade(10), at(second));
        }
        unstored.stored(at(3));
        assert_eq!(unstored.take().0.len(), 2, "those of the third and fourth second");
        assert_eq!(unstored.take(), (vec![], 0));
    }

    #[test]
    fn memory_is_bounded_and_what_is_let_go_is_counted() {
        let unstored = Unstored::default();
        for second in 0..10 {
            unstored.keep(trade(BYTES_MAX / 8), at(second));
        }
        let (kept, let_go) = unstored.take();
        assert_eq!((kept.len(), let_go), (7, 3));
    }
}
