//! The CLOB's REST: books, the time; figures and markets below.
//!
//! Knows: routes and bodies of protocol reference 2.1. Never: who asks.

pub(crate) mod figures;
pub(crate) mod markets;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use crate::clock;
use crate::hash::push_body;
use crate::rest::{hang, json, refusal, unavailable, value};
use crate::scenario::{RestBook, Service};
use crate::shared::Shared;
use crate::venue::Venue;

/// Most tokens of one `POST /books`; the venue's own limit by bytes is about this.
const BOOKS_MAX: usize = 500;

/// One element of a `POST /books`.
#[derive(Debug, Deserialize)]
struct Wanted {
    token_id: String,
}

/// `GET /book?token_id=…`
pub(crate) async fn book(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, "/book", &shared.stop).await {
        return refused;
    }
    let Some(token) = value(&query, "token_id") else {
        return refusal(StatusCode::BAD_REQUEST, "Invalid token id");
    };
    let found = {
        let mut venue = shared.venue();
        venue
            .token_at_rest(token, clock::now_ms())
            .map(|at| (venue.markets[at.0].rest_book, body(&mut venue, at)))
    };
    match found {
        Some((RestBook::Error, _)) => unavailable(),
        Some((RestBook::Hang, _)) => hang(&shared.stop).await,
        Some((RestBook::Up, Some(text))) => json(text),
        Some((RestBook::Up, None)) | None => no_book(),
    }
}

/// `POST /books` with `[{"token_id":"…"}]`. Tokens without a book, and those whose book REST cannot give in
/// this scenario, are left out.
pub(crate) async fn books(State(shared): State<Arc<Shared>>, sent: String) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, "/books", &shared.stop).await {
        return refused;
    }
    let Ok(wanted) = serde_json::from_str::<Vec<Wanted>>(&sent) else {
        return refusal(StatusCode::BAD_REQUEST, "Invalid payload");
    };
    if wanted.len() > BOOKS_MAX {
        return refusal(StatusCode::BAD_REQUEST, "Payload exceeds the limit");
    }
    let mut venue = shared.venue();
    let mut bodies = Vec::with_capacity(wanted.len());
    for token in wanted {
        let Some(at) = venue.token_at_rest(&token.token_id, clock::now_ms()) else { continue };
        if venue.markets[at.0].rest_book == RestBook::Up {
            bodies.extend(body(&mut venue, at));
        }
    }
    json(format!("[{}]", bodies.join(",")))
}

/// `GET /books`: the venue wants POST.
pub(crate) async fn books_by_get(State(shared): State<Arc<Shared>>) -> Response {
    match shared.desk.admit(Service::Clob, "/books", &shared.stop).await {
        Err(refused) => refused,
        Ok(()) => refusal(StatusCode::BAD_REQUEST, "Invalid payload"),
    }
}

/// `GET /` and `GET /ok`: that it runs.
pub(crate) async fn ok(State(shared): State<Arc<Shared>>) -> Response {
    match shared.desk.admit(Service::Clob, "/ok", &shared.stop).await {
        Err(refused) => refused,
        Ok(()) => json("\"OK\"".to_owned()),
    }
}

/// `GET /time`: whole seconds, bare.
pub(crate) async fn time(State(shared): State<Arc<Shared>>) -> Response {
    match shared.desk.admit(Service::Clob, "/time", &shared.stop).await {
        Err(refused) => refused,
        Ok(()) => json((clock::now_ms() / 1000).to_string()),
    }
}

/// Said of closed, unknown and dead tokens alike.
fn no_book() -> Response {
    refusal(StatusCode::NOT_FOUND, "No orderbook exists for the requested token id")
}

/// A decimal text as a JSON number.
fn number(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn body(venue: &mut Venue, (market, token): (usize, usize)) -> Option<String> {
    let of = &mut venue.markets[market];
    of.furnish(clock::now_ms());
    let book = &of.tokens[token].book;
    if book.changed_at_ms == 0 {
        return None;
    }
    let mut text = String::with_capacity(2048);
    push_body(&mut text, of.surroundings(token), book, Some(book.hash));
    Some(text)
}
