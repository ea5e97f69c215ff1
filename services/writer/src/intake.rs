//! What comes from the bus: four shared consumers, read as one.
//!
//! Knows: when a consumer that broke off is opened again. Never: what a message says.

use std::time::Duration;

use bus::{Bus, Deliveries, Delivery, SharedConsumer};
use chassis::backoff::Backoff;
use chassis::logline;
use tokio::time::Instant;
use tracing::warn;

/// First and longest pause before a consumer that broke off is opened again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// All that the writer reads.
#[derive(Debug)]
pub struct Intake {
    sources: [Source; 4],
}

#[derive(Debug)]
struct Source {
    work: SharedConsumer,
    deliveries: Deliveries,
    backoff: Backoff,
    resume_at: Option<Instant>,
}

// === impl Intake ===

impl Intake {
    /// Reads from `bus`.
    pub fn new(bus: &Bus) -> Self {
        let source = |work| Source {
            work,
            deliveries: bus.consume(work),
            backoff: Backoff::new(PAUSE.0, PAUSE.1),
            resume_at: None,
        };
        Self {
            sources: [
                SharedConsumer::Judged,
                SharedConsumer::Markets,
                SharedConsumer::Gaps,
                SharedConsumer::Dead,
            ]
            .map(source),
        }
    }

    /// The next message of any consumer; waits for ever when there is none. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> (SharedConsumer, Delivery) {
        let [judged, markets, gaps, dead] = &mut self.sources;
        tokio::select! {
            delivery = judged.next() => (SharedConsumer::Judged, delivery),
            delivery = markets.next() => (SharedConsumer::Markets, delivery),
            delivery = gaps.next() => (SharedConsumer::Gaps, delivery),
            delivery = dead.next() => (SharedConsumer::Dead, delivery),
        }
    }
}

// === impl Source ===

impl Source {
    async fn next(&mut self) -> Delivery {
        loop {
            if let Some(resume_at) = self.resume_at {
                tokio::time::sleep_until(resume_at).await;
                self.resume_at = None;
            }
            match self.deliveries.next().await {
                Ok(delivery) => {
                    self.backoff.reset();
                    return delivery;
                }
                Err(error) => {
                    if self.backoff.attempts() == 0 {
                        warn!(consumer = ?self.work, "reading broke off: {}", logline::error_chain(&error));
                    }
                    self.resume_at = Some(Instant::now() + self.backoff.next(fastrand::u64(..)));
                }
            }
        }
    }
}
