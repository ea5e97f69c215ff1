//! The trades of gaps, fetched from the Data API once they must have settled.
//!
//! Knows: which gaps are due, how far back a page has to reach, how to tell. Never: a socket.

use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock;
use contract::ids::ConditionId;
use contract::tick::{Tick, Trade};
use contract::time::Timestamp;
use polymarket::rest::{Rest, RestError, RestTrade, TRADES_MARKETS_MAX, TRADES_ROWS_MAX};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::feed_stats::FeedStats;
use crate::gaps::fills::Fills;
use crate::gaps::{Gaps, Waiting};
use crate::publish::message::tick_message;
use crate::publish::queue::PublishQueue;

/// Pages of one question: with 1,000 rows each a day of the busiest 20 markets.
const PAGES_MAX: usize = 500;
/// Fills are remembered at least this long, beside those that an open gap may need.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);
/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an answer about the lag of the Data API is good.
const LAG_GOOD_FOR: Duration = Duration::from_secs(10);
/// How long the markets of a question that was refused are asked for one by one: one of them may be at fault.
const SINGLY_FOR: Duration = Duration::from_mins(2);
/// When a market is asked for again whose trades were refused or came from a cache.
const POSTPONED_FOR: Duration = Duration::from_mins(10);
/// When it is asked again after an answer from a cache.
const AGED_PAUSE: Duration = Duration::from_secs(5);
/// After so many in a row the gaps are postponed, so that others come to their turn.
const AGED_MAX: u32 = 3;
/// Pauses while the Data API cannot be asked.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The recovery of one feed.
#[derive(Debug)]
pub(crate) struct Backfill {
    rest: Rest,
    gaps: Gaps,
    fills: Fills,
    queue: PublishQueue,
    stats: FeedStats,
    instance: String,
    settlement: Duration,
    lag: Option<(Timestamp, Duration)>,
    singly_until: Option<Timestamp>,
    /// Answers of a cache in a row.
    aged: u32,
    rounds: u64,
}

/// What was fetched of some markets.
#[derive(Debug)]
struct Fetched {
    rows: Vec<RestTrade>,
    /// There are older rows that could not be had.
    is_cut: bool,
    /// A cache gave it, for so long already: newer rows may be missing.
    age: Duration,
}

impl Backfill {
    /// A recovery of these gaps.
    pub(crate) fn new(
        rest: Rest,
        gaps: Gaps,
        fills: Fills,
        queue: PublishQueue,
        stats: FeedStats,
        instance: &str,
        settlement: Duration,
    ) -> Self {
        let instance = instance.to_owned();
        let (lag, singly_until) = (None, None);
        Self { rest, gaps, fills, queue, stats, instance, settlement, lag, singly_until, aged: 0, rounds: 0 }
    }

    /// Fetches until `stop`: one question at a time, so that many broken sockets make no storm.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let now = Timestamp::from(clock::now());
            let horizon = self.gaps.oldest().map_or(now, |at| at.minus(self.settlement * 2));
            self.fills.forget(horizon.min(now.minus(REMEMBERED_FOR)));
            let pause = if self.gaps.next_due().is_some_and(|at| at <= now) {
                let round = tokio::select! {
                    round = self.round(now) => round,
                    () = stop.cancelled() => return Ok(()),
                };
                match round {
                    Ok(pause) => {
                        backoff.reset();
                        self.stats.recovery_failed(None);
                        pause
                    }
                    Err(error) => {
                        let pause =
                            backoff.next(fastrand::u64(..)).max(error.retry_after().unwrap_or_default());
                        let problem = chassis::logline::error_chain(&error);
                        warn!(retry = ?pause, "the trades of gaps cannot be fetched: {problem}");
                        self.stats.recovery_failed(Some(problem));
                        pause
                    }
                }
            } else {
                LOOK_EVERY
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.gaps.one_restored(), if pause == LOOK_EVERY => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Asks for the trades of the gaps of one question; how long to wait before the next.
    async fn round(&mut self, now: Timestamp) -> Result<Duration, RestError> {
        // Rows that the Data API has not read yet are not missing: it is asked as if it were that much earlier.
        let asked_at = now.minus(self.lag(now).await?);
        let singly = self.singly_until.is_some_and(|until| now < until);
        let due = self.gaps.due(asked_at, if singly { 1 } else { TRADES_MARKETS_MAX });
        let Some(since) = due.iter().map(|waiting| waiting.gap.opened_at).min() else {
            return Ok(LOOK_EVERY);
        };
        let mut markets: Vec<ConditionId> =
            due.iter().map(|waiting| waiting.gap.condition_id.clone()).collect();
        markets.sort_unstable();
        markets.dedup();
        let fetched = match self.fetch(&markets, seconds(since)).await {
            Err(error) if !error.is_transient() => {
                self.at_fault(&due, &markets, now, &chassis::logline::error_chain(&error));
                return Ok(Duration::ZERO);
            }
            fetched => fetched?,
        };
        self.rounds += 1;
        let received_at = Timestamp::from(clock::now());
        let untold = self.fills.missing_fills(&fetched.rows, received_at);
        let mut sum = 0;
        for trade in untold {
            let Some(waiting) = due.iter().find(|waiting| self.may_hold(waiting, &trade)) else { continue };
            if !self.publish(trade, received_at) {
                // The buffer is full: the gaps stay due.
                return Ok(RETRY.0);
            }
            self.gaps.recovered(waiting.gap.id, 1);
            self.stats.recovered(1);
            sum += 1;
        }
        if sum > 0 {
            info!(trades = sum, gaps = due.len(), "recovered {sum} trades of {} gaps", due.len());
        }
        if fetched.is_cut && markets.len() > 1 {
            self.singly(&markets, now, "there are older rows that the Data API does not give of all of them");
        } else if fetched.is_cut {
            warn!(market = %markets[0], "the Data API has older trades and does not give them: its gaps stay incomplete");
            for waiting in &due {
                self.gaps.asked_in_part(waiting.gap.id, asked_at);
            }
        } else if fetched.age > Duration::ZERO {
            let why = "a cache answers for the Data API, whatever the address";
            self.aged += 1;
            if self.aged < AGED_MAX {
                debug!(age = ?fetched.age, "{why}: asked again");
                return Ok(AGED_PAUSE);
            }
            self.aged = 0;
            warn!(age = ?fetched.age, gaps = due.len(), "the trades of {} gaps cannot be had: {why}", due.len());
            for waiting in &due {
                self.gaps.postpone(waiting.gap.id, now.plus(POSTPONED_FOR));
            }
        } else {
            self.aged = 0;
            for waiting in &due {
                self.gaps.asked(waiting.gap.id, asked_at);
            }
        }
        Ok(Duration::ZERO)
    }

    /// Of several markets each is asked for by itself from now on; one alone costs only itself.
    fn at_fault(&mut self, due: &[Waiting], markets: &[ConditionId], now: Timestamp, why: &str) {
        if let [market] = markets {
            warn!(market = %market, "the trades of its gaps cannot be had: {why}");
            for waiting in due {
                self.gaps.postpone(waiting.gap.id, now.plus(POSTPONED_FOR));
            }
        } else {
            self.singly(markets, now, why);
        }
    }

    fn singly(&mut self, markets: &[ConditionId], now: Timestamp, why: &str) {
        debug!(markets = markets.len(), "asked for one by one: {why}");
        self.singly_until = Some(now.plus(SINGLY_FOR));
    }

    /// All rows of these markets from `since` on.
    async fn fetch(&self, markets: &[ConditionId], since: Timestamp) -> Result<Fetched, RestError> {
        let mut rows = Rows { overlap: self.rest.trades_pages_overlap(), ..Rows::default() };
        let mut cursor = None::<String>;
        let mut age = Duration::ZERO;
        for number in 0..PAGES_MAX {
            let page = match self.rest.trades(markets, TRADES_ROWS_MAX, cursor.as_deref()).await {
                // What came before is kept: these rows are true.
                Err(error) if number > 0 && !error.is_transient() => {
                    debug!(%error, "a page of trades was refused");
                    return Ok(Fetched { rows: rows.rows, is_cut: true, age });
                }
                page => page?,
            };
            age = age.max(page.age);
            if page.skipped.count > 0 {
                warn!(rows = page.skipped.count, reasons = ?page.skipped.reasons, "rows of trades could not be read");
            }
            let reached = page.trades.last().is_some_and(|row| row.executed_at < since);
            let repeats = page.next_cursor == cursor;
            rows.add(page.trades.into_iter().filter(|row| row.executed_at >= since).collect());
            if reached || page.next_cursor.is_none() || repeats {
                return Ok(Fetched { rows: rows.rows, is_cut: page.is_cut && !reached, age });
            }
            cursor = page.next_cursor;
        }
        warn!(markets = markets.len(), %since, "more trades than {PAGES_MAX} pages hold: the oldest are not recovered");
        Ok(Fetched { rows: rows.rows, is_cut: true, age })
    }

    /// Whether a row may be of a match inside the gap: its block is not before it and not long after it.
    fn may_hold(&self, waiting: &Waiting, trade: &Trade) -> bool {
        let opened_at = waiting.gap.opened_at;
        // Where the fills before the gap are not remembered any more, its first rows may be some of them.
        let forgotten =
            self.fills.known_since().is_some_and(|since| since > opened_at.minus(self.settlement));
        let from = if forgotten { opened_at.plus(self.settlement) } else { seconds(opened_at) };
        let until = waiting.live_at().plus(self.settlement);
        waiting.gap.condition_id == trade.condition_id && (from..=until).contains(&trade.executed_at)
    }

    fn publish(&self, trade: Trade, received_at: Timestamp) -> bool {
        let correlation = format!("{}.recovery.{}", self.instance, self.rounds);
        let tick = Tick::Trade(Box::new(trade));
        if self.queue.offer(tick_message(&tick, &correlation), received_at).is_err() {
            return false;
        }
        if let Tick::Trade(trade) = tick {
            self.fills.record_backfilled(&trade);
        }
        true
    }

    async fn lag(&mut self, now: Timestamp) -> Result<Duration, RestError> {
        if let Some((_, lag)) = self.lag.filter(|(asked_at, _)| now.since(*asked_at) < LAG_GOOD_FOR) {
            return Ok(lag);
        }
        let lag = match self.rest.trades_lag().await {
            Ok(lag) => lag.unwrap_or_default(),
            // Unknown is not zero: it is waited for twice as long.
            Err(error) if !error.is_transient() => {
                warn!("the Data API does not say how far it lags: {}", chassis::logline::error_chain(&error));
                self.settlement
            }
            Err(error) => return Err(error),
        };
        self.lag = Some((now, lag));
        Ok(lag)
    }
}

/// Rows of several pages.
#[derive(Debug, Default)]
struct Rows {
    /// The same row may stand on two pages.
    overlap: bool,
    rows: Vec<RestTrade>,
}

impl Rows {
    /// Adds a page. Where pages overlap, alike rows of two pages are one; of one page they are two fills.
    fn add(&mut self, page: Vec<RestTrade>) {
        if !self.overlap {
            self.rows.extend(page);
            return;
        }
        let mut there = self.rows.clone();
        for row in page {
            match there.iter().position(|known| *known == row) {
                Some(at) => drop(there.swap_remove(at)),
                None => self.rows.push(row),
            }
        }
    }
}

/// The moment cut to whole seconds, as blocks are stamped.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().div_euclid(1_000) * 1_000)
}

#[cfg(test)]
mod tests {
    use contract::ids::TokenId;
    use contract::money::{Price, Size};
    use contract::tick::Side;

    use super::*;

    fn row(size: &str) -> RestTrade {
        RestTrade {
            condition_id: ConditionId::try_from("0xab").unwrap(),
            token_id: TokenId::try_from("71").unwrap(),
            side: Some(Side::Buy),
            price: Price::of_text("0.5").unwrap(),
            size: Size::of_text(size).unwrap(),
            executed_at: Timestamp::from_millis(1_790_000_000_000),
            transaction_hash: None,
        }
    }

    #[test]
    fn where_pages_overlap_a_row_of_two_pages_is_one_and_two_of_one_page_are_two() {
        let (mut paged, mut cut) = (Rows { overlap: true, ..Rows::default() }, Rows::default());
        for rows in [&mut paged, &mut cut] {
            rows.add(vec![row("1"), row("2"), row("2")]);
            rows.add(vec![row("2"), row("3")]);
        }
        assert_eq!((paged.rows.len(), cut.rows.len()), (4, 5));
    }

    #[test]
    fn a_block_may_be_stamped_up_to_a_second_before_the_gap_opened() {
        let at = Timestamp::from_micros(1_790_000_000_999_999);
        assert_eq!(seconds(at), Timestamp::from_millis(1_790_000_000_000));
        assert_eq!(seconds(seconds(at)), seconds(at));
    }
}
