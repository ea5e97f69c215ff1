//! Watches the streams: what they held and nobody had stored is published again when one of them is lost.
//!
//! Knows: which stream is which, and what has to be published again on an empty one. Never: how it came to be lost.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusError, SharedConsumer, StreamIdentity};
use chassis::clock;
use contract::gap::Cause;
use contract::ids::ConditionId;
use contract::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::gaps::{Gaps, Trades};
use crate::publish::queue::PublishQueue;
use crate::publish::unstored::{StoredUntil, Unstored};

/// How often the streams are looked at: four questions to the server, and what a lost stream costs of prices.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches for one feed.
#[derive(Debug)]
pub(crate) struct StreamWatch {
    pub(crate) bus: Bus,
    pub(crate) queue: PublishQueue,
    pub(crate) gaps: Gaps,
    pub(crate) unstored: Unstored,
    /// The markets followed.
    pub(crate) followed: watch::Receiver<Arc<[ConditionId]>>,
    /// Asks the universe to publish every market again.
    pub(crate) markets: Arc<Notify>,
}

/// The streams as they were at the last look; none before the first.
#[derive(Debug)]
struct Seen {
    raw: Option<StreamIdentity>,
    judged: Option<StreamIdentity>,
    markets: Option<StreamIdentity>,
    gaps: Option<StreamIdentity>,
    stored: StoredUntil,
    /// What happened before is the last feed's.
    since: Timestamp,
}

// === impl StreamWatch ===

impl StreamWatch {
    /// Watches until `stop`.
    ///
    /// # Errors
    /// Never: what cannot be seen now is seen at the next look.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let since = clock::now().into();
        let mut seen = Seen {
            raw: None,
            judged: None,
            markets: None,
            gaps: None,
            stored: StoredUntil::default(),
            since,
        };
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let looked = tokio::select! {
                looked = self.look(&mut seen) => looked,
                () = stop.cancelled() => return Ok(()),
            };
            if let Err(error) = looked {
                debug!(%error, "the streams cannot be looked at now");
            }
        }
    }

    async fn look(&self, seen: &mut Seen) -> Result<(), BusError> {
        let at = Timestamp::from(clock::now());
        if changed(&mut seen.markets, self.bus.identity(SharedConsumer::Markets).await?) {
            info!("the stream of markets was made again: every market is published again");
            self.markets.notify_one();
        }
        if changed(&mut seen.gaps, self.bus.identity(SharedConsumer::Gaps).await?) {
            info!("the stream of gaps was made again: the gaps are published again");
            self.gaps.publish_again();
        }
        // Whether or not somebody takes from them.
        let raw = self.bus.identity(SharedConsumer::Raw).await?;
        let judged = self.bus.identity(SharedConsumer::Judged).await?;
        if changed(&mut seen.raw, raw) | changed(&mut seen.judged, judged) {
            let from = seen.stored.lost().unwrap_or(seen.since);
            self.lost(from, clock::now().into());
        }
        // In this order: what the raw stream's consumer had acknowledged is in the judged stream by then.
        let raw = self.bus.progress(SharedConsumer::Raw).await?;
        let judged = self.bus.progress(SharedConsumer::Judged).await?;
        // One that was lost since the lines above is seen at the next look.
        if seen.raw != Some(raw.identity) || seen.judged != Some(judged.identity) {
            return Ok(());
        }
        if let Some(until) = seen.stored.look(at, raw, judged) {
            self.unstored.stored(until);
        }
        Ok(())
    }

    /// A stream of ticks was lost: trades are published once more, and the other ticks since `from` are a gap.
    fn lost(&self, from: Timestamp, until: Timestamp) {
        let (trades, let_go) = self.unstored.take();
        let (count, markets) = (trades.len(), self.followed.borrow().clone());
        error!(
            trades = count, markets = markets.len(), %from, %until,
            "a stream of ticks was lost with what was not stored yet: {count} trades are published again, prices and \
             books since {from} are a gap"
        );
        let recoverable = if let_go > 0 {
            // The memory of fills takes them for published: REST would not bring them.
            error!(
                "{let_go} trades that may have been lost with it were not kept any more: its gaps are incomplete"
            );
            Trades::Lost
        } else {
            Trades::ToFetch
        };
        // Before the trades: a feed that ends in between has said what is missing.
        for market in markets.iter() {
            self.gaps.missed(market, Cause::StreamLost, (from, until), recoverable);
        }
        for mut trade in trades {
            // The raw stream may still know the id, and what is judged again is stored once by the trade's own.
            trade.id = trade.id.map(|id| format!("{id}-{}", until.micros()));
            self.queue.enqueue_urgent(trade);
        }
    }
}

/// Whether this is another one than before.
fn changed<T: PartialEq>(before: &mut Option<T>, now: T) -> bool {
    let changed = before.as_ref().is_some_and(|before| *before != now);
    *before = Some(now);
    changed
}
