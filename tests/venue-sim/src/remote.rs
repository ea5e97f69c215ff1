//! The simulator's own routes: what a program beside it does to a run, and what it may look at.
//!
//! Knows: the words of the questions. Never: how a frame is made; a test in the same process has handles instead.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock;
use crate::controls::Announced;
use crate::rest::{RestMode, json, refusal, value, values};
use crate::scenario::{Cut, FaultMode, Service};
use crate::shared::Shared;
use crate::status::Status;
use crate::units::Price;

/// Entries of one answer of the ledger.
const LEDGER_PAGE: usize = 100_000;

type Parameters = Query<Vec<(String, String)>>;

/// All of them.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/status", get(status))
        .route("/ledger", get(ledger))
        .route("/begin", post(begin))
        .route("/end", post(end))
        .route("/drop", post(drop_sockets))
        .route("/freeze", post(freeze))
        .route("/thaw", post(thaw))
        .route("/announce", post(announce))
        .route("/resolve", post(resolve))
        .route("/expire", post(expire))
        .route("/move", post(move_book))
        .route("/tick-size", post(tick_size))
        .route("/rest", post(rest))
}

/// `POST /sim/freeze`: sockets stay open and answer PING, and nothing else is sent.
async fn freeze(State(shared): State<Arc<Shared>>) -> Response {
    shared.venue().frozen = true;
    json("{\"frozen\":true}".to_owned())
}

/// `POST /sim/thaw[?books_after_s=N]`: data flows again, opening books N seconds later.
async fn thaw(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let after_s = value(&query, "books_after_s").map_or(Some(0), |text| text.parse::<u32>().ok());
    let Some(after_s) = after_s else { return wrong("books_after_s is a whole number") };
    shared.venue().thaw(clock::now_ms() + u64::from(after_s) * 1000);
    json("{\"frozen\":false}".to_owned())
}

/// `POST /sim/announce`: the next reserved market opens with a `new_market`.
async fn announce(State(shared): State<Arc<Shared>>) -> Response {
    let mut venue = shared.venue();
    match venue.open_next(clock::now_ms()) {
        Some(market) => json(format!("{{\"announced\":\"{}\"}}", venue.markets[market].condition_id)),
        None => refusal(StatusCode::CONFLICT, "no market is reserved any more"),
    }
}

/// `POST /sim/resolve?condition=…[&how=silently]`: these markets end.
async fn resolve(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let announced = match value(&query, "how") {
        None | Some("openly") => Announced::Openly,
        Some("silently") => Announced::Silently,
        Some(_) => return wrong("how is openly or silently"),
    };
    let ending = markets(&shared, &query);
    let count = shared.venue().close(&ending, announced, clock::now_ms());
    json(format!("{{\"resolved\":{count}}}"))
}

/// `POST /sim/expire?condition=…`: these markets lose their books, and Gamma goes on to call them open.
async fn expire(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let expiring = markets(&shared, &query);
    let count = shared.venue().expire(&expiring, clock::now_ms());
    json(format!("{{\"expired\":{count}}}"))
}

/// `POST /sim/move?condition=…[&quiet_s=N]`: the books of these markets move without a word.
async fn move_book(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let quiet_s = value(&query, "quiet_s").map_or(Some(0), |text| text.parse::<u32>().ok());
    let Some(quiet_s) = quiet_s else { return wrong("quiet_s is a whole number") };
    let (moved, now_ms) = (markets(&shared, &query), clock::now_ms());
    for market in &moved {
        shared.venue().move_in_silence(*market, now_ms + u64::from(quiet_s) * 1000, now_ms);
    }
    json(format!("{{\"moved\":{}}}", moved.len()))
}

/// `POST /sim/tick-size?condition=…&size=0.001`: these markets have another price step.
async fn tick_size(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let tick = value(&query, "size").and_then(Price::parse).map(Price::units).filter(|tick| *tick > 0);
    let Some(tick) = tick else { return wrong("size is a price step such as 0.001") };
    let changed = markets(&shared, &query);
    for market in &changed {
        shared.venue().send_tick_size(*market, tick, clock::now_ms());
    }
    json(format!("{{\"changed\":{}}}", changed.len()))
}

/// `POST /sim/rest?service=clob&mode=down`: a service behaves like this from now on; `mode` is `up`, `slow` with
/// `ms`, or one of a scenario's faults.
async fn rest(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let Some(service) = word::<Service>(&query, "service") else {
        return wrong("service is clob, gamma or data");
    };
    let ms = value(&query, "ms").and_then(|text| text.parse::<u64>().ok());
    let mode = match (value(&query, "mode"), ms) {
        (Some("up"), _) => Some(RestMode::Up),
        (Some("slow"), ms) => ms.map(|ms| RestMode::Slow(Duration::from_millis(ms))),
        _ => word::<FaultMode>(&query, "mode").map(RestMode::from),
    };
    let Some(mode) = mode else {
        return wrong("mode is up, down, limited, limited_by_date, canceled, blocked, hang, or slow with ms");
    };
    shared.desk.set(service, mode);
    json("{\"set\":true}".to_owned())
}

/// The markets that a question names.
fn markets(shared: &Shared, query: &[(String, String)]) -> Vec<usize> {
    let venue = shared.venue();
    values(query, &["condition"]).into_iter().filter_map(|id| venue.condition(id)).collect()
}

/// A parameter that is one of a scenario's words.
fn word<T: DeserializeOwned>(query: &[(String, String)], name: &str) -> Option<T> {
    serde_json::from_value(Value::from(value(query, name)?)).ok()
}

fn wrong(error: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, error)
}

/// `GET /sim/status`
async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let status = Status::of(&shared);
    json(serde_json::to_string(&status).expect("a status holds only numbers and words"))
}

/// `GET /sim/ledger?from=SEQUENCE&limit=N`: one entry a line.
async fn ledger(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let number = |name| value(&query, name).map_or(Some(None), |text| text.parse::<u64>().ok().map(Some));
    let (Some(from), Some(limit)) = (number("from"), number("limit")) else {
        return refusal(StatusCode::BAD_REQUEST, "from and limit are whole numbers");
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LEDGER_PAGE).min(LEDGER_PAGE);
    let mut text = String::new();
    for entry in shared.ledger.entries(from.unwrap_or(0), limit) {
        text.push_str(&serde_json::to_string(&entry).expect("an entry holds only texts and numbers"));
        text.push('\n');
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
}

/// `POST /sim/begin`: ticks are generated from now on.
async fn begin(State(shared): State<Arc<Shared>>) -> Response {
    shared.begun.send_replace(true);
    json("{\"begun\":true}".to_owned())
}

/// `POST /sim/end`: nothing more is generated; `phase` and `frames_queued` of the status tell when all is written.
async fn end(State(shared): State<Arc<Shared>>) -> Response {
    shared.halt.cancel();
    json("{\"ended\":true}".to_owned())
}

/// `POST /sim/drop`: ends all sockets; `?how=abort` without a close frame.
async fn drop_sockets(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    let cut = match value(&query, "how") {
        None | Some("close") => Cut::Close,
        Some("abort") => Cut::Abort,
        Some(_) => return refusal(StatusCode::BAD_REQUEST, "how is close or abort"),
    };
    json(format!("{{\"dropped\":{}}}", shared.end_sockets(cut).len()))
}
