//! Waiting for something to become so.
//!
//! Knows: a check and a limit. Never: a pause that stands for knowledge.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until `check` says nothing more against it.
///
/// # Panics
/// When it still does after `limit`, with its last word.
pub async fn eventually<W: Display>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> Result<(), W>,
) {
    let until = Instant::now() + limit;
    loop {
        match check().await {
            Ok(()) => return,
            Err(word) => assert!(Instant::now() < until, "not within {limit:?}: {what}: {word}"),
        }
        sleep(LOOK_EVERY).await;
    }
}
