//! Whether a scenario can be run.
//!
//! Knows: the range of each value. Never: a default.

use super::catalogue::{DEAD_MAX, UpDown, WINDOWS_MAX};
use super::{
    BURST_MAX, DUMP_LAG_MAX_MS, ELEMENTS_MAX, FaultMode, MARKETS_MAX, Proportions, RATE_MAX, RESERVED_MAX,
    SLOW_MAX_MS, Scenario, ScenarioError,
};

impl Scenario {
    /// The scenario itself if every value is in its range.
    ///
    /// # Errors
    /// Names all values that are not.
    pub fn checked(self) -> Result<Self, ScenarioError> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        must((1..=MARKETS_MAX).contains(&self.markets), format!("markets must be 1 to {MARKETS_MAX}"));
        must((1..=RATE_MAX).contains(&self.rate_per_s), format!("rate_per_s must be 1 to {RATE_MAX}"));
        must(self.reserved <= RESERVED_MAX, format!("reserved must be 0 to {RESERVED_MAX}"));
        must(self.dump_lag_ms <= DUMP_LAG_MAX_MS, format!("dump_lag_ms must be 0 to {DUMP_LAG_MAX_MS}"));
        must(self.sparse_books_percent <= 100, "sparse_books_percent must be 0 to 100".to_owned());
        must(self.duration_s != Some(0), "duration_s must be at least 1, or null".to_owned());
        let Proportions { best_bid_ask, trade, book } = self.proportions;
        must(
            best_bid_ask.saturating_add(trade).saturating_add(book) <= 500,
            "the proportions of best_bid_ask, trade and book must be 500 together at most".to_owned(),
        );
        for (at, injection) in self.injections.iter().enumerate() {
            let once = injection.every_s.is_some() != injection.count.is_some();
            must(once, format!("injection {at} needs either every_s or count"));
            must(injection.every_s != Some(0), format!("injection {at}: every_s must be at least 1"));
            let bounded = injection.count.is_none() || self.duration_s.is_some();
            must(bounded, format!("injection {at}: count needs a duration_s"));
            must(
                injection.trade.age_s[0] <= injection.trade.age_s[1],
                format!("injection {at}: age_s runs backwards"),
            );
            must(
                (0..=500).contains(&injection.pool_size()),
                format!("injection {at}: pool must be 0 to 500"),
            );
            must(
                (1..=BURST_MAX).contains(&injection.burst),
                format!("injection {at}: burst must be 1 to {BURST_MAX}"),
            );
            must(
                (1..=ELEMENTS_MAX).contains(&injection.elements),
                format!("injection {at}: elements must be 1 to {ELEMENTS_MAX}"),
            );
            let housed = injection.pool_size() > 0 || !injection.needs_market();
            must(housed, format!("injection {at}: pool must be at least 1"));
        }
        must(self.dead_markets <= DEAD_MAX, format!("dead_markets must be 0 to {DEAD_MAX}"));
        let known = self.updown.is_none_or(UpDown::is_known);
        must(
            known,
            format!("updown must have 1 to 8 assets, 300, 900 or 14400 s and 1 to {WINDOWS_MAX} windows"),
        );
        for (at, fault) in self.faults.iter().enumerate() {
            let bounded = !matches!(fault.mode, FaultMode::Slow(ms) if ms > SLOW_MAX_MS);
            must(bounded, format!("fault {at}: slow must be 0 to {SLOW_MAX_MS}"));
        }
        if faults.is_empty() { Ok(self) } else { Err(ScenarioError::OutOfRange { name: self.name, faults }) }
    }
}
