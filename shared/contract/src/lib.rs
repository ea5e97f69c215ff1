//! What travels between the services: values, payloads, subjects, encoding, tick ids.
//!
//! Knows: the words of the pipeline. Never: a socket, a clock, a venue's own spelling.

pub mod codec;
pub mod dead_letter;
pub mod gap;
pub mod ids;
pub mod latency;
pub mod market;
pub mod money;
pub mod overruled;
pub mod stats;
pub mod subject;
pub mod tick;
pub mod time;
pub mod verdict;

#[cfg(test)]
mod round_trip;
