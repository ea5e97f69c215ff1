//! What a feed must find again after it was killed: up to when everything had reached the bus.
//!
//! Knows: how to tell the next feed where the last one ended. Never: a tick.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusError, Source, Start};
use chassis::clock;
use contract::codec::{decode, encode};
use contract::gap::{Cause, Gap};
use contract::ids::{ConditionId, TickId};
use contract::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::gaps::{Gaps, New};
use crate::relay::Relay;
use crate::shard::Shard;

/// How often the mark is kept: what a kill costs beyond what was really lost.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// What may be on its way between socket and buffer while the mark is taken.
const MARGIN: Duration = Duration::from_secs(1);

/// How often the lists of markets are kept without a change.
const LISTS_EVERY: Duration = Duration::from_mins(1);

/// Markets under one key: a market takes 69 bytes, a message may have 1 MiB.
const MARKETS_PER_KEY: usize = 5_000;

/// Kept once a second.
#[derive(Debug, Deserialize, Serialize)]
struct Mark {
    complete_until: Timestamp,
    /// Lists of markets there are.
    lists: usize,
}

/// What an earlier feed of this shard left behind.
#[derive(Debug, Default)]
pub(crate) struct Before {
    mark: Option<(Timestamp, HashSet<ConditionId>)>,
    open: Vec<Gap>,
}

impl Before {
    /// Asks the bus what is known of the last feed of this shard.
    ///
    /// # Errors
    /// When the bus does not answer: without the answer a gap might stay untold.
    pub(crate) async fn recall(bus: &Bus, shard: Shard) -> Result<Self, BusError> {
        let mark = match bus.kept(&key(shard)).await? {
            Some(bytes) => read_mark(bus, shard, &bytes).await?,
            None => None,
        };
        let told = bus.stored(Source::Gaps, Start::Beginning).await?;
        let shard = shard.to_string();
        let mut open: HashMap<TickId, Gap> = HashMap::new();
        for gap in told.iter().filter_map(|seen| decode::<Gap>(&seen.payload).ok()) {
            // One market may have several; each is told when it opens and when it is healed.
            if gap.healed_at.is_some() {
                open.remove(&gap.id);
            } else if gap.shard == shard {
                open.insert(gap.id, gap);
            }
        }
        Ok(Self { mark, open: open.into_values().collect() })
    }

    /// Hands on the gaps that are still open, and opens one for each market that was followed and has none.
    pub(crate) fn hand_on(self, gaps: &Gaps, shard: Shard) {
        let mut known: HashSet<ConditionId> = HashSet::new();
        for gap in self.open {
            known.insert(gap.condition_id.clone());
            gaps.inherit(gap, New::No);
        }
        let Some((ended_at, markets)) = self.mark else { return };
        for market in markets.into_iter().filter(|market| !known.contains(market)) {
            gaps.inherit(Gap::opened(market, &shard.to_string(), Cause::FeedRestart, ended_at), New::Yes);
        }
    }

    /// From when on trades on the bus may be rows of these gaps.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        let marked = self.mark.as_ref().map(|(ended_at, _)| *ended_at);
        let open = self.open.iter().filter(|gap| gap.cause != Cause::NotFollowed);
        open.map(|gap| gap.opened_at).chain(marked).min()
    }
}

/// Keeps the mark until `stop`, and once more at the end; the lists of markets whenever they changed, and now and then:
/// the bucket may have been lost and made again.
pub(crate) async fn keep(
    bus: Bus,
    relay: Relay,
    shard: Shard,
    mut followed: watch::Receiver<Arc<[ConditionId]>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut lists = None;
    let mut lists_at = Instant::now();
    let mut stopping = false;
    while !stopping {
        let is_due = lists_at.elapsed() >= LISTS_EVERY;
        if lists.is_none() || is_due || followed.has_changed().unwrap_or(false) {
            lists_at = Instant::now();
            let markets = followed.borrow_and_update().clone();
            lists = keep_lists(&bus, shard, &markets).await;
        }
        if let Some(lists) = lists {
            let mark = Mark { complete_until: relay.complete_until(clock::now().into()), lists };
            if let Err(error) = bus.keep(&key(shard), encode(&mark)).await {
                debug!(%error, "the mark was not kept; the next one will be");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(KEPT_EVERY) => {}
            () = stop.cancelled() => stopping = true,
        }
    }
    Ok(())
}

/// How many lists the markets took; none where one could not be kept.
async fn keep_lists(bus: &Bus, shard: Shard, markets: &[ConditionId]) -> Option<usize> {
    let mut lists = 0;
    for part in markets.chunks(MARKETS_PER_KEY) {
        if let Err(error) = bus.keep(&list_key(shard, lists), encode(&part)).await {
            debug!(%error, "a list of markets was not kept; it will be");
            return None;
        }
        lists += 1;
    }
    Some(lists)
}

async fn read_mark(
    bus: &Bus,
    shard: Shard,
    bytes: &[u8],
) -> Result<Option<(Timestamp, HashSet<ConditionId>)>, BusError> {
    let unread = |error: &dyn std::error::Error| {
        warn!(%error, "what the last feed kept could not be read: no gap can be told for the time since");
    };
    let mark = match decode::<Mark>(bytes) {
        Ok(mark) => mark,
        Err(error) => {
            unread(&error);
            return Ok(None);
        }
    };
    let mut markets = HashSet::new();
    for list in 0..mark.lists {
        let Some(bytes) = bus.kept(&list_key(shard, list)).await? else { continue };
        match decode::<Vec<ConditionId>>(&bytes) {
            Ok(list) => markets.extend(list),
            Err(error) => unread(&error),
        }
    }
    Ok(Some((mark.complete_until.minus(MARGIN), markets)))
}

fn key(shard: Shard) -> String {
    format!("shard-{}-of-{}", shard.number, shard.of)
}

fn list_key(shard: Shard, list: usize) -> String {
    format!("{}-markets-{list}", key(shard))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard { number: 0, of: 1 };

    fn market(text: &str) -> ConditionId {
        ConditionId::try_from(text).unwrap()
    }

    fn at(us: i64) -> Timestamp {
        Timestamp::from_micros(us)
    }

    fn gaps() -> (Gaps, Relay) {
        let relay = Relay::new(1);
        (Gaps::new("0/1", Duration::from_mins(1), relay.clone()), relay)
    }

    #[test]
    fn a_market_followed_before_is_in_a_gap_since_the_last_feed_ended() {
        let (gaps, relay) = gaps();
        let before = Before { mark: Some((at(5), HashSet::from([market("0x1")]))), open: Vec::new() };
        assert_eq!(before.since(), Some(at(5)));
        before.hand_on(&gaps, SHARD);
        gaps.follow(&market("0x1"));
        gaps.follow(&market("0x2"));
        assert!(gaps.is_open_for(&market("0x1"), Cause::FeedRestart));
        assert_eq!(gaps.counts().open, 1, "a new market has no past");
        assert_eq!(relay.level().messages, 1);
    }

    #[test]
    fn gaps_left_open_go_on_and_none_is_opened_beside_them() {
        let (gaps, relay) = gaps();
        let left = [3, 4].map(|us| Gap::opened(market("0x1"), "0/1", Cause::Silence, at(us)));
        let mark = Some((at(9), HashSet::from([market("0x1")])));
        let before = Before { mark, open: left.to_vec() };
        assert_eq!(before.since(), Some(at(3)));
        before.hand_on(&gaps, SHARD);
        gaps.follow(&market("0x1"));
        assert_eq!((gaps.counts().open, relay.level().messages), (2, 0));
        assert_eq!(Before::default().since(), None);
    }
}
