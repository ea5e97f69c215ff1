//! The table of all followed tokens, sorted and filtered: made at most once a second, for everybody who asks.
//!
//! Knows: orders, searches, counts. Never: how a token stands; that is told to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::money::Price;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

use crate::state::tokens::{Row, Snapshot, TokenStatus};

/// From this age on the table is made anew, aside, while it still answers.
const RENEW_AFTER: Duration = Duration::from_secs(1);
/// From this age on nobody is answered from it: a question waits for the new one.
const AGE_MAX: Duration = Duration::from_secs(2);
/// Questions whose answers are kept for that time.
const ANSWERS_MAX: usize = 64;
/// Questions whose answers the next table has ready, those that were asked most: pages that stay open ask the same.
const READY_MAX: usize = 16;

/// The table; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenTable {
    table: Arc<Mutex<Option<Arc<Table>>>>,
    /// Held by whoever makes the next one.
    making: Arc<tokio::sync::Mutex<()>>,
}

/// All tokens at one moment.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) snapshot: Snapshot,
    /// How many there are of each standing.
    pub(crate) counts: BTreeMap<TokenStatus, usize>,
    /// Place of each slot in the order of questions and outcomes.
    ranks: Arc<Vec<u32>>,
    answers: Mutex<HashMap<TableQuery, Kept>>,
}

/// An answer that may be asked for again.
#[derive(Debug)]
struct Kept {
    places: Arc<[usize]>,
    /// How often it was asked of this table.
    asked: u32,
}

/// What is asked of the table.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TableQuery {
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    /// All of these words are in its question, outcome or slug, or it is the start of its id; in small letters.
    pub(crate) text: String,
    /// Only these; all without any.
    pub(crate) standings: Vec<TokenStatus>,
}

/// By what tokens are sorted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Sort {
    Volume,
    TableQuery,
    Outcome,
    Bid,
    Ask,
    Last,
    Ticks,
    Age,
    TokenStatus,
}

/// The rows that were asked for.
#[derive(Debug)]
pub(crate) struct TablePage {
    pub(crate) table: Arc<Table>,
    /// Places in the table, sorted.
    pub(crate) places: Arc<[usize]>,
}

// === impl TokenTable ===

impl TokenTable {
    /// The answer to a question, less than two seconds old; none when the process ends. `snapshot` gives the tokens
    /// as they stand. Whoever asks of a table that is a second old has the next one made, and does not wait for it.
    pub(crate) async fn answer(
        &self,
        question: &TableQuery,
        now: Timestamp,
        snapshot: impl FnOnce() -> Snapshot + Send + 'static,
    ) -> Option<TablePage> {
        if let Some(table) = self.younger_than(AGE_MAX, now) {
            let is_due = !table.is_within(RENEW_AFTER, now);
            let answer = TablePage::of(table, question);
            if is_due && let Ok(turn) = self.making.clone().try_lock_owned() {
                drop(self.make(turn, snapshot));
            }
            return Some(answer);
        }
        let turn = self.making.clone().lock_owned().await;
        let table = match self.younger_than(RENEW_AFTER, now) {
            // Whoever had the turn before made it.
            Some(table) => table,
            None => self.make(turn, snapshot).await.ok()?,
        };
        Some(TablePage::of(table, question))
    }

    /// Makes the next table, where nobody waits but for it.
    fn make(
        &self,
        turn: OwnedMutexGuard<()>,
        snapshot: impl FnOnce() -> Snapshot + Send + 'static,
    ) -> tokio::task::JoinHandle<Arc<Table>> {
        let listing = self.clone();
        spawn_blocking(move || {
            let before = listing.table().clone();
            let next = Arc::new(Table::of(snapshot(), before.as_deref()));
            *listing.table() = Some(next.clone());
            drop(turn);
            next
        })
    }

    fn younger_than(&self, age: Duration, now: Timestamp) -> Option<Arc<Table>> {
        self.table().clone().filter(|table| table.is_within(age, now))
    }

    fn table(&self) -> MutexGuard<'_, Option<Arc<Table>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl TablePage ===

impl TablePage {
    fn of(table: Arc<Table>, question: &TableQuery) -> Self {
        let places = table.answer(question);
        Self { table, places }
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
    /// The table of a moment, which has the answers ready that were asked of the one before.
    fn of(snapshot: Snapshot, before: Option<&Self>) -> Self {
        let mut counts: BTreeMap<TokenStatus, usize> =
            TokenStatus::ALL.into_iter().map(|standing| (standing, 0)).collect();
        for row in &snapshot.rows {
            *counts.entry(row.standing).or_default() += 1;
        }
        let known = before.filter(|before| before.snapshot.names == snapshot.names);
        let ranks = known.map_or_else(|| Arc::new(ranks(&snapshot.rows)), |before| before.ranks.clone());
        let table = Self { snapshot, counts, ranks, answers: Mutex::default() };
        for question in before.map(Self::asked).unwrap_or_default() {
            let places = table.places(&question).into();
            table.answers().insert(question, Kept { places, asked: 0 });
        }
        table
    }

    /// Whether it is younger than `age`. One of a little later than `now` was made meanwhile; one of much later was
    /// made before the clock was set back.
    fn is_within(&self, age: Duration, now: Timestamp) -> bool {
        Duration::from_micros(now.micros_since(self.snapshot.at).unsigned_abs()) < age
    }

    /// The answer to a question, kept for the next one who asks.
    fn answer(&self, question: &TableQuery) -> Arc<[usize]> {
        if let Some(kept) = self.answers().get_mut(question) {
            kept.asked = kept.asked.saturating_add(1);
            return kept.places.clone();
        }
        // Others go on meanwhile; who asks the same at the same time finds it twice, alike.
        let places: Arc<[usize]> = self.places(question).into();
        let mut answers = self.answers();
        if answers.len() < ANSWERS_MAX {
            answers.insert(question.clone(), Kept { places: places.clone(), asked: 1 });
        }
        places
    }

    /// The questions that were asked of it most.
    fn asked(&self) -> Vec<TableQuery> {
        let answers = self.answers();
        let mut asked: Vec<(u32, &TableQuery)> = answers
            .iter()
            .filter(|(_, kept)| kept.asked > 0)
            .map(|(question, kept)| (kept.asked, question))
            .collect();
        asked.sort_by_key(|(times, _)| std::cmp::Reverse(*times));
        asked.into_iter().take(READY_MAX).map(|(_, question)| question.clone()).collect()
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<TableQuery, Kept>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self, question: &TableQuery) -> Vec<usize> {
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

// === impl TableQuery ===

impl TableQuery {
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
            "question" => Self::TableQuery,
            "outcome" => Self::Outcome,
            "bid" => Self::Bid,
            "ask" => Self::Ask,
            "last" => Self::Last,
            "ticks_per_s" => Self::Ticks,
            "age" => Self::Age,
            "state" => Self::TokenStatus,
            _ => return None,
        })
    }

    /// Which way round it is useful at first: names from A, the worst state first, else the largest.
    pub(crate) fn is_descending_at_first(self) -> bool {
        !matches!(self, Self::TableQuery | Self::Outcome | Self::TokenStatus)
    }

    fn key(self, row: &Row, rank: u32) -> Option<i64> {
        let price = |price: Option<Price>| price.and_then(|price| scaled(price.decimal()));
        match self {
            Self::Volume => row.about.as_ref().and_then(|about| about.volume_24h).and_then(scaled),
            Self::TableQuery | Self::Outcome => row.label.is_some().then(|| i64::from(rank)),
            Self::Bid => price(row.bid),
            Self::Ask => price(row.ask),
            Self::Last => price(row.last),
            Self::Ticks => Some(i64::from(row.ticks)),
            Self::Age => row.last_tick_at.map(|at| -at.micros()),
            Self::TokenStatus => Some(row.standing as i64),
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
