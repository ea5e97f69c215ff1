//! An event as an answer.
//!
//! Knows: its members. Never: which events.

use std::cmp::Ordering;
use std::sync::Arc;

use contract::ids::{ConditionId, TickId, TokenId, TransactionHash};
use contract::money::{Price, Size};
use contract::tick::Level;
use contract::time::Timestamp;
use contract::verdict::{Reason, SizeSource};
use rust_decimal::Decimal;
use serde::Serialize;

use super::Number;
use crate::state::event;
use crate::state::events::EventPage;

/// One event.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    id: TickId,
    kind: &'static str,
    condition_id: &'a ConditionId,
    token_id: &'a TokenId,
    question: Option<&'a str>,
    outcome: Option<&'a str>,
    /// Match or change by the venue's clock.
    at: Timestamp,
    received_at: Timestamp,
    judged_at: Option<Timestamp>,
    /// `received_at - at` for trades; negative when the venue's clock runs ahead.
    age_seconds: Option<Number>,
    origin: Option<&'static str>,
    side: Option<&'static str>,
    price_before: Option<Price>,
    price: Option<Price>,
    /// From the price before to this one: `up`, `down`, `same`; null where either is unknown.
    direction: Option<&'static str>,
    size: Option<Size>,
    size_source: Option<SizeSource>,
    verdict: &'static str,
    reasons: &'a [Reason],
    best_bid: Option<Price>,
    best_ask: Option<Price>,
    quote_age_seconds: Option<Number>,
    deviation: Option<Decimal>,
    confirmed: Option<bool>,
    transaction_hash: Option<&'a TransactionHash>,
    tick_size_before: Option<Decimal>,
    tick_size: Option<Decimal>,
    /// All levels of a book, best first; null of other kinds.
    bids: Option<&'a [Level]>,
    asks: Option<&'a [Level]>,
}

/// Answer of `/api/events`.
#[derive(Debug, Serialize)]
pub(crate) struct Newest<'a> {
    events: Vec<Event<'a>>,
    total: usize,
    limit: usize,
    offset: usize,
}

// === impl Event ===

impl<'a> Event<'a> {
    /// The answer about one event.
    pub(crate) fn of(event: &'a event::Event) -> Self {
        let micros = |age_us: u64| Number::seconds(i64::try_from(age_us).unwrap_or(i64::MAX));
        Self {
            id: event.id,
            kind: event.kind.word(),
            condition_id: &event.condition_id,
            token_id: &event.token_id,
            question: event.name.as_ref().map(|name| &*name.question),
            outcome: event.name.as_ref().map(|name| &*name.outcome),
            at: event.at,
            received_at: event.received_at,
            judged_at: event.judged_at,
            age_seconds: event.judged_at.map(|_| Number::seconds(event.received_at.micros_since(event.at))),
            origin: event.origin.map(contract::tick::Origin::word),
            side: event.side.map(contract::tick::Side::word),
            price_before: event.price_before,
            price: event.price,
            direction: direction(event),
            size: event.size,
            size_source: event.size_source,
            verdict: event.verdict.word(),
            reasons: &event.reasons,
            best_bid: event.best_bid,
            best_ask: event.best_ask,
            quote_age_seconds: event.quote_age_us.map(micros),
            deviation: event.deviation,
            confirmed: event.confirmed,
            transaction_hash: event.transaction_hash.as_ref(),
            tick_size_before: event.tick_size_before,
            tick_size: event.tick_size,
            bids: event.levels.as_deref().map(|levels| levels.bids.as_slice()),
            asks: event.levels.as_deref().map(|levels| levels.asks.as_slice()),
        }
    }

    /// The answers about several events.
    pub(crate) fn all(events: &'a [Arc<event::Event>]) -> Vec<Self> {
        events.iter().map(|event| Self::of(event)).collect()
    }
}

fn direction(event: &event::Event) -> Option<&'static str> {
    let (before, price) = event.price_before.zip(event.price)?;
    Some(match price.cmp(&before) {
        Ordering::Greater => "up",
        Ordering::Less => "down",
        Ordering::Equal => "same",
    })
}

// === impl Newest ===

impl<'a> Newest<'a> {
    /// A page of events.
    pub(crate) fn of(page: &'a EventPage, limit: usize, offset: usize) -> Self {
        Self { events: Event::all(&page.events), total: page.total, limit, offset }
    }
}

#[cfg(test)]
mod tests {
    use contract::verdict::Verdict;

    use super::*;
    use crate::state::testing::{book, judged_trade, price_change};
    use crate::view::json;

    #[test]
    fn a_trade_tells_money_as_text_and_times_to_the_microsecond() {
        let event = event::Event::of(judged_trade(1, Verdict::Flagged));
        let text = json(&Event::of(&event));
        for member in [
            r#""price":"0.55""#,
            r#""price_before":"0.5","price":"0.55","direction":"up""#,
            r#""size":"10.5""#,
            r#""verdict":"flagged","reasons":["G5"]"#,
            r#""at":"2027-01-15T08:00:00.000000Z""#,
            r#""age_seconds":1.5"#,
            r#""question":null"#,
            r#""quote_age_seconds":0.000012"#,
        ] {
            assert!(text.contains(member), "{member} in {text}");
        }
    }

    #[test]
    fn a_book_tells_its_levels_as_text() {
        let event = event::Event::of(book(1, 0));
        let text = json(&Event::of(&event));
        assert!(text.ends_with(r#""bids":[["0.4","5"]],"asks":[["0.6","5"]]}"#), "{text}");
    }

    #[test]
    fn what_a_price_change_does_not_have_is_null() {
        let event = event::Event::of(price_change(1));
        let text = json(&Event::of(&event));
        for member in [
            r#""judged_at":null"#,
            r#""age_seconds":null"#,
            r#""size":"0""#,
            r#""best_bid":null"#,
            r#""bids":null,"asks":null"#,
        ] {
            assert!(text.contains(member), "{member} in {text}");
        }
    }
}
