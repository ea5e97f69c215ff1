//! Answers about tokens: the table, and one of them.
//!
//! Knows: parameters. Never: how a token stands.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chassis::clock;
use chassis::logline::sanitize;
use contract::ids::{ConditionId, TokenId};
use contract::time::Timestamp;
use store::MarketFilter;

use super::App;
use super::answer::{self, ApiError};
use super::history::unanswered;
use super::query_params::{QueryParams, TEXT_MAX};
use crate::state::tokens::{Row, TokenStatus};
use crate::token_table::{Sort, TablePage, TableQuery};
use crate::view::tokens::{Detail, Tokens};

/// Largest offset into the table: as many tokens as are kept.
const OFFSET_MAX: usize = crate::state::tokens::TOKENS_MAX;

/// `/api/tokens`.
pub(crate) async fn tokens(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let asked = QueryParams::of(&uri, &["sort", "dir", "q", "state", "offset", "limit"])?;
    let limit = asked.whole("limit", 100, 1, 500)?;
    let offset = asked.whole("offset", 0, 0, OFFSET_MAX)?;
    let question = question(&asked)?;
    let answer = listed(&app, &question, clock::now().into()).await?;
    Ok(answer::json(StatusCode::OK, &Tokens::of(&answer, limit, offset)))
}

/// `/api/tokens/{token_id}`.
pub(crate) async fn token(
    State(app): State<App>,
    Path(text): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    QueryParams::of(&uri, &[])?;
    let now = clock::now().into();
    let row = followed(&app, &text, now)?;
    let gaps = app.board.with(|fold| fold.gaps.of_market(&row.condition_id));
    Ok(answer::json(StatusCode::OK, &Detail::of(&row, &gaps, now)))
}

/// What the table of tokens answers.
///
/// # Errors
/// When the process ends meanwhile.
pub(crate) async fn listed(app: &App, question: &TableQuery, now: Timestamp) -> Result<TablePage, ApiError> {
    let board = app.board.clone();
    let answer = app.listing.answer(question, now, move || board.with(|fold| fold.snapshot(now))).await;
    answer.ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the dashboard stops"))
}

/// The token that a path names.
///
/// # Errors
/// When it is no token id, or the token is not followed.
fn followed(app: &App, text: &str, now: Timestamp) -> Result<Row, ApiError> {
    let token_id = token_id(text)?;
    let row = app.board.with(|fold| fold.token(&token_id, now));
    let error = "this token is not followed now; what is stored of it: \
        /api/trades?token_id=…, /api/markets?token_id=…, and its /book and /chart";
    row.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, error))
}

/// The token that a path names and its market: one that is followed, or of which the database knows.
///
/// # Errors
/// When it is no token id, or nobody knows its market, or the database does not answer.
pub(crate) async fn known(app: &App, text: &str, now: Timestamp) -> Result<(TokenId, ConditionId), ApiError> {
    let token_id = token_id(text)?;
    if let Some(row) = app.board.with(|fold| fold.token(&token_id, now)) {
        return Ok((token_id, row.condition_id));
    }
    let filter = MarketFilter { token_id: Some(token_id.clone()), ..MarketFilter::default() };
    let stored = app.reader.markets(&filter, None, 1).await.map_err(unanswered)?;
    let market = stored.into_iter().next().map(|shown| shown.market.condition_id);
    let market =
        market.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "no market with this token is known"))?;
    Ok((token_id, market))
}

fn token_id(text: &str) -> Result<TokenId, ApiError> {
    TokenId::try_from(text).map_err(|_| {
        ApiError::bad(format!("`token_id` must be 1 to 78 decimal digits, not `{}`", sanitize(text, 80)))
    })
}

fn question(asked: &QueryParams) -> Result<TableQuery, ApiError> {
    let shape = format!("one of {}", Sort::WORDS);
    let sort = asked.parsed("sort", &shape, Sort::of_word)?.unwrap_or(Sort::Volume);
    let direction = asked.parsed("dir", "asc or desc", |word| match word {
        "asc" => Some(false),
        "desc" => Some(true),
        _ => None,
    })?;
    let standings = asked.parsed(
        "state",
        "some of live, quiet, suspect, resyncing, never_seen, joined by commas",
        |words| words.split(',').map(TokenStatus::of_word).collect::<Option<Vec<_>>>(),
    )?;
    let mut standings = standings.unwrap_or_default();
    standings.sort_unstable();
    standings.dedup();
    Ok(TableQuery {
        sort,
        descending: direction.unwrap_or(sort.is_descending_at_first()),
        text: asked.search(TEXT_MAX)?,
        standings,
    })
}
