//! How many levels may be hashed, and by whose book.
//!
//! Knows: a bucket of levels and how often a book may be checked. Never: a clock; it is given the time.

use std::time::Duration;

use contract::time::Timestamp;

/// What the bucket holds: levels of so long. Also what it starts with, so that opening books are checked.
const BUCKET_US: i64 = 1_000_000;
/// The deepest debt: a suspect book is checked without asking, and its cost must not silence all others for long.
const DEBT_US: i64 = 10_000_000;
/// The shortest horizon that is not zero, and the shortest time between two changes of the horizon.
const HORIZON_STEP: Duration = Duration::from_millis(50);
/// The longest horizon: even then a busy book is checked every minute.
const HORIZON_MAX: Duration = Duration::from_mins(1);

/// How many levels may be hashed.
///
/// A bucket of levels that fills with the receive times it is given; one check may overdraw it by its book. A book
/// is checked at most once a horizon. The horizon doubles when the bucket is empty and halves when it is half
/// full: so a busy book does not crowd out quiet ones.
#[derive(Clone, Debug)]
pub struct Budget {
    /// None: unlimited.
    levels_per_s: Option<u32>,
    /// In millionths of a level, so that no fraction is lost; below zero in debt.
    left: i64,
    /// The newest time given.
    now: Option<Timestamp>,
    horizon: Duration,
    turned_at: Option<Timestamp>,
    hashed: u64,
    /// Where texts to be hashed are written, so that the space is used again.
    pub(crate) text: String,
}

impl Budget {
    /// Limits hashing to `levels_per_s`, with a burst of one second; at zero only suspect books are checked.
    pub fn new(levels_per_s: u32) -> Self {
        Self {
            levels_per_s: Some(levels_per_s),
            left: BUCKET_US * i64::from(levels_per_s),
            ..Self::unlimited()
        }
    }

    /// Every check is allowed.
    pub fn unlimited() -> Self {
        Self {
            levels_per_s: None,
            left: 0,
            now: None,
            horizon: Duration::ZERO,
            turned_at: None,
            hashed: 0,
            text: String::new(),
        }
    }

    /// The levels charged so far; a searched last trade price counts as one level for each that was tried.
    pub fn hashed(&self) -> u64 {
        self.hashed
    }

    /// How long a book now waits from one check to the next; zero when there is enough for all.
    pub fn horizon(&self) -> Duration {
        self.horizon
    }

    /// Whether a book of so many levels, last checked at `checked_at`, may be checked now; charges it if so.
    pub(crate) fn grants(&mut self, levels: usize, checked_at: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(levels_per_s) = self.levels_per_s else {
            self.charge(levels);
            return true;
        };
        let now = self.fill(levels_per_s, now);
        let quiet = self.turned_at.map_or(Duration::MAX, |at| now.since(at));
        if self.left >= i64::from(levels_per_s) * BUCKET_US / 2 && quiet >= HORIZON_STEP {
            self.turn(if self.horizon <= HORIZON_STEP { Duration::ZERO } else { self.horizon / 2 }, now);
        }
        if checked_at.is_some_and(|at| now.since(at) < self.horizon) {
            return false;
        }
        if self.left > 0 {
            self.charge(levels);
            return true;
        }
        // The horizon before must have had the time to act.
        if quiet >= self.horizon.max(HORIZON_STEP) {
            self.turn((self.horizon * 2).clamp(HORIZON_STEP, HORIZON_MAX), now);
        }
        false
    }

    /// Charges levels without asking.
    pub(crate) fn charge(&mut self, levels: usize) {
        self.hashed = self.hashed.saturating_add(u64::try_from(levels).unwrap_or(u64::MAX));
        if let Some(levels_per_s) = self.levels_per_s {
            let cost = i64::try_from(levels).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            self.left = self.left.saturating_sub(cost).max(-DEBT_US * i64::from(levels_per_s));
        }
    }

    fn fill(&mut self, levels_per_s: u32, now: Timestamp) -> Timestamp {
        let before = *self.now.get_or_insert(now);
        let passed_us = now.micros_since(before).clamp(0, BUCKET_US + DEBT_US);
        self.left =
            (self.left + passed_us * i64::from(levels_per_s)).min(BUCKET_US * i64::from(levels_per_s));
        let now = before.max(now);
        self.now = Some(now);
        now
    }

    fn turn(&mut self, horizon: Duration, now: Timestamp) {
        if horizon != self.horizon {
            self.horizon = horizon;
            self.turned_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_000_000);

    fn after_ms(ms: u64) -> Timestamp {
        BEGIN.plus(Duration::from_millis(ms))
    }

    #[test]
    fn the_bucket_holds_a_second_and_fills_with_the_times_it_is_given() {
        let mut budget = Budget::new(100);
        assert!(budget.grants(100, None, BEGIN));
        assert!(!budget.grants(1, None, BEGIN), "empty");
        assert!(budget.grants(1, None, after_ms(1)), "a tenth of a level is more than nothing");
        assert!(!budget.grants(1, None, after_ms(9)));
        assert!(!budget.grants(1, None, BEGIN), "time going back fills nothing");
        assert!(budget.grants(5_000, None, after_ms(11)), "a book may be larger than the bucket");
        assert!(!budget.grants(1, None, after_ms(9_000)), "and is paid for by those after it");
        assert!(budget.grants(1, None, after_ms(10_100)), "whose debt is at most ten seconds");
        assert_eq!(budget.hashed(), 5_102);
    }

    #[test]
    fn without_a_limit_everything_is_granted_and_at_zero_nothing() {
        let (mut unlimited, mut nothing) = (Budget::unlimited(), Budget::new(0));
        for ms in 0..100 {
            assert!(unlimited.grants(1_000_000, Some(after_ms(ms)), after_ms(ms)));
            assert!(!nothing.grants(1, None, after_ms(ms)));
        }
    }

    #[test]
    fn the_horizon_doubles_to_a_minute_when_short_and_halves_to_zero_when_half_full() {
        let mut budget = Budget::new(10);
        assert!(budget.grants(110, None, BEGIN));
        let mut seen = vec![budget.horizon()];
        for ms in (0..10_000_000).step_by(10) {
            budget.charge(1);
            assert!(!budget.grants(1, None, after_ms(ms)));
            seen.push(budget.horizon());
        }
        seen.dedup();
        let step = |n: u32| (HORIZON_STEP * n).min(HORIZON_MAX);
        let wanted: Vec<_> = std::iter::once(Duration::ZERO).chain((0..=11).map(|n| step(1 << n))).collect();
        assert_eq!(seen, wanted);
        let mut seen = vec![];
        for ms in (10_020_000..10_030_000).step_by(10) {
            let just_checked = Some(after_ms(ms));
            budget.grants(0, just_checked, after_ms(ms));
            seen.push(budget.horizon());
        }
        assert_eq!(budget.horizon(), Duration::ZERO);
        assert!(seen.windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn under_ten_times_the_load_each_of_fifty_quiet_tokens_is_checked_beside_one_a_hundred_times_as_busy() {
        const LEVELS: usize = 100;
        // 50 groups a second of the quiet tokens and 100 of the busy one, of which a tenth can be paid.
        let mut budget = Budget::new(1_500);
        let mut checked_at = [None; 51];
        let mut checks = [0_u32; 51];
        let seconds = 120;
        for tick in 0..seconds * 100 {
            let now = after_ms(tick * 10);
            let quiet = tick.is_multiple_of(2).then_some(usize::try_from(tick / 2 % 50).unwrap());
            for token in std::iter::once(50).chain(quiet) {
                if budget.grants(LEVELS, checked_at[token], now) {
                    checked_at[token] = Some(now);
                    checks[token] += 1;
                }
            }
        }
        let busy = checks[50];
        let least = checks[..50].iter().min().copied().unwrap();
        assert!(least >= 10, "every token is checked: {checks:?}");
        assert!(busy <= 5 * least, "the busy one not much more often: {checks:?}");
        assert!(budget.hashed() <= 1_500 * (seconds + 1) + LEVELS as u64, "{}", budget.hashed());
        assert!(budget.hashed() >= 1_500 * seconds * 8 / 10, "and the budget is used: {}", budget.hashed());
    }
}
