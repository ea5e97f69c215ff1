//! The loop: while one batch is being stored, the next is collected.
//!
//! Knows: two batches, and whose turn it is. Never: how a batch is stored.

use std::time::{Duration, Instant};

use bus::{Delivery, SharedConsumer};
use chassis::clock;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, BatchLimits};
use crate::decode::{self, Message};
use crate::intake::Intake;
use crate::sink::{self, PROGRESS_EVERY, PendingMessage, Sink, Work};
use crate::writer_stats::WriterStats;

/// How often a database that nobody needs right now is asked whether it is there.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Reads, collects, hands over.
#[derive(Debug)]
pub struct Pump {
    intake: Intake,
    stats: WriterStats,
    batch: Batch<PendingMessage>,
    progress: Interval,
    check: Interval,
    /// The sink, here or at work.
    sink: SinkState,
}

/// Where the sink is.
#[derive(Debug)]
enum SinkState {
    Free(Box<Sink>),
    Busy(JoinHandle<Box<Sink>>),
    /// Only between two states.
    Passing,
}

// === impl Pump ===

impl Pump {
    /// Takes from `intake` and gives to `sink`, in batches within `limits`.
    pub fn new(intake: Intake, sink: Sink, stats: WriterStats, limits: BatchLimits) -> Self {
        let every = |period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        Self {
            intake,
            stats,
            batch: Batch::new(limits),
            progress: every(PROGRESS_EVERY),
            check: every(CHECK_EVERY),
            sink: SinkState::Free(Box::new(sink)),
        }
    }

    /// Works until `stop`, then stores what has been collected.
    ///
    /// # Errors
    /// When the sink panics.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let now = Instant::now();
            if self.batch.is_full() || self.batch.due_at().is_some_and(|due_at| due_at <= now) {
                self.pass_on();
            }
            let rests_until = self.stats.closed_until(now);
            let reads = !self.batch.is_full() && rests_until.is_none() && !self.stats.is_blocked();
            // While the sink is busy its return is what is waited for, not the age of the batch.
            let due_at = self.batch.due_at().filter(|_| matches!(self.sink, SinkState::Free(_)));
            let wake_at = due_at.into_iter().chain(rests_until).min();
            tokio::select! {
                () = stop.cancelled() => {}
                done = returned(&mut self.sink) => self.sink = SinkState::Free(done?),
                (work, delivery) = self.intake.next(), if reads => self.take(work, delivery).await,
                () = sleep_until(wake_at.unwrap_or(now).into()), if wake_at.is_some() => {}
                _ = self.progress.tick() => sink::hold(self.batch.items().iter().map(|held| &held.delivery)).await,
                _ = self.check.tick() => self.check_if_idle(),
            }
        }
        self.finish().await
    }

    async fn take(&mut self, work: SharedConsumer, delivery: Delivery) {
        self.stats.received(delivery.attempt);
        let (envelope, now) = (sink::envelope(&delivery), clock::now().into());
        let load = match decode::read(work, envelope, &delivery.payload, now) {
            Message::Row(row) => Work::Row(row),
            Message::Odd(why) => Work::Letter(decode::letter(envelope, &why, &delivery.payload, now)),
            Message::NotStored => return sink::acknowledge_one(&delivery).await,
        };
        let bytes = delivery.payload.len();
        self.batch.push(PendingMessage { delivery, load }, bytes, Instant::now());
        self.stats.holds(self.batch.items().len());
    }

    /// Hands the batch to the sink, if it is free.
    fn pass_on(&mut self) {
        match std::mem::replace(&mut self.sink, SinkState::Passing) {
            SinkState::Free(mut sink) => {
                let batch = self.batch.take();
                self.stats.holds(0);
                self.sink = SinkState::Busy(tokio::spawn(async move {
                    sink.commit(batch).await;
                    sink
                }));
            }
            busy => self.sink = busy,
        }
    }

    fn check_if_idle(&mut self) {
        if !self.batch.items().is_empty() {
            return;
        }
        match std::mem::replace(&mut self.sink, SinkState::Passing) {
            SinkState::Free(mut sink) => {
                self.sink = SinkState::Busy(tokio::spawn(async move {
                    sink.check().await;
                    sink
                }));
            }
            busy => self.sink = busy,
        }
    }

    /// Lets the batch under way end and stores the open one. The sink gives both back if the database is away.
    async fn finish(mut self) -> anyhow::Result<()> {
        if matches!(self.sink, SinkState::Busy(_)) {
            self.sink = SinkState::Free(returned(&mut self.sink).await?);
        }
        if !self.batch.items().is_empty() {
            self.pass_on();
            self.sink = SinkState::Free(returned(&mut self.sink).await?);
        }
        if let SinkState::Free(mut sink) = self.sink {
            sink.close().await;
        }
        Ok(())
    }
}

/// The sink, once it is done; waits for ever while it is not at work. Dropping the wait loses nothing.
async fn returned(sink: &mut SinkState) -> anyhow::Result<Box<Sink>> {
    match sink {
        SinkState::Busy(task) => Ok(task.await?),
        SinkState::Free(_) | SinkState::Passing => std::future::pending().await,
    }
}
