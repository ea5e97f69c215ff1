//! The whole in containers, a topic a file.
//!
//! Knows: its topics. Never: a test of its own.

#[cfg(test)]
mod images;
#[cfg(test)]
mod stack;
