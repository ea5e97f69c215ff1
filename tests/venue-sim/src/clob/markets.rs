//! Markets as the CLOB's REST tells them: one in full, one in short, the one of a token, all of them by pages.
//!
//! Knows: routes and bodies of protocol reference 2.1 and 7 (findings 21, 25). Never: who asks.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::number;
use crate::clock;
use crate::market::{Listing, Market, tick_text};
use crate::rest::{json as answer, refusal, value};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::units::Side;
use crate::venue::Venue;

/// Markets of a page.
const PAGE: usize = 1_000;
/// The cursor behind the last page: `-1`.
const END: &str = "LTE=";

/// Which of the lists of markets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum List {
    /// All, in full.
    Markets,
    /// All, in short.
    Simplified,
    /// Those that can be traded, in full.
    Sampling,
    /// Those that can be traded, in short.
    SamplingSimplified,
}

impl List {
    fn route(self) -> &'static str {
        match self {
            Self::Markets => "/markets",
            Self::Simplified => "/simplified-markets",
            Self::Sampling => "/sampling-markets",
            Self::SamplingSimplified => "/sampling-simplified-markets",
        }
    }

    fn holds(self, market: &Market) -> bool {
        match self {
            Self::Markets | Self::Simplified => market.listing != Listing::Reserved,
            Self::Sampling | Self::SamplingSimplified => market.listing == Listing::Open,
        }
    }
}

/// `GET /markets/{condition_id}`
pub(crate) async fn market(State(shared): State<Arc<Shared>>, Path(condition): Path<String>) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, "/markets/{condition_id}", &shared.stop).await {
        return refused;
    }
    let venue = shared.venue();
    match venue.condition(&condition) {
        Some(at) => answer(full(&venue, at).to_string()),
        None => not_found(),
    }
}

/// `GET /clob-markets/{condition_id}`: the same with short names.
pub(crate) async fn short(State(shared): State<Arc<Shared>>, Path(condition): Path<String>) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, "/clob-markets/{condition_id}", &shared.stop).await
    {
        return refused;
    }
    let venue = shared.venue();
    let Some(at) = venue.condition(&condition) else { return not_found() };
    let market = &venue.markets[at];
    let tokens: Vec<Value> =
        tokens(&venue, at).into_iter().map(|(id, outcome)| json!({"t": id, "o": outcome})).collect();
    let mut body = json!({
        "c": condition, "t": tokens, "mts": number(&tick_text(market.tick)),
        "mos": number(&market.min_size.to_string()), "mbf": 0, "tbf": 0,
        "ao": market.listing.is_open_at_gamma(), "cbos": false, "fd": {"r": 0, "e": 1, "to": true},
    });
    // Where it is not so the member is missing.
    if market.neg_risk {
        body["nr"] = true.into();
    }
    answer(body.to_string())
}

/// `GET /markets-by-token/{token_id}`
pub(crate) async fn by_token(State(shared): State<Arc<Shared>>, Path(token): Path<String>) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, "/markets-by-token/{token_id}", &shared.stop).await
    {
        return refused;
    }
    let venue = shared.venue();
    let found = venue.by_token.get(token.as_str()).map(|(market, _)| &venue.markets[*market]);
    match found
        .filter(|market| market.listing != Listing::Reserved)
        .map(|market| (market, &market.tokens[..]))
    {
        Some((market, [first, second])) => answer(
            json!({
                "condition_id": &*market.condition_id, "primary_token_id": &*first.id,
                "secondary_token_id": &*second.id,
            })
            .to_string(),
        ),
        _ => not_found(),
    }
}

/// `GET /markets` and its siblings: pages behind `next_cursor`, which is the base64 of a number.
pub(crate) async fn list(
    list: List,
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Clob, list.route(), &shared.stop).await {
        return refused;
    }
    let from = match value(&query, "next_cursor").filter(|cursor| !cursor.is_empty()) {
        None => Some(0),
        Some(cursor) => unbase64(cursor).and_then(|text| text.parse::<usize>().ok()),
    };
    let Some(from) = from else { return refusal(StatusCode::BAD_REQUEST, "Invalid next_cursor") };
    let venue = shared.venue();
    let listed: Vec<usize> =
        venue.markets.iter().filter(|market| list.holds(market)).map(|market| market.number).collect();
    let page = listed.iter().skip(from).take(PAGE).copied();
    let rows: Vec<Value> = match list {
        List::Markets | List::Sampling => page.map(|at| full(&venue, at)).collect(),
        List::Simplified | List::SamplingSimplified => page.map(|at| simplified(&venue, at)).collect(),
    };
    let next = from + rows.len();
    let cursor = if next < listed.len() { base64(&next.to_string()) } else { END.to_owned() };
    answer(json!({"limit": PAGE, "count": rows.len(), "next_cursor": cursor, "data": rows}).to_string())
}

fn full(venue: &Venue, at: usize) -> Value {
    let market = &venue.markets[at];
    let mut body = simplified(venue, at);
    let more = json!({
        "enable_order_book": market.listing != Listing::Closed,
        "accepting_order_timestamp": market.started_at(),
        "minimum_order_size": number(&market.min_size.to_string()),
        "minimum_tick_size": number(&tick_text(market.tick)),
        "question_id": &*market.condition_id,
        "question": market.question, "description": market.question, "market_slug": market.slug,
        "end_date_iso": market.ends_at(), "game_start_time": Value::Null, "seconds_delay": 0, "fpmm": "",
        "maker_base_fee": 0, "taker_base_fee": 0, "notifications_enabled": true,
        "neg_risk": market.neg_risk, "neg_risk_market_id": "", "neg_risk_request_id": "",
        "icon": "", "image": "", "is_50_50_outcome": false,
        "tags": market.tag().map(|tag| vec![tag.label]),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn simplified(venue: &Venue, at: usize) -> Value {
    let market = &venue.markets[at];
    let closed = market.listing == Listing::Closed;
    let price = |token: usize| match (closed, token == market.winner) {
        (true, true) => "1".to_owned(),
        (true, false) => "0".to_owned(),
        (false, _) => {
            let book = &market.tokens[token].book;
            book.best(Side::Buy).map_or("0.5".to_owned(), |_| book.best_bid().middle(book.best_ask()))
        }
    };
    let tokens: Vec<Value> = tokens(venue, at)
        .into_iter()
        .enumerate()
        .map(|(token, (id, outcome))| {
            let winner = closed && token == market.winner;
            json!({"token_id": id, "outcome": outcome, "price": number(&price(token)), "winner": winner})
        })
        .collect();
    json!({
        "condition_id": &*market.condition_id, "tokens": tokens, "active": true, "closed": closed,
        "archived": false, "accepting_orders": market.listing.is_open_at_gamma(),
        "rewards": {"rates": Value::Null, "min_size": 0, "max_spread": 0},
    })
}

/// Id and outcome of each token; a market that is not listed in full yet has empty ids.
fn tokens(venue: &Venue, at: usize) -> Vec<(String, String)> {
    let late = venue.is_late(at, clock::now_ms());
    let tokens = venue.markets[at].tokens.iter();
    tokens
        .map(|token| (if late { String::new() } else { token.id.to_string() }, token.outcome.clone()))
        .collect()
}

fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "market not found")
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of a short text.
fn base64(text: &str) -> String {
    let mut out = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits =
            part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= part.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// The ASCII text of a base64; none if it is not one.
fn unbase64(text: &str) -> Option<String> {
    let mut out = String::new();
    for part in text.trim_end_matches('=').as_bytes().chunks(4) {
        let digit =
            |byte: &u8| DIGITS.iter().position(|digit| digit == byte).and_then(|at| u32::try_from(at).ok());
        let digits: Vec<u32> = part.iter().map(digit).collect::<Option<_>>()?;
        let bits = digits.iter().fold(0_u32, |bits, digit| bits << 6 | digit) << (6 * (4 - part.len()));
        for at in 0..part.len() - 1 {
            out.push(char::from(u8::try_from(bits >> (16 - 8 * at) & 255).ok()?));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_base64_as_the_venue_writes_them() {
        for (text, coded) in [("0", "MA=="), ("-1", "LTE="), ("1000", "MTAwMA=="), ("100", "MTAw")] {
            assert_eq!(base64(text), coded);
            assert_eq!(unbase64(coded).as_deref(), Some(text));
        }
        assert_eq!(unbase64("!"), None);
    }
}
