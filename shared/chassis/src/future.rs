//! Futures that are compiled once.
//!
//! Knows: why. Never: what they do.
//!
//! A future is compiled in the crate that polls it, with all that it awaits: each service, and each of its programs and
//! tests, would compile the clients of bus and database again. Behind a pointer it is compiled where it is made. Worth it
//! for what is large and seldom called; the function that makes it is `#[inline(never)]` and no `async fn`.

use std::pin::Pin;

/// A future behind a pointer.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
