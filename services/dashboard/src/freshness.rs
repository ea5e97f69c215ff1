//! Whether an event is new or comes from what is stored.
//!
//! Knows: the two. Never: what is done about it.

/// Whether a message is new, or part of what had come before this process began to follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// It just happened.
    Live,
    /// It is history, read to catch up.
    Replayed,
}
