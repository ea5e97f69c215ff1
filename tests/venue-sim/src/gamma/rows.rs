//! The text of Gamma's row of a market.
//!
//! Knows: its members and their types (protocol reference 2.5). Never: which rows are asked for.

use std::fmt::Write;

use crate::clock;
use crate::frame::{gamma_id, quoted, quoted_list};
use crate::market::{Listing, Market, Tag, tick_text};
use crate::scenario::catalogue::ASSETS;
use crate::units::{Price, Side};
use crate::venue::Venue;
use crate::venue::catalogue::ShownTokens;
use crate::window::Window;

/// Only the books of the first markets are filled to tell their prices; a sweep of 36,000 stays cheap.
const PRICED: usize = 2_000;

/// What of a row is not the market's own.
#[derive(Clone, Debug)]
struct Shown {
    /// The JSON of `clobTokenIds`.
    tokens: String,
    closed: bool,
    /// In ten-thousandths.
    tick: u16,
    extent: Extent,
    now_ms: u64,
}

/// What a row tells besides the market's own members.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// The event: unless asked for more, in a list of markets.
    Event,
    /// The event and the subjects.
    EventAndTags,
    /// Neither: inside an event.
    Bare,
}

/// The rows of these markets, with a comma between them.
pub(super) fn of(venue: &mut Venue, page: &[usize], extent: Extent, now_ms: u64) -> String {
    let mut text = String::with_capacity(page.len() * 2048);
    for (place, at) in page.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let tick = venue.markets[*at].tick_at_gamma(now_ms, venue.catalogue.tick_lag_ms);
        let closed = venue.is_shown_closed(*at, now_ms) == Some(true);
        let shown = Shown { tokens: tokens_json(venue, *at, now_ms), closed, tick, extent, now_ms };
        let market = &mut venue.markets[*at];
        if market.row.is_some() {
            push_told(&mut text, market, &shown);
        } else {
            if *at < PRICED {
                market.furnish(now_ms);
            }
            push_invented(&mut text, market, &shown);
        }
    }
    text
}

fn tokens_json(venue: &Venue, market: usize, now_ms: u64) -> String {
    match venue.shown_tokens(market, now_ms) {
        ShownTokens::Json(json) => json.to_owned(),
        ShownTokens::First(count) => {
            let tokens = venue.markets[market].tokens.iter().take(count);
            quoted(&quoted_list(tokens.map(|token| token.id.to_string())))
        }
    }
}

/// Appends a row that was read: word for word, but for what changed since.
fn push_told(text: &mut String, market: &Market, shown: &Shown) {
    let Some(row) = &market.row else { return };
    let mut told = row.text.clone();
    if shown.closed {
        told = told.replacen("\"closed\":false", "\"closed\":true", 1);
    }
    if market.listing == Listing::Dead {
        told = with_member(&told, "endDate", &quoted(&clock::iso(market.ends_at_ms)));
    }
    if market.tick_before.is_some() {
        told = with_member(&told, "orderPriceMinTickSize", &tick_text(shown.tick));
    }
    let whole = quoted(&quoted_list(market.tokens.iter().map(|token| token.id.to_string())));
    if shown.tokens != whole && !market.tokens.is_empty() {
        told = with_member(&told, "clobTokenIds", &shown.tokens);
    }
    text.push_str(&told);
}

/// Appends an invented market. Arrays are texts, figures numbers; what is not known is missing rather than null.
fn push_invented(text: &mut String, market: &Market, shown: &Shown) {
    let book = market.book();
    let closed = shown.closed;
    let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
    let list = |texts: Vec<String>| quoted(&quoted_list(texts.into_iter()));
    let (words, slug) = (quoted(&market.question), quoted(&market.slug));
    let mut add =
        |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing to a String cannot fail");
    add(format_args!(
        "{{\"id\":\"{}\",\"question\":{words},\"conditionId\":\"{}\",\"slug\":{slug},\"resolutionSource\":\"\",\
         \"endDate\":\"{}\",\"startDate\":\"{}\",\"image\":\"\",\"icon\":\"\",\"description\":{words},\"outcomes\":{},\
         \"outcomePrices\":{},\"active\":true,\"closed\":{closed},\"marketMakerAddress\":\"\",\"createdAt\":\"{}\",\
         \"updatedAt\":\"{}\",\"new\":false,\"featured\":false,\"archived\":false,\"restricted\":true",
        gamma_id(market),
        market.condition_id,
        clock::iso(market.ends_at_ms),
        market.started_at(),
        list(market.tokens.iter().map(|token| token.outcome.clone()).collect()),
        list(prices(market, closed)),
        market.started_at(),
        clock::iso(shown.now_ms),
    ));
    if let (Some(day), Some(all), Some(liquid)) =
        (market.volume_cents, market.total_cents, market.liquidity_cents)
    {
        let (day, all, liquid) = (dollars(day), dollars(all), dollars(liquid));
        add(format_args!(
            ",\"liquidity\":\"{liquid}\",\"volume\":\"{all}\",\"volumeNum\":{all},\"liquidityNum\":{liquid},\
             \"volume24hr\":{day},\"volume24hrClob\":{day},\"volumeClob\":{all},\"liquidityClob\":{liquid}"
        ));
    }
    add(format_args!(
        ",\"enableOrderBook\":true,\"orderPriceMinTickSize\":{},\"orderMinSize\":5,\"clobTokenIds\":{},\
         \"umaResolutionStatuses\":\"[]\",\"acceptingOrders\":{},\"negRisk\":{},\"feesEnabled\":false,\"feeType\":null,\
         \"spread\":{}",
        tick_text(shown.tick),
        shown.tokens,
        !closed,
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
    push_end(text, market, shown);
}

/// Appends what only closed and only short markets have, and what was asked for besides.
fn push_end(text: &mut String, market: &Market, shown: &Shown) {
    let mut add =
        |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing to a String cannot fail");
    let extent = shown.extent;
    if shown.closed && market.closed_at_ms > 0 {
        // Seen with none, five and seven digits of a second.
        let digits = ["", ".12345", ".1234567"][market.number % 3];
        let at = clock::iso(market.closed_at_ms).replace('T', " ").replace('Z', digits);
        add(format_args!(",\"closedTime\":\"{at}+00\",\"umaResolutionStatus\":\"resolved\""));
    }
    if let Some(window) = market.window {
        let (asset, duration) = (window.asset, window.duration());
        add(format_args!(
            ",\"eventStartTime\":\"{}\",\"cryptoMarketConfig\":{{\"id\":\"{asset}-{duration}-twap-60\",\
             \"asset\":\"{asset}\",\"duration\":\"{duration}\",\"twapEnabled\":true,\"twapLookbackSeconds\":60}}",
            clock::iso(window.starts_at_ms()),
        ));
    }
    if extent == Extent::EventAndTags {
        add(format_args!(",\"tags\":{}", tags(market)));
    }
    if extent != Extent::Bare {
        let (slug, words) = (quoted(&market.slug), quoted(&market.question));
        add(format_args!(
            ",\"events\":[{{\"id\":\"{}\",\"ticker\":{slug},\"slug\":{slug},\"title\":{words}{}}}]",
            event_id(market),
            series(market)
        ));
    }
    text.push_str(",\"version\":\"v1\"}");
}

/// The subjects of a market as a JSON array.
pub(super) fn tags(market: &Market) -> String {
    let tag =
        |tag: Tag| format!("{{\"id\":\"{}\",\"label\":\"{}\",\"slug\":\"{}\"}}", tag.id, tag.label, tag.slug);
    format!("[{}]", market.tag().map(tag).unwrap_or_default())
}

/// The members of an event that tell its series, with a comma before them; empty where there is none.
pub(super) fn series(market: &Market) -> String {
    let Some(window) = market.window else { return String::new() };
    let (name, duration) = (window.series(), window.duration());
    format!(
        ",\"series\":[{{\"id\":\"{}\",\"ticker\":\"{name}\",\"slug\":\"{name}\",\"title\":\"{name}\",\
         \"seriesType\":\"single\",\"recurrence\":\"{duration}\",\"active\":true,\"closed\":false}}],\
         \"seriesSlug\":\"{name}\"",
        series_id(window),
    )
}

/// The prices of the outcomes: those of the book, or what each one pays.
fn prices(market: &Market, closed: bool) -> Vec<String> {
    if closed {
        let worth = |at| if at == market.winner { "1" } else { "0" };
        return (0..market.tokens.len()).map(|at| worth(at).to_owned()).collect();
    }
    let book = market.book();
    let mid = Price::of(u16::midpoint(book.best_bid().units(), book.best_ask().units()));
    vec![mid.to_string(), mid.complement().to_string()]
}

/// The number of a series: one of each asset and length.
pub(super) fn series_id(window: Window) -> usize {
    let asset = ASSETS.iter().position(|asset| *asset == window.asset).unwrap_or(0);
    10_000 + asset * 1_000 + window.length_s as usize / 60
}

/// The number of the event that has only this market.
pub(super) fn event_id(market: &Market) -> usize {
    20_000 + market.number
}

pub(super) fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A JSON object with another value for the first member of this name; all other bytes stay.
fn with_member(text: &str, name: &str, json: &str) -> String {
    let key = format!("\"{name}\":");
    let Some(found) = text.find(&key) else { return text.to_owned() };
    let (before, after) = text.split_at(found + key.len());
    let length = match after.strip_prefix('"') {
        None => after.find([',', '}']).unwrap_or(after.len()),
        Some(inside) => {
            let mut escaped = false;
            let end = inside.find(|letter: char| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            end.map_or(after.len(), |end| end + 2)
        }
    };
    format!("{before}{json}{}", &after[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_replaced_whatever_its_value_and_the_rest_stays() {
        let row = r#"{"a":"x\"y\\","n":0.01,"b":[1],"a":2}"#;
        assert_eq!(with_member(row, "a", "null"), r#"{"a":null,"n":0.01,"b":[1],"a":2}"#);
        assert_eq!(with_member(row, "n", "0.001"), r#"{"a":"x\"y\\","n":0.001,"b":[1],"a":2}"#);
        assert_eq!(with_member(row, "none", "1"), row);
    }
}
