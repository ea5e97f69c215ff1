//! How the bus stands to us: connected, away, or refusing something.
//!
//! Knows: the client's events; a missing right shows nowhere else, the call itself just times out.
//! Never: what a service makes of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{ClientError, Event, ServerError};
use tokio::sync::Notify;
use tracing::{debug, error, warn};

use crate::error::BusError;

/// So long a refusal counts: whoever needs the right asks again well within it.
const REFUSAL_COUNTS: Duration = Duration::from_mins(1);
/// Subjects are ours and short; what is longer is cut.
const SHOWN_MAX: usize = 200;

/// What the client's events have told.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionHealth {
    told: Arc<Mutex<Metric>>,
    refused: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Metric {
    refusal: Option<(String, Instant)>,
    is_closed: bool,
}

/// Goes with the client's own tasks: when they end, nobody tries to connect any more.
#[derive(Debug)]
pub(crate) struct Alive(pub(crate) ConnectionHealth);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.with(|told| told.is_closed = true);
    }
}

impl ConnectionHealth {
    /// Notes an event of the client.
    pub(crate) fn note(&self, event: &Event, now: Instant) {
        match event {
            Event::Connected => {
                debug!("the bus connection stands");
                self.with(|told| told.refusal = None);
            }
            Event::ServerError(ServerError::Other(text)) if is_refusal(text) => self.refuse(text, now),
            // On the way back after a break. The client goes on trying: the login may be set right.
            Event::ClientError(ClientError::Other(text)) if text.contains("authorization violation") => {
                self.refuse("the login is not taken any more", now);
            }
            Event::Closed => self.with(|told| told.is_closed = true),
            other => warn!(event = %other, "the bus connection changed"),
        }
    }

    fn refuse(&self, text: &str, now: Instant) {
        let what = chassis::logline::sanitize(text, SHOWN_MAX);
        let is_new = self.with(|told| {
            let before = told.refusal.replace((what.clone(), now));
            before.is_none_or(|(before, _)| before != what)
        });
        if is_new {
            error!("the bus refuses us something that we need: {what}");
        }
        self.refused.notify_waiters();
    }

    /// What is wrong beside a connection that is away.
    pub(crate) fn check(&self, now: Instant) -> Result<(), BusError> {
        self.with(|told| {
            if told.is_closed {
                return Err(BusError::Closed);
            }
            match &told.refusal {
                Some((what, at)) if now.duration_since(*at) < REFUSAL_COUNTS => {
                    Err(BusError::Refused { what: what.clone() })
                }
                _ => Ok(()),
            }
        })
    }

    /// Does `call`, but no longer than until the server refuses something.
    pub(crate) async fn unless_refused<T>(
        &self,
        call: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        let refused = self.refused.notified();
        tokio::pin!(refused);
        refused.as_mut().enable();
        self.check(Instant::now())?;
        tokio::select! {
            outcome = call => outcome,
            () = refused => match self.check(Instant::now()) {
                Err(error) => Err(error),
                Ok(()) => Err(BusError::Refused { what: "unknown".to_owned() }),
            },
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Metric) -> T) -> T {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// As nats-server says it: `Permissions Violation for Publish to "ticks.clean.x"`.
fn is_refusal(text: &str) -> bool {
    text.to_lowercase().contains("permissions violation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(subject: &str) -> Event {
        let text = format!("Permissions Violation for Publish to \"{subject}\"");
        Event::ServerError(ServerError::Other(text))
    }

    #[test]
    fn a_refusal_names_its_subject_and_counts_for_a_minute_or_until_a_new_connection() {
        let (standing, now) = (ConnectionHealth::default(), Instant::now());
        assert!(standing.check(now).is_ok());
        standing.note(&refusal("ticks.clean.trade.0xab"), now);
        let told = standing.check(now + Duration::from_secs(59)).unwrap_err();
        assert!(told.to_string().contains("ticks.clean.trade.0xab"), "{told}");
        assert!(standing.check(now + REFUSAL_COUNTS).is_ok());
        standing.note(&refusal("dead.feed"), now);
        standing.note(&Event::Connected, now);
        assert!(standing.check(now).is_ok());
    }

    #[test]
    fn other_words_of_the_server_are_no_refusal_and_a_closed_connection_is_final() {
        let (standing, now) = (ConnectionHealth::default(), Instant::now());
        standing.note(&Event::ServerError(ServerError::Other("Stale Connection".to_owned())), now);
        standing.note(&Event::Disconnected, now);
        assert!(standing.check(now).is_ok());
        let lost = "nats: authorization violation".to_owned();
        standing.note(&Event::ClientError(ClientError::Other(lost)), now);
        assert!(matches!(standing.check(now), Err(BusError::Refused { .. })));
        standing.note(&Event::Closed, now);
        let told = standing.check(now).unwrap_err();
        assert!(matches!(told, BusError::Closed) && !told.is_transient());
        let other = ConnectionHealth::default();
        drop(Alive(other.clone()));
        assert!(matches!(other.check(now), Err(BusError::Closed)));
    }
}
