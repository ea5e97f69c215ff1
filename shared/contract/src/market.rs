//! What is known of a market besides its ticks.
//!
//! Knows: question, outcomes, dates, volumes. Never: a price.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{ConditionId, TokenId};
use crate::time::Timestamp;

/// One outcome of a market and the token that pays for it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// The token.
    pub token_id: TokenId,
    /// The outcome's name, `Yes` for example; at most 200 characters, no control characters.
    pub outcome: String,
}

/// How a market ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resolution {
    /// When the venue said so; none while unknown.
    pub resolved_at: Option<Timestamp>,
    /// The token that pays; none while unknown, and where more than one pays.
    pub winning_token_id: Option<TokenId>,
    /// Name of its outcome.
    pub winning_outcome: Option<String>,
    /// Who told.
    pub source: ResolutionSource,
}

/// Where a resolution is known from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionSource {
    /// A frame of the sockets.
    MarketResolved,
    /// The Data API, asked when the catalogue called the market closed.
    Resolutions,
}

/// A market as the venue's catalogue describes it. Unknown members are none, never zero.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Market {
    /// The market.
    pub condition_id: ConditionId,
    /// Its name in addresses; at most 500 characters.
    pub slug: String,
    /// Its question; at most 1,000 characters, no control characters.
    pub question: String,
    /// When it is to end.
    pub end_at: Option<Timestamp>,
    /// Open for trading.
    pub active: bool,
    /// Resolved or withdrawn.
    pub closed: bool,
    /// Part of a group of which one outcome wins.
    pub neg_risk: bool,
    /// Price grid.
    pub tick_size: Option<Decimal>,
    /// Smallest order, in shares; an input of the book hash.
    pub order_size_min: Option<Decimal>,
    /// Volume of the last 24 hours, in USDC.
    pub volume_24h: Option<Decimal>,
    /// Its outcomes, in the venue's order.
    pub tokens: Vec<Outcome>,
    /// When the feed learned this.
    pub updated_at: Timestamp,
    /// Name of its event in addresses; at most 500 characters.
    #[serde(default)]
    pub event_slug: Option<String>,
    /// Name of the series that its event belongs to; at most 500 characters.
    #[serde(default)]
    pub series_slug: Option<String>,
    /// Its labels; at most 50 of 100 characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How it ended; none while open, and while unknown.
    #[serde(default)]
    pub resolution: Option<Resolution>,
}

impl Market {
    /// A market of which nothing is known but its id.
    pub const fn unknown(condition_id: ConditionId, updated_at: Timestamp) -> Self {
        Self {
            condition_id,
            slug: String::new(),
            question: String::new(),
            end_at: None,
            active: false,
            closed: false,
            neg_risk: false,
            tick_size: None,
            order_size_min: None,
            volume_24h: None,
            tokens: Vec::new(),
            updated_at,
            event_slug: None,
            series_slug: None,
            tags: Vec::new(),
            resolution: None,
        }
    }
}

impl ResolutionSource {
    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MarketResolved => "market_resolved",
            Self::Resolutions => "resolutions",
        }
    }
}
