//! Gamma: markets, by offset and by keyset.
//!
//! Knows: paging and envelopes of protocol reference 2.5 and 7 (findings 15, 16). Never: a fill, a socket.

pub(crate) mod events;
mod rows;
mod select;
pub(crate) mod subjects;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use self::rows::Extent;
use self::select::Of;
use crate::clock;
use crate::digest::Hash;
use crate::frame;
use crate::market::Market;
use crate::rest::{json, refusal, value};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::venue::Venue;

/// Markets of a page unless asked otherwise.
const LIMIT: usize = 20;
/// Most markets of a page by keyset; who asks for more gets so many without a word.
const KEYSET_MAX: usize = 100;
/// Most markets of a page by offset.
const PAGE_MAX: usize = 500;
/// Furthest offset.
const OFFSET_MAX: usize = 2_000;
/// Most ids of one question by keyset.
const IDS_MAX: usize = 100;
/// Said by the old lists with every answer.
const SUNSET: &str = "Fri, 01 May 2026";
/// Where the shape of an answer by keyset is told.
const SCHEMA: &str = "https://gamma-api.polymarket.com/schemas/KeysetMarketsResponse.json";

type Parameters = Query<Vec<(String, String)>>;

/// One page of a list by offset.
struct OffsetPage {
    offset: usize,
    limit: usize,
}

/// One page of a list by keyset.
struct KeysetPage {
    after: Option<usize>,
    limit: usize,
}

/// `GET /markets`: a bare array. The venue calls it deprecated, and still answers.
pub(crate) async fn markets(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/markets", &shared.stop).await {
        return refused;
    }
    let OffsetPage { offset, limit } = match by_offset(&query) {
        Ok(page) => page,
        Err(refused) => return *refused,
    };
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, Of::Markets, None, offset + limit, now_ms) {
        Err(error) => invalid(error),
        Ok(found) => {
            let page: Vec<usize> = found.into_iter().skip(offset).collect();
            deprecated(json(format!("[{}]", rows::of(&mut venue, &page, extent(&query), now_ms))))
        }
    }
}

/// `GET /markets/keyset`: an object with `markets` and, unless it is the last page, `next_cursor`.
pub(crate) async fn keyset(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/markets/keyset", &shared.stop).await {
        return refused;
    }
    let KeysetPage { after, limit } = match by_keyset(&query, KEYSET_MAX) {
        Ok(page) => page,
        Err(refused) => return *refused,
    };
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, Of::Markets, after, limit + 1, now_ms) {
        Err(error) => invalid(error),
        Ok(page) => {
            let (page, next) = cut(page, limit, &query);
            let rows = rows::of(&mut venue, &page, extent(&query), now_ms);
            json(format!("{{\"$schema\":\"{SCHEMA}\",\"markets\":[{rows}]{next}}}"))
        }
    }
}

/// `GET /markets/{id}`: one market by Gamma's number, open or closed.
pub(crate) async fn market(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(query): Parameters,
) -> Response {
    named(&shared, "/markets/{id}", &query, |market| frame::gamma_id(market) == id).await
}

/// `GET /markets/slug/{slug}`: likewise.
pub(crate) async fn market_by_slug(
    State(shared): State<Arc<Shared>>,
    Path(slug): Path<String>,
    Query(query): Parameters,
) -> Response {
    named(&shared, "/markets/slug/{slug}", &query, |market| market.slug == slug).await
}

async fn named(
    shared: &Arc<Shared>,
    route: &'static str,
    query: &[(String, String)],
    is_it: impl Fn(&Market) -> bool,
) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, route, &shared.stop).await {
        return refused;
    }
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match find(&venue, now_ms, is_it) {
        Some(at) => json(rows::of(&mut venue, &[at], extent(query), now_ms)),
        None => not_found(),
    }
}

/// The market with a row that is the one looked for.
fn find(venue: &Venue, now_ms: u64, is_it: impl Fn(&Market) -> bool) -> Option<usize> {
    let found = venue.markets.iter().find(|market| is_it(market)).map(|market| market.number);
    found.filter(|at| venue.has_row(*at, now_ms))
}

/// What a query says of its page by offset.
fn by_offset(query: &[(String, String)]) -> Result<OffsetPage, Box<Response>> {
    let number = |name: &str| value(query, name).and_then(|text| text.parse().ok());
    let offset = number("offset").unwrap_or(0);
    if offset > OFFSET_MAX {
        return Err(Box::new(invalid("offset too large, use the keyset endpoint")));
    }
    Ok(OffsetPage { offset, limit: number("limit").unwrap_or(LIMIT).min(PAGE_MAX) })
}

/// What a query says of its page by keyset, which has so many elements at the most.
fn by_keyset(query: &[(String, String)], most: usize) -> Result<KeysetPage, Box<Response>> {
    let refused = |error: &str| Err(Box::new(invalid(error)));
    if value(query, "offset").is_some() {
        return refused("offset is not allowed, use after_cursor");
    }
    let limit = value(query, "limit").map_or(Some(LIMIT), |text| text.parse().ok());
    let Some(limit) = limit.filter(|limit| *limit > 0) else { return refused("limit must be at least 1") };
    if select::most_ids(query) > IDS_MAX {
        return refused("at most 100 ids are allowed");
    }
    let cursor = value(query, "after_cursor").filter(|cursor| !cursor.is_empty());
    let after = match cursor.map(|cursor| place_of(cursor, query)) {
        Some(None) => return refused("invalid cursor"),
        Some(after) => after,
        None => None,
    };
    Ok(KeysetPage { after, limit: limit.min(most) })
}

/// A page cut to its limit, and the member that leads on behind it, with a comma before it.
fn cut(mut page: Vec<usize>, limit: usize, query: &[(String, String)]) -> (Vec<usize>, String) {
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more);
    let next = next.map(|last| format!(",\"next_cursor\":\"{}\"", cursor_at(*last, query)));
    (page, next.unwrap_or_default())
}

/// The cursor behind a market, bound to the filters and the order of its query.
fn cursor_at(market: usize, query: &[(String, String)]) -> String {
    format!("sim-{market:x}-{}", &binding(query)[..8])
}

/// The market that a cursor stands behind, if it was made for this query.
fn place_of(cursor: &str, query: &[(String, String)]) -> Option<usize> {
    let (number, bound_to) = cursor.strip_prefix("sim-")?.split_once('-')?;
    let number = usize::from_str_radix(number, 16).ok()?;
    (bound_to == &binding(query)[..8]).then_some(number)
}

fn binding(query: &[(String, String)]) -> String {
    Hash::of(&select::filters(query)).text()
}

fn extent(query: &[(String, String)]) -> Extent {
    if value(query, "include_tag") == Some("true") { Extent::EventAndTags } else { Extent::Event }
}

fn deprecated(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static("deprecation"), HeaderValue::from_static("true"));
    headers.insert(HeaderName::from_static("sunset"), HeaderValue::from_static(SUNSET));
    answer
}

fn not_found() -> Response {
    let body = "{\"type\":\"not found error\",\"error\":\"id not found\"}".to_owned();
    let mut answer = json(body);
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

fn invalid(error: &str) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, error)
}
