//! The page in a real browser, a topic a file.
//!
//! Knows: its topics. Never: a test of its own.

#[cfg(test)]
mod keys;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod numbers;
