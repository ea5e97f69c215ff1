//! Feeds the fold from the bus and the database, for ever.
//!
//! Knows: what to follow from where, and how long to wait after a failure. Never: what the fold makes of it.

mod probe;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use bus::{Bus, BusError, ReadUpTo, Source, Start, StreamMessage, StreamReader};
use chassis::backoff::Backoff;
use chassis::tasks::Tasks;
use chassis::trace::{Role, Tracer};
use chassis::{clock, logline};
use contract::codec::{DecodeError, decode, decode_tick};
use contract::money::Price;
use contract::subject;
use contract::tick::Kind;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use store::{Class, LastPrices, Reader, StoreError};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::freshness::Freshness;
use crate::metrics::Metrics;
use crate::shared_state::SharedState;
use crate::state::Projection;
use crate::state::event::Judged;
use crate::state::tokens::Seed;

/// How far back the judged ticks are read at the start: what the page shows of the past.
const HISTORY: Duration = Duration::from_mins(5);
/// With fewer messages to come than this, what is read is new: on a busy bus there is always something to come.
const CAUGHT_UP_BELOW: u64 = 100;
/// Pauses between attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often bus and database are asked whether they answer, and how far behind their readers are.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long one probe may take: of the bus, for all its readers together.
const PROBE_MAX: Duration = Duration::from_secs(3);
/// How often tokens without a book are looked for in the database.
const SEED_EVERY: Duration = Duration::from_secs(5);
/// Tokens of one such question.
const SEEDS_MAX: usize = 500;
/// With more messages to come than this, and the next one older than [`STALE_FROM`], what is new is shown first.
const LEFT_OUT_FROM: u64 = 5_000;
/// See [`LEFT_OUT_FROM`]: half of what the live stream may be behind.
const STALE_FROM: Duration = Duration::from_millis(2_500);
/// Messages that are not left out then.
const KEPT_OF_STALE: u64 = 1_000;
/// Messages of the past that are read at the start: more would keep the page from the present.
const HISTORY_MAX: u64 = 200_000;
/// Time that the tasks have to end once asked to.
const GRACE: Duration = Duration::from_secs(3);

/// Everything that feeds the fold.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    pub(crate) bus: bus::Config,
    pub(crate) reader: Reader,
    pub(crate) board: SharedState,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    /// The bus, once it was reached, for whoever has something to say.
    pub(crate) reached: Arc<OnceLock<Bus>>,
    /// Where the reader of judged ticks has come to, once there is one.
    pub(crate) read_up_to: Arc<OnceLock<ReadUpTo>>,
    pub(crate) stop: CancellationToken,
}

// === impl Follower ===

impl Follower {
    /// Follows the bus until the stop, from whenever it is there.
    ///
    /// # Errors
    /// When a task panics.
    pub(crate) async fn follow_bus(self) -> anyhow::Result<()> {
        let Some(bus) = self.reach().await else { return Ok(()) };
        let bus = self.reached.get_or_init(|| bus).clone();
        let mut tasks = Tasks::new(self.stop.clone());
        let start = Start::Moment(Timestamp::from(clock::now()).minus(HISTORY));
        tasks.spawn("judged", self.clone().follow(bus.clone(), Source::Judged, start, Self::judged));
        let all = Start::Beginning;
        tasks.spawn("markets", self.clone().follow(bus.clone(), Source::Markets, all, Self::market));
        tasks.spawn("gaps", self.clone().follow(bus.clone(), Source::Gaps, all, Self::gap));
        tasks.spawn("last prices", self.clone().seed());
        tasks.spawn("stats", self.clone().listen(bus.clone()));
        tasks.spawn("probe", self.probe_bus(bus));
        tasks.join(GRACE).await.context("following the bus failed")
    }

    /// Asks the database every second how much it holds, until the stop.
    ///
    /// # Errors
    /// Never: a failure is shown.
    pub(crate) async fn follow_database(self) -> anyhow::Result<()> {
        let mut every = interval(PROBE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let totals = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                totals = timeout(PROBE_MAX, self.reader.totals()) => totals,
            };
            let late = |_| StoreError::TimedOut { doing: "count what is stored", waited: PROBE_MAX };
            let totals = totals.map_err(late).flatten();
            let answer = totals.as_ref().map(drop).map_err(of_store);
            let was = self.board.with(|fold| {
                let was = fold.database.is_up;
                fold.database.told(answer, clock::now().into());
                was
            });
            match &totals {
                Ok(_) if was != Some(true) => info!("the database answers"),
                Err(error) if was != Some(false) => {
                    warn!("the database does not answer: {}", logline::error_chain(error));
                }
                _ => {}
            }
            self.board.with(|fold| fold.totals = totals.ok());
        }
    }

    /// Asks the database for the last prices of tokens of which this process has seen no book, until the stop: a
    /// quiet token would be unknown for hours after each start.
    async fn seed(self) -> anyhow::Result<()> {
        let mut every = interval(SEED_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = HashSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let mut bare = self.board.with(|fold| fold.bare_tokens());
            bare.retain(|token| !asked.contains(token));
            for part in bare.chunks(SEEDS_MAX) {
                let told = tokio::select! {
                    () = self.stop.cancelled() => return Ok(()),
                    told = self.reader.last_prices(part) => told,
                };
                match told {
                    Ok(seeds) => {
                        asked.extend(part.iter().cloned());
                        let seeds: Vec<Seed> = seeds.iter().filter_map(seed_of).collect();
                        self.board.with(|fold| seeds.iter().for_each(|seed| fold.seed(seed)));
                    }
                    Err(error) => {
                        debug!("last prices could not be read: {}", logline::error_chain(&error));
                        break;
                    }
                }
            }
        }
    }

    /// Connects, however long that takes; none when asked to stop before.
    async fn reach(&self) -> Option<Bus> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let failure = tokio::select! {
                () = self.stop.cancelled() => return None,
                connected = Bus::connect(&self.bus) => match connected {
                    Ok(bus) => return Some(bus),
                    Err(failure) => failure,
                },
            };
            let why = logline::error_chain(&failure);
            if failure.is_transient() {
                warn!("the bus is not there yet: {why}");
            } else {
                error!("the bus cannot be used: {why}");
            }
            self.board.with(|fold| fold.bus.told(Err(of_bus(&failure)), clock::now().into()));
            self.pause(&mut backoff).await?;
        }
    }

    /// Follows one stream until the stop.
    async fn follow(
        self,
        bus: Bus,
        source: Source,
        start: Start,
        take: fn(&Self, &StreamMessage, Freshness) -> Result<(), DecodeError>,
    ) -> anyhow::Result<()> {
        let mut reader = bus.reader(source, start);
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let mut is_news = Freshness::Replayed;
        let mut is_first = true;
        if source == Source::Judged {
            self.read_up_to.get_or_init(|| reader.read_up_to());
        }
        loop {
            let read = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                read = reader.next() => read,
            };
            match read {
                Ok(message) => {
                    backoff.reset();
                    if message.pending < CAUGHT_UP_BELOW && is_news == Freshness::Replayed {
                        is_news = Freshness::Live;
                        if source == Source::Judged {
                            self.board.with(Projection::has_history);
                        }
                    }
                    if let Err(odd) = take(&self, &message, is_news) {
                        self.undecodable(&message.subject, &odd);
                    }
                    if source == Source::Judged {
                        if let Some(keep) = self.kept_of_pending(&message, is_first, is_news) {
                            self.leave_out(&mut reader, keep, is_first).await;
                        }
                        is_first = false;
                    }
                }
                Err(failure) => {
                    debug!("{source:?} could not be read: {}", logline::error_chain(&failure));
                    if self.pause(&mut backoff).await.is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// How many of the messages to come are to be read, where those are too many to read them all.
    fn kept_of_pending(&self, message: &StreamMessage, is_first: bool, is_news: Freshness) -> Option<u64> {
        if is_first {
            return (message.pending > HISTORY_MAX).then_some(HISTORY_MAX);
        }
        let is_far = is_news == Freshness::Live && message.pending > LEFT_OUT_FROM;
        let now = Timestamp::from(clock::now());
        let newest = self.board.with(|fold| fold.newest_at);
        (is_far && newest.is_some_and(|at| now.since(at) > STALE_FROM)).then_some(KEPT_OF_STALE)
    }

    /// Passes over what is old: a live stream that shows the past says nothing.
    async fn leave_out(&self, reader: &mut StreamReader, keep: u64, is_history: bool) {
        match reader.skip(keep).await {
            Ok(0) => {}
            Ok(ticks) => {
                let now = Timestamp::from(clock::now());
                warn!(ticks, "{ticks} ticks were left out to show what is new");
                // What was there before this process nobody missed here.
                if !is_history {
                    self.board.hub().skip(ticks, now);
                    self.board.with(|fold| fold.delivery.skip(ticks, now));
                }
            }
            Err(failure) => debug!("could not go on to what is new: {}", logline::error_chain(&failure)),
        }
    }

    fn judged(&self, message: &StreamMessage, is_news: Freshness) -> Result<(), DecodeError> {
        let Some(tick) = subject::of_tick(&message.subject) else { return Ok(()) };
        // What was on the bus before this process is not shown now for the first time.
        let span = (is_news == Freshness::Live)
            .then(|| message.traced(&self.tracer, "page", Role::Consumer))
            .flatten();
        let judged = match tick.kind {
            Kind::Trade => Judged::Trade(decode(&message.payload)?),
            kind => Judged::Other(decode_tick(kind, &message.payload)?),
        };
        self.metrics.events.get_or_create(&[("kind", tick.kind.word())]).inc();
        let now = Timestamp::from(clock::now());
        if let (Judged::Trade(trade), Freshness::Live) = (&judged, is_news) {
            self.metrics.shown(now.micros_since(trade.judged_at));
        }
        self.board.tick(judged, is_news, now);
        if let Some(span) = span {
            span.end();
        }
        Ok(())
    }

    fn market(&self, message: &StreamMessage, _: Freshness) -> Result<(), DecodeError> {
        let market = decode(&message.payload)?;
        self.board.with(|fold| fold.market(&market));
        Ok(())
    }

    fn gap(&self, message: &StreamMessage, is_news: Freshness) -> Result<(), DecodeError> {
        self.board.gap(&decode(&message.payload)?, is_news);
        Ok(())
    }

    /// Hears what every instance says of itself, until the stop.
    async fn listen(self, bus: Bus) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            match bus.listen(subject::STATS_ALL).await {
                Ok(mut listener) => loop {
                    let heard = tokio::select! {
                        () = self.stop.cancelled() => return Ok(()),
                        heard = listener.next() => heard,
                    };
                    let Some(heard) = heard else { break };
                    backoff.reset();
                    match decode(&heard.payload) {
                        Ok(stats) => self.board.with(|fold| fold.stats(stats, clock::now().into())),
                        Err(odd) => self.undecodable(&heard.subject, &odd),
                    }
                },
                Err(failure) => debug!("stats could not be heard: {}", logline::error_chain(&failure)),
            }
            if self.pause(&mut backoff).await.is_none() {
                return Ok(());
            }
        }
    }

    fn undecodable(&self, subject: &str, odd: &DecodeError) {
        debug!(subject, "a message could not be read: {}", logline::error_chain(odd));
        self.metrics.undecodable.inc();
        self.board.with(|fold| fold.undecodable += 1);
    }

    /// Waits before the next attempt; none when asked to stop meanwhile.
    async fn pause(&self, backoff: &mut Backoff) -> Option<()> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            () = sleep(backoff.next(fastrand::u64(..))) => Some(()),
        }
    }
}

/// What the database holds was a price once; else it is left out.
fn seed_of(last: &LastPrices) -> Option<Seed> {
    let price = |price: Option<Decimal>| price.map(Price::try_from).transpose().ok();
    Some(Seed {
        token_id: last.token_id.clone(),
        bid: price(last.bid)?,
        ask: price(last.ask)?,
        quoted_at: last.quoted_at,
        last: last.last.and_then(|(price, at)| Price::try_from(price).ok().map(|price| (price, at))),
    })
}

/// A failure of the bus for everybody's eyes: no address, no login. The log has the rest.
fn of_bus(failure: &BusError) -> String {
    match failure {
        BusError::Connect { .. } => "no server answers".to_owned(),
        BusError::Login { .. } | BusError::Closed => "it refuses the login".to_owned(),
        BusError::Lost => "the connection is lost".to_owned(),
        BusError::TooOld { .. } | BusError::Refused { .. } => failure.to_string(),
        BusError::Credentials { .. } => "the file of credentials or certificates cannot be read".to_owned(),
        BusError::Declare { .. } => "its streams cannot be reached".to_owned(),
        BusError::Header { .. }
        | BusError::Unacknowledged { .. }
        | BusError::Full { .. }
        | BusError::Read { .. }
        | BusError::Away { .. } => "it does not answer in time".to_owned(),
    }
}

/// A failure of the database for everybody's eyes.
fn of_store(failure: &StoreError) -> String {
    match failure.class() {
        Class::Away | Class::RetryNow => "no server answers, or it has no room".to_owned(),
        Class::Bug | Class::Data => {
            "it refuses what is asked: a wrong login, or views that are not there yet (a writer makes them)"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::codec::encode;
    use contract::verdict::Verdict;

    use super::*;
    use crate::live::Hub;
    use crate::state::events::EventFilter;
    use crate::state::testing::{gap, market, trade};

    fn follower() -> Follower {
        Follower {
            bus: bus::Config {
                url: "nats://127.0.0.1:1".to_owned(),
                user: None,
                password: None,
                creds: None,
                ca_file: None,
                service: None,
                name: "test".to_owned(),
                limits: bus::Limits::default(),
            },
            reader: Reader::connect("postgres://u@127.0.0.1:1/d").unwrap(),
            board: SharedState::new(Hub::new(clock::now().into()), clock::now().into()),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
            reached: Arc::default(),
            read_up_to: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    fn read(subject: &str, payload: Vec<u8>) -> StreamMessage {
        StreamMessage {
            subject: subject.to_owned(),
            payload: payload.into(),
            correlation_id: None,
            traceparent: None,
            sequence: 1,
            pending: 0,
        }
    }

    #[tokio::test]
    async fn messages_of_the_bus_reach_the_fold() {
        let follower = follower();
        let message = read("ticks.flagged.trade.0x1", encode(&trade(1)));
        follower.judged(&message, Freshness::Live).unwrap();
        follower.market(&read("markets.0x1", encode(&market(1))), Freshness::Live).unwrap();
        follower.gap(&read("gaps.0x1", encode(&gap(1))), Freshness::Live).unwrap();
        let page = follower.board.with(|fold| fold.page(&EventFilter::default(), 9, 0));
        assert_eq!((page.total, page.events[0].verdict), (1, Verdict::Clean));
        assert_eq!(page.events[0].name.as_ref().unwrap().outcome.as_ref(), "Yes");
        assert_eq!(follower.board.with(|fold| fold.gaps.count()), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_counted_and_what_is_no_tick_is_passed_over() {
        let follower = follower();
        let odd = read("ticks.clean.price.0x1", vec![1, 2, 3]);
        let error = follower.judged(&odd, Freshness::Live).unwrap_err();
        follower.undecodable(&odd.subject, &error);
        assert_eq!(follower.board.with(|fold| fold.undecodable), 1);
        follower.judged(&read("elsewhere", vec![1]), Freshness::Live).unwrap();
    }

    #[tokio::test]
    async fn without_servers_it_keeps_trying_says_so_and_stops_when_asked() {
        let follower = follower();
        let bus = tokio::spawn(follower.clone().follow_bus());
        let database = tokio::spawn(follower.clone().follow_database());
        let known = |follower: &Follower| {
            follower.board.with(|fold| (fold.bus.is_up, fold.database.is_up)) == (Some(false), Some(false))
        };
        timeout(Duration::from_secs(30), async {
            while !known(&follower) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("both are known to be away");
        let problem = follower.board.with(|fold| fold.bus.problem.clone()).unwrap();
        assert!(!problem.contains("127.0.0.1"), "{problem}");
        follower.stop.cancel();
        bus.await.unwrap().unwrap();
        database.await.unwrap().unwrap();
    }
}
