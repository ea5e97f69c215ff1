//! What one client gets of what is told to all.
//!
//! Knows: its wish, and the number of the next event it should see. Never: its connection.

use axum::extract::ws::Utf8Bytes;

use super::{Batch, Frame, SubscriptionFilter, events_text};

/// One client's place in the stream.
#[derive(Debug)]
pub(crate) struct Subscriber {
    wish: SubscriptionFilter,
    next: u64,
    missed: u64,
}

// === impl Subscriber ===

impl Subscriber {
    /// A client that has seen everything before event number `next`.
    pub(crate) fn new(wish: SubscriptionFilter, next: u64) -> Self {
        Self { wish, next, missed: 0 }
    }

    /// How many events it missed since this was last asked, of whatever kind.
    pub(crate) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// The texts to send because of a frame.
    pub(crate) fn texts(&mut self, frame: &Frame) -> Vec<Utf8Bytes> {
        match frame {
            Frame::Events(batch) => self.events(batch),
            Frame::Gaps(told) => told.text(&self.wish).into_iter().collect(),
            Frame::Broadcast(text) => vec![text.clone()],
        }
    }

    fn events(&mut self, batch: &Batch) -> Vec<Utf8Bytes> {
        let mut texts = Vec::new();
        let missed = batch.first.saturating_sub(self.next);
        if missed > 0 {
            self.missed += missed;
            texts.push(format!(r#"{{"type":"lagged","missed":{missed}}}"#).into());
        }
        // Events shown at first may still be in a batch that was sent afterwards.
        let seen = usize::try_from(self.next.saturating_sub(batch.first)).unwrap_or(usize::MAX);
        self.next = self.next.max(batch.end());
        if batch.lines.is_empty() {
            return texts;
        }
        if seen == 0 && self.wish.takes_everything() {
            texts.push(batch.whole());
            return texts;
        }
        let mut lines = batch.lines.iter().skip(seen).filter(|line| self.wish.takes(line)).peekable();
        if lines.peek().is_some() {
            texts.push(events_text(lines));
        }
        texts
    }
}
