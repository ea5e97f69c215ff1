//! Real servers and the program itself, a topic a file.
//!
//! Knows: its topics. Never: a test of its own.

#[cfg(test)]
mod children;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod whole;
