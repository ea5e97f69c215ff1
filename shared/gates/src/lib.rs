//! The verdicts: what the gates G1, G3 and G5 think of a trade.
//!
//! Knows: a trade, limits, and answers to questions. Never: a clock, a socket, where an answer comes from.
//!
//! A gate may ask for a fact, it never fetches it. Whoever judges a trade calls [`judge::judge`], puts
//! the answers to its questions into the evidence and calls again; "nobody knows" is an answer too, so
//! each question is asked once and the second call decides.

pub mod judge;

pub mod evidence;
pub mod limits;

pub mod g1_stale;
pub mod g3_size;
pub mod g5_divergence;

#[cfg(test)]
mod testing;
