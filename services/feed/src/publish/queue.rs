//! Between sockets and bus: a bounded buffer, emptied in a pipelined window.
//!
//! Knows: what waits, what is under way, up to when everything is acknowledged. Never: what a message says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, BusError, Message, Stored};
use chassis::backoff::Backoff;
use chassis::trace::Span;
use chassis::{clock, exposition};
use contract::subject;
use contract::time::Timestamp;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::publish::unstored::Unstored;

/// Publishes under way. More brings no more on one machine: the server is the limit from 256 on.
const WINDOW: usize = 1_024;
/// The largest payload that a message may have; the server's limit is 1 MiB, headers included.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 900 * 1024;
/// What a message takes beside its payload: subject, ids, headers.
const MESSAGE_OVERHEAD: usize = 400;
/// Dead letters that wait; each takes at most 64 kB and a little.
const LETTERS_BYTES_MAX: usize = 4 << 20;
/// Pauses between attempts while the bus takes nothing.
const RETRY_MIN: Duration = Duration::from_millis(50);
/// See [`RETRY_MIN`].
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Time to empty the buffer when the feed stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(4);

/// The buffer; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct PublishQueue(Arc<Shared>);

/// The buffer holds as much as it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

/// How full the buffer is, and what went through it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Level {
    /// Messages that wait or are under way.
    pub(crate) messages: u64,
    /// Bytes of those that wait.
    pub(crate) bytes: u64,
    /// Messages acknowledged so far.
    pub(crate) published: u64,
    /// Ticks handed to the bus and not acknowledged yet.
    pub(crate) under_way: u64,
    /// Messages that the bus did not acknowledge or did not take, handed to it again.
    pub(crate) repeated: u64,
    /// Those among them that a full stream refused.
    pub(crate) refused: u64,
    /// When the oldest tick was received that is not acknowledged.
    pub(crate) oldest: Option<Timestamp>,
}

#[derive(Debug)]
struct Shared {
    bytes_max: usize,
    unstored: Unstored,
    settling: Histogram,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    urgent: VecDeque<Item>,
    ticks: VecDeque<Item>,
    bytes: usize,
    letters: VecDeque<Item>,
    letter_bytes: usize,
    /// Receive times of all ticks that are not acknowledged yet, with their number.
    outstanding: BTreeMap<Timestamp, u32>,
    /// Urgent messages that are not acknowledged yet.
    unacknowledged: u64,
    published: u64,
    repeated: u64,
    refused: u64,
}

#[derive(Debug)]
struct Item {
    message: Message,
    lane: Lane,
    /// Ends with the acknowledgement; only of what is sampled.
    span: Option<Span>,
}

/// Where an item waits.
#[derive(Clone, Copy, Debug)]
enum Lane {
    Urgent,
    /// With the tick's receive time.
    Tick(Timestamp),
    Letter,
}

enum Settled {
    Stored,
    Unknown,
    Full,
}

type Outcome = (Item, Result<Stored, BusError>);

// === impl PublishQueue ===

impl PublishQueue {
    /// A buffer that holds ticks of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let settling = exposition::latency_histogram();
        let (unstored, queue, wake) = (Unstored::default(), Mutex::default(), Notify::new());
        Self(Arc::new(Shared { bytes_max, unstored, settling, queue, wake }))
    }

    /// The trades that the bus has and that may not be stored yet.
    pub(crate) fn unstored(&self) -> Unstored {
        self.0.unstored.clone()
    }

    /// The time from the receipt of a tick to its acknowledgement by the bus: the same instrument each time.
    pub(crate) fn settling(&self) -> Histogram {
        self.0.settling.clone()
    }

    /// Takes a tick received at `received_at`; never waits.
    ///
    /// # Errors
    /// When the buffer is full: the tick is lost, and the caller records a gap.
    pub(crate) fn offer(&self, message: Message, received_at: Timestamp) -> Result<(), Full> {
        self.offer_traced(message, received_at, None)
    }

    /// As [`PublishQueue::offer`], with the span of its publishing.
    ///
    /// # Errors
    /// As [`PublishQueue::offer`].
    pub(crate) fn offer_traced(
        &self,
        message: Message,
        received_at: Timestamp,
        span: Option<Span>,
    ) -> Result<(), Full> {
        let item = Item { message, lane: Lane::Tick(received_at), span };
        let mut queue = self.queue();
        if queue.bytes + item.bytes() > self.0.bytes_max {
            return Err(Full);
        }
        queue.bytes += item.bytes();
        *queue.outstanding.entry(received_at).or_default() += 1;
        queue.ticks.push_back(item);
        drop(queue);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Takes a gap or a market, ahead of all ticks and whatever waits: there are at most a few for each market.
    pub(crate) fn enqueue_urgent(&self, message: Message) {
        let mut queue = self.queue();
        queue.unacknowledged += 1;
        queue.urgent.push_back(Item { message, lane: Lane::Urgent, span: None });
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Takes a dead letter, which leaves when no tick waits and never takes a tick's room.
    ///
    /// # Errors
    /// When there are too many already.
    pub(crate) fn enqueue_dead_letter(&self, message: Message) -> Result<(), Full> {
        let item = Item { message, lane: Lane::Letter, span: None };
        let mut queue = self.queue();
        if queue.letter_bytes + item.bytes() > LETTERS_BYTES_MAX {
            return Err(Full);
        }
        queue.letter_bytes += item.bytes();
        queue.letters.push_back(item);
        drop(queue);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Whether the buffer is at most half full, so that ticks are taken again after an overflow.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.queue().bytes <= self.0.bytes_max / 2
    }

    /// How full it is.
    pub(crate) fn level(&self) -> Level {
        let queue = self.queue();
        let outstanding: u64 = queue.outstanding.values().map(|&count| u64::from(count)).sum();
        Level {
            messages: outstanding + (queue.urgent.len() + queue.letters.len()) as u64,
            bytes: queue.bytes as u64,
            published: queue.published,
            under_way: outstanding.saturating_sub(queue.ticks.len() as u64),
            repeated: queue.repeated,
            refused: queue.refused,
            oldest: queue.outstanding.first_key_value().map(|(&oldest, _)| oldest),
        }
    }

    /// Every tick received before this moment is acknowledged by the bus.
    pub(crate) fn complete_until(&self, now: Timestamp) -> Timestamp {
        self.queue().outstanding.first_key_value().map_or(now, |(&oldest, _)| oldest)
    }

    /// Whether the bus has acknowledged all gaps and markets.
    pub(crate) fn all_urgent_acknowledged(&self) -> bool {
        self.queue().unacknowledged == 0
    }

    /// Publishes what comes until `stop`, then what is left, at most for 4 s.
    pub(crate) async fn run(self, bus: Bus, stop: CancellationToken) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut under_way = FuturesUnordered::<BoxFuture<'static, Outcome>>::new();
        let (mut not_before, mut deadline) = (Instant::now(), None);
        loop {
            if Instant::now() >= not_before && self.fill(&bus, &mut under_way).await {
                not_before = Instant::now() + backoff.next(fastrand::u64(..));
            }
            if stop.is_cancelled() {
                let until = *deadline.get_or_insert_with(|| Instant::now() + DRAIN_WITHIN);
                if under_way.is_empty() && self.is_empty() || Instant::now() >= until {
                    break;
                }
            }
            tokio::select! {
                Some(outcome) = under_way.next() => match self.settle(outcome) {
                    Settled::Stored => backoff.reset(),
                    Settled::Unknown => {}
                    Settled::Full => not_before = Instant::now() + backoff.next(fastrand::u64(..)),
                },
                () = self.0.wake.notified(), if Instant::now() >= not_before => {}
                () = stop.cancelled(), if deadline.is_none() => {}
                () = tokio::time::sleep(RETRY_MIN) => {}
            }
        }
        let left = self.level().messages;
        if left > 0 {
            warn!(messages = left, "stopped before the bus had everything; a gap will tell");
        }
        Ok(())
    }

    /// Hands messages to the bus until the window is full; whether it refused one.
    async fn fill(&self, bus: &Bus, under_way: &mut FuturesUnordered<BoxFuture<'static, Outcome>>) -> bool {
        while under_way.len() < WINDOW {
            let Some(item) = self.take() else { break };
            match bus.publish(&item.message).await {
                Ok(pending) => under_way.push(async move { (item, pending.acknowledged().await) }.boxed()),
                Err(error) => {
                    debug!(%error, "the bus takes nothing now");
                    self.give_back(item);
                    return true;
                }
            }
        }
        false
    }

    fn settle(&self, (item, outcome): Outcome) -> Settled {
        let error = match outcome {
            Ok(_stored) => {
                self.acknowledged(&item);
                if subject::is_raw_trade(&item.message.subject) {
                    self.0.unstored.keep(item.message.clone(), clock::now().into());
                }
                if let Some(span) = item.span {
                    span.end();
                }
                if let Lane::Tick(received_at) = item.lane {
                    let micros = Timestamp::from(clock::now()).micros_since(received_at);
                    self.0.settling.observe(exposition::seconds(micros));
                }
                return Settled::Stored;
            }
            Err(error) => error,
        };
        // Unknown whether it is stored: the same id makes the repetition harmless.
        debug!(%error, subject = %item.message.subject, "the bus did not acknowledge; published again");
        self.give_back(item);
        if matches!(error, BusError::Full { .. }) {
            self.queue().refused += 1;
            Settled::Full
        } else {
            Settled::Unknown
        }
    }

    fn take(&self) -> Option<Item> {
        let mut queue = self.queue();
        if let Some(item) = queue.urgent.pop_front() {
            return Some(item);
        }
        if let Some(item) = queue.ticks.pop_front() {
            queue.bytes -= item.bytes();
            return Some(item);
        }
        let item = queue.letters.pop_front()?;
        queue.letter_bytes -= item.bytes();
        Some(item)
    }

    fn give_back(&self, item: Item) {
        let mut queue = self.queue();
        queue.repeated += 1;
        match item.lane {
            Lane::Urgent => queue.urgent.push_front(item),
            Lane::Tick(_) => {
                queue.bytes += item.bytes();
                queue.ticks.push_front(item);
            }
            Lane::Letter => {
                queue.letter_bytes += item.bytes();
                queue.letters.push_front(item);
            }
        }
    }

    fn acknowledged(&self, item: &Item) {
        let mut queue = self.queue();
        queue.published += 1;
        let received_at = match item.lane {
            Lane::Tick(received_at) => received_at,
            Lane::Urgent => {
                queue.unacknowledged -= 1;
                return;
            }
            Lane::Letter => return,
        };
        if let Some(count) = queue.outstanding.get_mut(&received_at) {
            *count -= 1;
            if *count == 0 {
                queue.outstanding.remove(&received_at);
            }
        }
    }

    fn is_empty(&self) -> bool {
        let queue = self.queue();
        queue.ticks.is_empty() && queue.urgent.is_empty() && queue.letters.is_empty()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Item ===

impl Item {
    fn bytes(&self) -> usize {
        self.message.payload.len() + MESSAGE_OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message::new("ticks.raw.trade.0xab".to_owned(), "id".to_owned(), vec![0; bytes - MESSAGE_OVERHEAD])
    }

    fn at(us: i64) -> Timestamp {
        Timestamp::from_micros(us)
    }

    #[test]
    fn the_buffer_takes_ticks_to_its_limit_and_not_beyond() {
        let queue = PublishQueue::new(2_000);
        assert_eq!(queue.offer(message(1_000), at(1)), Ok(()));
        assert!(queue.is_relaxed(), "half full");
        assert_eq!(queue.offer(message(1_001), at(2)), Err(Full));
        assert_eq!(queue.offer(message(1_000), at(2)), Ok(()));
        assert!(!queue.is_relaxed());
        let expected = Level { messages: 2, bytes: 2_000, oldest: Some(at(1)), ..Level::default() };
        assert_eq!(queue.level(), expected);
    }

    #[test]
    fn a_gap_is_taken_by_a_full_buffer_and_goes_first() {
        let queue = PublishQueue::new(1_000);
        queue.offer(message(1_000), at(1)).unwrap();
        queue.enqueue_urgent(Message { subject: "gaps.0xab".to_owned(), ..message(900) });
        assert_eq!(queue.take().unwrap().message.subject, "gaps.0xab");
    }

    #[test]
    fn letters_wait_apart_and_cost_no_tick_its_room_or_its_turn() {
        let queue = PublishQueue::new(1_000);
        let letter = || Message { subject: "dead.feed".to_owned(), ..message(64 * 1024) };
        let taken = (0..1_000).filter(|_| queue.enqueue_dead_letter(letter()).is_ok()).count();
        assert_eq!(taken, 64, "4 MB of them");
        assert_eq!(queue.offer(message(1_000), at(1)), Ok(()));
        assert_eq!(queue.level().oldest, Some(at(1)));
        let tick = queue.take().unwrap();
        assert_eq!(tick.message.subject, "ticks.raw.trade.0xab");
        queue.acknowledged(&tick);
        assert_eq!(queue.complete_until(at(9)), at(9), "a letter is no tick that is missing");
        queue.give_back(queue.take().unwrap());
        assert_eq!(queue.enqueue_dead_letter(letter()), Err(Full));
        queue.acknowledged(&queue.take().unwrap());
        assert_eq!((queue.enqueue_dead_letter(letter()), queue.level().messages), (Ok(()), 64));
    }

    #[test]
    fn what_is_told_is_told_once_the_bus_has_acknowledged_it() {
        let queue = PublishQueue::new(10_000);
        assert!(queue.all_urgent_acknowledged());
        queue.enqueue_urgent(message(500));
        let gap = queue.take().unwrap();
        assert!(!queue.all_urgent_acknowledged(), "it is under way");
        queue.give_back(gap);
        let gap = queue.take().unwrap();
        queue.acknowledged(&gap);
        assert!(queue.all_urgent_acknowledged());
    }

    #[test]
    fn everything_is_complete_up_to_the_oldest_tick_without_acknowledgement() {
        let queue = PublishQueue::new(10_000);
        assert_eq!(queue.complete_until(at(9)), at(9));
        for us in [3, 4, 4] {
            queue.offer(message(500), at(us)).unwrap();
        }
        let (first, second, third) = (queue.take().unwrap(), queue.take().unwrap(), queue.take().unwrap());
        queue.acknowledged(&second);
        assert_eq!(queue.complete_until(at(9)), at(3));
        queue.acknowledged(&first);
        assert_eq!(queue.complete_until(at(9)), at(4), "one of two of this moment is still under way");
        assert_eq!((queue.level().under_way, queue.level().repeated), (1, 0));
        queue.give_back(third);
        assert_eq!((queue.level().under_way, queue.level().repeated), (0, 1));
        assert!(!queue.is_empty());
        queue.acknowledged(&queue.take().unwrap());
        assert_eq!((queue.complete_until(at(9)), queue.level().published), (at(9), 3));
    }
}
