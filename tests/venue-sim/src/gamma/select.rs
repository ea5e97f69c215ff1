//! Which markets a query asks Gamma for.
//!
//! Knows: its filters and orders; others are ignored (protocol reference 7, finding 15). Never: a row's text.

use std::collections::BTreeSet;

use super::rows;
use crate::frame::gamma_id;
use crate::market::Market;
use crate::rest::{value, values};
use crate::universe;
use crate::venue::Venue;
use crate::venue::catalogue::ShownTokens;
use crate::venue::listing::Ranking;

/// Orders that are known. All but the volumes and liquidity go by number.
const ORDERS: [&str; 7] =
    ["id", "volume24hr", "volumeNum", "liquidityNum", "startDate", "endDate", "createdAt"];
/// Filters that name markets.
const IDS: [&str; 4] = ["id", "slug", "condition_ids", "clob_token_ids"];
/// What else shapes the list of a query.
const SHAPES: [&str; 16] = [
    "closed",
    "active",
    "order",
    "ascending",
    "tag_id",
    "tag_slug",
    "series_id",
    "title_search",
    "volume_num_min",
    "volume_num_max",
    "liquidity_num_min",
    "liquidity_num_max",
    "start_date_min",
    "start_date_max",
    "end_date_min",
    "end_date_max",
];

/// What a query is about. An event has one market, so that both are chosen by market.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    /// `id` is a market's.
    Markets,
    /// `id` is an event's, which also has a series and a title.
    Events,
}

/// The filters and the order of a query as one text: two queries with the same go through the same list.
pub(super) fn filters(query: &[(String, String)]) -> String {
    let shapes = |name: &str| SHAPES.contains(&name) || IDS.contains(&name);
    let mut known: Vec<String> = query
        .iter()
        .filter(|(name, _)| shapes(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    known.sort_unstable();
    known.join("&")
}

/// The most ids that any filter of a query names.
pub(super) fn most_ids(query: &[(String, String)]) -> usize {
    IDS.iter().map(|name| values(query, &[name]).len()).max().unwrap_or(0)
}

/// The numbers of the first `most` markets that a query asks for behind the market `after`, in its order.
///
/// It walks from the cursor on and no further than it must: a sweep looks at each market about once.
pub(super) fn select(
    venue: &Venue,
    query: &[(String, String)],
    of: Of,
    after: Option<usize>,
    most: usize,
    now_ms: u64,
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
    let (slugs, ids) = (values(query, &["slug"]), values(query, &["id"]));
    let fits = |at: &&usize| {
        let market = &venue.markets[**at];
        venue.is_shown_closed(**at, now_ms) == Some(closed)
            && venue.has_row(**at, now_ms)
            && (slugs.is_empty() || slugs.contains(&market.slug.as_str()))
            && (ids.is_empty() || ids.contains(&id_of(market, of).as_str()))
            && is_within(market, query)
            && (of == Of::Markets || is_event_within(market, query))
    };
    let by_volume = ["volume24hr", "volumeNum", "liquidityNum"].contains(&order);
    let ranking = if by_volume { &venue.listings.by_volume } else { &venue.listings.by_id };
    let named = named(venue, query, ranking, now_ms);
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

fn id_of(market: &Market, of: Of) -> String {
    match of {
        Of::Markets => gamma_id(market),
        Of::Events => rows::event_id(market).to_string(),
    }
}

/// Whether an event has the series, the subject's slug and the words in its title that a query names.
fn is_event_within(market: &Market, query: &[(String, String)]) -> bool {
    let series = values(query, &["series_id"]);
    let in_series = |id: usize| series.contains(&id.to_string().as_str());
    (series.is_empty() || market.window.is_some_and(|window| in_series(rows::series_id(window))))
        && value(query, "tag_slug").is_none_or(|slug| market.tag().is_some_and(|tag| tag.slug == slug))
        && value(query, "title_search")
            .is_none_or(|words| market.question.to_lowercase().contains(&words.to_lowercase()))
}

/// Whether a market has the subject that a query names, and lies between its bounds. What a row does not tell
/// lies within none.
fn is_within(market: &Market, query: &[(String, String)]) -> bool {
    let tag = |wanted: &str| market.tag().is_some_and(|tag| tag.id == wanted);
    let cents = |name: &str, of: Option<u64>, fits: fn(u64, u64) -> bool| {
        value(query, name).is_none_or(|bound| of.is_some_and(|of| fits(of, universe::cents(bound))))
    };
    let date = |name: &str, of: &dyn Fn() -> Option<String>, fits: fn(&str, &str) -> bool| {
        value(query, name).is_none_or(|bound| of().is_some_and(|of| fits(&of, bound)))
    };
    let (ends, starts) = (|| market.ends_at(), || Some(market.started_at()));
    let (volume, liquidity) = (market.total_cents, market.liquidity_cents);
    value(query, "tag_id").is_none_or(tag)
        && cents("volume_num_min", volume, |of, bound| of >= bound)
        && cents("volume_num_max", volume, |of, bound| of <= bound)
        && cents("liquidity_num_min", liquidity, |of, bound| of >= bound)
        && cents("liquidity_num_max", liquidity, |of, bound| of <= bound)
        && date("end_date_min", &ends, |of, bound| of >= bound)
        && date("end_date_max", &ends, |of, bound| of <= bound)
        && date("start_date_min", &starts, |of, bound| of >= bound)
        && date("start_date_max", &starts, |of, bound| of <= bound)
}

/// The markets that a query names by condition or token, in the order of a ranking; `None` if it names none.
fn named(venue: &Venue, query: &[(String, String)], ranking: &Ranking, now_ms: u64) -> Option<Vec<usize>> {
    let (conditions, tokens) = (values(query, &["condition_ids"]), values(query, &["clob_token_ids"]));
    let by_condition: BTreeSet<usize> =
        conditions.iter().filter_map(|id| venue.by_condition.get(*id).copied()).collect();
    // Gamma finds a token only where it shows it.
    let shown = |(market, token): &(usize, usize)| match venue.shown_tokens(*market, now_ms) {
        ShownTokens::First(count) => *token < count,
        ShownTokens::Json(_) => false,
    };
    let by_token = tokens.iter().filter_map(|id| venue.by_token.get(*id).copied()).filter(shown);
    let by_token: BTreeSet<usize> = by_token.map(|(market, _)| market).collect();
    let mut found: Vec<usize> = match (conditions.is_empty(), tokens.is_empty()) {
        (true, true) => return None,
        (false, true) => by_condition.into_iter().collect(),
        (true, false) => by_token.into_iter().collect(),
        (false, false) => by_condition.intersection(&by_token).copied().collect(),
    };
    found.sort_unstable_by_key(|at| ranking.rank(*at));
    Some(found)
}
