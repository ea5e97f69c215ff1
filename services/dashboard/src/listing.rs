//! The table of all followed tokens, sorted and filtered: made once a second for everybody who asks.
//!
//! Knows: orders, searches, counts. Never: how a token stands; that is told to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::money::Price;
use contract::time::Timestamp;
use rust_decimal::Decimal;

use crate::state::tokens::{Row, Snapshot, Standing};

/// How old the table may be.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Questions whose answers are kept for that time.
const ANSWERS_MAX: usize = 64;

/// The table; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    table: Option<Arc<Table>>,
    answers: HashMap<Question, Arc<[usize]>>,
    /// Place of each slot in the order of questions and outcomes, and the names it is of.
    ranks: Arc<Vec<u32>>,
    names: Option<u64>,
}

/// All tokens at one moment.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) snapshot: Snapshot,
    /// How many there are of each standing.
    pub(crate) counts: BTreeMap<Standing, usize>,
    ranks: Arc<Vec<u32>>,
}

/// What is asked of the table.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Question {
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    /// All of these words are in its question, outcome or slug, or it is the start of its id; in small letters.
    pub(crate) text: String,
    /// Only these; all without any.
    pub(crate) standings: Vec<Standing>,
}

/// By what tokens are sorted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Sort {
    Volume,
    Question,
    Outcome,
    Bid,
    Ask,
    Last,
    Ticks,
    Age,
    Standing,
}

/// The rows that were asked for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) table: Arc<Table>,
    /// Places in the table, sorted.
    pub(crate) places: Arc<[usize]>,
}

// === impl Listing ===

impl Listing {
    /// The answer to a question, at most a second old. `snapshot` gives the tokens as they stand.
    pub(crate) fn answer(
        &self,
        question: &Question,
        now: Timestamp,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> Answer {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.table.clone().filter(|table| {
            let age = now.micros_since(table.snapshot.at);
            (0..i64::try_from(AGE_MAX.as_micros()).unwrap_or(i64::MAX)).contains(&age)
        });
        let table = fresh.unwrap_or_else(|| kept.renew(snapshot()));
        if let Some(places) = kept.answers.get(question) {
            return Answer { table, places: places.clone() };
        }
        let places: Arc<[usize]> = table.places(question).into();
        if kept.answers.len() < ANSWERS_MAX {
            kept.answers.insert(question.clone(), places.clone());
        }
        Answer { table, places }
    }
}

// === impl Kept ===

impl Kept {
    fn renew(&mut self, snapshot: Snapshot) -> Arc<Table> {
        if self.names != Some(snapshot.names) {
            self.ranks = Arc::new(ranks(&snapshot.rows));
            self.names = Some(snapshot.names);
        }
        let mut counts: BTreeMap<Standing, usize> =
            Standing::ALL.into_iter().map(|standing| (standing, 0)).collect();
        for row in &snapshot.rows {
            *counts.entry(row.standing).or_default() += 1;
        }
        let table = Arc::new(Table { snapshot, counts, ranks: self.ranks.clone() });
        self.answers.clear();
        self.table = Some(table.clone());
        table
    }
}

/// Place of each slot in the order of questions and outcomes; what has no name comes last.
fn ranks(rows: &[Row]) -> Vec<u32> {
    let key = |row: &Row| row.label.as_ref().map(|label| label.text.clone());
    let mut named: Vec<(Option<Arc<str>>, usize)> = rows.iter().map(|row| (key(row), row.slot)).collect();
    named.sort_unstable_by(|(left, one), (right, other)| {
        (left.is_none(), left, one).cmp(&(right.is_none(), right, other))
    });
    let slots = rows.iter().map(|row| row.slot + 1).max().unwrap_or(0);
    let mut ranks = vec![u32::MAX; slots];
    for (rank, (_, slot)) in named.into_iter().enumerate() {
        ranks[slot] = u32::try_from(rank).unwrap_or(u32::MAX);
    }
    ranks
}

// === impl Table ===

impl Table {
    fn places(&self, question: &Question) -> Vec<usize> {
        let rows = &self.snapshot.rows;
        let words: Vec<&str> = question.text.split_whitespace().collect();
        let passing = (0..rows.len()).filter(|&place| question.lets_pass(&rows[place], &words));
        if question.sort == Sort::Outcome {
            let mut places: Vec<usize> = passing.collect();
            let key = |place: &usize| {
                let row = &rows[*place];
                let outcome = row.label.as_ref().map(|label| label.outcome.clone());
                (outcome, self.rank(row))
            };
            places.sort_by_cached_key(key);
            if question.descending {
                places.reverse();
            }
            return places;
        }
        // What is unknown comes last, whichever way round.
        let mut keyed: Vec<(bool, i64, u32, usize)> = passing
            .map(|place| {
                let row = &rows[place];
                let key = question.sort.key(row, self.rank(row));
                let signed = key.unwrap_or(0);
                (key.is_none(), if question.descending { -signed } else { signed }, self.rank(row), place)
            })
            .collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, _, _, place)| place).collect()
    }

    fn rank(&self, row: &Row) -> u32 {
        self.ranks.get(row.slot).copied().unwrap_or(u32::MAX)
    }
}

// === impl Question ===

impl Question {
    fn lets_pass(&self, row: &Row, words: &[&str]) -> bool {
        let is_standing = self.standings.is_empty() || self.standings.contains(&row.standing);
        is_standing
            && words.iter().all(|word| {
                row.label.as_ref().is_some_and(|label| label.text.contains(word))
                    || row.token_id.as_str().starts_with(word)
                    || row.condition_id.as_str().starts_with(word)
            })
    }
}

// === impl Sort ===

impl Sort {
    /// The words, as an answer to a wrong one.
    pub(crate) const WORDS: &str = "volume_24h, question, outcome, bid, ask, last, ticks_per_s, age, state";

    /// The sort with this word, if there is one.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "volume_24h" => Self::Volume,
            "question" => Self::Question,
            "outcome" => Self::Outcome,
            "bid" => Self::Bid,
            "ask" => Self::Ask,
            "last" => Self::Last,
            "ticks_per_s" => Self::Ticks,
            "age" => Self::Age,
            "state" => Self::Standing,
            _ => return None,
        })
    }

    /// Which way round it is useful at first: names from A, the worst state first, else the largest.
    pub(crate) fn is_descending_at_first(self) -> bool {
        !matches!(self, Self::Question | Self::Outcome | Self::Standing)
    }

    fn key(self, row: &Row, rank: u32) -> Option<i64> {
        let price = |price: Option<Price>| price.and_then(|price| scaled(price.decimal()));
        match self {
            Self::Volume => row.about.as_ref().and_then(|about| about.volume_24h).and_then(scaled),
            Self::Question | Self::Outcome => row.label.is_some().then(|| i64::from(rank)),
            Self::Bid => price(row.bid),
            Self::Ask => price(row.ask),
            Self::Last => price(row.last),
            Self::Ticks => Some(i64::from(row.ticks)),
            Self::Age => row.last_tick_at.map(|at| -at.micros()),
            Self::Standing => Some(row.standing as i64),
        }
    }
}

/// Millionths: enough to sort by.
fn scaled(number: Decimal) -> Option<i64> {
    let mut millionths = number;
    millionths.rescale(6);
    i64::try_from(millionths.mantissa()).ok()
}

#[cfg(test)]
mod tests;
