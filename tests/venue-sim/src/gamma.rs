//! Gamma: markets, by offset and by keyset.
//!
//! Knows: filters, paging and members of protocol reference 2.5. Never: a fill, a socket.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::clock;
use crate::frame::{gamma_id, quoted, quoted_list};
use crate::market::{Listing, Market, tick_text};
use crate::rest::{json, refusal, value, values};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::units::{Price, Side};
use crate::venue::Venue;
use crate::venue::listing::Ranking;

/// Markets of a page unless asked otherwise.
const LIMIT: usize = 20;
/// Most markets of a page by keyset.
const KEYSET_MAX: usize = 100;
/// Most markets of a page by offset.
const PAGE_MAX: usize = 500;
/// Furthest offset.
const OFFSET_MAX: usize = 2_000;
/// Only the books of the first markets are filled to tell their prices; a sweep of 36,000 stays cheap.
const PRICED: usize = 2_000;
/// Orders that are known. All but the volumes and liquidity go by number.
const ORDERS: [&str; 7] =
    ["id", "volume24hr", "volumeNum", "liquidityNum", "startDate", "endDate", "createdAt"];

type Parameters = Query<Vec<(String, String)>>;

/// `GET /markets`: a bare array.
pub(crate) async fn markets(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Gamma, "/markets", &shared.stop).await {
        return refused;
    }
    let offset = value(&query, "offset").and_then(|text| text.parse().ok()).unwrap_or(0);
    if offset > OFFSET_MAX {
        return invalid("offset too large, use the keyset endpoint");
    }
    let limit = value(&query, "limit").and_then(|text| text.parse().ok()).unwrap_or(LIMIT).min(PAGE_MAX);
    let mut venue = shared.venue();
    match select(&venue, &query, None, offset + limit) {
        Err(error) => invalid(error),
        Ok(found) => {
            let page: Vec<usize> = found.into_iter().skip(offset).collect();
            json(format!("[{}]", bodies(&mut venue, &page)))
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
    let Some(limit) = limit.filter(|limit| (1..=KEYSET_MAX).contains(limit)) else {
        return invalid("limit must be between 1 and 100");
    };
    let after = match value(&query, "after_cursor").filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(cursor) => {
            match cursor.strip_prefix("sim-").and_then(|number| usize::from_str_radix(number, 16).ok()) {
                Some(number) => Some(number),
                None => return invalid("invalid cursor"),
            }
        }
    };
    let mut venue = shared.venue();
    match select(&venue, &query, after, limit + 1) {
        Err(error) => invalid(error),
        Ok(mut page) => {
            let more = page.len() > limit;
            page.truncate(limit);
            let cursor =
                page.last().filter(|_| more).map(|last| format!(",\"next_cursor\":\"sim-{last:x}\""));
            json(format!("{{\"markets\":[{}]{}}}", bodies(&mut venue, &page), cursor.unwrap_or_default()))
        }
    }
}

/// The numbers of the first `most` markets that a query asks for behind the market `after`, in its order.
///
/// It walks from the cursor on and no further than it must: a sweep looks at each market about once.
fn select(
    venue: &Venue,
    query: &[(String, String)],
    after: Option<usize>,
    most: usize,
) -> Result<Vec<usize>, &'static str> {
    let closed = match value(query, "closed") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err("closed must be true or false"),
    };
    // Every closed market of the venue is still called active, so only `active=false` finds nothing.
    if value(query, "active") == Some("false") {
        return Ok(Vec::new());
    }
    let order = value(query, "order").unwrap_or("id");
    if !ORDERS.contains(&order) {
        return Err("order fields are not valid");
    }
    let wanted = if closed { Listing::Closed } else { Listing::Open };
    let (slugs, ids) = (values(query, &["slug"]), values(query, &["id"]));
    let fits = |at: &&usize| {
        let market = &venue.markets[**at];
        market.listing == wanted
            && (slugs.is_empty() || slugs.contains(&market.slug.as_str()))
            && (ids.is_empty() || ids.contains(&gamma_id(market).as_str()))
    };
    let by_volume = ["volume24hr", "volumeNum", "liquidityNum"].contains(&order);
    let ranking = if by_volume { &venue.listings.by_volume } else { &venue.listings.by_id };
    let named = named(venue, query, ranking);
    let among = named.as_deref().unwrap_or(ranking.order());
    // A ranking by volume begins with the largest.
    let backwards = (value(query, "ascending") != Some("false")) == by_volume;
    let last = after.map(|after| ranking.rank(after));
    Ok(if backwards {
        let end = last.map_or(among.len(), |last| among.partition_point(|at| ranking.rank(*at) < last));
        among[..end].iter().rev().filter(fits).take(most).copied().collect()
    } else {
        let start = last.map_or(0, |last| among.partition_point(|at| ranking.rank(*at) <= last));
        among[start..].iter().filter(fits).take(most).copied().collect()
    })
}

/// The markets that a query names by condition or token, in the order of a ranking; `None` if it names none.
fn named(venue: &Venue, query: &[(String, String)], ranking: &Ranking) -> Option<Vec<usize>> {
    let (conditions, tokens) = (values(query, &["condition_ids"]), values(query, &["clob_token_ids"]));
    let by_condition: BTreeSet<usize> =
        conditions.iter().filter_map(|id| venue.by_condition.get(*id).copied()).collect();
    let by_token: BTreeSet<usize> =
        tokens.iter().filter_map(|id| venue.by_token.get(*id).map(|(market, _)| *market)).collect();
    let mut found: Vec<usize> = match (conditions.is_empty(), tokens.is_empty()) {
        (true, true) => return None,
        (false, true) => by_condition.into_iter().collect(),
        (true, false) => by_token.into_iter().collect(),
        (false, false) => by_condition.intersection(&by_token).copied().collect(),
    };
    found.sort_unstable_by_key(|at| ranking.rank(*at));
    Some(found)
}

fn bodies(venue: &mut Venue, page: &[usize]) -> String {
    let now_ms = clock::now_ms();
    let mut text = String::with_capacity(page.len() * 2048);
    for (place, at) in page.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let market = &mut venue.markets[*at];
        match &market.row {
            // Word for word as it was told, but for its end.
            Some(row) if market.listing == Listing::Closed => {
                text.push_str(&row.text.replacen("\"closed\":false", "\"closed\":true", 1));
            }
            Some(row) => text.push_str(&row.text),
            None => {
                if *at < PRICED {
                    market.furnish(now_ms);
                }
                push_body(&mut text, market, now_ms);
            }
        }
    }
    text
}

/// Appends an invented market. Arrays are texts, figures numbers; what is not known is missing rather than null.
fn push_body(text: &mut String, market: &Market, now_ms: u64) {
    let book = market.book();
    let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
    let mid = Price::of(u16::midpoint(book.best_bid().units(), book.best_ask().units()));
    let list = |texts: Vec<String>| quoted(&quoted_list(texts.into_iter()));
    let (words, slug) = (quoted(&market.question), quoted(&market.slug));
    let mut add =
        |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing to a String cannot fail");
    add(format_args!(
        "{{\"id\":\"{}\",\"question\":{words},\"conditionId\":\"{}\",\"slug\":{slug},\"resolutionSource\":\"\",\
         \"endDate\":\"{}\",\"startDate\":\"{}\",\"image\":\"\",\"icon\":\"\",\"description\":{words},\"outcomes\":{},\
         \"outcomePrices\":{},\"active\":true,\"closed\":{},\"marketMakerAddress\":\"\",\"createdAt\":\"{}\",\
         \"updatedAt\":\"{}\",\"new\":false,\"featured\":false,\"archived\":false,\"restricted\":true",
        gamma_id(market),
        market.condition_id,
        clock::iso(market.ends_at_ms),
        market.started_at(),
        list(market.tokens.iter().map(|token| token.outcome.clone()).collect()),
        list(vec![mid.to_string(), mid.complement().to_string()]),
        market.listing == Listing::Closed,
        market.started_at(),
        clock::iso(now_ms),
    ));
    if let Some(cents) = market.volume_cents {
        let (day, all, liquid) = (dollars(cents), dollars(cents * 31), dollars(cents / 7));
        add(format_args!(
            ",\"liquidity\":\"{liquid}\",\"volume\":\"{all}\",\"volumeNum\":{all},\"liquidityNum\":{liquid},\
             \"volume24hr\":{day},\"volume24hrClob\":{day},\"volumeClob\":{all},\"liquidityClob\":{liquid}"
        ));
    }
    add(format_args!(
        ",\"enableOrderBook\":true,\"orderPriceMinTickSize\":{},\"orderMinSize\":5,\"clobTokenIds\":{},\
         \"umaResolutionStatuses\":\"[]\",\"acceptingOrders\":{},\"negRisk\":{},\"feesEnabled\":false,\"feeType\":null,\
         \"spread\":{}",
        tick_text(market.tick),
        list(market.tokens.iter().map(|token| token.id.to_string()).collect()),
        market.listing == Listing::Open,
        market.neg_risk,
        book.best_ask().moved(-i32::from(book.best_bid().units())),
    ));
    for (name, price) in [
        ("lastTradePrice", book.last_trade),
        ("bestBid", bid.map(|level| level.price)),
        ("bestAsk", ask.map(|level| level.price)),
    ] {
        if let Some(price) = price {
            add(format_args!(",\"{name}\":{price}"));
        }
    }
    add(format_args!(
        ",\"events\":[{{\"id\":\"{}\",\"slug\":{slug},\"title\":{words}}}]}}",
        20_000 + market.number
    ));
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn invalid(error: &str) -> Response {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, error)
}
