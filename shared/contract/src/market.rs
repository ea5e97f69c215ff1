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
}
