//! Futures that are compiled once, here, and not in each crate that awaits them.
//!
//! Knows: that the client of the database is large. Never: what is asked.

use std::pin::Pin;

/// A future behind a pointer. The function that makes it is `#[inline(never)]` and no `async fn`.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
