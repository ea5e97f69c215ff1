//! Answers about the present: status, metrics, events, and what operators ask.
//!
//! Knows: the state. Never: the database.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chassis::{clock, exposition};
use contract::verdict::Reason;
use serde_json::json;

use super::App;
use super::answer::{self, ApiError};
use super::query_params::{QueryParams, TEXT_MAX};
use super::tokens::listed;
use crate::state::events::EventFilter;
use crate::token_table::{Sort, TableQuery};
use crate::view::event::Newest;
use crate::view::flow::Flow;
use crate::view::latency::Latencies;
use crate::view::metrics::Metrics;
use crate::view::series::Seconds;
use crate::view::sockets::Sockets;
use crate::view::status::Status;

/// Largest offset into the events: more than there are.
const OFFSET_MAX: usize = 10_000;

/// `/api/status`: 200 when healthy, else 503.
pub(crate) async fn status(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    QueryParams::of(&uri, &[])?;
    let status = app.board.with(|fold| Status::of(fold, app.durability, clock::now().into()));
    let code = if status.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(answer::json(code, &status))
}

/// `/api/metrics`.
pub(crate) async fn metrics(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    QueryParams::of(&uri, &[])?;
    let metrics = app.board.with(|fold| Metrics::of(fold, clock::now().into()));
    Ok(answer::json(StatusCode::OK, &metrics))
}

/// `/api/events`.
pub(crate) async fn events(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let allowed = ["limit", "offset", "kind", "verdict", "token_id", "condition_id", "before", "reason", "q"];
    let asked = QueryParams::of(&uri, &allowed)?;
    let (limit, offset) = (asked.limit()?, asked.whole("offset", 0, 0, OFFSET_MAX)?);
    let filter = EventFilter {
        kind: asked.kind()?,
        verdict: asked.verdict()?,
        token_id: asked.token_id()?,
        condition_id: asked.condition_id("condition_id")?,
        reason: asked.parsed("reason", "one of G1, G3, G5, SKEW", Reason::of_word)?,
        text: asked.search(TEXT_MAX)?,
        before: asked.event_id()?,
    };
    let page = app.board.with(|fold| fold.page(&filter, limit, offset));
    Ok(answer::json(StatusCode::OK, &Newest::of(&page, limit, offset)))
}

/// `/api/sockets`.
pub(crate) async fn sockets(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    QueryParams::of(&uri, &[])?;
    let now = clock::now().into();
    let question =
        TableQuery { sort: Sort::Age, descending: true, text: String::new(), standings: Vec::new() };
    let by_age = listed(&app, &question, now).await?;
    let sockets = app.board.with(|fold| Sockets::of(fold, &by_age, now));
    Ok(answer::json(StatusCode::OK, &sockets))
}

/// `/api/flow`.
pub(crate) async fn flow(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    QueryParams::of(&uri, &[])?;
    let flow = app.board.with(|fold| Flow::of(fold, clock::now().into()));
    Ok(answer::json(StatusCode::OK, &flow))
}

/// `/api/series`.
pub(crate) async fn series(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let minutes = QueryParams::of(&uri, &["minutes"])?.whole("minutes", 5, 1, 5)?;
    let series = app.board.with(|fold| Seconds::of(fold, minutes * 60, clock::now().into()));
    Ok(answer::json(StatusCode::OK, &series))
}

/// `/api/latency`.
pub(crate) async fn latency(State(app): State<App>, uri: Uri) -> Result<Response, ApiError> {
    let minutes = QueryParams::of(&uri, &["minutes"])?.whole("minutes", 60, 1, 60)?;
    let page = app.board.hub().measured();
    let latency = app.board.with(|fold| Latencies::of(fold, &page, minutes * 2, clock::now().into()));
    Ok(answer::json(StatusCode::OK, &latency))
}

/// `/api/openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../web/openapi.json")).into_response()
}

/// `/metrics`: this process's own instruments.
pub(crate) async fn instruments(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match exposition::answer(&app.registry, accept) {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `/live`.
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// `/ready`: 200 while bus and database answer.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let problems = app.readiness.problems();
    let ready = problems.is_empty();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(code, &json!({ "ready": ready, "problems": problems }))
}
