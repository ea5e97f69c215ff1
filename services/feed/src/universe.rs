//! Which markets are followed, as the venue's catalogue has them: swept at the start and every minute.
//!
//! Knows: the choice, paging, our shard, what to believe. Never: a socket, a seat.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use contract::ids::{ConditionId, TokenId};
use contract::market::Market;
use polymarket::rest::{MARKETS_ROWS_MAX, MarketPage, Rest, RestError};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::announced::News;
use crate::board::Board;
use crate::catalogue::{Believed, Catalogue, Change};
use crate::choice::Choice;
use crate::control::Word;
use crate::gaps::Gaps;
use crate::outlet::Outlet;
use crate::relay::Relay;
use crate::shard::Shard;

/// From the beginning of one sweep to the next.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// What the venue announces is looked up this much later: the catalogue is a little slower than the sockets.
const NEWS_AFTER: Duration = Duration::from_secs(2);
/// Announced markets that may wait to be looked up; the next sweep finds the others.
pub(crate) const NEWS_MAX: usize = 1_000;
/// Pages of one sweep: the open catalogue had 36,000 markets in March 2026.
const PAGES_MAX: usize = 1_000;
/// Ids of one question.
const IDS_PER_CALL: usize = 20;
/// Pauses between attempts while the catalogue cannot be read.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// The universe of one feed.
#[derive(Debug)]
pub(crate) struct Universe {
    rest: Rest,
    choice: Choice,
    catalogue: Catalogue,
    relay: Relay,
    gaps: Gaps,
    board: Board,
    words: mpsc::Sender<Word>,
    /// Every market is to be published again.
    again: Arc<Notify>,
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
        choice: Choice,
        shard: Shard,
        outlet: &Outlet,
        board: Board,
        words: mpsc::Sender<Word>,
    ) -> Self {
        let (relay, gaps) = (outlet.relay.clone(), outlet.gaps.clone());
        let (catalogue, again) = (Catalogue::new(&choice, shard), Arc::default());
        Self { rest, choice, catalogue, relay, gaps, board, words, again }
    }

    /// Notified when the bus has lost what was published of markets.
    pub(crate) fn publish_again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    /// Keeps the catalogue until `stop`.
    pub(crate) async fn run(
        mut self,
        news: mpsc::Receiver<News>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        tokio::select! {
            () = self.keep(news) => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    }

    async fn keep(&mut self, mut news: mpsc::Receiver<News>) {
        loop {
            let next = Instant::now() + SWEEP_EVERY;
            if let Err(error) = self.sweep().await {
                self.board.universe_failed(chassis::logline::chain(&error));
            }
            self.listen(&mut news, next).await;
        }
    }

    /// Looks up what the venue announces until the next sweep is due.
    async fn listen(&mut self, news: &mut mpsc::Receiver<News>, until: Instant) {
        let (mut new, mut resolved) = (BTreeSet::new(), BTreeSet::new());
        let mut look_at = None;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.again.notified() => {
                    self.catalogue.published().into_iter().for_each(|message| self.relay.tell(message));
                }
                Some(told) = news.recv() => {
                    match told {
                        News::New(market) if self.catalogue.wants(&market) => new.insert(market),
                        News::Resolved(market) if self.catalogue.follows(&market) => resolved.insert(market),
                        News::New(_) | News::Resolved(_) => continue,
                    };
                    look_at.get_or_insert_with(|| Instant::now() + NEWS_AFTER);
                }
                () = sleep_until(look_at.unwrap_or(until)), if look_at.is_some() => {
                    look_at = None;
                    let (new, resolved) = (std::mem::take(&mut new), std::mem::take(&mut resolved));
                    if let Err(error) = self.look_up(new, resolved).await {
                        debug!(%error, "what the venue announced could not be looked up; the next sweep will");
                    }
                }
            }
        }
    }

    async fn look_up(
        &mut self,
        new: BTreeSet<ConditionId>,
        resolved: BTreeSet<ConditionId>,
    ) -> Result<(), RestError> {
        let names: Vec<String> = new.iter().map(ToString::to_string).collect();
        for chunk in names.chunks(IDS_PER_CALL) {
            let found = self.rest.markets_of(chunk).await?;
            self.add(found).await;
        }
        self.close(resolved.into_iter().collect()).await
    }

    /// Reads the catalogue once. What is new is followed page by page; what is gone only after a whole sweep.
    async fn sweep(&mut self) -> Result<(), RestError> {
        let mut seen = Vec::new();
        self.catalogue.begin();
        match self.choice.clone() {
            Choice::Top(_) | Choice::All => self.pages(&mut seen).await?,
            Choice::Markets(names) => {
                for chunk in names.chunks(IDS_PER_CALL) {
                    let page = self.asked(Question::Names(chunk)).await?;
                    self.page(page.markets, &mut seen).await;
                }
            }
            Choice::Tokens(tokens) => {
                for chunk in tokens.chunks(IDS_PER_CALL) {
                    let page = self.asked(Question::Tokens(chunk)).await?;
                    self.page(page.markets, &mut seen).await;
                }
            }
        }
        self.swept(seen).await
    }

    async fn pages(&mut self, seen: &mut Vec<ConditionId>) -> Result<(), RestError> {
        let mut cursor = None::<String>;
        let deep_enough = self.catalogue.ranks_needed();
        for _page in 0..PAGES_MAX {
            let page = self.asked(Question::Page(cursor.as_deref())).await?;
            if page.skipped.count > 0 {
                debug!(rows = page.skipped.count, reasons = ?page.skipped.reasons, "rows of the catalogue were passed over");
            }
            let open = page.markets.into_iter().filter(|market| market.active && !market.closed).collect();
            self.page(open, seen).await;
            // A cursor that repeats itself would page for ever.
            let repeats = page.next_cursor == cursor;
            if page.next_cursor.is_none() || repeats || seen.len() >= deep_enough {
                break;
            }
            cursor = page.next_cursor;
        }
        Ok(())
    }

    async fn page(&mut self, markets: Vec<Market>, seen: &mut Vec<ConditionId>) {
        seen.extend(markets.iter().map(|market| market.condition_id.clone()));
        self.add(markets).await;
    }

    /// Follows what is new and chosen of these, and tells what is known of them.
    async fn add(&mut self, markets: Vec<Market>) {
        let learned = self.catalogue.learn(markets);
        for message in learned.messages {
            self.relay.tell(message);
        }
        if !learned.new.is_empty() {
            self.change(Change { new: learned.new, ..Change::default() }).await;
        }
    }

    /// A whole sweep is over: what it did not show any more is asked for by name and goes.
    async fn swept(&mut self, seen: Vec<ConditionId>) -> Result<(), RestError> {
        let verdict = match self.catalogue.believe(&seen) {
            Believed::Yes => None,
            Believed::Empty => Some(format!("the catalogue has no open market for `{}`", self.choice)),
            Believed::Shrunk { from, to } => Some(format!(
                "the catalogue shrank from {from} markets to {to}: not believed, the old ones are kept"
            )),
        };
        if let Some(problem) = verdict {
            warn!("{problem}");
            self.board.universe_failed(problem);
            return Ok(());
        }
        let seen: HashSet<ConditionId> = seen.into_iter().collect();
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
        self.board.universe_read();
        Ok(())
    }

    /// Gives up those of these markets that the catalogue calls closed.
    async fn close(&mut self, suspects: Vec<ConditionId>) -> Result<(), RestError> {
        for chunk in suspects.chunks(IDS_PER_CALL) {
            let closed = self.rest.closed_markets_of(chunk).await?;
            let (change, messages) = self.catalogue.close(closed);
            for message in messages {
                self.relay.tell(message);
            }
            self.change(change).await;
        }
        Ok(())
    }

    async fn change(&self, mut change: Change) {
        change.tokens_expected = self.catalogue.tokens_expected();
        if let Err(error) = self.words.send(Word::Catalogue(change)).await {
            debug!(%error, "the conductor is gone: the feed stops");
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
            let problem = chassis::logline::chain(&error);
            warn!(retry = ?pause, "the catalogue cannot be read: {problem}");
            self.board.universe_failed(problem);
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
