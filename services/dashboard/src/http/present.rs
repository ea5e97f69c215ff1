//! Answers about the present: status, metrics, events, and what operators ask.
//!
//! Knows: the state. Never: the database.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chassis::{clock, exposition};
use serde_json::json;

use super::App;
use super::answer::{self, Refused};
use super::ask::Asked;
use crate::state::events::EventFilter;
use crate::view::event::Newest;
use crate::view::metrics::Metrics;
use crate::view::status::Status;

/// Largest offset into the events: more than there are.
const OFFSET_MAX: usize = 10_000;

/// `/api/status`: 200 when healthy, else 503.
pub(crate) async fn status(State(app): State<App>, uri: Uri) -> Result<Response, Refused> {
    Asked::of(&uri, &[])?;
    let status = app.board.with(|fold| Status::of(fold, app.durability, clock::now().into()));
    let code = if status.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(answer::json(code, &status))
}

/// `/api/metrics`.
pub(crate) async fn metrics(State(app): State<App>, uri: Uri) -> Result<Response, Refused> {
    Asked::of(&uri, &[])?;
    let metrics = app.board.with(|fold| Metrics::of(fold, clock::now().into()));
    Ok(answer::json(StatusCode::OK, &metrics))
}

/// `/api/events`.
pub(crate) async fn events(State(app): State<App>, uri: Uri) -> Result<Response, Refused> {
    let allowed = ["limit", "offset", "kind", "verdict", "token_id", "condition_id", "before"];
    let asked = Asked::of(&uri, &allowed)?;
    let (limit, offset) = (asked.limit()?, asked.whole("offset", 0, 0, OFFSET_MAX)?);
    let filter = EventFilter {
        kind: asked.kind()?,
        verdict: asked.verdict()?,
        token_id: asked.token_id()?,
        condition_id: asked.condition_id("condition_id")?,
        before: asked.event_id()?,
    };
    let page = app.board.with(|fold| fold.page(&filter, limit, offset));
    Ok(answer::json(StatusCode::OK, &Newest::of(&page, limit, offset)))
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
        Err(error) => Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
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
