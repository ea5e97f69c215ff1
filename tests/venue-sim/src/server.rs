//! The ports: WebSocket, REST and the simulator's own routes.
//!
//! Knows: which address is whose. Never: what stands in a frame or an answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::Manners;
use crate::clob::figures::{self, Figure};
use crate::clob::markets::{self, List};
use crate::gamma::{events, subjects};
use crate::rest::blocked;
use crate::shared::Shared;
use crate::{cdn, clob, data, gamma, remote, resolutions, socket};

/// Largest message of a client: a subscription of 1,000 tokens has 80 KB.
const MESSAGE_MAX: usize = 1024 * 1024;
/// What programs call themselves that were not told how (protocol reference 7, finding 14).
const DEFAULT_AGENTS: [&str; 1] = ["Python-urllib/"];

/// One of the venue's services, at a root of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Root {
    /// The market channel.
    Ws,
    /// The CLOB's REST.
    Clob,
    /// Gamma.
    Gamma,
    /// The Data API.
    Data,
}

/// All routes: each service behind its prefix, and the simulator's own.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(channel())
        .nest("/clob", clob_routes())
        .route("/clob/", get(clob::ok))
        .nest("/gamma", gamma_routes())
        .nest("/data", data_routes(Arc::clone(&shared)))
        .nest("/sim", remote::routes())
        .with_state(shared)
}

/// The routes of one service, as its host has them.
pub(crate) fn root(root: Root, shared: Arc<Shared>) -> Router {
    let routes = match root {
        Root::Ws => channel(),
        Root::Clob => clob_routes(),
        Root::Gamma => gamma_routes(),
        Root::Data => data_routes(Arc::clone(&shared)),
    };
    routes.with_state(shared)
}

fn channel() -> Router<Arc<Shared>> {
    Router::new().route("/ws/market", get(market_channel))
}

fn clob_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/book", get(clob::book))
        .route("/books", post(clob::books).get(clob::books_by_get))
        .route("/time", get(clob::time))
        .route("/ok", get(clob::ok))
        .route("/", get(clob::ok))
        .merge(figures())
        .route("/markets/{condition_id}", get(markets::market))
        .route("/clob-markets/{condition_id}", get(markets::short))
        .route("/markets-by-token/{token_id}", get(markets::by_token))
        .route("/markets", get(|state, query| markets::list(List::Markets, state, query)))
        .route("/simplified-markets", get(|state, query| markets::list(List::Simplified, state, query)))
        .route("/sampling-markets", get(|state, query| markets::list(List::Sampling, state, query)))
        .route(
            "/sampling-simplified-markets",
            get(|state, query| markets::list(List::SamplingSimplified, state, query)),
        )
        .layer(middleware::from_fn(guarded))
}

/// Of each figure that of one token and, of some, that of many.
fn figures() -> Router<Arc<Shared>> {
    let one = |figure| get(move |state, query| figures::one(figure, state, query));
    let many = |figure| post(move |state, sent| figures::many(figure, state, sent));
    Router::new()
        .route("/price", one(Figure::Price))
        .route("/midpoint", one(Figure::Midpoint))
        .route("/spread", one(Figure::Spread))
        .route("/last-trade-price", one(Figure::LastTrade))
        .route("/tick-size", one(Figure::TickSize))
        .route("/neg-risk", one(Figure::NegRisk))
        .route("/fee-rate", one(Figure::FeeRate))
        .route("/prices", many(Figure::Price))
        .route("/midpoints", many(Figure::Midpoint))
        .route("/spreads", many(Figure::Spread))
        .route("/last-trades-prices", many(Figure::LastTrade).get(figures::last_trades))
}

fn gamma_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/markets", get(gamma::markets))
        .route("/markets/keyset", get(gamma::keyset))
        .route("/markets/{id}", get(gamma::market))
        .route("/markets/slug/{slug}", get(gamma::market_by_slug))
        .route("/events", get(events::events))
        .route("/events/keyset", get(events::keyset))
        .route("/events/{id}", get(events::event))
        .route("/events/slug/{slug}", get(events::event_by_slug))
        .route("/public-search", get(events::search))
        .route("/markets/{id}/tags", get(subjects::of_market))
        .route("/events/{id}/tags", get(subjects::of_event))
        .route("/tags", get(subjects::tags))
        .route("/series", get(subjects::series))
        .route("/series/{id}", get(subjects::series_by_id))
        .layer(middleware::from_fn(guarded))
}

/// Those of trades are behind a cache.
fn data_routes(shared: Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/trades", get(data::trades_v1))
        .route("/v2/trades", get(data::trades_v2))
        .layer(middleware::from_fn_with_state(shared, cached))
        .route("/v2/status", get(data::status))
        .route("/v2/resolutions", get(resolutions::resolutions))
        .layer(middleware::from_fn(guarded))
}

/// The venue's front door: whoever does not say who he is gets a page.
async fn guarded(request: Request, next: Next) -> Response {
    if is_nameless(request.headers()) { blocked() } else { next.run(request).await }
}

fn is_nameless(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.is_empty() || DEFAULT_AGENTS.iter().any(|default| agent.starts_with(default))
}

async fn cached(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    cdn::through(&shared.cdn, request, next).await
}

async fn market_channel(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if shared.limits.manners == Manners::Strict && is_nameless(&headers) {
        return blocked();
    }
    if !shared.door.admits(Instant::now()) {
        let body = "{\"error\":\"too many connections\"}";
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], body).into_response();
    }
    let tasks = shared.tasks.clone();
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    // Tracked, so that a shutdown can wait for it.
    upgrade.on_upgrade(move |socket| tasks.track_future(socket::serve(socket, shared)))
}
