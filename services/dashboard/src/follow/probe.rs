//! Asks the bus, once a second, how far behind its readers are.
//!
//! Knows: the oldest tick that waits in each stage. Never: how far behind is too far.

use std::sync::atomic::Ordering;

use bus::{Bus, BusError, Source, StreamMessage, Work};
use chassis::clock;
use contract::codec::{decode, decode_tick};
use contract::subject;
use contract::tick::Kind;
use contract::time::Timestamp;
use contract::verdict::JudgedTrade;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Follower, PROBE_EVERY, PROBE_MAX, of_bus};
use crate::state::delivery::Stage;
use crate::state::link::Queue;

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
                    let waiting = bus.waiting(work_of(queue)).await;
                    let (backlog, oldest) = waiting.map_err(|failure| of_bus(&failure))?;
                    let count = backlog.pending + backlog.unacknowledged;
                    // Of one that cannot be read it is not known when it was received.
                    let received = oldest.as_ref().map(received_at);
                    if let Some(oldest) = received.map_or(Some(None), |received| received.map(Some)) {
                        self.board.with(|fold| fold.delivery.read(stage, oldest, count, clock::now().into()));
                    }
                    backlog
                }
            };
            self.board.with(|fold| fold.backlog(queue, backlog, clock::now().into()));
        }
        // In this order: what was there before is shown by now, or waits.
        let newest = bus.newest(Source::Judged).await.map_err(|failure| of_bus(&failure))?;
        let waiting = newest.saturating_sub(self.read_up_to.load(Ordering::Relaxed));
        self.board.with(|fold| {
            let oldest = (waiting > 0).then(|| fold.newest_at.unwrap_or(self.started_at));
            fold.delivery.read(Stage::Shown, oldest, waiting, clock::now().into());
        });
        Ok(())
    }
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

fn work_of(queue: Queue) -> Work {
    match queue {
        Queue::Raw => Work::Raw,
        Queue::Judged => Work::Judged,
        Queue::Markets => Work::Markets,
        Queue::Gaps => Work::Gaps,
        Queue::Dead => Work::Dead,
    }
}
