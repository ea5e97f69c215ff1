//! Asks the bus, once a second, how far behind its readers are.
//!
//! Knows: the oldest tick that waits in each stage. Never: how far behind is too far.

use std::time::Duration;

use bus::{Bus, BusError, REDELIVERY_AFTER, ReadUpTo, SharedConsumer, Source, StreamMessage, Waiting};
use chassis::clock;
use contract::codec::{decode, decode_tick};
use contract::subject;
use contract::tick::Kind;
use contract::time::Timestamp;
use contract::verdict::JudgedTrade;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Follower, PROBE_EVERY, PROBE_MAX, of_bus};
use crate::state::delivery::{Reading, Stage};
use crate::state::dependency::Queue;

impl Follower {
    /// Asks the bus how far behind its consumers are: that is also how it shows that it answers.
    pub(super) async fn probe_bus(self, bus: Bus) -> anyhow::Result<()> {
        let mut every = interval(PROBE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let answer = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                asked = timeout(PROBE_MAX, self.ask_consumers(&bus)) => match asked {
                    Ok(answer) => answer,
                    Err(_) => Err(format!("no answer within {} s", PROBE_MAX.as_secs())),
                },
            };
            self.board.with(|fold| fold.bus.told(answer, clock::now().into()));
            if let Err(error @ BusError::Closed) = bus.check() {
                return Err(error.into());
            }
        }
    }

    async fn ask_consumers(&self, bus: &Bus) -> Result<(), String> {
        bus.check().map_err(|failure| of_bus(&failure))?;
        for queue in Queue::ALL {
            let backlog = match stage_of(queue) {
                None => bus.backlog(work_of(queue)).await.map_err(|failure| of_bus(&failure))?,
                Some(stage) => {
                    let at = Timestamp::from(clock::now());
                    let waiting = bus.waiting(work_of(queue)).await.map_err(|failure| of_bus(&failure))?;
                    if let Some(reading) = reading(stage, &waiting, at) {
                        self.board.with(|fold| fold.delivery.read(stage, reading));
                    }
                    waiting.backlog
                }
            };
            self.board.with(|fold| fold.backlog(queue, backlog, clock::now().into()));
        }
        let Some(read_up_to) = self.read_up_to.get().and_then(ReadUpTo::sequence) else { return Ok(()) };
        let at = Timestamp::from(clock::now());
        let unread = bus.unread(Source::Judged, read_up_to).await;
        let (waiting, first) = unread.map_err(|failure| of_bus(&failure))?;
        let oldest = first.as_ref().and_then(received_at);
        // Of one that cannot be read it is not known when it was received.
        if first.is_none() || oldest.is_some() {
            let reading = Reading::of_oldest(oldest, waiting, at);
            self.board.with(|fold| fold.delivery.read(Stage::Shown, reading));
        }
        Ok(())
    }
}

/// How a stage stands; none where what waits cannot be read.
fn reading(stage: Stage, waiting: &Waiting, at: Timestamp) -> Option<Reading> {
    let (delivered, undelivered) = (&waiting.unacknowledged, &waiting.undelivered);
    let age = |message: &Option<StreamMessage>| match message {
        None => Some(None),
        Some(message) => received_at(message).map(Some),
    };
    let (delivered, undelivered) = (age(delivered)?, age(undelivered)?);
    let oldest = delivered.into_iter().chain(undelivered).min();
    let count = waiting.backlog.pending + waiting.backlog.unacknowledged;
    let mut reading = Reading::of_oldest(oldest, count, at);
    if stage == Stage::Judged {
        // One that waits for an answer, or for its redelivery, lets the others pass by.
        let since =
            |received: Option<Timestamp>| received.map_or(Duration::ZERO, |received| at.since(received));
        reading.behind = since(undelivered).max(since(delivered).saturating_sub(REDELIVERY_AFTER));
    }
    Some(reading)
}

/// The stage in which ticks wait for this consumer; markets, gaps and letters are none.
const fn stage_of(queue: Queue) -> Option<Stage> {
    match queue {
        Queue::Raw => Some(Stage::Judged),
        Queue::Judged => Some(Stage::Stored),
        Queue::Markets | Queue::Gaps | Queue::Dead => None,
    }
}

/// When the feed received a tick, raw or judged; none where it cannot be read.
fn received_at(message: &StreamMessage) -> Option<Timestamp> {
    let tick = subject::of_tick(&message.subject)?;
    if tick.kind == Kind::Trade && tick.verdict.is_some() {
        return decode::<JudgedTrade>(&message.payload).ok().map(|judged| judged.trade.received_at);
    }
    decode_tick(tick.kind, &message.payload).ok().map(|tick| tick.received_at())
}

fn work_of(queue: Queue) -> SharedConsumer {
    match queue {
        Queue::Raw => SharedConsumer::Raw,
        Queue::Judged => SharedConsumer::Judged,
        Queue::Markets => SharedConsumer::Markets,
        Queue::Gaps => SharedConsumer::Gaps,
        Queue::Dead => SharedConsumer::Dead,
    }
}
