//! Into the database, then acknowledged: never the other way round.
//!
//! Knows: what to do about each class of failure. Never: how a row is stored.

use std::time::{Duration, Instant, SystemTime};

use bus::{Bus, Delivery, Message};
use chassis::backoff::Backoff;
use chassis::trace::{Role, Tracer};
use chassis::{clock, logline};
use contract::dead_letter::DeadLetter;
use contract::stats::Service;
use contract::{codec, subject};
use store::row::Row;
use store::{Class, Rows, SchemaVersion, StoreError, Stored, Table, WriterSession};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::bisect::Bisect;
use crate::decode::{self, Envelope};
use crate::writer_stats::{RejectReason, WriterStats};

/// How often a held message is said to be in progress: twice within the time after which it would come again.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(4);

/// First and longest pause while the database is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// First and longest pause while the database refuses us: a person has to act first.
const REFUSED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
/// Attempts at once after a deadlock, before it is waited.
const QUICK_MAX: u32 = 5;
/// Attempts to bring a letter to the bus; then its message comes again.
const LETTER_MAX: u32 = 5;

/// A message that is held until it is stored.
#[derive(Debug)]
pub struct PendingMessage {
    /// To be acknowledged.
    pub delivery: Delivery,
    /// What to do with it.
    pub load: Work,
}

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// To be stored.
    Row(Row),
    /// Not to be understood: this letter goes to `dead.writer`.
    Letter(DeadLetter),
}

/// The end of the line: one transaction after the other.
#[derive(Debug)]
pub struct Sink {
    shelf: WriterSession,
    bus: Bus,
    stats: WriterStats,
    tracer: Tracer,
    stop: CancellationToken,
    progress: Interval,
    away: Backoff,
    refused: Backoff,
}

/// A failed attempt is to be repeated, or the process is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Again,
    GiveBack,
}

// === impl Sink ===

impl Sink {
    /// Stores through `shelf`; gives up waiting when `stop` is cancelled.
    pub fn new(
        shelf: WriterSession,
        bus: Bus,
        stats: WriterStats,
        tracer: Tracer,
        stop: CancellationToken,
    ) -> Self {
        let mut progress = interval(PROGRESS_EVERY);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (away, refused) = (Backoff::new(AWAY.0, AWAY.1), Backoff::new(REFUSED.0, REFUSED.1));
        Self { shelf, bus, stats, tracer, stop, progress, away, refused }
    }

    /// Stores a batch and acknowledges it. Returns when every message of it is dealt with: stored, buried as a
    /// dead letter, or, after a stop while the database is away, given back to the bus.
    pub async fn commit(&mut self, batch: Vec<PendingMessage>) {
        let (mut rows, mut letters) = (Vec::new(), Vec::new());
        for held in batch {
            match held.load {
                Work::Row(row) => rows.push((held.delivery, row)),
                Work::Letter(letter) => letters.push((held.delivery, letter)),
            }
        }
        self.store(&rows).await;
        for (delivery, letter) in &letters {
            self.stats.gave_up(RejectReason::DecodeError, Instant::now());
            warn!(subject = %letter.subject, "could not read a message: {}", letter.error);
            self.publish_dead_letter(delivery, letter).await;
        }
    }

    /// Asks the database whether it is there, while nothing else asks it anything.
    pub async fn check(&mut self) {
        match self.shelf.fit().await {
            Ok(SchemaVersion::Fits) => self.answered(),
            Ok(SchemaVersion::Behind { found, needed, .. }) => {
                let why = format!("its schema has version {found}, this writer needs {needed}");
                if self.stats.database_refuses(&why) {
                    error!("the database was changed under us: {why}");
                }
            }
            Err(error) => self.note(&error),
        }
    }

    /// Ends the connection to the database.
    pub async fn close(&mut self) {
        self.shelf.close().await;
    }

    async fn store(&mut self, rows: &[(Delivery, Row)]) {
        let mut plan = Bisect::new(rows.len());
        let mut quick = 0;
        while let Some(range) = plan.next() {
            let (part, rest) = (&rows[range.clone()], &rows[range.start..]);
            let begun_at = clock::now().into();
            let outcome = self.attempt(part, rest).await;
            trace(&self.tracer, part, begun_at, outcome.as_ref().err());
            let failure = match outcome {
                Ok(stored) => {
                    debug!(rows = part.len(), duplicates = stored.duplicates, "stored a batch");
                    acknowledge(part).await;
                    plan.stored();
                    quick = 0;
                    continue;
                }
                Err(failure) => failure,
            };
            self.stats.tries_again();
            match failure.class() {
                Class::Data => {
                    if let Some(bad) = plan.failed() {
                        let (delivery, row) = &rows[bad];
                        self.refuse(delivery, row, &failure).await;
                    }
                }
                Class::RetryNow if quick < QUICK_MAX => quick += 1,
                Class::RetryNow | Class::Away | Class::Bug => {
                    self.note(&failure);
                    if self.pause(failure.class(), rest).await == Next::GiveBack {
                        give_back(rest).await;
                        return;
                    }
                }
            }
        }
    }

    /// One transaction, while the bus is told that its messages are being worked on.
    async fn attempt(
        &mut self,
        part: &[(Delivery, Row)],
        rest: &[(Delivery, Row)],
    ) -> Result<Stored, StoreError> {
        let rows = Rows::of(part.iter().map(|(_, row)| row));
        let begun = Instant::now();
        let stored = {
            let storing = self.shelf.store(&rows);
            tokio::pin!(storing);
            loop {
                tokio::select! {
                    stored = &mut storing => break stored?,
                    _ = self.progress.tick() => hold(rest.iter().map(|(delivery, _)| delivery)).await,
                }
            }
        };
        self.stats.stored(&stored, rows.len(), begun.elapsed());
        self.stats.committed(part.iter().map(|(_, row)| row), clock::now().into());
        self.answered();
        Ok(stored)
    }

    /// Waits before the next attempt, unless the process is to end.
    async fn pause(&mut self, class: Class, rest: &[(Delivery, Row)]) -> Next {
        let backoff = if class == Class::Bug { &mut self.refused } else { &mut self.away };
        let waiting = sleep(backoff.next(fastrand::u64(..)));
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                () = &mut waiting => return Next::Again,
                () = self.stop.cancelled() => return Next::GiveBack,
                _ = self.progress.tick() => hold(rest.iter().map(|(delivery, _)| delivery)).await,
            }
        }
    }

    fn answered(&mut self) {
        self.away.reset();
        self.refused.reset();
        if self.stats.database_answers() {
            info!("the database answers");
        }
    }

    /// Names a failure that is no row's fault, and logs it when it is news.
    fn note(&self, failure: &StoreError) {
        let why = logline::error_chain(failure);
        if failure.is_transient() {
            if self.stats.database_is_away(&why) {
                warn!("the database is away, holding what has come: {why}");
            }
        } else if self.stats.database_refuses(&why) {
            error!("the database rejects writes; consumption is paused until this is fixed: {why}");
        }
    }

    /// A row that the database will not take.
    async fn refuse(&mut self, delivery: &Delivery, row: &Row, failure: &StoreError) {
        let why = logline::error_chain(failure);
        self.stats.gave_up(RejectReason::Refused, Instant::now());
        error!(subject = %delivery.subject, sequence = delivery.sequence, "the database will not take a row: {why}");
        if matches!(row, Row::DeadLetter(_)) {
            // A letter about a letter would come back for ever. The log has it, and its bytes stay on the bus.
            acknowledge_one(delivery).await;
            return;
        }
        let letter = decode::letter(envelope(delivery), &why, &delivery.payload, clock::now().into());
        self.publish_dead_letter(delivery, &letter).await;
    }

    /// Brings a letter to the bus, then acknowledges its message. Without success the message comes again.
    async fn publish_dead_letter(&self, delivery: &Delivery, letter: &DeadLetter) {
        let message = Message {
            correlation_id: delivery.correlation_id.clone(),
            traceparent: delivery.traceparent,
            ..Message::new(subject::dead(Service::Writer), letter.id.to_string(), codec::encode(letter))
        };
        let mut backoff = Backoff::new(AWAY.0, AWAY.1);
        loop {
            let sent = match self.bus.publish(&message).await {
                Ok(pending) => pending.acknowledged().await.map(drop),
                Err(error) => Err(error),
            };
            let Err(error) = sent else {
                acknowledge_one(delivery).await;
                return;
            };
            if !error.is_transient() || backoff.attempts() >= LETTER_MAX || self.stop.is_cancelled() {
                error!(subject = %delivery.subject, "could not publish a dead letter: {}", logline::error_chain(&error));
                return;
            }
            sleep(backoff.next(fastrand::u64(..))).await;
        }
    }
}

/// One span for each sampled message of a transaction that began at `begun_at` and ends now.
fn trace(tracer: &Tracer, part: &[(Delivery, Row)], begun_at: SystemTime, failure: Option<&StoreError>) {
    for (delivery, row) in part {
        let Some(span) = delivery.traced(tracer, "insert", Role::Client) else { continue };
        let span = span
            .begun_at(begun_at)
            .text("db.system.name", "postgresql")
            .text("db.operation.name", "INSERT")
            .text("db.collection.name", Table::of(row).word())
            .number("db.operation.batch.size", part.len() as u64);
        match failure {
            None => span.end(),
            Some(failure) => span.failed(logline::error_chain(failure)).end(),
        }
    }
}

/// Where a delivery stood.
pub fn envelope(delivery: &Delivery) -> Envelope<'_> {
    Envelope {
        subject: &delivery.subject,
        correlation_id: delivery.correlation_id.as_deref(),
        sequence: delivery.sequence,
    }
}

/// Tells the bus that these are being worked on. What it does not hear is delivered again, which is harmless.
pub async fn hold(deliveries: impl Iterator<Item = &Delivery>) {
    for delivery in deliveries {
        if delivery.progress().await.is_err() {
            return;
        }
    }
}

/// Acknowledges one message. What is lost on the way is delivered again, which is harmless.
pub async fn acknowledge_one(delivery: &Delivery) {
    if let Err(error) = delivery.ack().await {
        debug!("an acknowledgement did not leave: {}", logline::error_chain(&error));
    }
}

async fn acknowledge(stored: &[(Delivery, Row)]) {
    for (delivery, _) in stored {
        if delivery.ack().await.is_err() {
            // The bus is away; each further one would wait as long.
            return;
        }
    }
}

async fn give_back(rest: &[(Delivery, Row)]) {
    info!(
        messages = rest.len(),
        "stopping while the database is away: what is not stored goes back to the bus"
    );
    for (delivery, _) in rest {
        if delivery.nak(Duration::ZERO).await.is_err() {
            return;
        }
    }
}
