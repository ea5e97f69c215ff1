//! One judged tick as the page needs it.
//!
//! Knows: all kinds of tick in one shape. Never: how it is spelled in an answer.

use std::sync::Arc;

use contract::ids::{ConditionId, TickId, TokenId, TransactionHash};
use contract::money::{Price, Size};
use contract::tick::{Kind, Level, Origin, Side, Tick};
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Reason, SizeSource, Verdict};
use rust_decimal::Decimal;

/// A message of `ticks.clean`, `ticks.flagged` or `ticks.refused`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged {
    /// A trade with its verdict.
    Trade(Box<JudgedTrade>),
    /// Any other tick; these are always clean.
    Other(Tick),
}

/// Question and outcome of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Name {
    /// The market's question.
    pub(crate) question: Arc<str>,
    /// The token's outcome.
    pub(crate) outcome: Arc<str>,
}

/// A judged tick. What its kind does not have is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: TickId,
    pub(crate) kind: Kind,
    pub(crate) condition_id: ConditionId,
    pub(crate) token_id: TokenId,
    /// Question and outcome; none while the market is not known.
    pub(crate) name: Option<Name>,
    /// Match or change by the venue's clock.
    pub(crate) at: Timestamp,
    pub(crate) received_at: Timestamp,
    /// Trades only.
    pub(crate) judged_at: Option<Timestamp>,
    pub(crate) origin: Option<Origin>,
    pub(crate) side: Option<Side>,
    /// The price of the trade before this one.
    pub(crate) price_before: Option<Price>,
    pub(crate) price: Option<Price>,
    /// Shares traded; for a price change, the total now resting at the level.
    pub(crate) size: Option<Size>,
    pub(crate) size_source: Option<SizeSource>,
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<Reason>,
    /// For a trade, of the prevailing quote; else as the tick states it.
    pub(crate) best_bid: Option<Price>,
    pub(crate) best_ask: Option<Price>,
    /// Age of the prevailing quote of a trade, in microseconds.
    pub(crate) quote_age_us: Option<u64>,
    pub(crate) deviation: Option<Decimal>,
    pub(crate) confirmed: Option<bool>,
    pub(crate) transaction_hash: Option<TransactionHash>,
    /// Whether the hash of a book was recomputed and agreed.
    pub(crate) hash_ok: Option<bool>,
    /// All levels of a book, best first.
    pub(crate) levels: Option<Arc<Levels>>,
    /// Price grid before and after; `tick_size` alone for a book that states it.
    pub(crate) tick_size_before: Option<Decimal>,
    pub(crate) tick_size: Option<Decimal>,
}

/// Both sides of a book.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Levels {
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
}

// === impl Event ===

impl Event {
    /// The event a judged tick is; its name is still to be found.
    pub(crate) fn of(judged: Judged) -> Self {
        match judged {
            Judged::Trade(trade) => Self::of_trade(*trade),
            Judged::Other(tick) => Self::of_tick(tick),
        }
    }

    fn of_trade(judged: JudgedTrade) -> Self {
        let trade = judged.trade;
        let mut event = Self::bare(trade.id, Kind::Trade, trade.condition_id, trade.token_id);
        event.at = trade.executed_at;
        event.received_at = trade.received_at;
        event.judged_at = Some(judged.judged_at);
        event.origin = Some(trade.origin);
        event.side = trade.side;
        event.price_before = trade.price_before;
        event.price = Some(trade.price);
        event.size = trade.size;
        event.size_source = judged.size_source;
        event.verdict = judged.verdict;
        event.reasons = judged.reasons;
        event.best_bid = trade.prevailing.and_then(|quote| quote.best_bid);
        event.best_ask = trade.prevailing.and_then(|quote| quote.best_ask);
        event.quote_age_us = trade.prevailing.map(|quote| quote.age_us);
        event.deviation = judged.deviation;
        event.confirmed = judged.confirmed;
        event.transaction_hash = trade.transaction_hash;
        event
    }

    fn of_tick(tick: Tick) -> Self {
        let mut event =
            Self::bare(tick.id(), tick.kind(), tick.condition_id().clone(), tick.token_id().clone());
        event.received_at = tick.received_at();
        match tick {
            Tick::Book(book) => {
                event.at = book.changed_at;
                event.best_bid = book.bids.first().map(|&Level(price, _)| price);
                event.best_ask = book.asks.first().map(|&Level(price, _)| price);
                event.hash_ok = book.hash_ok;
                event.tick_size = book.tick_size;
                event.levels = Some(Arc::new(Levels { bids: book.bids, asks: book.asks }));
            }
            Tick::Price(change) => {
                event.at = change.changed_at;
                event.side = Some(change.side);
                event.price = Some(change.price);
                event.size = Some(change.size);
                event.best_bid = change.best_bid;
                event.best_ask = change.best_ask;
            }
            Tick::Quote(quote) => {
                event.at = quote.changed_at;
                event.best_bid = quote.best_bid;
                event.best_ask = quote.best_ask;
            }
            Tick::TickSize(change) => {
                event.at = change.changed_at;
                event.tick_size_before = change.old_tick_size;
                event.tick_size = Some(change.new_tick_size);
            }
            // A trade that nobody judged does not stand on a judged subject; shown without a verdict's details.
            Tick::Trade(trade) => {
                event.at = trade.executed_at;
                event.side = trade.side;
                event.price = Some(trade.price);
                event.size = trade.size;
            }
        }
        event
    }

    fn bare(id: TickId, kind: Kind, condition_id: ConditionId, token_id: TokenId) -> Self {
        let unset = Timestamp::from_micros(0);
        Self {
            id,
            kind,
            condition_id,
            token_id,
            name: None,
            at: unset,
            received_at: unset,
            judged_at: None,
            origin: None,
            side: None,
            price_before: None,
            price: None,
            size: None,
            size_source: None,
            verdict: Verdict::Clean,
            reasons: Vec::new(),
            best_bid: None,
            best_ask: None,
            quote_age_us: None,
            deviation: None,
            confirmed: None,
            transaction_hash: None,
            hash_ok: None,
            levels: None,
            tick_size_before: None,
            tick_size: None,
        }
    }
}
