//! What a socket says of itself: to the stats, and to the conductor.
//!
//! Knows: counts and states. Never: a connection.

use contract::stats::SocketState;
use contract::time::Timestamp;
use tracing::debug;

use super::{ConnectionState, Socket};
use crate::control::ControlEvent;
use crate::session::book_keeper::FrameOutcome;

impl Socket {
    pub(super) fn note(
        &self,
        reading: &FrameOutcome,
        received_at: Timestamp,
        dropped: u64,
        life: &ConnectionState,
    ) {
        let is_data = !reading.ticks.is_empty();
        self.stats.socket(self.number, |notes| {
            if is_data {
                notes.report.frames += 1;
                notes.report.last_data_at = Some(received_at);
            }
            if reading.pong {
                notes.report.last_pong_at = Some(received_at);
            }
            for tick in &reading.ticks {
                *notes.ticks.entry(tick.kind()).or_default() += 1;
            }
            notes.dead += reading.refused.len() as u64;
            notes.unwatched += reading.unwatched;
            notes.hashes_unreadable += reading.hashes_unreadable;
            notes.dropped += dropped;
        });
        // Counting again takes a walk over all tokens: only when a book came, or now and then.
        if !reading.opened.is_empty() || life.frames.is_multiple_of(256) || reading.pong {
            self.note_sizes(life);
        }
    }

    pub(super) fn note_sizes(&self, life: &ConnectionState) {
        let (size, live, tally) = (self.books.size() as u64, self.books.live() as u64, self.books.stats());
        self.stats.socket(self.number, |notes| {
            notes.report.tokens = size;
            notes.report.tokens_with_book = live;
            notes.tally = tally;
            notes.without_book = life.openings.given_up();
        });
    }

    pub(super) fn say(&self, state: SocketState, problem: Option<String>) {
        let tokens = self.books.size() as u64;
        self.stats.socket(self.number, |notes| {
            notes.report.state = state;
            notes.report.tokens = tokens;
            if problem.is_some() {
                notes.report.problem = problem;
            }
        });
    }

    /// Notifies the subscription manager. If its channel is full the event is dropped; the next periodic check sends it again.
    pub(super) fn word(&self, word: ControlEvent) {
        if let Err(error) = self.events.try_send(word) {
            debug!(socket = self.number, %error, "the subscription manager is busy");
        }
    }
}
