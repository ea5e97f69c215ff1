//! The hub of the live stream: events are gathered, encoded once and handed to every client.
//!
//! Knows: order, batches, how many events there were. Never: a client, or a wait for one.

mod subscriber;
mod subscription_filter;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use chassis::clock;
use contract::gap::Gap;
use contract::ids::{ConditionId, TokenId};
use contract::tick::Kind;
use contract::time::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::freshness::Freshness;
use crate::state::event::Event;
use crate::state::latency::Samples;
use crate::state::latency_heatmap::LatencyHeatmap;
use crate::view;

pub(crate) use subscriber::Subscriber;
pub(crate) use subscription_filter::{KINDS, SubscriptionFilter};

/// Shortest time between two batches: 8 a second look live to an eye. Each may have a word before it on what was missed;
/// with gaps, metrics and status beside them no client gets more than 20 messages a second.
const BATCH_EVERY: Duration = Duration::from_millis(125);
/// With every which batch gaps are told: twice a second.
const GAPS_EVERY: u64 = 4;
/// Frames kept for a slow client: 6 s of batches. Then it is told how much it missed.
const FRAMES_MAX: usize = 64;
/// Gaps told at once: a whole socket's markets, many times over. More are counted.
const GAPS_MAX: usize = 2_000;
/// Events of one batch: what four services on a fast machine make of a burst. More are missed, and told as missed.
const BATCH_MAX: usize = 10_000;

/// The hub; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    frames: broadcast::Sender<Frame>,
    waiting: Arc<Mutex<Waiting>>,
    /// From the verdict to the live clients, in microseconds: the newest trades, and those of the last hour.
    measured: Arc<Mutex<(Samples, LatencyHeatmap)>>,
    /// Since when anybody can have listened.
    since: Timestamp,
}

/// One thing for every client; cloning shares it.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// Events, in the order in which they came.
    Events(Arc<Batch>),
    /// Gaps of markets, in the order in which they came.
    Gaps(Arc<GapBatch>),
    /// `metrics` or `status`, for everybody.
    Broadcast(Utf8Bytes),
}

/// Events that were encoded together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The number of its first event, counted over all events ever offered.
    pub(crate) first: u64,
    pub(crate) lines: Vec<EncodedEvent>,
    whole: OnceLock<Utf8Bytes>,
}

/// Gaps that were encoded together.
#[derive(Debug, Default)]
pub(crate) struct GapBatch {
    gaps: Vec<(ConditionId, String)>,
    /// Those for which there was no room.
    missed: u64,
}

/// One event, encoded.
#[derive(Debug)]
pub(crate) struct EncodedEvent {
    pub(crate) kind: Kind,
    pub(crate) token_id: TokenId,
    pub(crate) condition_id: ConditionId,
    json: String,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Arc<Event>>,
    gaps: GapBatch,
    first: u64,
    next: u64,
    /// Up to here clients were sent, or told that they missed it.
    told: u64,
}

// === impl Hub ===

impl Hub {
    /// A hub without clients, which nobody can have listened to before `since`.
    pub(crate) fn new(since: Timestamp) -> Self {
        Self::bounded(FRAMES_MAX, since)
    }

    fn bounded(frames: usize, since: Timestamp) -> Self {
        let frames = broadcast::channel(frames).0;
        Self { frames, waiting: Arc::default(), measured: Arc::default(), since }
    }

    /// Counts an event, and keeps it for the next batch if somebody listens. What was read to catch up is news where it
    /// was received since there is a hub; nobody missed here what was before.
    pub(crate) fn offer(&self, event: Arc<Event>, is_news: Freshness) {
        if is_news == Freshness::Replayed && event.received_at < self.since {
            return;
        }
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        if self.has_clients() && waiting.events.len() < BATCH_MAX {
            if waiting.events.is_empty() {
                waiting.first = number;
            }
            waiting.events.push(event);
        }
    }

    /// Counts events that were left out: a client that listens is told that it missed them.
    pub(crate) fn skip(&self, events: u64, now: Timestamp) {
        // The numbers of one batch are in a row.
        self.send_batch(now);
        self.waiting().next += events;
    }

    /// How many events were offered so far: the number of the next one.
    pub(crate) fn offered(&self) -> u64 {
        self.waiting().next
    }

    /// Whether anybody listens.
    pub(crate) fn has_clients(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    /// Listens to everything from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    /// Tells everybody something about the whole: `kind` is its type and the name of its one member.
    pub(crate) fn tell<T: Serialize>(&self, kind: &'static str, answer: &T) {
        let text = format!(r#"{{"type":"{kind}","{kind}":{}}}"#, view::json(answer));
        self.send(Frame::Broadcast(text.into()));
    }

    /// Tells of a gap, within half a second.
    pub(crate) fn tell_gap(&self, gap: &Gap, question: Option<&str>) {
        let answer = view::history::Gap::of_bus(gap, question);
        let mut waiting = self.waiting();
        if self.has_clients() && waiting.gaps.gaps.len() < GAPS_MAX {
            waiting.gaps.gaps.push((gap.condition_id.clone(), view::json(&answer)));
        } else {
            waiting.gaps.missed += u64::from(self.has_clients());
        }
    }

    /// From the verdict to the live clients, in microseconds: the newest trades, and those of the last hour.
    pub(crate) fn measured(&self) -> (Samples, LatencyHeatmap) {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Encodes and sends what is offered, events at most 8 times a second and gaps twice, until `stop`.
    ///
    /// # Errors
    /// Never.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = interval(BATCH_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 0_u64.. {
            tokio::select! {
                _ = every.tick() => self.send_batch(clock::now().into()),
                () = stop.cancelled() => break,
            }
            if round.is_multiple_of(GAPS_EVERY) {
                self.send_gaps();
            }
        }
        Ok(())
    }

    fn send_batch(&self, now: Timestamp) {
        let (first, events, is_missed) = {
            let mut waiting = self.waiting();
            let events = std::mem::take(&mut waiting.events);
            let first = if events.is_empty() { waiting.next } else { waiting.first };
            let is_missed = first > waiting.told;
            waiting.told = first + events.len() as u64;
            (first, events, is_missed)
        };
        if events.is_empty() && is_missed {
            // Only what nobody is sent came: whoever listens is told of it now, since nothing else may ever come.
            self.send(Frame::Events(Arc::new(Batch { first, lines: Vec::new(), whole: OnceLock::new() })));
        }
        if !events.is_empty() {
            let lines = events.iter().map(|event| EncodedEvent::of(event)).collect();
            self.send(Frame::Events(Arc::new(Batch { first, lines, whole: OnceLock::new() })));
            self.measure(&events, now);
        }
    }

    fn send_gaps(&self) {
        let gaps = std::mem::take(&mut self.waiting().gaps);
        if !gaps.gaps.is_empty() {
            self.send(Frame::Gaps(Arc::new(gaps)));
        }
    }

    fn measure(&self, sent: &[Arc<Event>], now: Timestamp) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        for judged_at in sent.iter().filter_map(|event| event.judged_at) {
            let micros = now.micros_since(judged_at);
            measured.0.keep(micros);
            measured.1.count(micros, now, now);
        }
    }

    fn send(&self, frame: Frame) {
        // Without clients there is nobody to send to, which is no failure.
        let _ = self.frames.send(frame);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Batch ===

impl Batch {
    /// The number behind its last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// All of it as one text; made once for all clients that want everything.
    pub(crate) fn whole(&self) -> Utf8Bytes {
        self.whole.get_or_init(|| events_text(self.lines.iter())).clone()
    }
}

// === impl GapBatch ===

impl GapBatch {
    /// The gaps that a client wants, as one text; none where it wants none of them.
    pub(crate) fn text(&self, wish: &SubscriptionFilter) -> Option<Utf8Bytes> {
        let wanted = self.gaps.iter().filter(|(market, _)| wish.takes_gap(market));
        let gaps: Vec<&str> = wanted.map(|(_, json)| json.as_str()).collect();
        if gaps.is_empty() {
            return None;
        }
        let missed = self.missed;
        Some(format!(r#"{{"type":"gap","gaps":[{}],"missed":{missed}}}"#, gaps.join(",")).into())
    }
}

impl EncodedEvent {
    fn of(event: &Event) -> Self {
        Self {
            kind: event.kind,
            token_id: event.token_id.clone(),
            condition_id: event.condition_id.clone(),
            json: view::json(&view::event::Event::of(event)),
        }
    }
}

/// `{"type":"event","events":[…]}` of some events.
fn events_text<'a>(lines: impl Iterator<Item = &'a EncodedEvent>) -> Utf8Bytes {
    let mut text = String::from(r#"{"type":"event","events":["#);
    for (place, line) in lines.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&line.json);
    }
    text.push_str("]}");
    text.into()
}

#[cfg(test)]
mod tests {
    use contract::verdict::Verdict;
    use serde_json::Value;

    use super::*;
    use crate::state::testing::{at, gap, judged_trade, price_change};

    fn event(number: u32) -> Arc<Event> {
        Arc::new(Event::of(if number.is_multiple_of(2) {
            price_change(number)
        } else {
            judged_trade(number, Verdict::Clean)
        }))
    }

    fn offer(hub: &Hub, numbers: std::ops::Range<u32>) {
        numbers.for_each(|number| hub.offer(event(number), Freshness::Live));
        hub.send_batch(at(3));
    }

    /// Texts a client with this wish gets from the frames that wait for it, and whether it was ever behind.
    fn texts(receiver: &mut broadcast::Receiver<Frame>, watcher: &mut Subscriber) -> Vec<Value> {
        let mut texts = Vec::new();
        loop {
            match receiver.try_recv() {
                Ok(frame) => texts.extend(watcher.texts(&frame)),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect(),
            }
        }
    }

    #[test]
    fn events_come_in_order_in_one_batch() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        offer(&hub, 0..3);
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0]["type"], "event");
        let ids: Vec<_> = texts[0]["events"].as_array().unwrap().iter().map(|e| e["id"].clone()).collect();
        assert_eq!(ids, [0, 1, 2].map(|number| Value::from(event(number).id.to_string())));
    }

    #[test]
    fn a_client_that_was_too_slow_is_told_how_many_events_it_missed() {
        let hub = Hub::bounded(2, at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        (0..5).for_each(|batch| offer(&hub, batch * 10..batch * 10 + 10));
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!(texts[0]["type"], "lagged");
        assert_eq!(texts[0]["missed"], 30);
        assert_eq!(texts.len(), 3);
        assert_eq!([watcher.take_missed(), watcher.take_missed()], [30, 0]);
    }

    #[test]
    fn whoever_came_while_the_dashboard_caught_up_misses_nothing_that_was_received_since_it_started() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        (0..4).for_each(|number| hub.offer(event(number), Freshness::Replayed));
        hub.send_batch(at(3));
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!((texts.len(), &texts[0]["type"]), (1, &Value::from("event")));
        assert_eq!(texts[0]["events"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn what_was_on_the_bus_before_the_dashboard_started_nobody_missed() {
        let hub = Hub::new(at(3_600));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        (0..15_896).for_each(|number| hub.offer(event(number), Freshness::Replayed));
        offer(&hub, 0..2);
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!((texts.len(), &texts[0]["type"]), (1, &Value::from("event")), "{texts:?}");
        assert_eq!(watcher.take_missed(), 0);
    }

    #[test]
    fn what_the_dashboard_passed_over_is_missed_by_whoever_listens() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        (0..3).for_each(|number| hub.offer(event(number), Freshness::Live));
        hub.skip(1_000, at(3));
        offer(&hub, 3..5);
        let texts = texts(&mut receiver, &mut watcher);
        let types: Vec<&str> = texts.iter().map(|text| text["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["event", "lagged", "event"]);
        assert_eq!((&texts[1]["missed"], hub.offered()), (&Value::from(1_000), 1_005));
    }

    #[test]
    fn what_no_batch_holds_is_missed_and_told_so() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        let batch_max = u32::try_from(BATCH_MAX).unwrap();
        offer(&hub, 0..batch_max + 7);
        offer(&hub, 0..1);
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!(texts[0]["events"].as_array().unwrap().len(), BATCH_MAX);
        assert_eq!(texts[1]["missed"], 7);
    }

    #[test]
    fn an_event_shown_at_first_does_not_come_again() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        (0..3).for_each(|number| hub.offer(event(number), Freshness::Live));
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        offer(&hub, 3..5);
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!((texts.len(), texts[0]["events"].as_array().unwrap().len()), (1, 2));
    }

    #[test]
    fn a_wish_narrows_events_and_gaps_but_not_what_is_told_to_all() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let wish = SubscriptionFilter::default().of_kinds("trade").unwrap();
        let mut watcher = Subscriber::new(wish, hub.offered());
        offer(&hub, 0..4);
        offer(&hub, 0..1);
        hub.tell_gap(&gap(1), Some("?"));
        hub.send_gaps();
        hub.tell("metrics", &7);
        let texts = texts(&mut receiver, &mut watcher);
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert_eq!(texts[0]["events"].as_array().unwrap().len(), 2);
        assert_eq!(texts[1]["metrics"], 7);
    }

    #[test]
    fn gaps_come_in_one_message_and_too_many_are_counted() {
        let hub = Hub::new(at(0));
        let mut receiver = hub.listen();
        let mut watcher = Subscriber::new(SubscriptionFilter::default(), hub.offered());
        let gaps_max = u32::try_from(GAPS_MAX).unwrap();
        (0..gaps_max + 3).for_each(|number| hub.tell_gap(&gap(number), None));
        hub.send_gaps();
        let told = texts(&mut receiver, &mut watcher);
        assert_eq!((told.len(), told[0]["missed"].as_u64()), (1, Some(3)));
        assert_eq!(told[0]["gaps"].as_array().unwrap().len(), GAPS_MAX);
    }

    #[test]
    fn the_time_from_the_verdict_to_the_clients_is_measured() {
        let hub = Hub::new(at(0));
        offer(&hub, 1..2);
        assert_eq!(hub.measured().0.spread(), None, "nobody listens");
        let _receiver = hub.listen();
        offer(&hub, 1..3);
        let spread = hub.measured().0.spread().unwrap();
        assert_eq!((spread.p50, spread.samples), (1_000_000, 1), "judged at 2 s, sent at 3 s; only trades");
    }

    #[test]
    fn without_clients_nothing_is_kept_but_the_count() {
        let hub = Hub::new(at(0));
        offer(&hub, 0..3);
        assert_eq!(hub.offered(), 3);
        assert!(hub.waiting().events.is_empty());
    }

    #[tokio::test]
    async fn the_hub_sends_what_it_is_offered_and_stops_when_asked() {
        let (hub, stop) = (Hub::new(at(0)), CancellationToken::new());
        let mut receiver = hub.listen();
        let running = tokio::spawn(hub.clone().run(stop.clone()));
        hub.offer(event(1), Freshness::Live);
        let frame = tokio::time::timeout(Duration::from_secs(30), receiver.recv()).await.unwrap().unwrap();
        assert!(matches!(frame, Frame::Events(batch) if batch.end() == 1));
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_sent_at_most_eight_times_a_second_and_gaps_twice() {
        let (hub, stop) = (Hub::new(at(0)), CancellationToken::new());
        let mut receiver = hub.listen();
        let running = tokio::spawn(hub.clone().run(stop.clone()));
        for hundredth in 0..500 {
            hub.offer(event(hundredth), Freshness::Live);
            hub.tell_gap(&gap(hundredth), None);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        stop.cancel();
        running.await.unwrap().unwrap();
        let (mut batches, mut tellings) = (0, 0);
        while let Ok(frame) = receiver.try_recv() {
            batches += u32::from(matches!(frame, Frame::Events(_)));
            tellings += u32::from(matches!(frame, Frame::Gaps(_)));
        }
        assert!((20..=41).contains(&batches), "{batches} in 5 s");
        assert!((5..=11).contains(&tellings), "{tellings} in 5 s");
    }
}
