//! Answer of `/api/coverage`: of each market and hour, how much of it lies outside of gaps.
//!
//! Knows: spans of time. Never: why a gap opened.

use std::collections::HashMap;

use contract::gap::{Cause, State};
use contract::ids::ConditionId;
use contract::time::Timestamp;
use serde::Serialize;
use store::row::Gap;

use super::Number;

/// Microseconds of an hour.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// The grid.
#[derive(Debug, Serialize)]
pub(crate) struct Grid<'a> {
    from: Timestamp,
    to: Timestamp,
    /// From here on it is not known yet: what was received may still be on its way.
    pending_from: Timestamp,
    /// When each hour began.
    hours: Vec<Timestamp>,
    /// Markets, wherever they stand.
    total: u64,
    markets: Vec<Market<'a>>,
}

#[derive(Debug, Serialize)]
struct Market<'a> {
    condition_id: &'a ConditionId,
    question: &'a str,
    /// Of each hour the part with ticks; null where the market was not known or not followed, or nothing is known.
    cells: Vec<Option<Number>>,
    /// The same for trades, which were fetched afterwards in gaps that are healed.
    cells_trades: Vec<Option<Number>>,
}

/// From, until; in microseconds.
type Span = (i64, i64);

/// What is to be taken off the hours of a market.
#[derive(Debug, Default)]
struct Losses {
    /// Not followed: not known, rather than lost.
    away: Vec<Span>,
    ticks: Vec<Span>,
    trades: Vec<Span>,
}

// === impl Grid ===

impl<'a> Grid<'a> {
    /// The grid of `hours` hours from `from` on; nothing is known of what came after `known_until`.
    pub(crate) fn of(
        coverage: &'a store::Coverage,
        (from, to): (Timestamp, Timestamp),
        known_until: Timestamp,
        hours: usize,
    ) -> Self {
        let mut losses: HashMap<&ConditionId, Losses> = HashMap::new();
        for gap in &coverage.gaps {
            losses.entry(&gap.condition_id).or_default().take(gap, to);
        }
        losses.values_mut().for_each(Losses::merge);
        let starts: Vec<i64> = (0_i64..).map(|hour| from.micros() + hour * HOUR_US).take(hours).collect();
        let nothing = Losses::default();
        let markets = coverage.markets.iter().map(|market| {
            let losses = losses.get(&market.condition_id).unwrap_or(&nothing);
            let since = market.first_seen_at.map_or(i64::MIN, Timestamp::micros);
            let hour = |start: &i64| ((*start).max(since), (start + HOUR_US).min(known_until.micros()));
            let cells =
                |lost: &[Span]| starts.iter().map(|start| share(hour(start), &losses.away, lost)).collect();
            Market {
                condition_id: &market.condition_id,
                question: &market.question,
                cells: cells(&losses.ticks),
                cells_trades: cells(&losses.trades),
            }
        });
        let markets = markets.collect();
        let hours = starts.into_iter().map(Timestamp::from_micros).collect();
        Self { from, to, pending_from: known_until, hours, total: coverage.total, markets }
    }
}

// === impl Losses ===

impl Losses {
    fn take(&mut self, gap: &Gap, to: Timestamp) {
        let until = gap.healed_at.map_or(to, Timestamp::from);
        let span = (Timestamp::from(gap.opened_at).micros(), until.micros());
        if gap.cause == Cause::NotFollowed.word() {
            self.away.push(span);
            return;
        }
        self.ticks.push(span);
        if gap.state != State::Healed.word() {
            self.trades.push(span);
        }
    }

    fn merge(&mut self) {
        for spans in [&mut self.away, &mut self.ticks, &mut self.trades] {
            *spans = merged(std::mem::take(spans));
        }
    }
}

/// The same time, no moment twice.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

/// The part of a span that is outside of `lost`, without what is `away`; none where nothing is left.
fn share(span: Span, away: &[Span], lost: &[Span]) -> Option<Number> {
    let known = without(span, away);
    let length = |spans: &[Span]| spans.iter().map(|(from, until)| until - from).sum::<i64>();
    let kept: i64 = known.iter().map(|part| length(&without(*part, lost))).sum();
    Number::share(u64::try_from(kept).ok()?, u64::try_from(length(&known)).ok()?)
}

/// The parts of a span that no other covers; these are sorted and do not touch.
fn without(span: Span, others: &[Span]) -> Vec<Span> {
    let (mut from, until) = span;
    let mut parts = Vec::new();
    for &(begins, ends) in others {
        if begins >= until {
            break;
        }
        if begins > from {
            parts.push((from, begins));
        }
        from = from.max(ends);
    }
    if from < until {
        parts.push((from, until));
    }
    parts
}

#[cfg(test)]
mod tests {
    use contract::gap;
    use serde_json::{Value, json};
    use store::CoveredMarket;

    use super::*;
    use crate::state::testing::condition;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros(500_000 * HOUR_US + minutes * 60_000_000)
    }

    fn gap(cause: Cause, opened: i64, healed: Option<i64>) -> Gap {
        let opened = gap::Gap::opened(condition(1), "0/1", cause, at(opened), at(opened));
        let state = if healed.is_some() { State::Healed } else { State::Open };
        gap::Gap { healed_at: healed.map(at), state, ..opened }.try_into().unwrap()
    }

    /// Three hours, of which the last has run for half an hour.
    fn cells(gaps: Vec<Gap>, seen: Option<i64>, known: i64) -> (Value, Value) {
        let market = CoveredMarket {
            condition_id: condition(1),
            question: "Question 1?".to_owned(),
            first_seen_at: seen.map(at),
        };
        let coverage = store::Coverage { total: 1, markets: vec![market], gaps };
        let grid = Grid::of(&coverage, (at(0), at(150)), at(known), 3);
        let shown = serde_json::to_value(&grid).unwrap();
        assert_eq!(shown["hours"].as_array().unwrap().len(), 3);
        (shown["markets"][0]["cells"].clone(), shown["markets"][0]["cells_trades"].clone())
    }

    #[test]
    fn without_gaps_all_is_there_and_what_is_not_known_is_null() {
        assert_eq!(cells(vec![], None, 150).0, json!([1, 1, 1]));
        assert_eq!(cells(vec![], Some(90), 150).0, json!([null, 1, 1]));
        assert_eq!(cells(vec![], None, 60).0, json!([1, null, null]), "no feed was heard of since");
    }

    #[test]
    fn gaps_that_overlap_count_once_and_healed_ones_lack_no_trades() {
        let gaps = vec![
            gap(Cause::Silence, 30, Some(60)),
            gap(Cause::SocketClosed, 45, Some(75)),
            gap(Cause::Silence, 135, None),
        ];
        assert_eq!(cells(gaps, None, 150), (json!([0.5, 0.75, 0.5]), json!([1, 1, 0.5])));
    }

    #[test]
    fn an_hour_in_which_the_market_was_not_followed_is_not_known() {
        let gaps = vec![gap(Cause::NotFollowed, 0, Some(90)), gap(Cause::Silence, 75, Some(105))];
        assert_eq!(cells(gaps, None, 150).0, json!([null, 0.5, 1]));
    }
}
