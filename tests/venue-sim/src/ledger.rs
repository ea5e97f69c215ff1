//! The ledger: everything that was sent, in order, and what must become of it.
//!
//! Knows: entries, their bound, which of them were written to a socket. Never: who reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::Hash;
use crate::expect::Expectation;
use crate::units::{Price, Side, Size};

/// Entries kept of a scenario without end: an hour of the demo, about 40 MB.
pub const ENDLESS_LIMIT: usize = 200_000;
/// Entries kept of a scenario that ends: more than the largest run a test makes.
pub const BOUNDED_LIMIT: usize = 5_000_000;

/// What was sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A `last_trade_price`.
    Trade,
    /// One entry of a `price_change`.
    Price,
    /// A `book`, opening or after a trade.
    Book,
    /// A `best_bid_ask`.
    Quote,
    /// A `tick_size_change`.
    TickSize,
    /// A `new_market` or `market_resolved`.
    Market,
    /// Something a reader must survive.
    Garbage,
}

/// On what occasion it was sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// As it happened.
    Live,
    /// An opening book, answering a subscription: to one socket.
    Opening,
    /// The same frame once more.
    Repeat,
}

/// One thing sent. Texts are as on the wire.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// Running number of the run, from 0.
    pub sequence: u64,
    /// What it was.
    pub kind: Kind,
    /// On what occasion.
    pub occasion: Occasion,
    /// Market; empty where a garbage frame names none.
    pub condition_id: String,
    /// Token; empty where the frame names none.
    pub token_id: String,
    /// Taker's side of a trade; side of a level.
    pub side: Option<Side>,
    /// Price of a trade or level.
    pub price: Option<String>,
    /// Size of a trade (absent, empty or odd ones as they were), or the total at a level.
    pub size: Option<String>,
    /// Best bid of a quote or after a price change.
    pub best_bid: Option<String>,
    /// Best ask of a quote or after a price change.
    pub best_ask: Option<String>,
    /// The frame's own timestamp, in ms since the epoch.
    pub timestamp_ms: u64,
    /// Of a trade.
    pub transaction_hash: Option<String>,
    /// Of the book: of a book or a price change.
    pub hash: Option<String>,
    /// This machine's clock when it was queued, in ms since the epoch.
    pub sent_at_ms: u64,
    /// It was written to at least one socket that subscribes the token.
    pub delivered: bool,
    /// It was delivered, but every such socket ended so soon after that it may not have been read.
    pub uncertain: bool,
    /// Of a trade: what must become of it. None where nothing is known (replay).
    pub expected: Option<Expectation>,
    /// Of a trade: how the Data API tells it once it has settled; none where it never will.
    pub at_rest: Option<Settled>,
    /// Of garbage: its form.
    pub note: Option<String>,
}

/// A trade as the Data API tells it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Settled {
    /// Its transaction, whether or not the frame names it.
    pub transaction_hash: String,
    /// Its true size, whether or not the frame tells it.
    pub size: String,
}

/// An entry while it is kept: small, since there may be millions.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) occasion: Occasion,
    pub(crate) condition_id: Arc<str>,
    pub(crate) token_id: Arc<str>,
    pub(crate) side: Option<Side>,
    pub(crate) price: Option<Price>,
    pub(crate) size: Option<Size>,
    pub(crate) best: Option<(Price, Price)>,
    pub(crate) timestamp_ms: u64,
    pub(crate) hash: Option<Hash>,
    pub(crate) sent_at_ms: u64,
    pub(crate) special: Option<Box<Special>>,
    pub(crate) deliveries: u8,
    pub(crate) doubts: u8,
}

/// What only trades and garbage have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Special {
    pub(crate) price: Option<String>,
    pub(crate) size: Option<String>,
    pub(crate) transaction_hash: Option<String>,
    pub(crate) expected: Option<Expectation>,
    pub(crate) at_rest: Option<Settled>,
    pub(crate) note: Option<&'static str>,
}

/// Which of some consecutive records a socket got. Only the first 64 can be left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) mask: u64,
}

/// The entries of a run, oldest dropped beyond the limit.
#[derive(Debug)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    first: u64,
    records: VecDeque<Record>,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), limit: limit.max(1) }
    }

    /// Writes records down and returns the number of the first.
    pub(crate) fn push(&self, records: impl Iterator<Item = Record>) -> u64 {
        let mut inner = self.lock();
        let first = inner.first + inner.records.len() as u64;
        inner.records.extend(records);
        while inner.records.len() > self.limit {
            inner.records.pop_front();
            inner.first += 1;
        }
        first
    }

    /// Notes that a socket's frames were written.
    pub(crate) fn mark_written(&self, batch: &[Marks]) {
        self.each(batch, |record| record.deliveries = record.deliveries.saturating_add(1));
    }

    /// Notes that written frames may not have been read.
    pub(crate) fn mark_doubtful(&self, batch: impl Iterator<Item = Marks>) {
        self.each(&batch.collect::<Vec<_>>(), |record| record.doubts = record.doubts.saturating_add(1));
    }

    /// The number of the next entry.
    pub(crate) fn next_sequence(&self) -> u64 {
        let inner = self.lock();
        inner.first + inner.records.len() as u64
    }

    /// At most `limit` entries that are kept and not before number `from`.
    pub(crate) fn entries(&self, from: u64, limit: usize) -> Vec<Entry> {
        let inner = self.lock();
        let skip = usize::try_from(from.saturating_sub(inner.first)).unwrap_or(usize::MAX);
        let kept = inner.records.iter().enumerate().skip(skip).take(limit);
        kept.map(|(at, record)| record.entry(inner.first + at as u64)).collect()
    }

    fn each(&self, batch: &[Marks], change: impl Fn(&mut Record)) {
        let mut inner = self.lock();
        let first = inner.first;
        for marks in batch {
            for offset in 0..marks.count {
                let left_out = offset < 64 && marks.mask & (1 << offset) == 0;
                // What was dropped beyond the limit has a smaller number than the first one kept.
                let Some(at) = (marks.first + u64::from(offset)).checked_sub(first) else { continue };
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                if let Some(record) = inner.records.get_mut(at).filter(|_| !left_out) {
                    change(record);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn entry(&self, sequence: u64) -> Entry {
        let special = self.special.as_deref().cloned().unwrap_or_default();
        Entry {
            sequence,
            kind: self.kind,
            occasion: self.occasion,
            condition_id: self.condition_id.to_string(),
            token_id: self.token_id.to_string(),
            side: self.side,
            price: special.price.or_else(|| self.price.map(|price| price.to_string())),
            size: special.size.or_else(|| self.size.map(|size| size.to_string())),
            best_bid: self.best.map(|(bid, _)| bid.to_string()),
            best_ask: self.best.map(|(_, ask)| ask.to_string()),
            timestamp_ms: self.timestamp_ms,
            transaction_hash: special.transaction_hash,
            hash: self.hash.map(Hash::text),
            sent_at_ms: self.sent_at_ms,
            delivered: self.deliveries > 0,
            uncertain: self.deliveries > 0 && self.doubts >= self.deliveries,
            expected: special.expected,
            at_rest: special.at_rest,
            note: special.note.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(timestamp_ms: u64) -> Record {
        Record {
            kind: Kind::Price,
            occasion: Occasion::Live,
            condition_id: Arc::from("0xc0"),
            token_id: Arc::from("11"),
            side: Some(Side::Buy),
            price: Some(Price::of(6_300)),
            size: Some(Size::ZERO),
            best: None,
            timestamp_ms,
            hash: None,
            sent_at_ms: timestamp_ms,
            special: None,
            deliveries: 0,
            doubts: 0,
        }
    }

    #[test]
    fn only_the_newest_entries_are_kept_and_numbers_go_on() {
        let ledger = Ledger::new(3);
        for moment in 0..5 {
            assert_eq!(ledger.push(std::iter::once(record(moment))), moment);
        }
        let kept: Vec<u64> = ledger.entries(0, 10).iter().map(|entry| entry.sequence).collect();
        assert_eq!(kept, [2, 3, 4]);
        assert_eq!(ledger.entries(4, 10).len(), 1);
        assert_eq!(ledger.next_sequence(), 5);
        ledger.mark_written(&[Marks { first: 0, count: 4, mask: u64::MAX }]);
        let delivered: Vec<bool> = ledger.entries(0, 10).iter().map(|entry| entry.delivered).collect();
        assert_eq!(delivered, [true, true, false]);
    }

    #[test]
    fn an_entry_is_uncertain_only_when_every_delivery_is() {
        let ledger = Ledger::new(10);
        ledger.push([record(1), record(2)].into_iter());
        let both = Marks { first: 0, count: 2, mask: 0b11 };
        let second = Marks { first: 0, count: 2, mask: 0b10 };
        ledger.mark_written(&[both]);
        ledger.mark_written(&[second]);
        ledger.mark_doubtful([both].into_iter());
        let states: Vec<_> =
            ledger.entries(0, 10).iter().map(|entry| (entry.delivered, entry.uncertain)).collect();
        assert_eq!(states, [(true, true), (true, false)]);
    }

    #[test]
    fn an_entry_survives_its_json() {
        let ledger = Ledger::new(10);
        ledger.push(std::iter::once(record(7)));
        let entry = ledger.entries(0, 1).remove(0);
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert_eq!((entry.price.as_deref(), entry.size.as_deref()), (Some("0.63"), Some("0")));
    }
}
