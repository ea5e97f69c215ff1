//! What an answer to a gate's question may be.
//!
//! Knows: that "nobody knows" is one, too. Never: how a question is put.

/// An answer to a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer<T> {
    /// This is known.
    Known(T),
    /// Asked: not known, or not answered in time.
    Unavailable,
}
