//! From "published" to "acknowledged": a raw message is let go only after the bus has what came of it.
//!
//! Knows: acknowledgements, attempts, what is counted when. Never: what a message says.

use std::time::Duration;

use bus::{Bus, BusError, Delivery, Message, Pending};
use chassis::backoff::Backoff;
use chassis::trace::Span;
use contract::tick::Kind;
use gates::judge::Judgement;
use tracing::debug;

use crate::metrics::Metrics;

/// Times that a message is published before it is left to be delivered again.
const ATTEMPTS_MAX: u32 = 4;
/// Pauses between them: together shorter than the 10 s after which the bus delivers a message again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is counted once the bus has a message.
#[derive(Debug)]
pub(crate) enum PublishOutcome {
    /// A message nobody could read.
    Dead,
    /// A tick that is not judged.
    Passed(Kind),
    /// A judged trade, with its age if it came over a socket.
    Judged {
        /// What the gates said.
        judgement: Box<Judgement>,
        /// Its age when it was read, in microseconds.
        age_us: Option<i64>,
    },
}

/// A message on its way, and the raw one it came of.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The raw message.
    pub(crate) delivery: Delivery,
    /// What came of it.
    pub(crate) message: Message,
    /// What it counts as.
    pub(crate) tally: PublishOutcome,
    /// The span of its publishing; only of what is sampled.
    pub(crate) span: Option<Span>,
}

impl Outgoing {
    /// Waits until the bus has the message, publishing it again where that is unknown, then lets go of the raw one.
    ///
    /// `sent`: the first attempt. Gives up after four attempts; the raw message then comes again, here or elsewhere.
    pub(crate) async fn settle(self, bus: Bus, metrics: Metrics, sent: Result<Pending, BusError>) {
        let (mut sent, mut attempt) = (sent, 1);
        let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
        let is_new = loop {
            let error = match acknowledged(sent).await {
                // A repetition of ours that the bus had already is new all the same.
                Ok(stored) => break !stored.duplicate || attempt > 1,
                Err(error) => error,
            };
            if attempt >= ATTEMPTS_MAX || !error.is_transient() {
                metrics.left_for_redelivery.inc();
                let why = chassis::logline::error_chain(&error);
                debug!(subject = self.message.subject, "left for redelivery: {why}");
                if let Some(span) = self.span {
                    span.failed(why).end();
                }
                return;
            }
            attempt += 1;
            metrics.published_again.inc();
            tokio::time::sleep(backoff.next(fastrand::u64(..))).await;
            sent = bus.publish(&self.message).await;
        };
        if let Some(span) = self.span {
            span.end();
        }
        if is_new {
            self.tally.count(&metrics);
        }
        if let Err(error) = self.delivery.ack().await {
            debug!(%error, subject = self.delivery.subject, "not acknowledged; it will be judged again");
        }
    }
}

async fn acknowledged(sent: Result<Pending, BusError>) -> Result<bus::Stored, BusError> {
    sent?.acknowledged().await
}

// === impl PublishOutcome ===

impl PublishOutcome {
    fn count(&self, metrics: &Metrics) {
        match self {
            Self::Dead => {
                metrics.dead.inc();
            }
            Self::Passed(kind) => metrics.count_passed(*kind),
            Self::Judged { judgement, age_us } => metrics.count_judged(judgement, *age_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use gates::judge::{Decision, Evidence, judge};
    use gates::limits::Limits;

    use super::*;
    use crate::testing::trade;

    #[test]
    fn each_kind_of_message_is_counted_as_what_it_is() {
        let metrics = Metrics::default();
        let Decision::Decided(judgement) = judge(&trade(), &Evidence::default(), &Limits::default()) else {
            panic!("asks")
        };
        PublishOutcome::Dead.count(&metrics);
        PublishOutcome::Passed(Kind::Price).count(&metrics);
        PublishOutcome::Judged { judgement: Box::new(judgement), age_us: Some(5) }.count(&metrics);
        let report = metrics.report(None);
        assert_eq!((report.dead, report.published["clean"], report.trade_age_us), (1, 2, 5));
    }
}
