//! Ticks: what the venue said, one fact each, in our words.
//!
//! Knows: the five kinds of tick and what their ids are made of. Never: how the venue spells them.

use std::fmt::{self, Write as _};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{BookHash, ConditionId, TickId, TokenId, TransactionHash};
use crate::money::{Price, Size};
use crate::time::Timestamp;

/// The kind of a tick; the word that stands in its subject.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole book of a token.
    Book,
    /// One changed level of a book.
    Price,
    /// A match.
    Trade,
    /// Best bid and ask as the venue states them.
    Quote,
    /// The price grid of a token changed.
    TickSize,
}

/// Which side of the book, or which side the taker was on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Bids; a taker who bought.
    Buy,
    /// Asks; a taker who sold.
    Sell,
}

/// How a trade reached us.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Over a socket, when it happened.
    Socket,
    /// From the Data API, after a gap; its time is a block time in whole seconds.
    Rest,
}

/// Best bid and ask of a token just before a trade, from the settled book, with their age.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Prevailing {
    /// Best bid; none when nobody bids.
    pub best_bid: Option<Price>,
    /// Best ask; none when nobody offers.
    pub best_ask: Option<Price>,
    /// Microseconds since a frame last confirmed this book, at the moment the trade was received.
    pub age_us: u64,
}

/// A match between a taker and resting orders.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Trade {
    /// Identity: content and ordinal.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The outcome token traded.
    pub token_id: TokenId,
    /// The taker's side; none where the venue did not tell it.
    pub side: Option<Side>,
    /// Price of one share.
    pub price: Price,
    /// Shares traded; none when the venue gave no usable size.
    pub size: Option<Size>,
    /// Socket or REST.
    pub origin: Origin,
    /// Match time by the venue's clock.
    pub executed_at: Timestamp,
    /// When the feed read it.
    pub received_at: Timestamp,
    /// Settling transaction, where the venue names one.
    pub transaction_hash: Option<TransactionHash>,
    /// Price of the trade before this one, where the feed has seen one.
    pub price_before: Option<Price>,
    /// The settled quote just before the match; none when the feed had no book.
    pub prevailing: Option<Prevailing>,
}

/// One price level after a change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PriceChange {
    /// Identity: content and ordinal.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The token whose book changed.
    pub token_id: TokenId,
    /// Bids or asks.
    pub side: Side,
    /// The level.
    pub price: Price,
    /// Total now resting at the level; zero removes it. Never a traded size.
    pub size: Size,
    /// The venue's best bid after the whole match group, where it states one.
    pub best_bid: Option<Price>,
    /// The venue's best ask after the whole match group, where it states one.
    pub best_ask: Option<Price>,
    /// The venue's hash of the whole book after the match group.
    pub hash: Option<BookHash>,
    /// Time of the change by the venue's clock.
    pub changed_at: Timestamp,
    /// When the feed read it.
    pub received_at: Timestamp,
}

/// Price and total size of one level.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Level(pub Price, pub Size);

/// The whole book of one token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Book {
    /// Identity: content; the same book told twice is one tick.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The token.
    pub token_id: TokenId,
    /// Bids, best (highest) first.
    pub bids: Vec<Level>,
    /// Asks, best (lowest) first.
    pub asks: Vec<Level>,
    /// The venue's hash of the book.
    pub hash: Option<BookHash>,
    /// Whether the hash was recomputed and agreed; none when it could not be checked.
    pub hash_ok: Option<bool>,
    /// Price grid, where stated.
    pub tick_size: Option<Decimal>,
    /// Last trade of the token, where stated.
    pub last_trade_price: Option<Price>,
    /// Last change of this book by the venue's clock: hours ago, on a quiet market.
    pub changed_at: Timestamp,
    /// When the feed read it.
    pub received_at: Timestamp,
}

/// Best bid and ask as the venue states them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Quote {
    /// Identity: content and ordinal.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The token.
    pub token_id: TokenId,
    /// Best bid; none when the side is empty.
    pub best_bid: Option<Price>,
    /// Best ask; none when the side is empty.
    pub best_ask: Option<Price>,
    /// Time of the change by the venue's clock.
    pub changed_at: Timestamp,
    /// When the feed read it.
    pub received_at: Timestamp,
}

/// The price grid of a token changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TickSizeChange {
    /// Identity: content and ordinal.
    pub id: TickId,
    /// The market.
    pub condition_id: ConditionId,
    /// The token.
    pub token_id: TokenId,
    /// Grid before, where stated.
    pub old_tick_size: Option<Decimal>,
    /// Grid from now on.
    pub new_tick_size: Decimal,
    /// Time of the change by the venue's clock.
    pub changed_at: Timestamp,
    /// When the feed read it.
    pub received_at: Timestamp,
}

/// Any tick.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tick {
    /// See [`Book`].
    Book(Book),
    /// See [`PriceChange`].
    Price(PriceChange),
    /// See [`Trade`].
    Trade(Box<Trade>),
    /// See [`Quote`].
    Quote(Quote),
    /// See [`TickSizeChange`].
    TickSize(TickSizeChange),
}

/// Runs the same expression on the payload of any tick.
macro_rules! each {
    ($tick:expr, $inner:ident => $body:expr) => {
        match $tick {
            Tick::Book($inner) => $body,
            Tick::Price($inner) => $body,
            Tick::Trade($inner) => $body,
            Tick::Quote($inner) => $body,
            Tick::TickSize($inner) => $body,
        }
    };
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Book, Self::Price, Self::Trade, Self::Quote, Self::TickSize];

    /// The word in subjects and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Price => "price",
            Self::Trade => "trade",
            Self::Quote => "quote",
            Self::TickSize => "tick_size",
        }
    }

    /// The kind with this word, if there is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl Side {
    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }
}

impl Origin {
    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Rest => "rest",
        }
    }
}

impl Tick {
    /// The kind of this tick.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Book(_) => Kind::Book,
            Self::Price(_) => Kind::Price,
            Self::Trade(_) => Kind::Trade,
            Self::Quote(_) => Kind::Quote,
            Self::TickSize(_) => Kind::TickSize,
        }
    }

    /// Its id.
    pub fn id(&self) -> TickId {
        each!(self, inner => inner.id)
    }

    /// Replaces its id.
    pub fn set_id(&mut self, id: TickId) {
        each!(self, inner => inner.id = id);
    }

    /// Its market.
    pub fn condition_id(&self) -> &ConditionId {
        each!(self, inner => &inner.condition_id)
    }

    /// Its token.
    pub fn token_id(&self) -> &TokenId {
        each!(self, inner => &inner.token_id)
    }

    /// When the feed read it.
    pub fn received_at(&self) -> Timestamp {
        each!(self, inner => inner.received_at)
    }
}

impl Trade {
    /// The id over what the venue said of this match; the ordinal is not in it.
    pub fn content_id(&self) -> TickId {
        TickId::of_content(&[
            "trade",
            self.condition_id.as_str(),
            self.token_id.as_str(),
            &self.executed_at.micros().to_string(),
            self.side.map_or("", Side::word),
            &self.price.to_string(),
            &shown(self.size.as_ref()),
            self.transaction_hash.as_ref().map_or("", TransactionHash::as_str),
        ])
    }
}

impl PriceChange {
    /// The id over what the venue said of this level; the ordinal is not in it.
    pub fn content_id(&self) -> TickId {
        TickId::of_content(&[
            "price",
            self.condition_id.as_str(),
            self.token_id.as_str(),
            &self.changed_at.micros().to_string(),
            self.side.word(),
            &self.price.to_string(),
            &self.size.to_string(),
            self.hash.as_ref().map_or("", BookHash::as_str),
        ])
    }
}

impl Book {
    /// The id over time and levels.
    ///
    /// Not in it: hash, last trade and tick size appear only in some copies of a book.
    ///
    /// # Panics
    /// Never: a string takes whatever is written to it.
    pub fn content_id(&self) -> TickId {
        let mut levels = String::with_capacity(16 * (self.bids.len() + self.asks.len()));
        for (side, list) in [("b", &self.bids), ("a", &self.asks)] {
            for Level(price, size) in list {
                write!(levels, "{side}{price}x{size};").expect("a string takes whatever is written to it");
            }
        }
        let changed_at = self.changed_at.micros().to_string();
        TickId::of_content(&[
            "book",
            self.condition_id.as_str(),
            self.token_id.as_str(),
            &changed_at,
            &levels,
        ])
    }
}

impl Quote {
    /// The id over what the venue said; the ordinal is not in it.
    pub fn content_id(&self) -> TickId {
        TickId::of_content(&[
            "quote",
            self.condition_id.as_str(),
            self.token_id.as_str(),
            &self.changed_at.micros().to_string(),
            &shown(self.best_bid.as_ref()),
            &shown(self.best_ask.as_ref()),
        ])
    }
}

impl TickSizeChange {
    /// The id over what the venue said; the ordinal is not in it.
    pub fn content_id(&self) -> TickId {
        TickId::of_content(&[
            "tick_size",
            self.condition_id.as_str(),
            self.token_id.as_str(),
            &self.changed_at.micros().to_string(),
            &shown(self.old_tick_size.as_ref()),
            &self.new_tick_size.to_string(),
        ])
    }
}

fn shown<T: fmt::Display>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
