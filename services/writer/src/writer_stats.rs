//! What the writer knows of itself: counted in one place, told on the bus and at the operator's door.
//!
//! Knows: counters, states, the brake on dead letters. Never: what brought them about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus::Gauges;
use chassis::exposition;
use chassis::ready::{Latch, Readiness};
use contract::latency::{BUCKETS, bucket};
use contract::stats::{Backlog, WriterReport};
use contract::time::Timestamp;
use prometheus_client::registry::Registry;
use store::Stored;
use store::row::Row;

use crate::breaker::Breaker;
use crate::metrics::{InTable, Metrics, Why};

/// The state of one writer. A clone is the same state.
#[derive(Clone, Debug)]
pub struct WriterStats {
    readiness: Readiness,
    bus: Latch,
    database: Latch,
    letters: Latch,
    metrics: Metrics,
    gauges: Gauges,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    report: WriterReport,
    breaker: Breaker,
    is_blocked: bool,
    /// When the newest stored tick was received.
    stored_until: Option<Timestamp>,
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RejectReason {
    /// We could not read it.
    DecodeError,
    /// The database would not take it.
    Refused,
}

// === impl WriterStats ===

impl WriterStats {
    /// A stats whose instruments `registry` shows.
    pub fn new(registry: &mut Registry) -> Self {
        let readiness = Readiness::new();
        let (bus, database) = (readiness.latch("bus"), readiness.latch("database"));
        let letters = readiness.latch("dead letters");
        letters.set(true);
        let gauges = Gauges::register(registry);
        let metrics = Metrics::new(registry.sub_registry_with_prefix("polyfeed_writer"));
        Self { bus, database, letters, readiness, metrics, gauges, state: Arc::default() }
    }

    /// The latches.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// What the bus says of itself.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// A message came; `attempt`: which delivery of it, from 1.
    pub fn received(&self, attempt: u64) {
        self.metrics.received.inc();
        if attempt > 1 {
            self.metrics.redelivered.inc();
        }
        self.state().report.received += 1;
    }

    /// So many messages are collected and not stored yet.
    pub fn holds(&self, messages: usize) {
        self.metrics.held.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// A transaction of `rows` rows is committed.
    pub fn stored(&self, stored: &Stored, rows: u64, took: Duration) {
        let mut state = self.state();
        for (table, new) in &stored.inserted {
            *state.report.stored.entry(table.word().to_owned()).or_default() += new;
            self.metrics.stored.get_or_create(&InTable { table: table.word() }).inc_by(*new);
        }
        state.report.duplicates += stored.duplicates;
        state.report.batches += 1;
        state.report.batch_rows = rows;
        state.report.batch_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.metrics.duplicates.inc_by(stored.duplicates);
        self.metrics.took(took, rows);
    }

    /// These rows are committed at `now`.
    pub fn committed<'a>(&self, rows: impl Iterator<Item = &'a Row>, now: Timestamp) {
        let (mut newest, mut spans) = (None, Vec::new());
        for row in rows {
            let received_at = match row {
                Row::Trade(trade) => {
                    let waited_us = now.micros_since(trade.judged_at.into());
                    self.metrics.judged_to_stored.observe(exposition::seconds(waited_us));
                    spans.push(waited_us);
                    trade.received_at
                }
                Row::Price(price) => price.received_at,
                Row::Book(book) => book.received_at,
                Row::Market(_) | Row::Gap(_) | Row::DeadLetter(_) => continue,
            };
            newest = newest.max(Some(Timestamp::from(received_at)));
        }
        self.committed_after(&spans);
        let mut state = self.state();
        state.stored_until = state.stored_until.max(newest);
    }

    /// So long after their verdicts trades were committed, in microseconds.
    fn committed_after(&self, spans: &[i64]) {
        let mut state = self.state();
        let counts = &mut state.report.stored_after;
        counts.resize(BUCKETS, 0);
        for micros in spans {
            counts[bucket(*micros)] += 1;
        }
    }

    /// A message was given up at `now`.
    pub fn gave_up(&self, why: RejectReason, now: Instant) {
        let reason = match why {
            RejectReason::DecodeError => "undecodable",
            RejectReason::Refused => "refused",
        };
        self.metrics.dead.get_or_create(&Why { reason }).inc();
        let mut state = self.state();
        state.report.dead += 1;
        state.breaker.note(now);
    }

    /// Until when nothing is to be read, because too many messages were given up; none when reading may go on.
    pub fn closed_until(&self, now: Instant) -> Option<Instant> {
        let until = self.state().breaker.closed_until(now);
        match until {
            Some(_) => self.letters.fail("too many messages could not be stored; reading rests"),
            None => self.letters.set(true),
        }
        until
    }

    /// The database answered. Answers whether that is news.
    pub fn database_answers(&self) -> bool {
        self.metrics.database_connected.set(1);
        self.database.set(true);
        let mut state = self.state();
        let is_news = !state.report.database_connected;
        state.report.database_connected = true;
        state.is_blocked = false;
        is_news
    }

    /// The database is away. Answers whether that is news.
    pub fn database_is_away(&self, why: &str) -> bool {
        self.metrics.database_connected.set(0);
        self.database.fail(why);
        let mut state = self.state();
        std::mem::replace(&mut state.report.database_connected, false)
    }

    /// The database refuses us, and no row is at fault: nothing more is to be read. Answers whether that is news.
    pub fn database_refuses(&self, why: &str) -> bool {
        self.metrics.database_connected.set(0);
        self.database.fail(why);
        let mut state = self.state();
        state.report.database_connected = false;
        !std::mem::replace(&mut state.is_blocked, true)
    }

    /// A transaction has to be tried again.
    pub fn tries_again(&self) {
        self.metrics.retries.inc();
    }

    /// Whether the database refuses us.
    pub fn is_blocked(&self) -> bool {
        self.state().is_blocked
    }

    /// The bus is there, or why it is not.
    pub fn bus_is(&self, state: Result<(), String>) {
        match state {
            Ok(()) => self.bus.set(true),
            Err(why) => self.bus.fail(why),
        }
    }

    /// How far behind the shared consumer is at `now`, if it could be learned.
    pub fn backlog(&self, backlog: Option<Backlog>, now: Timestamp) {
        let mut state = self.state();
        state.report.backlog = backlog;
        let waits = backlog.is_none_or(|backlog| backlog.pending > 0 || backlog.unacknowledged > 0);
        let behind = match state.stored_until {
            Some(_) | None if !waits => 0.0,
            Some(at) => exposition::seconds(now.micros_since(at)),
            None => f64::NAN,
        };
        self.metrics.behind.set(behind);
    }

    /// What is told on the bus.
    pub fn report(&self) -> WriterReport {
        self.state().report.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use store::Table;

    use super::*;

    fn board() -> WriterStats {
        WriterStats::new(&mut Registry::default())
    }

    #[test]
    fn stored_rows_add_up_by_table() {
        let stats = board();
        let stored = Stored { inserted: [(Table::Trades, 2), (Table::Prices, 5)].into(), duplicates: 1 };
        stats.stored(&stored, 8, Duration::from_millis(3));
        stats.stored(&stored, 8, Duration::from_millis(4));
        stats.received(1);
        stats.committed_after(&[1_500, 1_600, -1]);
        let report = stats.report();
        assert_eq!((report.stored_after[bucket(1_500)], report.stored_after.iter().sum::<u64>()), (2, 3));
        assert_eq!((report.stored["trades"], report.stored["prices"]), (4, 10));
        assert_eq!((report.duplicates, report.batches, report.batch_rows, report.batch_us), (2, 2, 8, 4_000));
        assert_eq!(report.received, 1);
    }

    #[test]
    fn a_writer_is_behind_by_the_age_of_what_it_stored_last_while_others_wait() {
        use contract::ids::{ConditionId, TickId, TokenId};
        use contract::money::{Price, Size};
        use contract::tick::{PriceChange, Side};
        let (stats, at) = (board(), Timestamp::from_millis);
        let behind = |backlog, now| {
            stats.backlog(backlog, now);
            stats.metrics.behind.get()
        };
        let waits = |pending, unacknowledged| Some(Backlog { pending, unacknowledged });
        assert!(behind(waits(1, 0), at(5_000)).is_nan(), "nothing was stored yet");
        assert!(behind(waits(0, 0), at(5_000)).abs() < f64::EPSILON);
        let change = PriceChange {
            id: TickId::of_bytes([0; 16]),
            condition_id: ConditionId::try_from("0xab").unwrap(),
            token_id: TokenId::try_from("1").unwrap(),
            side: Side::Buy,
            price: Price::of_text("0.5").unwrap(),
            size: Size::of_text("1").unwrap(),
            best_bid: None,
            best_ask: None,
            hash: None,
            changed_at: at(3_000),
            received_at: at(4_000),
        };
        let row = Row::Price(change.try_into().unwrap());
        stats.committed([&row].into_iter(), at(4_100));
        let is = |seconds: f64, told: f64| (told - seconds).abs() < 1e-9;
        assert!(is(0.0, behind(waits(0, 0), at(9_000))));
        assert!(is(5.0, behind(waits(0, 1), at(9_000))));
        assert!(is(5.5, behind(None, at(9_500))), "an unknown backlog may be one");
    }

    #[test]
    fn a_database_that_comes_and_goes_is_news_once_each_time() {
        let stats = board();
        stats.bus_is(Ok(()));
        assert!(stats.database_answers());
        assert!(!stats.database_answers());
        assert!(stats.readiness().is_ready());
        assert!(stats.database_is_away("it is gone"));
        assert!(!stats.database_is_away("it is gone"));
        assert_eq!(stats.readiness().problems(), ["database: it is gone"]);
        assert!(!stats.report().database_connected);
    }

    #[test]
    fn a_database_that_refuses_us_blocks_the_reading_until_it_answers() {
        let stats = board();
        assert!(stats.database_refuses("no rights"));
        assert!(!stats.database_refuses("no rights"));
        assert!(stats.is_blocked());
        stats.database_answers();
        assert!(!stats.is_blocked());
    }

    #[test]
    fn fifty_dead_letters_at_once_are_a_problem_with_a_name_for_ten_seconds() {
        let (stats, now) = (board(), Instant::now());
        (0..50).for_each(|_| stats.gave_up(RejectReason::Refused, now));
        assert!(stats.closed_until(now).is_some());
        assert!(stats.readiness().problems().iter().any(|problem| problem.starts_with("dead letters:")));
        assert!(stats.closed_until(now + crate::breaker::WINDOW).is_none());
        assert_eq!(stats.report().dead, 50);
        stats.gave_up(RejectReason::DecodeError, now);
        stats.bus_is(Err("away".to_owned()));
        assert!(stats.readiness().problems().contains(&"bus: away".to_owned()));
    }
}
