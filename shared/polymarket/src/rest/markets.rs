//! Markets of the catalogue, in our words.
//!
//! Knows: which rows are usable, and what is unknown in them. Never: which markets are wanted.

use chrono::{DateTime, Utc};
use contract::ids::{ConditionId, TokenId};
use contract::market::{Market, Outcome};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::error::RestError;
use super::text::{OUTCOME_MAX, QUESTION_MAX, SLUG_MAX, clean, tags};
use super::{MarketPage, wire};

/// Most rows of one answer that are read, should the venue pass over our limit.
const ROWS_MAX: usize = 50_000;
/// Outcomes of a market: the venue's contracts know only two.
const OUTCOMES: usize = 2;

/// A page by keyset: an object with its markets and a cursor.
pub(super) fn page(route: &'static str, body: &str, now: Timestamp) -> Result<MarketPage, RestError> {
    let page: wire::MarketPage<'_> = wire_of(route, body)?;
    let next_cursor = wire::text(page.next_cursor).map(std::borrow::Cow::into_owned);
    let next_cursor = next_cursor.filter(|cursor| !cursor.is_empty());
    Ok(MarketPage { next_cursor, ..rows(&page.markets, now) })
}

/// A bare array of markets.
pub(super) fn list(route: &'static str, body: &str, now: Timestamp) -> Result<MarketPage, RestError> {
    Ok(rows(&wire_of::<Vec<&RawValue>>(route, body)?, now))
}

/// Decodes a body, and tells what is no JSON at all from JSON of another shape.
pub(super) fn wire_of<'a, T: serde::Deserialize<'a>>(
    route: &'static str,
    body: &'a str,
) -> Result<T, RestError> {
    serde_json::from_str(body).map_err(|error| {
        if error.is_data() {
            RestError::odd(route, error.to_string())
        } else {
            RestError::not_json(route, body)
        }
    })
}

fn rows(rows: &[&RawValue], now: Timestamp) -> MarketPage {
    let mut page = MarketPage::default();
    for row in rows.iter().take(ROWS_MAX) {
        match serde_json::from_str(row.get())
            .map_err(|error| error.to_string())
            .and_then(|row| market(&row, now))
        {
            Ok(market) => page.markets.push(market),
            Err(reason) => page.skipped.note(reason),
        }
    }
    page
}

fn market(row: &wire::Market<'_>, now: Timestamp) -> Result<Market, String> {
    let id = wire::text(row.condition_id).ok_or("a market without conditionId")?;
    let condition_id = ConditionId::try_from(id.as_ref()).map_err(|odd| odd.to_string())?;
    let odd = |what: &str| format!("market {condition_id}: {what}");
    let flag =
        |raw, name: &str| wire::boolean(raw).map_err(|()| odd(&format!("{name} is neither true nor false")));
    let slug = cleaned(row.slug, SLUG_MAX);
    let question = Some(cleaned(row.question, QUESTION_MAX)).filter(|question| !question.is_empty());
    let closed = flag(row.closed, "closed")?.unwrap_or(false);
    let tokens = match tokens(row) {
        // Closed is closed: the venue may have taken its tokens away. They are known from before, or nobody needs them.
        Err(_) if closed => Vec::new(),
        tokens => tokens.map_err(|what| odd(&what))?,
    };
    let (event_slug, series_slug, event_tags) = event(row);
    let own_tags = tags(row.tags);
    Ok(Market {
        tokens,
        event_slug,
        series_slug,
        tags: if own_tags.is_empty() { event_tags } else { own_tags },
        resolution: None,
        end_at: wire::text(row.end_date).and_then(|text| moment(&text)),
        // The venue keeps calling closed markets active; nobody can trade in them.
        active: flag(row.active, "active")?.unwrap_or(false) && !closed,
        closed,
        neg_risk: flag(row.neg_risk, "negRisk")?.unwrap_or(false),
        tick_size: wire::decimal(row.order_price_min_tick_size).filter(is_grid),
        order_size_min: wire::decimal(row.order_min_size).filter(is_amount),
        volume_24h: wire::decimal(row.volume24hr).filter(is_amount),
        question: question.unwrap_or_else(|| slug.clone()),
        slug,
        updated_at: now,
        condition_id,
    })
}

/// Slug of the event, slug of its series, and its labels.
fn event(row: &wire::Market<'_>) -> (Option<String>, Option<String>, Vec<String>) {
    let events: Vec<wire::Event<'_>> =
        row.events.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let Some(event) = events.first() else { return (None, None, Vec::new()) };
    let slug = |raw| Some(cleaned(raw, SLUG_MAX)).filter(|slug| !slug.is_empty());
    let series: Vec<wire::Named<'_>> =
        event.series.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let series_slug = series.first().and_then(|series| slug(series.slug));
    (slug(event.slug), series_slug.or_else(|| slug(event.series_slug)), tags(event.tags))
}

/// The outcomes with their tokens, which the venue lists in the same order.
fn tokens(row: &wire::Market<'_>) -> Result<Vec<Outcome>, String> {
    // Markets of protocol v2 trade under their position ids.
    let is_v2 = wire::text(row.version).is_some_and(|version| version == "v2");
    let (ids, name) =
        if is_v2 { (row.position_ids, "positionIds") } else { (row.clob_token_ids, "clobTokenIds") };
    let ids = wire::list(ids).ok_or_else(|| format!("{name} is no list of ids"))?;
    let outcomes = wire::list(row.outcomes).ok_or("outcomes is no list of names")?;
    if ids.len() != OUTCOMES || outcomes.len() != OUTCOMES {
        return Err(format!("{} tokens and {} outcomes instead of two each", ids.len(), outcomes.len()));
    }
    let mut tokens = Vec::with_capacity(OUTCOMES);
    for (id, outcome) in ids.iter().zip(outcomes) {
        let token_id = TokenId::try_from(id.as_str()).map_err(|odd| odd.to_string())?;
        tokens.push(Outcome { token_id, outcome: clean(&outcome, OUTCOME_MAX) });
    }
    if tokens[0].token_id == tokens[1].token_id {
        return Err(format!("both outcomes have the token {}", tokens[0].token_id));
    }
    Ok(tokens)
}

/// A moment as the catalogue writes it: RFC 3339, or with a space and a bare offset of hours.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let moment = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(&format!("{text}00"), "%Y-%m-%d %H:%M:%S%z"))
        .ok()?;
    let moment = Timestamp::from(moment.with_timezone(&Utc));
    // The venue has no market from before 2020; what lies outside is a stand-in for "unknown".
    Timestamp::of_venue_millis(&moment.millis().to_string()).ok().map(|_plausible| moment)
}

fn is_amount(number: &Decimal) -> bool {
    !number.is_sign_negative() || number.is_zero()
}

fn is_grid(number: &Decimal) -> bool {
    *number > Decimal::ZERO && *number <= Decimal::ONE
}

fn cleaned(raw: wire::Raw<'_>, characters_max: usize) -> String {
    wire::text(raw).map(|text| clean(&text, characters_max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Skipped;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    const ROW: &str = r#"{"conditionId":"0xab","slug":"s","question":"q?","active":true,"closed":false,
        "outcomes":"[\"Up\",\"Down\"]","clobTokenIds":"[\"71\",\"72\"]"}"#;

    fn with(members: &str) -> MarketPage {
        let row = ROW.replacen('{', &format!("{{{members},"), 1);
        list("/markets", &format!("[{row}]"), NOW).unwrap()
    }

    fn replaced(from: &str, to: &str) -> MarketPage {
        list("/markets", &format!("[{}]", ROW.replace(from, to)), NOW).unwrap()
    }

    #[test]
    fn missing_members_are_unknown_and_never_zero() {
        let page = list("/markets", &format!("[{ROW}]"), NOW).unwrap();
        let market = &page.markets[0];
        assert_eq!(
            (market.end_at, market.tick_size, market.order_size_min, market.volume_24h),
            (None, None, None, None)
        );
        assert_eq!((market.active, market.closed, market.neg_risk), (true, false, false));
        assert_eq!((market.slug.as_str(), market.question.as_str(), market.updated_at), ("s", "q?", NOW));
        let names: Vec<_> = market.tokens.iter().map(|t| (t.token_id.as_str(), t.outcome.as_str())).collect();
        assert_eq!(names, [("71", "Up"), ("72", "Down")]);
    }

    #[test]
    fn numbers_are_read_as_texts_and_as_numbers_and_odd_ones_are_unknown() {
        let market =
            &with(r#""volume24hr":695212.8609140002,"orderPriceMinTickSize":"0.001","orderMinSize":5"#)
                .markets[0];
        assert_eq!(market.volume_24h.unwrap().to_string(), "695212.8609140002");
        assert_eq!(market.tick_size.unwrap().to_string(), "0.001");
        assert_eq!(market.order_size_min.unwrap().to_string(), "5");
        for volume in [r#""1e400""#, "-1", r#""NaN""#, "null", "[]"] {
            assert_eq!(with(&format!("\"volume24hr\":{volume}")).markets[0].volume_24h, None, "{volume}");
        }
        assert_eq!(with(r#""orderPriceMinTickSize":0"#).markets[0].tick_size, None);
        assert_eq!(with(r#""orderPriceMinTickSize":1.1"#).markets[0].tick_size, None);
    }

    #[test]
    fn a_bad_row_is_skipped_with_its_reason_and_costs_its_neighbours_nothing() {
        let body = format!(r#"[{ROW},7,{{}},{{"conditionId":"x"}},{ROW}]"#);
        let page = list("/markets", &body, NOW).unwrap();
        assert_eq!((page.markets.len(), page.skipped.count, page.skipped.reasons.len()), (2, 3, 3));
        let many = format!("[{}]", ["7"; 12].join(","));
        let page = list("/markets", &many, NOW).unwrap();
        assert_eq!((page.skipped.count, page.skipped.reasons.len()), (12, 10));
    }

    #[test]
    fn a_market_without_exactly_two_tokens_and_outcomes_is_skipped() {
        for tokens in ["[]", "[", r#"[\"71\"]"#, r#"[\"71\",\"72\",\"73\"]"#, r#"[\"71\",\"x\"]"#, "null", ""]
        {
            let page = replaced(r#"[\"71\",\"72\"]"#, tokens);
            assert_eq!((page.markets.len(), page.skipped.count), (0, 1), "{tokens}");
        }
        assert_eq!(replaced(r#"[\"Up\",\"Down\"]"#, r#"[\"Up\"]"#).markets.len(), 0);
    }

    #[test]
    fn a_closed_market_is_closed_whatever_its_tokens_say() {
        let open = r#""clobTokenIds":"[\"71\",\"72\"]""#;
        assert!(ROW.contains(open));
        for tokens in [r#""[]""#, r#""""#, "null", r#""[\"71\"]""#] {
            let row = ROW.replace(open, &format!("\"clobTokenIds\":{tokens}"));
            let row = row.replace("\"closed\":false", "\"closed\":true");
            let page = list("/markets", &format!("[{row}]"), NOW).unwrap();
            assert_eq!(page.skipped, Skipped::default(), "{tokens}");
            assert!(page.markets[0].closed && page.markets[0].tokens.is_empty(), "{tokens}");
        }
    }

    #[test]
    fn two_outcomes_with_one_token_are_refused_by_name() {
        let page = replaced(r#"[\"71\",\"72\"]"#, r#"[\"71\",\"71\"]"#);
        assert_eq!(page.skipped.reasons, ["market 0xab: both outcomes have the token 71"]);
    }

    #[test]
    fn a_market_of_protocol_v2_trades_under_its_position_ids() {
        let page = with(r#""version":"v2","positionIds":["81","82"]"#);
        assert_eq!(page.markets[0].tokens[1].token_id.as_str(), "82");
        assert_eq!(with(r#""version":"v2""#).markets.len(), 0);
        assert_eq!(
            with(r#""version":"v1","positionIds":["81","82"]"#).markets[0].tokens[0].token_id.as_str(),
            "71"
        );
    }

    #[test]
    fn a_flag_that_is_no_boolean_costs_the_row() {
        assert_eq!(replaced("\"active\":true", "\"active\":\"true\"").skipped.count, 1);
        assert_eq!(replaced("\"active\":true", "\"active\":1").skipped.count, 1);
        assert!(!replaced("\"active\":true", "\"active\":null").markets[0].active);
    }

    #[test]
    fn texts_lose_control_characters_and_what_is_too_long() {
        let page = replaced("q?", &format!("a\\u0000\\n{}", "é".repeat(2_000)));
        let question = &page.markets[0].question;
        assert!(question.starts_with("aé") && question.chars().count() == QUESTION_MAX);
        assert_eq!(replaced("\"question\":\"q?\"", "\"x\":1").markets[0].question, "s");
    }

    #[test]
    fn both_spellings_of_a_date_are_read_and_impossible_ones_are_unknown() {
        let end = |text: &str| with(&format!("\"endDate\":\"{text}\"")).markets[0].end_at;
        assert_eq!(end("2026-10-29T03:59:00Z"), end("2026-10-29 03:59:00+00"));
        assert_eq!(end("2026-10-29T03:59:00Z").unwrap().to_string(), "2026-10-29T03:59:00.000000Z");
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T24:00", "2026-10-29T03:59:00+99:99", "soon", ""] {
            assert_eq!(end(text), None, "{text}");
        }
    }

    #[test]
    fn a_market_knows_its_event_its_series_and_its_labels() {
        let market = &with(
            r#""events":[{"slug":"e","seriesSlug":"old","series":[{"slug":"btc-up-or-down-5m"}],"tags":[{"slug":"crypto"}]}]"#,
        )
        .markets[0];
        let actual = (market.event_slug.as_deref(), market.series_slug.as_deref(), market.tags.clone());
        assert_eq!(actual, (Some("e"), Some("btc-up-or-down-5m"), vec!["crypto".to_owned()]));
        let market = &with(r#""events":[{"seriesSlug":"s"}],"tags":["own"]"#).markets[0];
        assert_eq!((market.series_slug.as_deref(), market.tags.clone()), (Some("s"), vec!["own".to_owned()]));
        for odd in ["null", "7", "[]", "[7]", "{}", r#"[{"series":7,"slug":7.5}]"#] {
            let page = with(&format!("\"events\":{odd}"));
            assert_eq!((page.markets.len(), page.markets[0].series_slug.as_deref()), (1, None), "{odd}");
        }
    }

    #[test]
    fn a_closed_market_is_not_active() {
        let market = &with(r#""x":1"#).markets[0];
        assert!(market.active);
        assert!(!replaced("\"closed\":false", "\"closed\":true").markets[0].active);
    }

    #[test]
    fn a_page_names_the_next_one_unless_it_is_the_last() {
        let next = |member: &str| {
            page("/markets/keyset", &format!(r#"{{"markets":[]{member}}}"#), NOW).unwrap().next_cursor
        };
        assert_eq!(next(r#","next_cursor":"abc=""#).as_deref(), Some("abc="));
        for last in ["", r#","next_cursor":null"#, r#","next_cursor":"""#] {
            assert_eq!(next(last), None);
        }
    }

    #[test]
    fn another_shape_is_odd_and_no_json_may_pass_by_itself() {
        for body in ["{}", "[]", "null", "7"] {
            assert!(matches!(page("/x", body, NOW), Err(RestError::Odd { .. })), "{body}");
        }
        for body in ["", "<html>", "{\"markets\":[", "[]x"] {
            assert!(
                matches!(page("/x", body, NOW), Err(RestError::NotJson { .. } | RestError::Odd { .. })),
                "{body}"
            );
        }
        assert!(list("/x", "", NOW).unwrap_err().is_transient());
        assert!(list("/x", "<html>", NOW).unwrap_err().is_transient());
    }
}
