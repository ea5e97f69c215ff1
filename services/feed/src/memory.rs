//! What a feed must find again after it was killed: up to when everything had reached the bus.
//!
//! Knows: how to tell the next feed where the last one ended. Never: a tick.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bus::{Bus, BusError, Followed};
use chassis::clock;
use contract::codec::{decode, encode};
use contract::gap::{Cause, Gap};
use contract::ids::ConditionId;
use contract::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::relay::Relay;
use crate::shard::Shard;

/// How often the mark is kept: what a kill costs beyond what was really lost.
const KEPT_EVERY: Duration = Duration::from_secs(1);
/// What may be on its way between socket and buffer while the mark is taken.
const MARGIN: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize, Serialize)]
struct Mark {
    complete_until: Timestamp,
    markets: Vec<ConditionId>,
}

/// What an earlier feed of this shard left behind.
#[derive(Debug, Default)]
pub(crate) struct Before {
    mark: Option<(Timestamp, HashSet<ConditionId>)>,
    open: HashMap<ConditionId, Gap>,
}

impl Before {
    /// Asks the bus what is known of the last feed of this shard.
    ///
    /// # Errors
    /// When the bus does not answer: without the answer a gap might stay untold.
    pub(crate) async fn recall(bus: &Bus, shard: Shard) -> Result<Self, BusError> {
        let mark = bus.kept(&key(shard)).await?.and_then(|bytes| match decode::<Mark>(&bytes) {
            Ok(mark) => Some((mark.complete_until.minus(MARGIN), mark.markets.into_iter().collect())),
            Err(error) => {
                warn!(%error, "what the last feed kept could not be read: no gap can be told for the time since");
                None
            }
        });
        let told = bus.newest(Followed::Gaps).await?;
        let gaps = told.iter().filter_map(|seen| decode::<Gap>(&seen.payload).ok());
        let open =
            gaps.filter(|gap| gap.healed_at.is_none()).map(|gap| (gap.condition_id.clone(), gap)).collect();
        Ok(Self { mark, open })
    }

    /// The gap that this market is in now: the one left open, or one since the last feed ended.
    ///
    /// Second: whether it is new and must be told. None for a market that was not followed before.
    pub(crate) fn gap_of(&self, market: &ConditionId, shard: Shard) -> Option<(Gap, bool)> {
        if let Some(gap) = self.open.get(market) {
            return Some((gap.clone(), false));
        }
        let (ended_at, markets) = self.mark.as_ref()?;
        let gap = || Gap::opened(market.clone(), &shard.to_string(), Cause::FeedRestart, *ended_at);
        markets.contains(market).then(|| (gap(), true))
    }
}

/// Keeps the mark until `stop`, and once more at the end.
pub(crate) async fn keep(
    bus: Bus,
    relay: Relay,
    shard: Shard,
    markets: Vec<ConditionId>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut stopping = false;
    while !stopping {
        let mark =
            Mark { complete_until: relay.complete_until(clock::now().into()), markets: markets.clone() };
        if let Err(error) = bus.keep(&key(shard), encode(&mark)).await {
            debug!(%error, "the mark was not kept; the next one will be");
        }
        tokio::select! {
            () = tokio::time::sleep(KEPT_EVERY) => {}
            () = stop.cancelled() => stopping = true,
        }
    }
    Ok(())
}

fn key(shard: Shard) -> String {
    format!("shard-{}-of-{}", shard.number, shard.of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard { number: 0, of: 1 };

    fn market(text: &str) -> ConditionId {
        ConditionId::try_from(text).unwrap()
    }

    #[test]
    fn a_market_followed_before_is_in_a_gap_since_the_last_feed_ended() {
        let at = Timestamp::from_micros(5);
        let before = Before { mark: Some((at, HashSet::from([market("0x1")]))), open: HashMap::new() };
        let (gap, is_new) = before.gap_of(&market("0x1"), SHARD).unwrap();
        assert_eq!((gap.cause, gap.opened_at, is_new), (Cause::FeedRestart, at, true));
        assert!(before.gap_of(&market("0x2"), SHARD).is_none(), "a new market has no past");
    }

    #[test]
    fn a_gap_left_open_goes_on() {
        let left = Gap::opened(market("0x1"), "0/1", Cause::Silence, Timestamp::from_micros(3));
        let before = Before { mark: None, open: HashMap::from([(market("0x1"), left.clone())]) };
        assert_eq!(before.gap_of(&market("0x1"), SHARD), Some((left, false)));
        assert_eq!(Before::default().gap_of(&market("0x1"), SHARD), None);
    }
}
