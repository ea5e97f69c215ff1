//! The wish to stop, as a token that everything in the process watches.
//!
//! Knows: signals. Never: how anything stops.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A token that is cancelled by the first SIGINT or SIGTERM; a second signal ends the process at once with code 1.
///
/// Both signals are caught from the moment this returns. The watcher lives as long as the process.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn on_signal() -> CancellationToken {
    on_signal_or(|| std::process::exit(1))
}

fn on_signal_or(leave: impl FnOnce() + Send + 'static) -> CancellationToken {
    let catch = |kind| signal(kind).expect("SIGINT and SIGTERM may be caught by any process");
    let (interrupts, terms) = (catch(SignalKind::interrupt()), catch(SignalKind::terminate()));
    let stop = CancellationToken::new();
    tokio::spawn(follow(interrupts, terms, stop.clone(), leave));
    stop
}

async fn follow(mut interrupts: Signal, mut terms: Signal, stop: CancellationToken, leave: impl FnOnce()) {
    let first = either(&mut interrupts, &mut terms).await;
    info!(signal = first, "stopping; a second signal ends the process at once");
    stop.cancel();
    let second = either(&mut interrupts, &mut terms).await;
    warn!(signal = second, "a second signal: ending without waiting");
    leave();
}

async fn either(interrupts: &mut Signal, terms: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupts.recv() => "SIGINT",
        _ = terms.recv() => "SIGTERM",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::process::Command;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn signal_ourselves(name: &str) {
        let order = format!("kill -{name} {}", std::process::id());
        let status = Command::new("sh").args(["-c", &order]).status().await.unwrap();
        assert!(status.success());
    }

    // One test for both signals: signals reach the whole test process.
    #[tokio::test]
    async fn the_first_signal_cancels_and_the_second_leaves() {
        let (left, leaving) = oneshot::channel();
        let stop = on_signal_or(move || left.send(()).unwrap());
        assert!(!stop.is_cancelled());
        signal_ourselves("TERM").await;
        timeout(PATIENCE, stop.cancelled()).await.expect("SIGTERM cancels");
        signal_ourselves("INT").await;
        timeout(PATIENCE, leaving).await.expect("SIGINT leaves").unwrap();
    }
}
