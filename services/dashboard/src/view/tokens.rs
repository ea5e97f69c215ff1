//! Answers of `/api/tokens` and `/api/tokens/{token_id}`.
//!
//! Knows: their members. Never: which tokens are meant.

use std::collections::BTreeMap;

use contract::gap;
use contract::ids::{ConditionId, TokenId};
use contract::money::Price;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Number;
use super::history::Gap;
use crate::state::tokens::Row;
use crate::token_table::TablePage;

/// One token.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "members of the answer")]
pub(crate) struct Token<'a> {
    token_id: &'a TokenId,
    condition_id: &'a ConditionId,
    question: Option<&'a str>,
    outcome: Option<&'a str>,
    bid: Option<Price>,
    ask: Option<Price>,
    last: Option<Price>,
    volume_24h: Option<Decimal>,
    /// Mean of the last ten whole seconds.
    ticks_per_s: Number,
    last_tick_at: Option<Timestamp>,
    age_s: Option<Number>,
    state: &'static str,
}

/// A part of the table.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "members of the answer")]
pub(crate) struct Tokens<'a> {
    at: Timestamp,
    /// Tokens followed.
    total: usize,
    /// Those of them that pass the filters.
    matched: usize,
    offset: usize,
    limit: usize,
    counts: BTreeMap<&'static str, usize>,
    tokens: Vec<Token<'a>>,
}

/// One token with its market.
#[derive(Debug, Serialize)]
pub(crate) struct Detail<'a> {
    #[serde(flatten)]
    token: Token<'a>,
    at: Timestamp,
    slug: Option<&'a str>,
    end_at: Option<Timestamp>,
    neg_risk: Option<bool>,
    tick_size: Option<Decimal>,
    /// When its market was resolved, and the outcome that won.
    resolved_at: Option<Timestamp>,
    winning_outcome: Option<&'a str>,
    /// Gaps of its market that are open now, newest first.
    gaps: Vec<Gap>,
}

// === impl Token ===

impl<'a> Token<'a> {
    /// A token as it stands at `at`.
    pub(crate) fn of(row: &'a Row, at: Timestamp) -> Self {
        Self {
            token_id: &row.token_id,
            condition_id: &row.condition_id,
            question: row.about.as_ref().map(|about| &*about.question),
            outcome: row.label.as_ref().map(|label| &*label.outcome),
            bid: row.bid,
            ask: row.ask,
            last: row.last,
            volume_24h: row.about.as_ref().and_then(|about| about.volume_24h),
            ticks_per_s: Number(Decimal::new(row.ticks.into(), 1)),
            last_tick_at: row.last_tick_at,
            age_s: row.last_tick_at.map(|tick_at| Number::span(at.since(tick_at))),
            state: row.standing.word(),
        }
    }
}

// === impl Tokens ===

impl<'a> Tokens<'a> {
    /// `limit` rows behind the first `offset`.
    pub(crate) fn of(answer: &'a TablePage, limit: usize, offset: usize) -> Self {
        let (table, places) = (&answer.table, &answer.places);
        let (snapshot, counts) = (&table.snapshot, &table.counts);
        let rows = places.iter().skip(offset).take(limit).map(|&place| &snapshot.rows[place]);
        Self {
            at: snapshot.at,
            total: snapshot.rows.len(),
            matched: places.len(),
            offset,
            limit,
            counts: counts.iter().map(|(standing, count)| (standing.word(), *count)).collect(),
            tokens: rows.map(|row| Token::of(row, snapshot.at)).collect(),
        }
    }
}

// === impl Detail ===

impl<'a> Detail<'a> {
    /// A token with the open gaps of its market.
    pub(crate) fn of(row: &'a Row, gaps: &[gap::Gap], at: Timestamp) -> Self {
        let about = row.about.as_ref();
        let question = about.map(|about| &*about.question);
        let resolution = about.and_then(|about| about.resolution.as_ref());
        Self {
            token: Token::of(row, at),
            at,
            slug: about.map(|about| about.slug.as_str()),
            end_at: about.and_then(|about| about.end_at),
            neg_risk: about.map(|about| about.neg_risk),
            tick_size: about.and_then(|about| about.tick_size),
            resolved_at: resolution.and_then(|ended| ended.resolved_at),
            winning_outcome: resolution.and_then(|ended| ended.winning_outcome.as_deref()),
            gaps: gaps.iter().map(|gap| Gap::of_bus(gap, question)).collect(),
        }
    }
}
