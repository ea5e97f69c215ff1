//! The venue's side played by hand: what a real one never does, a topic a file.
//!
//! Knows: its topics. Never: a test of its own.

#[cfg(test)]
mod hostile;
