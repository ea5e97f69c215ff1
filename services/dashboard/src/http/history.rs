//! Answers about the past: pages of the database.
//!
//! Knows: which filters a list has. Never: SQL, or a database error's own words in an answer.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chassis::logline;
use store::{Class, GapFilter, MarketFilter, StoreError, TradeFilter};
use tracing::{debug, warn};

use super::App;
use super::answer::{self, ApiError};
use super::query_params::QueryParams;
use crate::view::history::Page;

/// `/api/trades`.
pub(crate) async fn trades(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let allowed = ["limit", "before", "token_id", "condition_id", "verdict", "from", "to"];
    let asked = QueryParams::of(&uri, &allowed)?;
    let (limit, before, (from, to)) = (asked.limit()?, asked.place()?, asked.span()?);
    let filter = TradeFilter {
        condition_id: asked.condition_id("condition_id")?,
        token_id: asked.token_id()?,
        verdict: asked.verdict()?,
        from,
        to,
    };
    let rows = app.reader.trades(&filter, before, limit).await.map_err(unanswered)?;
    Ok(answer::stored(&app.board, &Page::trades(rows, limit)))
}

/// `/api/markets`.
pub(crate) async fn markets(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let asked = QueryParams::of(&uri, &["limit", "after", "token_id", "condition_id", "closed"])?;
    let (limit, after) = (asked.limit()?, asked.condition_id("after")?);
    let filter = MarketFilter {
        condition_id: asked.condition_id("condition_id")?,
        token_id: asked.token_id()?,
        closed: asked.flag("closed")?,
    };
    let rows = app.reader.markets(&filter, after.as_ref(), limit).await.map_err(unanswered)?;
    Ok(answer::stored(&app.board, &Page::markets(rows, limit)))
}

/// `/api/gaps`.
pub(crate) async fn gaps(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let asked = QueryParams::of(&uri, &["limit", "before", "condition_id", "open", "from", "to"])?;
    let (limit, before, (from, to)) = (asked.limit()?, asked.place()?, asked.span()?);
    let filter =
        GapFilter { condition_id: asked.condition_id("condition_id")?, open: asked.flag("open")?, from, to };
    let rows = app.reader.gaps(&filter, before, limit).await.map_err(unanswered)?;
    Ok(answer::stored(&app.board, &Page::gaps(rows, limit)))
}

/// A question that the database did not answer, in words that tell nothing of it.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err, which passes the value")]
pub(crate) fn unanswered(error: StoreError) -> ApiError {
    let why = logline::error_chain(&error);
    let told = match error.class() {
        Class::Away | Class::RetryNow => {
            debug!("a page of history could not be read: {why}");
            "the database does not answer; live data goes on at /api/events"
        }
        Class::Bug | Class::Data => {
            warn!("a page of history could not be read: {why}");
            "the database refused the question; the log of the dashboard says why"
        }
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, told)
}
