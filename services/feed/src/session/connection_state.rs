//! One connection of a socket, as far as it matters for what comes after.
//!
//! Knows: its timers, what it brought, how it ended, which gap that makes. Never: the connection itself.

use std::time::Duration;

use contract::gap::Cause;
use contract::ids::TokenId;
use contract::time::Timestamp;
use polymarket::session::{FRAME_BYTES_MAX, OPENING_BYTES_MAX, SessionError};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::session::pending_snapshots::PendingSnapshots;

/// How often open match groups are checked for being idle.
const REST_EVERY: Duration = Duration::from_millis(50);
/// What stands for "never" where a timer is not wanted.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// A connection's life.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// How many connections there were before.
    pub(crate) epoch: u64,
    /// Frames so far.
    pub(crate) frames: u64,
    /// When data came last, or the connection was opened.
    pub(crate) data_at: Timestamp,
    /// Whether any data came.
    pub(crate) had_data: bool,
    /// The books that are owed.
    pub(crate) openings: PendingSnapshots,
    /// When the next `PING` is due.
    pub(crate) ping: Interval,
    /// When match groups are looked at again.
    pub(crate) rest: Interval,
    /// When rebuilt books are published again.
    pub(crate) tell: Interval,
    /// As `data_at`, by the clock that only goes forward.
    pub(crate) heard_at: Instant,
    /// A book was asked for to see whether anybody is there.
    pub(crate) probed: bool,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum DisconnectReason {
    /// We were asked to stop.
    Stopped,
    /// It broke, was closed, or sent what nobody can read.
    WrongBook(SessionError),
    /// No data for too long.
    Silent,
    /// Nothing is left to follow.
    Idle,
}

// === impl ConnectionState ===

impl ConnectionState {
    /// A connection that was opened now, at `at`, and asked for the books of `tokens`.
    pub(crate) fn new(
        epoch: u64,
        at: Timestamp,
        tokens: &[TokenId],
        ping_every: Duration,
        tell_every: Duration,
    ) -> Self {
        let now = Instant::now();
        let every = |period: Duration| {
            let mut every = interval_at(now + period, period);
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            every
        };
        let mut openings = PendingSnapshots::default();
        openings.asked(tokens, now);
        Self {
            epoch,
            frames: 0,
            data_at: at,
            had_data: false,
            openings,
            ping: every(ping_every),
            rest: every(REST_EVERY),
            tell: every(if tell_every.is_zero() { NEVER } else { tell_every }),
            heard_at: now,
            probed: false,
        }
    }

    /// The largest frame that it may bring now.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        if self.openings.next_look().is_some() { OPENING_BYTES_MAX } else { FRAME_BYTES_MAX }
    }
}

// === impl DisconnectReason ===

impl DisconnectReason {
    /// The gap that it makes of all markets of the socket; none where nothing will be missed.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            // What is missing from here on is recorded by the next feed, from the checkpoint that this one leaves.
            Self::Stopped | Self::Idle => None,
            Self::Silent => Some(Cause::Silence),
            Self::WrongBook(error) if error.unread().is_some() => Some(Cause::FrameRefused),
            Self::WrongBook(_) => Some(Cause::SocketClosed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_frames_are_read_until_every_book_has_come_and_not_after() {
        let token = TokenId::try_from("7").unwrap();
        let second = Duration::from_secs(1);
        let mut life =
            ConnectionState::new(0, Timestamp::from_micros(0), std::slice::from_ref(&token), second, second);
        assert_eq!(life.frame_bytes_max(), OPENING_BYTES_MAX);
        life.openings.came(&token);
        assert_eq!(life.frame_bytes_max(), FRAME_BYTES_MAX);
        life.openings.asked(&[token], Instant::now());
        assert_eq!(life.frame_bytes_max(), OPENING_BYTES_MAX);
    }

    #[test]
    fn a_frame_that_is_too_large_or_no_text_leaves_a_gap_that_says_so() {
        let too_large = SessionError::TooLarge { bytes: 2, limit: 1, beginning: Vec::new() };
        assert_eq!(DisconnectReason::WrongBook(too_large).cause(), Some(Cause::FrameRefused));
        let no_text = SessionError::NotText { what: String::new() };
        assert_eq!(DisconnectReason::WrongBook(no_text).cause(), Some(Cause::FrameRefused));
        let closed = SessionError::Closed { code: 1006, reason: String::new() };
        assert_eq!(DisconnectReason::WrongBook(closed).cause(), Some(Cause::SocketClosed));
        assert_eq!(
            (DisconnectReason::Silent.cause(), DisconnectReason::Stopped.cause()),
            (Some(Cause::Silence), None)
        );
    }
}
