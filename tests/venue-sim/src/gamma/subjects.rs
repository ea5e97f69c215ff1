//! Gamma's subjects and series: of a market, of an event, all of them.
//!
//! Knows: short lists made from the markets. Never: a price.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::{Parameters, rows};
use crate::clock;
use crate::frame::{gamma_id, quoted};
use crate::market::{Listing, Market};
use crate::rest::{json, value, values};
use crate::scenario::Service;
use crate::shared::Shared;

/// Most elements of a page.
const PAGE_MAX: usize = 100;

/// `GET /markets/{id}/tags`
pub(crate) async fn of_market(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    of_one(&shared, "/markets/{id}/tags", |market| gamma_id(market) == id).await
}

/// `GET /events/{id}/tags`
pub(crate) async fn of_event(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    of_one(&shared, "/events/{id}/tags", |market| rows::event_id(market).to_string() == id).await
}

async fn of_one(shared: &Arc<Shared>, route: &'static str, is_it: impl Fn(&Market) -> bool) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, route, &shared.stop).await {
        return refused;
    }
    let venue = shared.venue();
    match super::find(&venue, clock::now_ms(), is_it) {
        Some(at) => json(rows::tags(&venue.markets[at])),
        None => super::not_found(),
    }
}

/// `GET /tags`: all subjects that markets have.
pub(crate) async fn tags(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/tags", &shared.stop).await {
        return refused;
    }
    let venue = shared.venue();
    let known = venue.markets.iter().filter_map(|market| Some((market.tag()?.slug, rows::tags(market))));
    let known: BTreeMap<&str, String> = known.collect();
    let one = known.into_values().map(|list| list.trim_matches(['[', ']']).to_owned());
    json(page(one.collect(), &query))
}

/// `GET /series`: those of short markets, with their events in short; `slug` names some.
pub(crate) async fn series(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/series", &shared.stop).await {
        return refused;
    }
    let wanted = values(&query, &["slug"]);
    let all = bodies(&shared);
    let named = all.into_iter().filter(|(slug, _)| wanted.is_empty() || wanted.contains(&slug.as_str()));
    json(page(named.map(|(_, (_, body))| body).collect(), &query))
}

/// `GET /series/{id}`
pub(crate) async fn series_by_id(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/series/{id}", &shared.stop).await {
        return refused;
    }
    match bodies(&shared).into_values().find(|(known, _)| known.to_string() == id) {
        Some((_, body)) => json(body),
        None => super::not_found(),
    }
}

/// Number and text of each series, by slug.
fn bodies(shared: &Shared) -> BTreeMap<String, (usize, String)> {
    let venue = shared.venue();
    let mut events: BTreeMap<String, (usize, String, Vec<String>)> = BTreeMap::new();
    for market in venue.markets.iter().filter(|market| market.listing != Listing::Reserved) {
        let Some(window) = market.window else { continue };
        let of = events
            .entry(window.series())
            .or_insert_with(|| (rows::series_id(window), window.duration(), Vec::new()));
        let (slug, title) = (quoted(&market.slug), quoted(&market.question));
        of.2.push(format!(
            "{{\"id\":\"{}\",\"ticker\":{slug},\"slug\":{slug},\"title\":{title},\"startDate\":\"{}\",\"endDate\":\"{}\",\
             \"active\":true,\"closed\":{}}}",
            rows::event_id(market),
            market.started_at(),
            clock::iso(market.ends_at_ms),
            market.listing == Listing::Closed,
        ));
    }
    let body = |(slug, (id, duration, events)): (String, (usize, String, Vec<String>))| {
        let text = format!(
            "{{\"id\":\"{id}\",\"ticker\":\"{slug}\",\"slug\":\"{slug}\",\"title\":\"{slug}\",\"seriesType\":\"single\",\
             \"recurrence\":\"{duration}\",\"active\":true,\"closed\":false,\"archived\":false,\"events\":[{}]}}",
            events.join(",")
        );
        (slug, (id, text))
    };
    events.into_iter().map(body).collect()
}

/// A bare array of the elements that a query asks for.
fn page(all: Vec<String>, query: &[(String, String)]) -> String {
    let number = |name: &str| value(query, name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let page: Vec<String> = all.into_iter().skip(number("offset").unwrap_or(0)).take(limit).collect();
    format!("[{}]", page.join(","))
}
