//! Which markets are followed, as the venue's catalogue has them: swept at the start and every minute.
//!
//! Knows: the choice, paging, our shard, what to believe. Never: a socket, a slot.

pub(crate) mod catalogue;
pub(crate) mod pending_lookups;
pub mod selector;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Resolution, ResolutionSource};
use contract::time::Timestamp;
use polymarket::rest::{MARKETS_ROWS_MAX, MarketPage, Rest, RestError, RestResolution};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::control::CatalogueChange;
use crate::control::ControlEvent;
use crate::control::MarketEvent;
use crate::feed_stats::FeedStats;
use crate::gaps::Gaps;
use crate::publish::queue::PublishQueue;
use crate::shard::Shard;
use crate::universe::catalogue::{Believed, Catalogue};
use crate::universe::selector::UniverseSelector;
use pending_lookups::PendingLookups;

/// From the beginning of one sweep to the next, and at least as long as a sweep takes from its end.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Announcements that may wait; the next sweep finds the others.
pub(crate) const EVENTS_MAX: usize = 1_000;
/// Pages of one sweep: the open catalogue had 156,000 markets in August 2026.
const PAGES_MAX: usize = 10_000;
/// After so many pages it is said how far a sweep is.
const PROGRESS_PAGES: usize = 200;
/// Ids of one question.
const IDS_PER_CALL: usize = 20;
/// Pauses between attempts while the catalogue cannot be read.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The universe of one feed.
#[derive(Debug)]
pub(crate) struct Universe {
    rest: Rest,
    choice: UniverseSelector,
    catalogue: Catalogue,
    queue: PublishQueue,
    gaps: Gaps,
    stats: FeedStats,
    events: mpsc::Sender<ControlEvent>,
    /// Every market is to be published again.
    again: Arc<Notify>,
    /// Announced markets that the catalogue does not have yet.
    new: PendingLookups<()>,
    /// Markets that were resolved, as far as the sockets say: the catalogue is asked whether they are closed.
    ending: PendingLookups<()>,
    /// Closed markets whose resolution is unknown.
    unresolved: PendingLookups<Box<Market>>,
}

/// What a sweep has shown so far: each market once, in the order of its ranks.
#[derive(Debug, Default)]
struct Seen {
    ids: Vec<ConditionId>,
    known: HashSet<ConditionId>,
}

/// What the catalogue is asked in a sweep.
#[derive(Clone, Copy, Debug)]
enum Question<'a> {
    /// The page behind this cursor.
    Page(Option<&'a str>),
    /// These condition ids or slugs.
    Names(&'a [String]),
    /// The markets of these tokens.
    Tokens(&'a [TokenId]),
}

impl Universe {
    /// A universe that knows no market yet.
    pub(crate) fn new(
        rest: Rest,
        choice: UniverseSelector,
        shard: Shard,
        (queue, gaps): (PublishQueue, Gaps),
        stats: FeedStats,
        events: mpsc::Sender<ControlEvent>,
    ) -> Self {
        let (catalogue, again) = (Catalogue::new(&choice, shard), Arc::default());
        let (new, ending, unresolved) =
            (PendingLookups::default(), PendingLookups::default(), PendingLookups::default());
        Self { rest, choice, catalogue, queue, gaps, stats, events, again, new, ending, unresolved }
    }

    /// Notified when the bus has lost what was published of markets.
    pub(crate) fn publish_again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    /// Keeps the catalogue until `stop`.
    pub(crate) async fn run(
        mut self,
        news: mpsc::Receiver<MarketEvent>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        tokio::select! {
            () = self.keep(news) => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    }

    async fn keep(&mut self, mut news: mpsc::Receiver<MarketEvent>) {
        loop {
            let begun = Instant::now();
            // What is announced while a sweep goes on waits in its channel: pages are read within minutes.
            if let Err(error) = self.sweep(&mut news).await {
                self.stats.universe_failed(chassis::logline::error_chain(&error));
            }
            let next = (begun + SWEEP_EVERY).max(Instant::now() + begun.elapsed());
            self.listen(&mut news, next).await;
        }
    }

    /// Looks up what the venue announces until the next sweep is due.
    async fn listen(&mut self, news: &mut mpsc::Receiver<MarketEvent>, until: Instant) {
        loop {
            let look_at = self.next_look().map_or(until, |at| at.min(until));
            tokio::select! {
                () = self.again.notified() => {
                    self.catalogue.published().into_iter().for_each(|message| self.queue.enqueue_urgent(message));
                }
                Some(event) = news.recv() => self.handle_event(event).await,
                () = sleep_until(look_at) => {
                    if Instant::now() >= until {
                        return;
                    }
                    self.look_up().await;
                }
            }
        }
    }

    /// Takes over what the venue announced.
    async fn handle_event(&mut self, news: MarketEvent) {
        let now = Instant::now();
        match news {
            MarketEvent::New(market) if self.catalogue.wants(&market) => {
                self.new.add(market.condition_id.clone(), (), now);
                // The catalogue is minutes slower: what the frame names is followed at once.
                if self.catalogue.picks(&market) {
                    self.add(vec![*market]).await;
                }
            }
            MarketEvent::Resolved(market, resolution) if self.catalogue.follows(&market) => {
                let at = chassis::clock::now().into();
                let message = self.catalogue.resolved(&market, resolution, at);
                if let Some(message) = message {
                    self.queue.enqueue_urgent(message);
                }
                self.ending.add(market, (), now);
            }
            MarketEvent::TickSize(market, step, at) => {
                let message = self.catalogue.regrid(&market, step, at);
                if let Some(message) = message {
                    self.queue.enqueue_urgent(message);
                }
            }
            MarketEvent::New(_) | MarketEvent::Resolved(..) => {}
        }
    }

    fn next_look(&self) -> Option<Instant> {
        [self.new.next_look(), self.ending.next_look(), self.unresolved.next_look()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Asks for what is due of the awaited; what the catalogue does not have yet is asked for again, ever later.
    async fn look_up(&mut self) {
        let now = Instant::now();
        for chunk in self.new.due(now).chunks(IDS_PER_CALL) {
            let names: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            match self.rest.markets_of(&names).await {
                Ok(found) => {
                    for market in &found {
                        self.new.came(&market.condition_id);
                    }
                    self.add(found).await;
                }
                Err(error) => debug!(%error, "announced markets cannot be looked up: later again"),
            }
        }
        for chunk in self.ending.due(now).chunks(IDS_PER_CALL) {
            if let Err(error) = self.close(chunk.to_vec()).await {
                debug!(%error, "resolved markets cannot be looked up: later again");
            }
        }
        for chunk in self.unresolved.due(now).chunks(IDS_PER_CALL) {
            match self.rest.resolutions_of(chunk).await {
                Ok(resolutions) => resolutions.into_iter().for_each(|resolution| self.settle(&resolution)),
                Err(error) => debug!(%error, "it cannot be asked how markets ended: later again"),
            }
        }
    }

    /// Publishes how a closed market ended.
    fn settle(&mut self, resolution: &RestResolution) {
        let Some(mut market) = self.unresolved.take(&resolution.condition_id) else { return };
        let winner = resolution.winner.and_then(|at| market.tokens.get(at));
        market.resolution = Some(Resolution {
            resolved_at: resolution.resolved_at,
            winning_token_id: winner.map(|named| named.token_id.clone()),
            winning_outcome: winner.map(|named| named.outcome.clone()),
            source: ResolutionSource::Resolutions,
        });
        market.updated_at = Timestamp::from(chassis::clock::now());
        self.queue.enqueue_urgent(crate::universe::catalogue::message_of(&market));
    }

    /// Reads the catalogue once. What is new is followed page by page; what is gone only after a whole sweep.
    async fn sweep(&mut self, news: &mut mpsc::Receiver<MarketEvent>) -> Result<(), RestError> {
        let mut seen = Seen::default();
        self.catalogue.begin();
        let choice = self.choice.clone();
        let cut = if choice.needs_pages() { self.pages(&mut seen, news).await? } else { None };
        for chunk in choice.names().chunks(IDS_PER_CALL) {
            let page = self.asked(Question::Names(chunk)).await?;
            self.page(page.markets, &mut seen).await;
        }
        for chunk in choice.tokens().chunks(IDS_PER_CALL) {
            let page = self.asked(Question::Tokens(chunk)).await?;
            self.page(page.markets, &mut seen).await;
        }
        self.swept(seen, cut).await
    }

    /// Reads page by page; why it ended before the last one, if it did.
    async fn pages(
        &mut self,
        seen: &mut Seen,
        news: &mut mpsc::Receiver<MarketEvent>,
    ) -> Result<Option<String>, RestError> {
        let (mut cursor, mut cursors) = (None::<String>, HashSet::new());
        let deep_enough = self.catalogue.ranks_needed();
        for number in 1..=PAGES_MAX {
            let page = self.asked(Question::Page(cursor.as_deref())).await?;
            if page.skipped.count > 0 {
                debug!(rows = page.skipped.count, reasons = ?page.skipped.reasons, "rows of the catalogue were passed over");
            }
            let open = page.markets.into_iter().filter(|market| market.active && !market.closed).collect();
            self.page(open, seen).await;
            // A sweep of the whole venue takes minutes: nothing announced waits for its end.
            while let Ok(event) = news.try_recv() {
                self.handle_event(event).await;
            }
            if self.next_look().is_some_and(|at| at <= Instant::now()) {
                self.look_up().await;
            }
            // The last page may name itself as the next one.
            if page.next_cursor.is_none() || page.next_cursor == cursor || seen.ids.len() >= deep_enough {
                return Ok(None);
            }
            if number.is_multiple_of(PROGRESS_PAGES) {
                info!(
                    pages = number,
                    markets = seen.ids.len(),
                    "the catalogue is read: {number} pages so far"
                );
            }
            cursor = page.next_cursor;
            if !cursors.insert(cursor.clone()) {
                return Ok(Some(format!("after {number} pages it began again with one that it had shown")));
            }
        }
        Ok(Some(format!("it has more than {PAGES_MAX} pages")))
    }

    /// Of a market that stands on two pages, the first row counts.
    async fn page(&mut self, mut markets: Vec<Market>, seen: &mut Seen) {
        markets.retain(|market| seen.known.insert(market.condition_id.clone()));
        seen.ids.extend(markets.iter().map(|market| market.condition_id.clone()));
        self.add(markets).await;
    }

    /// Follows what is new and chosen of these, and tells what is known of them.
    async fn add(&mut self, markets: Vec<Market>) {
        let learned = self.catalogue.learn(markets);
        for message in learned.messages {
            self.queue.enqueue_urgent(message);
        }
        if !learned.new.is_empty() || !learned.corrected.is_empty() {
            let (new, corrected) = (learned.new, learned.corrected);
            self.change(CatalogueChange { new, corrected, ..CatalogueChange::default() }).await;
        }
    }

    /// A whole sweep is over: what it did not show any more is asked for by name and goes.
    async fn swept(&mut self, seen: Seen, cut: Option<String>) -> Result<(), RestError> {
        let verdict = match self.catalogue.believe(&seen.ids) {
            // What stands behind the cut is not gone.
            Believed::Yes => cut.map(|why| format!("the catalogue could not be read to its end: {why}")),
            Believed::Empty => Some(format!("the catalogue has no open market for `{}`", self.choice)),
            Believed::Shrunk { from, to } => Some(format!(
                "the catalogue shrank from {from} markets to {to}: not believed, the old ones are kept"
            )),
        };
        if let Some(problem) = verdict {
            warn!("{problem}");
            self.stats.universe_failed(problem);
            return Ok(());
        }
        let seen = seen.known;
        let mut missing = self.catalogue.missing(&seen);
        // Markets of an earlier feed that ended while nobody looked: what their gaps lack can be fetched.
        missing.extend(self.gaps.of_the_past().into_iter().filter(|market| !seen.contains(market)));
        self.close(missing).await?;
        let change = self.catalogue.rank();
        let (new, gone) = (change.new.len(), change.gone.len());
        if new + gone > 0 {
            info!(new, gone, "the catalogue was swept: {new} markets came, {gone} went");
            self.change(change).await;
        }
        self.stats.universe_read();
        Ok(())
    }

    /// Gives up those of these markets that the catalogue calls closed.
    async fn close(&mut self, suspects: Vec<ConditionId>) -> Result<(), RestError> {
        for chunk in suspects.chunks(IDS_PER_CALL) {
            let closed = self.rest.closed_markets_of(chunk).await?;
            let (change, messages, markets) = self.catalogue.close(closed);
            for message in messages {
                self.queue.enqueue_urgent(message);
            }
            for market in markets {
                self.ending.came(&market.condition_id);
                if market.resolution.is_none() {
                    self.unresolved.add(market.condition_id.clone(), Box::new(market), Instant::now());
                }
            }
            self.change(change).await;
        }
        Ok(())
    }

    async fn change(&self, mut change: CatalogueChange) {
        change.tokens_expected = self.catalogue.tokens_expected();
        if let Err(error) = self.events.send(ControlEvent::Catalogue(change)).await {
            debug!(%error, "the subscription manager is gone: the feed stops");
        }
    }

    /// Asks until the venue answers, however long that takes.
    async fn asked(&self, question: Question<'_>) -> Result<MarketPage, RestError> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            let error = match question.put(&self.rest).await {
                Ok(page) => return Ok(page),
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            let pause = backoff.next(fastrand::u64(..)).max(error.retry_after().unwrap_or_default());
            let problem = chassis::logline::error_chain(&error);
            warn!(retry = ?pause, "the catalogue cannot be read: {problem}");
            self.stats.universe_failed(problem);
            sleep(pause).await;
        }
    }
}

// === impl Question ===

impl Question<'_> {
    async fn put(self, rest: &Rest) -> Result<MarketPage, RestError> {
        let markets = match self {
            Self::Page(cursor) => return rest.markets_page(cursor, MARKETS_ROWS_MAX).await,
            Self::Names(names) => rest.markets_of(names).await?,
            Self::Tokens(tokens) => rest.markets_of_tokens(tokens).await?,
        };
        Ok(MarketPage { markets, ..MarketPage::default() })
    }
}
