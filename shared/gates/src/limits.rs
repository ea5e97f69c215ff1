//! The limits of the gates.
//!
//! Knows: their defaults. Never: where a setting comes from.

use std::time::Duration;

use rust_decimal::Decimal;

/// The limits of the gates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// G1: oldest trade that passes. Default 300 s.
    pub trade_age_max: Duration,
    /// Furthest into the future that a trade may lie. Default 5 s.
    pub clock_skew_max: Duration,
    /// G3: largest difference in price to the trade whose size is taken, in USDC. Default 0.01.
    pub size_tolerance: Decimal,
    /// G3: largest difference in time to it. Default 60 s.
    pub size_age_max: Duration,
    /// G5: largest distance to the book that passes, in USDC. Default 0.10.
    pub price_deviation_max: Decimal,
    /// G5: a stamped quote is used only while younger than this. Default 60 s.
    pub quote_age_max: Duration,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            trade_age_max: Duration::from_mins(5),
            clock_skew_max: Duration::from_secs(5),
            size_tolerance: Decimal::new(1, 2),
            size_age_max: Duration::from_mins(1),
            price_deviation_max: Decimal::new(10, 2),
            quote_age_max: Duration::from_mins(1),
        }
    }
}
