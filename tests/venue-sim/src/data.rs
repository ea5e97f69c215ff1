//! The Data API: trades, in the shapes of v1 and v2.
//!
//! Knows: parameters and bodies of protocol reference 2.2 and 2.3. Never: when a fill becomes visible.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::clock;
use crate::fills::Fill;
use crate::frame::quoted;
use crate::market::Market;
use crate::rest::{invalid_request, json, refusal, value, values};
use crate::scenario::Service;
use crate::shared::Shared;
use crate::units::Size;

/// Rows of a page unless asked otherwise.
const LIMIT: usize = 100;
/// Most rows of a page of v2; one more is refused.
const LIMIT_MAX_V2: usize = 1_000;
/// Most rows of a page of v1.
const LIMIT_MAX_V1: usize = 10_000;
/// Furthest offset of v1 (protocol reference 7, finding 3).
const OFFSET_MAX: usize = 3_000;
/// Most condition ids of one question to v2.
const CONDITIONS_MAX: usize = 20;
/// Dust below this is hidden unless a filter says otherwise: 0.01 share.
const DUST: u64 = Size::SHARE / 100;

type Parameters = Query<Vec<(String, String)>>;

/// `GET /trades` of v1: a bare array in camelCase, newest first.
pub(crate) async fn trades_v1(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Data, "/trades", &shared.stop).await {
        return refused;
    }
    if shared.desk.v1_is_retired() {
        return refusal(StatusCode::NOT_FOUND, "this endpoint was retired, use /v2/trades");
    }
    let limit = number(&query, "limit").unwrap_or(LIMIT).min(LIMIT_MAX_V1);
    let offset = number(&query, "offset").unwrap_or(0);
    if offset > OFFSET_MAX {
        return refusal(StatusCode::BAD_REQUEST, "max historical activity offset of 3000 exceeded");
    }
    let (start, end) = (number(&query, "start"), number(&query, "end"));
    let within = |fill: &Fill| {
        let second = usize::try_from(fill.settled_at_ms / 1000).unwrap_or(usize::MAX);
        start.is_none_or(|start| second >= start) && end.is_none_or(|end| second <= end)
    };
    let conditions = values(&query, &["market"]);
    let side = value(&query, "side").map(str::to_uppercase);
    let venue = shared.venue();
    let markets: Vec<usize> = conditions.iter().filter_map(|id| venue.condition(id)).collect();
    let wanted = (!conditions.is_empty()).then_some(&markets[..]);
    let least = Least::of(&query, "filterType", "filterAmount");
    let rows = venue.fills.visible(wanted, clock::now_ms());
    let rows = rows.into_iter().filter(|fill| least.is_none_or(|least| least.allows(fill)));
    let rows = rows.filter(|fill| side.as_deref().is_none_or(|side| fill.side.word() == side));
    let rows = rows.filter(|fill| within(fill)).skip(offset).take(limit);
    json(format!(
        "[{}]",
        rows.map(|fill| row(fill, &venue.markets[fill.market], &V1)).collect::<Vec<_>>().join(",")
    ))
}

/// `GET /v2/trades`: an envelope with paging by cursor, rows in `snake_case`, newest first.
pub(crate) async fn trades_v2(State(shared): State<Arc<Shared>>, Query(query): Parameters) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Data, "/v2/trades", &shared.stop).await {
        return refused;
    }
    let conditions = values(&query, &["condition", "condition_id", "conditionId"]);
    let limit = number(&query, "limit").unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX_V2).contains(&limit) {
        return invalid_request("limit", "limit must be between 1 and 1000");
    }
    if conditions.len() > CONDITIONS_MAX {
        return invalid_request("condition", "at most 20 conditions are allowed");
    }
    if !conditions.is_empty() && value(&query, "event_id").is_some() {
        return invalid_request("event_id", "condition and event_id exclude each other");
    }
    if value(&query, "offset").is_some() {
        return invalid_request("offset", "offset is not a parameter, use cursor");
    }
    let before = match value(&query, "cursor") {
        None => u64::MAX,
        Some(cursor) => {
            match cursor.strip_prefix("sim-").and_then(|number| u64::from_str_radix(number, 16).ok()) {
                Some(number) => number,
                None => return invalid_request("cursor", "invalid cursor"),
            }
        }
    };
    let side = value(&query, "side").map(str::to_uppercase);
    let venue = shared.venue();
    let markets: Vec<usize> = conditions.iter().filter_map(|id| venue.condition(id)).collect();
    let wanted = (!conditions.is_empty()).then_some(&markets[..]);
    let mut rows = venue.fills.visible(wanted, clock::now_ms());
    let least = Least::of(&query, "filter_type", "filter_amount").filter(|least| *least != Least::Tokens(0));
    let least = least.unwrap_or(Least::Tokens(DUST));
    rows.retain(|fill| fill.size.millionths() >= DUST && least.allows(fill));
    rows.retain(|fill| side.as_deref().is_none_or(|side| fill.side.word() == side));
    if before != u64::MAX {
        // A page goes on after the row its cursor names, in the order of the rows.
        let at = rows.iter().position(|fill| fill.number == before).map_or(rows.len(), |at| at + 1);
        rows.drain(..at);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let cursor =
        rows.last().filter(|_| more).map_or("null".to_owned(), |fill| format!("\"sim-{:x}\"", fill.number));
    let texts: Vec<String> = rows.iter().map(|fill| row(fill, &venue.markets[fill.market], &V2)).collect();
    json(format!(
        "{{\"data\":[{}],\"pagination\":{{\"limit\":{limit},\"offset\":0,\"has_more\":{more},\"next_cursor\":{cursor}}}}}",
        texts.join(",")
    ))
}

/// `GET /v2/status`: how far the rows lag behind, in an envelope (protocol reference 7, finding 1).
pub(crate) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    if let Err(refused) = shared.desk.admit(Service::Data, "/v2/status", &shared.stop).await {
        return refused;
    }
    let lag_s = shared.venue().fills.settlement_ms() / 1000;
    json(format!(
        "{{\"data\":{{\"computed_at\":\"{}\",\"age_seconds\":0,\"serving\":{{\"lag_seconds\":{lag_s},\"worst\":\"activity_feed\",\
         \"mechanisms\":[{{\"name\":\"activity_feed\",\"age_seconds\":{lag_s}}}]}},\"ingestion\":{{\"network\":\"polygon\",\
         \"cursors\":148,\"lagging\":[]}}}}}}",
        clock::iso(clock::now_ms())
    ))
}

/// The smallest fill that a question wants to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Least {
    /// In millionths of a share.
    Tokens(u64),
    /// In millionths of a dollar.
    Cash(u64),
}

impl Least {
    fn of(query: &[(String, String)], kind: &str, amount: &str) -> Option<Self> {
        let millionths = value(query, amount).and_then(Size::parse)?.millionths();
        Some(if value(query, kind) == Some("CASH") {
            Self::Cash(millionths)
        } else {
            Self::Tokens(millionths)
        })
    }

    fn allows(self, fill: &Fill) -> bool {
        let size = fill.size.millionths();
        match self {
            Self::Tokens(least) => size >= least,
            Self::Cash(least) => size * u64::from(fill.price.units()) >= least * 10_000,
        }
    }
}

/// The names of the members that differ between the versions.
#[derive(Debug)]
struct Names {
    wallet: &'static str,
    token: &'static str,
    condition: &'static str,
    event_slug: &'static str,
    outcome_index: &'static str,
    image: &'static str,
    small_image: &'static str,
    transaction: &'static str,
    /// Which row of so many does not know its outcome's place and event (protocol reference 7, finding 4).
    unknown_each: Option<u64>,
}

const V1: Names = Names {
    wallet: "proxyWallet",
    token: "asset",
    condition: "conditionId",
    event_slug: "eventSlug",
    outcome_index: "outcomeIndex",
    image: "profileImage",
    small_image: "profileImageOptimized",
    transaction: "transactionHash",
    unknown_each: None,
};

const V2: Names = Names {
    wallet: "proxy_wallet",
    token: "token_id",
    condition: "condition_id",
    event_slug: "event_slug",
    outcome_index: "outcome_index",
    image: "profile_image",
    small_image: "profile_image_optimized",
    transaction: "transaction_hash",
    unknown_each: Some(7),
};

fn row(fill: &Fill, market: &Market, names: &Names) -> String {
    let token = &market.tokens[fill.token];
    let (slug, mut text) = (quoted(&market.slug), String::with_capacity(768));
    let unknown = names.unknown_each.is_some_and(|each| fill.number.is_multiple_of(each));
    let (event_slug, outcome_index) = if unknown { ("\"\"", 999) } else { (slug.as_str(), fill.token) };
    write!(
        text,
        "{{\"{}\":\"0x{:040x}\",\"side\":\"{}\",\"{}\":\"{}\",\"{}\":\"{}\",\"size\":{},\"price\":{},\"timestamp\":{},\
         \"title\":{},\"slug\":{slug},\"icon\":\"\",\"{}\":{event_slug},\"outcome\":{},\"{}\":{},\"name\":\"\",\
         \"pseudonym\":\"\",\"bio\":\"\",\"{}\":\"\",\"{}\":\"\",\"{}\":\"{}\"}}",
        names.wallet,
        fill.number,
        fill.side.word(),
        names.token,
        token.id,
        names.condition,
        market.condition_id,
        fill.size,
        price_number(fill),
        fill.settled_at_ms / 1000,
        quoted(&market.question),
        names.event_slug,
        quoted(&token.outcome),
        names.outcome_index,
        outcome_index,
        names.image,
        names.small_image,
        names.transaction,
        fill.transaction_hash,
    )
    .expect("writing to a String cannot fail");
    text
}

/// The price as a JSON number. Each fourth one is a little off the tick, as averages at the venue are.
fn price_number(fill: &Fill) -> String {
    let units = u64::from(fill.price.units());
    if fill.number.is_multiple_of(4) && units > 0 {
        return format!("0.{:016}", units * 1_000_000_000_000 - 4_314_815_600);
    }
    fill.price.to_string()
}

fn number(query: &[(String, String)], name: &str) -> Option<usize> {
    value(query, name).and_then(|text| text.parse().ok())
}
