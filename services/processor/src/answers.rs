//! Answers to what the gates ask, from REST: batched, kept for a moment, bounded in number and time.
//!
//! Knows: which route knows what, and when it knows it. Never: a verdict.

mod circuit;
mod lookup;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::logline;
use chassis::tasks::Tasks;
use chassis::trace::{Role, Span};
use contract::ids::{ConditionId, TokenId};
use contract::tick::Trade;
use gates::evidence::Answer;
use gates::g3_size::{self, find};
use gates::g5_divergence::Top;
use gates::judge::{Evidence, Question};
use gates::limits::Limits;
use polymarket::rest::{BOOKS_TOKENS_MAX, Rest, RestTrade, TRADES_MARKETS_MAX, TRADES_ROWS_MAX};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::metrics::Metrics;
use lookup::{Lookup, lookup};

/// When a missing size is asked for, after the trade was seen: a trade is told only once it is settled, which takes
/// some seconds (no figure is published).
const SIZE_ASKED_AFTER: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(1_500), Duration::from_millis(3_500)];

/// Whom to ask. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    trades: Lookup<ConditionId, Arc<Vec<RestTrade>>>,
    books: Lookup<TokenId, Top>,
    within: Duration,
    places: Arc<Places>,
}

/// Where questions go, as spans tell it.
#[derive(Debug, Default)]
struct Places {
    trades: String,
    books: String,
}

impl Answers {
    /// Starts the two desks that ask for trades and books. `within`: the time limit of a whole question.
    pub(crate) fn start(rest: &Rest, within: Duration, metrics: &Metrics, tasks: &mut Tasks) -> Self {
        let asked = rest.clone();
        let fetch = move |markets: Vec<ConditionId>| {
            let rest = asked.clone();
            async move { trades_of(&rest, markets).await }
        };
        let (trades, desk) = lookup("trades", TRADES_MARKETS_MAX, metrics.clone(), fetch);
        tasks.spawn("trades desk", async {
            desk.run().await;
            Ok(())
        });
        let asked = rest.clone();
        let fetch = move |tokens: Vec<TokenId>| {
            let rest = asked.clone();
            async move { tops_of(&rest, tokens).await }
        };
        let (books, desk) = lookup("books", BOOKS_TOKENS_MAX, metrics.clone(), fetch);
        tasks.spawn("books desk", async {
            desk.run().await;
            Ok(())
        });
        let shown = logline::without_passwords;
        let places = Places { trades: shown(&rest.trades_address()), books: shown(&rest.books_address()) };
        Self { trades, books, within, places: Arc::new(places) }
    }

    /// The answers to `questions` about `trade`, each known or not within the time limit. `cause`: the span of
    /// whoever asks.
    pub(crate) async fn to(
        &self,
        questions: &[Question],
        trade: &Trade,
        limits: &Limits,
        cause: Option<&Span>,
    ) -> Evidence {
        let deadline = Instant::now() + self.within;
        let size = async {
            if !questions.contains(&Question::Size) {
                return None;
            }
            Some(self.size(trade, limits, deadline, cause).await)
        };
        let book = async {
            if !questions.contains(&Question::Book) {
                return None;
            }
            let span = cause.map(|cause| call_span(cause, "POST books", "POST", &self.places.books));
            let told = timeout_at(deadline, self.books.get(trade.token_id.clone(), span)).await;
            Some(told.ok().flatten().map_or(Answer::Unavailable, Answer::Known))
        };
        let (size, book) = tokio::join!(size, book);
        Evidence { size, book }
    }

    /// Asks until a told trade fits, or the last time was in vain.
    async fn size(
        &self,
        trade: &Trade,
        limits: &Limits,
        deadline: Instant,
        cause: Option<&Span>,
    ) -> Answer<Vec<g3_size::RestTrade>> {
        let begun = Instant::now();
        let mut answer = Answer::Unavailable;
        for after in SIZE_ASKED_AFTER {
            if begun + after >= deadline {
                break;
            }
            sleep_until(begun + after).await;
            let span = cause.map(|cause| call_span(cause, "GET trades", "GET", &self.places.trades));
            let told = timeout_at(deadline, self.trades.get(trade.condition_id.clone(), span)).await;
            if let Some(rows) = told.ok().flatten() {
                let rows: Vec<_> =
                    rows.iter().filter(|row| row.token_id == trade.token_id).map(candidate).collect();
                let is_found = find(trade, &rows, limits).is_some();
                answer = Answer::Known(rows);
                if is_found {
                    break;
                }
            }
        }
        answer
    }
}

/// The span of a call that may be made for a question. What is asked is left out: one call asks for many.
fn call_span(cause: &Span, name: &'static str, method: &'static str, address: &str) -> Span {
    let span = cause.child(name, Role::Client);
    span.text("http.request.method", method).text("url.full", address.to_owned())
}

/// The newest trades of each market; none at all is an answer too.
async fn trades_of(
    rest: &Rest,
    markets: Vec<ConditionId>,
) -> Result<HashMap<ConditionId, Arc<Vec<RestTrade>>>, polymarket::rest::RestError> {
    let page = rest.trades(&markets, TRADES_ROWS_MAX, None).await?;
    let mut told: HashMap<ConditionId, Vec<RestTrade>> =
        markets.into_iter().map(|market| (market, Vec::new())).collect();
    for trade in page.trades {
        if let Some(rows) = told.get_mut(&trade.condition_id) {
            rows.push(trade);
        }
    }
    Ok(told.into_iter().map(|(market, rows)| (market, Arc::new(rows))).collect())
}

/// The top of each book; a token without a book has an empty one.
async fn tops_of(
    rest: &Rest,
    tokens: Vec<TokenId>,
) -> Result<HashMap<TokenId, Top>, polymarket::rest::RestError> {
    let books = rest.books(&tokens).await?;
    let mut told: HashMap<TokenId, Top> = tokens.into_iter().map(|token| (token, Top::default())).collect();
    for book in books {
        let top = Top { best_bid: book.best_bid(), best_ask: book.best_ask() };
        told.insert(book.token_id, top);
    }
    Ok(told)
}

/// A trade of the venue in the words of the gates.
fn candidate(row: &RestTrade) -> g3_size::RestTrade {
    g3_size::RestTrade {
        token_id: row.token_id.clone(),
        side: row.side,
        price: row.price,
        size: row.size,
        executed_at: row.executed_at,
        transaction_hash: row.transaction_hash.clone(),
    }
}

#[cfg(test)]
mod tests;
