//! Gamma's events, each with its one market, and the search through them.
//!
//! Knows: their lists and members (protocol reference 2.5 and 7, findings 15, 16). Never: a fill, a socket.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::rows::{self, Extent};
use super::select::{self, Of};
use super::{KeysetPage, OffsetPage, Parameters};
use crate::clock;
use crate::frame::quoted;
use crate::market::Market;
use crate::rest::{json, value};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::venue::Venue;

/// Most events of a page by keyset; who asks for more gets so many without a word.
const KEYSET_MAX: usize = 500;
/// Events of one page of a search unless asked otherwise.
const FOUND: usize = 5;
/// Most events of one page of a search.
const FOUND_MAX: usize = 50;
/// Where the shape of an answer by keyset is told.
const SCHEMA: &str = "https://gamma-api.polymarket.com/schemas/KeysetEventsResponse.json";

/// `GET /events`: a bare array, deprecated like that of markets.
pub(crate) async fn events(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/events", &shared.stop).await {
        return refused;
    }
    let OffsetPage { offset, limit } = match super::by_offset(&query) {
        Ok(page) => page,
        Err(refused) => return *refused,
    };
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, Of::Events, None, offset + limit, now_ms) {
        Err(error) => super::invalid(error),
        Ok(found) => {
            let page: Vec<usize> = found.into_iter().skip(offset).collect();
            super::deprecated(json(format!("[{}]", bodies(&mut venue, &page, now_ms))))
        }
    }
}

/// `GET /events/keyset`: an object with `events` and, unless it is the last page, `next_cursor`.
pub(crate) async fn keyset(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/events/keyset", &shared.stop).await {
        return refused;
    }
    let KeysetPage { after, limit } = match super::by_keyset(&query, KEYSET_MAX) {
        Ok(page) => page,
        Err(refused) => return *refused,
    };
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, Of::Events, after, limit + 1, now_ms) {
        Err(error) => super::invalid(error),
        Ok(page) => {
            let (page, next) = super::cut(page, limit, &query);
            let events = bodies(&mut venue, &page, now_ms);
            json(format!("{{\"$schema\":\"{SCHEMA}\",\"events\":[{events}]{next}}}"))
        }
    }
}

/// `GET /events/{id}`: one event, open or closed.
pub(crate) async fn event(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    named(&shared, "/events/{id}", |market| rows::event_id(market).to_string() == id).await
}

/// `GET /events/slug/{slug}`: likewise.
pub(crate) async fn event_by_slug(State(shared): State<Arc<Shared>>, Path(slug): Path<String>) -> Response {
    named(&shared, "/events/slug/{slug}", |market| market.slug == slug).await
}

async fn named(shared: &Arc<Shared>, route: &'static str, is_it: impl Fn(&Market) -> bool) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, route, &shared.stop).await {
        return refused;
    }
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match super::find(&venue, now_ms, is_it) {
        Some(at) => json(bodies(&mut venue, &[at], now_ms)),
        None => super::not_found(),
    }
}

/// `GET /public-search?q=…`: events in whose title all words stand, `limit_per_type` a `page`; closed ones only
/// with `events_status=closed`.
pub(crate) async fn search(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/public-search", &shared.stop).await {
        return refused;
    }
    let Some(words) = value(&query, "q").filter(|words| !words.trim().is_empty()) else {
        return super::invalid("q is required");
    };
    let words: Vec<String> = words.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let number = |name: &str| value(&query, name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit_per_type").unwrap_or(FOUND).clamp(1, FOUND_MAX);
    let page = number("page").unwrap_or(1).max(1) - 1;
    let closed = value(&query, "events_status") == Some("closed");
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    let is_found = |market: &&Market| {
        let title = market.question.to_lowercase();
        venue.is_shown_closed(market.number, now_ms) == Some(closed)
            && words.iter().all(|word| title.contains(word))
            && venue.has_row(market.number, now_ms)
    };
    let found: Vec<usize> = venue.markets.iter().filter(is_found).map(|market| market.number).collect();
    let shown: Vec<usize> = found.iter().skip(page.saturating_mul(limit)).take(limit).copied().collect();
    let more = found.len() > page.saturating_add(1).saturating_mul(limit);
    json(format!(
        "{{\"events\":[{}],\"tags\":[],\"profiles\":[],\"pagination\":{{\"hasMore\":{more},\"totalResults\":{}}}}}",
        bodies(&mut venue, &shown, now_ms),
        found.len()
    ))
}

/// The events of these markets, with a comma between them.
fn bodies(venue: &mut Venue, page: &[usize], now_ms: u64) -> String {
    let mut texts = Vec::with_capacity(page.len());
    for at in page {
        let row = rows::of(venue, &[*at], Extent::Bare, now_ms);
        let closed = venue.is_shown_closed(*at, now_ms) == Some(true);
        texts.push(body(&venue.markets[*at], closed, &row));
    }
    texts.join(",")
}

fn body(market: &Market, closed: bool, row: &str) -> String {
    let (slug, words) = (quoted(&market.slug), quoted(&market.question));
    let (started, ends) = (market.started_at(), market.ends_at());
    let figure = |name: &str, cents: Option<u64>| {
        cents.map_or(String::new(), |cents| format!(",\"{name}\":{}", rows::dollars(cents)))
    };
    format!(
        "{{\"id\":\"{}\",\"ticker\":{slug},\"slug\":{slug},\"title\":{words},\"description\":{words},\"resolutionSource\":\"\",\
         \"startDate\":\"{started}\",\"creationDate\":\"{started}\"{},\"image\":\"\",\"icon\":\"\",\"active\":true,\
         \"closed\":{closed},\"archived\":false,\"new\":false,\"featured\":false,\"restricted\":true{}{}{},\
         \"enableOrderBook\":true,\"negRisk\":{},\"commentCount\":0,\"markets\":[{row}]{},\"tags\":{},\"cyom\":false,\
         \"version\":\"v1\"}}",
        rows::event_id(market),
        ends.map_or(String::new(), |ends| format!(",\"endDate\":{}", quoted(&ends))),
        figure("liquidity", market.liquidity_cents),
        figure("volume", market.total_cents),
        figure("volume24hr", market.volume_cents),
        market.neg_risk,
        rows::series(market),
        rows::tags(market),
    )
}
