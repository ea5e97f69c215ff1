//! What the processor tells the feed of a book that the venue's own has overruled.
//!
//! Knows: the trade and the limit. Never: the book.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{ConditionId, TokenId};
use crate::money::Price;
use crate::time::Timestamp;

/// Our book spoke against a trade, and REST's book cleared it: ours may be wrong. Core NATS,
/// `control.overruled.<condition_id>`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Overruled {
    /// The market.
    pub condition_id: ConditionId,
    /// The token whose book is in doubt.
    pub token_id: TokenId,
    /// Price of the trade.
    pub price: Price,
    /// How far a book may be from it, in dollars a share.
    pub deviation_max: Decimal,
    /// When REST was heard.
    pub at: Timestamp,
}
