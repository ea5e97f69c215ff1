//! What a feed must find again after it was killed: up to when everything had reached the bus.
//!
//! Knows: how to tell the next feed where the last one ended. Never: a tick.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusError, SharedConsumer, Source, Start};
use chassis::clock;
use contract::codec::{decode, encode};
use contract::gap::{Cause, Gap, State};
use contract::ids::{ConditionId, TickId};
use contract::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::feed_stats::FeedStats;
use crate::gaps::fills::Fills;
use crate::gaps::{Gaps, New};
use crate::publish::queue::PublishQueue;
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
struct Checkpoint {
    complete_until: Timestamp,
    /// Lists of markets there are.
    lists: usize,
    /// Which raw stream it was: one made later does not hold what was published before.
    stream_created_at: Option<Timestamp>,
    /// From when on every fill published is remembered; none where nothing was ever forgotten.
    fills_known_since: Option<Timestamp>,
    /// When the first fill was received whose time of execution the next gap may still reach.
    fills_needed_since: Option<Timestamp>,
}

/// What an earlier feed of this shard left behind.
#[derive(Debug, Default)]
pub(crate) struct PreviousRun {
    mark: Option<(Timestamp, HashSet<ConditionId>)>,
    stream_created_at: Option<Timestamp>,
    fills_known_since: Option<Timestamp>,
    fills_needed_since: Option<Timestamp>,
    /// Gaps that are not closed.
    open: Vec<Gap>,
    /// Up to where gaps of restarts cover each market, whether they are closed or not, and where they began.
    covered: HashMap<ConditionId, (Timestamp, Timestamp)>,
}

impl PreviousRun {
    /// Asks the bus what is known of the last feed of this shard.
    ///
    /// # Errors
    /// When the bus does not answer: without the answer a gap might stay untold.
    pub(crate) async fn recall(bus: &Bus, shard: Shard) -> Result<Self, BusError> {
        let mut before = match bus.kv_get(&key(shard)).await? {
            Some(bytes) => read_mark(bus, shard, &bytes).await?,
            None => Self::default(),
        };
        let published = bus.stored(Source::Gaps, Start::Beginning).await?;
        let shard = shard.to_string();
        let mut open: HashMap<TickId, Gap> = HashMap::new();
        for gap in published.iter().filter_map(|seen| decode::<Gap>(&seen.payload).ok()) {
            before.note_covered(&gap, &shard);
            // One market may have several; each is published with each of its states.
            if gap.is_closed() {
                open.remove(&gap.id);
            } else if gap.shard == shard {
                open.insert(gap.id, gap);
            }
        }
        before.open = open.into_values().collect();
        Ok(before)
    }

    /// The newest gap of a restart that ended.
    fn note_covered(&mut self, gap: &Gap, shard: &str) {
        let Some(until) = gap.healed_at.filter(|_| gap.shard == shard && gap.cause == Cause::FeedRestart)
        else {
            return;
        };
        let covered = self.covered.entry(gap.condition_id.clone()).or_insert((gap.opened_at, until));
        *covered = (*covered).max((gap.opened_at, until));
    }

    /// Hands on the gaps that are not closed, and opens one for each market that was followed and has no open one.
    ///
    /// A feed that was killed before it kept a mark has left a gap from the very mark on: the new one begins where that
    /// one ended, for two gaps of one beginning would be the same.
    pub(crate) fn hand_on(self, gaps: &Gaps, shard: Shard, now: Timestamp) {
        let mut known: HashSet<ConditionId> = HashSet::new();
        for gap in self.open {
            if gap.state == State::Open {
                known.insert(gap.condition_id.clone());
            }
            gaps.inherit(gap, New::No);
        }
        let Some((ended_at, markets)) = self.mark else { return };
        for market in markets.into_iter().filter(|market| !known.contains(market)) {
            let covered = self.covered.get(&market).filter(|(opened_at, _)| *opened_at >= ended_at);
            let from = covered.map_or(ended_at, |(_, until)| (*until).min(now));
            let gap = Gap::opened(market, &shard.to_string(), Cause::FeedRestart, from, now);
            gaps.inherit(gap, New::Yes);
        }
    }

    /// From when on trades on the bus may be rows of these gaps, those of the future included.
    pub(crate) fn since(&self, settlement: Duration) -> Option<Timestamp> {
        let marked = self.mark.as_ref().map(|(ended_at, _)| *ended_at);
        let open = self.open.iter().filter(|gap| gap.cause != Cause::NotFollowed);
        let opened = open.map(|gap| gap.opened_at).chain(marked).min()?;
        Some(opened.minus(settlement * 2).min(self.fills_needed_since.unwrap_or(opened)))
    }
}

impl PreviousRun {
    /// From when on all fills of the last feed are on the raw stream, which was made at `created_at`; none where all are.
    pub(crate) fn fills_known_since(&self, created_at: Timestamp) -> Option<Timestamp> {
        let is_another = self.stream_created_at != Some(created_at);
        self.fills_known_since.max(is_another.then_some(created_at))
    }
}

/// Keeps the mark until `stop`, and once more at the end; the lists of markets whenever they changed, and now and then:
/// the bucket may have been lost and made again.
pub(crate) async fn keep(
    bus: Bus,
    (queue, fills): (PublishQueue, Fills),
    stats: FeedStats,
    (shard, settlement): (Shard, Duration),
    mut followed: watch::Receiver<Arc<[ConditionId]>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (mut stream_created_at, mut remade_at) = (None, None);
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
        let now = clock::now().into();
        let complete_until = queue.complete_until(now).min(stats.heard_until().unwrap_or(now));
        // A mark stands for markets that are followed, and hides no gap that the bus does not know yet.
        let may_stand = !followed.borrow().is_empty() && queue.all_urgent_acknowledged();
        if let Some(lists) = lists.filter(|_| may_stand) {
            let kept = match bus.identity(SharedConsumer::Raw).await {
                Ok(raw) => {
                    let created_at = raw.created_at();
                    if stream_created_at.replace(created_at).is_some_and(|before| before != created_at) {
                        remade_at = Some(created_at);
                    }
                    // What a stream that was lost held is known to this feed alone.
                    let fills_known_since = fills.known_since().max(remade_at);
                    let fills_needed_since = fills.received_since(complete_until.minus(settlement * 2));
                    let mark = Checkpoint {
                        complete_until,
                        lists,
                        stream_created_at,
                        fills_known_since,
                        fills_needed_since,
                    };
                    bus.kv_put(&key(shard), encode(&mark)).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
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
        if let Err(error) = bus.kv_put(&list_key(shard, lists), encode(&part)).await {
            debug!(%error, "a list of markets was not kept; it will be");
            return None;
        }
        lists += 1;
    }
    Some(lists)
}

async fn read_mark(bus: &Bus, shard: Shard, bytes: &[u8]) -> Result<PreviousRun, BusError> {
    let unread = |error: &dyn std::error::Error| {
        warn!(%error, "what the last feed kept could not be read: no gap can be recorded for the time since");
    };
    let mark = match decode::<Checkpoint>(bytes) {
        Ok(mark) => mark,
        Err(error) => {
            unread(&error);
            return Ok(PreviousRun::default());
        }
    };
    let mut markets = HashSet::new();
    for list in 0..mark.lists {
        let Some(bytes) = bus.kv_get(&list_key(shard, list)).await? else { continue };
        match decode::<Vec<ConditionId>>(&bytes) {
            Ok(list) => markets.extend(list),
            Err(error) => unread(&error),
        }
    }
    Ok(PreviousRun {
        mark: Some((mark.complete_until.minus(MARGIN), markets)),
        stream_created_at: mark.stream_created_at,
        fills_known_since: mark.fills_known_since,
        fills_needed_since: mark.fills_needed_since,
        open: Vec::new(),
        covered: HashMap::new(),
    })
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
    use crate::publish::queue::PublishQueue;

    const SHARD: Shard = Shard { number: 0, of: 1 };

    fn market(text: &str) -> ConditionId {
        ConditionId::try_from(text).unwrap()
    }

    fn at(us: i64) -> Timestamp {
        Timestamp::from_micros(us)
    }

    fn gaps() -> (Gaps, PublishQueue) {
        let queue = PublishQueue::new(1);
        (Gaps::new("0/1", Duration::from_mins(1), queue.clone()), queue)
    }

    #[test]
    fn a_market_followed_before_is_in_a_gap_since_the_last_feed_ended() {
        let (gaps, queue) = gaps();
        let mark = Some((at(5), HashSet::from([market("0x1")])));
        let before = PreviousRun { mark, ..PreviousRun::default() };
        assert_eq!(before.since(Duration::ZERO), Some(at(5)));
        before.hand_on(&gaps, SHARD, at(20));
        gaps.follow(&market("0x1"));
        gaps.follow(&market("0x2"));
        assert!(gaps.is_open_for(&market("0x1"), Cause::FeedRestart));
        assert_eq!(gaps.counts().open, 1, "a new market has no past");
        assert_eq!(queue.level().messages, 1);
    }

    #[test]
    fn fills_are_known_from_the_beginning_unless_the_stream_is_another_than_the_last_feed_published_to() {
        let left = |fills_known_since| PreviousRun {
            stream_created_at: Some(at(7)),
            fills_known_since,
            ..PreviousRun::default()
        };
        assert_eq!(left(None).fills_known_since(at(7)), None, "a kill just after the first start");
        assert_eq!(left(Some(at(9))).fills_known_since(at(7)), Some(at(9)));
        assert_eq!(left(Some(at(9))).fills_known_since(at(12)), Some(at(12)), "the stream was made again");
        assert_eq!(
            PreviousRun::default().fills_known_since(at(12)),
            Some(at(12)),
            "nothing is known of the last feed"
        );
    }

    #[test]
    fn gaps_that_wait_for_their_trades_wait_on_and_closed_ones_are_gone() {
        let (gaps, queue) = gaps();
        let mut waiting = Gap::opened(market("0x1"), "0/1", Cause::Silence, at(3), at(3));
        (waiting.state, waiting.healed_at) = (State::Waiting, Some(at(5)));
        let mark = Some((at(9), HashSet::from([market("0x1")])));
        let before = PreviousRun { mark, open: vec![waiting.clone()], ..PreviousRun::default() };
        before.hand_on(&gaps, SHARD, at(20));
        gaps.follow(&market("0x1"));
        assert!(gaps.is_open_for(&market("0x1"), Cause::FeedRestart), "the restart is a gap of its own");
        assert_eq!((gaps.counts().open, gaps.counts().waiting, queue.level().messages), (1, 1, 1));
        assert_eq!(gaps.due(at(90_000_000), 20)[0].gap, waiting);
    }

    #[test]
    fn feeds_killed_before_they_kept_a_mark_leave_gaps_that_begin_where_the_last_one_ended() {
        let mark = Some((at(5), HashSet::from([market("0x1")])));
        let mut left: Vec<Gap> = Vec::new();
        // Each is live again after 4, and killed at once.
        for (killed_at, begins_at) in [(20, 5), (40, 24), (60, 44)] {
            let (gaps, queue) = gaps();
            let mut before = PreviousRun { mark: mark.clone(), open: left.clone(), ..PreviousRun::default() };
            for gap in &left {
                before.note_covered(gap, "0/1");
            }
            before.hand_on(&gaps, SHARD, at(killed_at));
            assert_eq!(queue.level().messages, 1, "the new one is published");
            gaps.follow(&market("0x1"));
            gaps.restored(&market("0x1"), at(killed_at + 4));
            let waiting = gaps.due(at(1_000_000_000), 9);
            let newest = waiting.iter().map(|one| one.gap.clone()).max_by_key(|gap| gap.opened_at).unwrap();
            assert_eq!((newest.opened_at, newest.healed_at), (at(begins_at), Some(at(killed_at + 4))));
            assert_eq!(waiting.len(), left.len() + 1, "all of them are asked for");
            left.push(newest);
        }
    }

    #[test]
    fn gaps_left_open_go_on_and_none_is_opened_beside_them() {
        let (gaps, queue) = gaps();
        let left = [3, 4].map(|us| Gap::opened(market("0x1"), "0/1", Cause::Silence, at(us), at(us)));
        let mark = Some((at(9), HashSet::from([market("0x1")])));
        let before = PreviousRun { mark, open: left.to_vec(), ..PreviousRun::default() };
        assert_eq!(before.since(Duration::ZERO), Some(at(3)));
        let ahead = PreviousRun {
            fills_needed_since: Some(at(1)),
            ..PreviousRun { mark: before.mark.clone(), ..PreviousRun::default() }
        };
        assert_eq!(ahead.since(Duration::ZERO), Some(at(1)), "a fill of the future was received then");
        before.hand_on(&gaps, SHARD, at(20));
        gaps.follow(&market("0x1"));
        assert_eq!((gaps.counts().open, queue.level().messages), (2, 0));
        assert_eq!(PreviousRun::default().since(Duration::ZERO), None);
    }
}
