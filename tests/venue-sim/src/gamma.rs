//! Gamma: markets, by offset and by keyset.
//!
//! Knows: paging and envelopes of protocol reference 2.5 and 7 (findings 15, 16). Never: a fill, a socket.

mod rows;
mod select;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use self::rows::Tags;
use crate::clock;
use crate::digest::Hash;
use crate::rest::{json, refusal, value};
use crate::scenario::Service;
use crate::shared::Shared;

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

/// `GET /markets`: a bare array. The venue calls it deprecated, and still answers.
pub(crate) async fn markets(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/markets", &shared.stop).await {
        return refused;
    }
    let offset = value(&query, "offset").and_then(|text| text.parse().ok()).unwrap_or(0);
    if offset > OFFSET_MAX {
        return invalid("offset too large, use the keyset endpoint");
    }
    let limit = value(&query, "limit").and_then(|text| text.parse().ok()).unwrap_or(LIMIT).min(PAGE_MAX);
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, None, offset + limit, now_ms) {
        Err(error) => invalid(error),
        Ok(found) => {
            let page: Vec<usize> = found.into_iter().skip(offset).collect();
            deprecated(json(format!("[{}]", rows::of(&mut venue, &page, tags(&query), now_ms))))
        }
    }
}

/// `GET /markets/keyset`: an object with `markets` and, unless it is the last page, `next_cursor`.
pub(crate) async fn keyset(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/markets/keyset", &shared.stop).await {
        return refused;
    }
    if value(&query, "offset").is_some() {
        return invalid("offset is not allowed, use after_cursor");
    }
    let limit = value(&query, "limit").map_or(Some(LIMIT), |text| text.parse().ok());
    let Some(limit) = limit.filter(|limit| *limit > 0) else {
        return invalid("limit must be at least 1");
    };
    if select::most_ids(&query) > IDS_MAX {
        return invalid("at most 100 ids are allowed");
    }
    let limit = limit.min(KEYSET_MAX);
    let after = match value(&query, "after_cursor").filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(cursor) => match place_of(cursor, &query) {
            Some(number) => Some(number),
            None => return invalid("invalid cursor"),
        },
    };
    let (mut venue, now_ms) = (shared.venue(), clock::now_ms());
    match select::select(&venue, &query, after, limit + 1, now_ms) {
        Err(error) => invalid(error),
        Ok(mut page) => {
            let more = page.len() > limit;
            page.truncate(limit);
            let next = page.last().filter(|_| more);
            let next = next.map(|last| format!(",\"next_cursor\":\"{}\"", cursor_at(*last, &query)));
            json(format!(
                "{{\"$schema\":\"{SCHEMA}\",\"markets\":[{}]{}}}",
                rows::of(&mut venue, &page, tags(&query), now_ms),
                next.unwrap_or_default()
            ))
        }
    }
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

fn tags(query: &[(String, String)]) -> Tags {
    if value(query, "include_tag") == Some("true") { Tags::Shown } else { Tags::Left }
}

fn deprecated(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static("deprecation"), HeaderValue::from_static("true"));
    headers.insert(HeaderName::from_static("sunset"), HeaderValue::from_static(SUNSET));
    answer
}

fn invalid(error: &str) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, error)
}
