//! Times of the last hour, counted in buckets, half a minute by half a minute.
//!
//! Knows: counts. Never: what was measured, or a single time.

use contract::latency::{BOUNDS_MS, BUCKETS, bucket};
use contract::time::Timestamp;

/// Seconds of a step.
pub(crate) const STEP_S: i64 = 30;
/// Steps kept: an hour and the present one.
const STEPS: usize = 121;

/// Steps of two minutes.
const STEPS_RECENT: usize = 4;

/// Counts by step and bucket.
#[derive(Clone, Debug)]
pub(crate) struct LatencyHeatmap {
    steps: Vec<Step>,
}

/// Counts by bucket.
pub(crate) type Counts = [u64; BUCKETS];

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Steps since 1970.
    number: i64,
    counts: Counts,
}

// === impl LatencyHeatmap ===

impl LatencyHeatmap {
    /// Counts a time that was over at `at`. What is older than an hour does not count, the future counts now.
    pub(crate) fn count(&mut self, micros: i64, at: Timestamp, now: Timestamp) {
        let mut counts = [0; BUCKETS];
        counts[bucket(micros)] = 1;
        self.add(&counts, at, now);
    }

    /// Adds counts of times that were over at `at`.
    pub(crate) fn add(&mut self, counts: &Counts, at: Timestamp, now: Timestamp) {
        let number = number_of(at).min(number_of(now));
        let step = &mut self.steps[index_of(number)];
        if number_of(now) - number >= span() || step.number > number {
            return;
        }
        if step.number < number {
            *step = Step { number, counts: [0; BUCKETS] };
        }
        for (sum, count) in step.counts.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// The last two minutes together: what "now" is where only counts are known.
    pub(crate) fn recent(&self, now: Timestamp) -> Counts {
        let mut sum = [0; BUCKETS];
        for counts in self.last(STEPS_RECENT, now) {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sum
    }

    /// The last so many steps, oldest first; the last of them is the present one and not over yet.
    pub(crate) fn last(&self, steps: usize, now: Timestamp) -> Vec<Counts> {
        let present = number_of(now);
        let steps = i64::try_from(steps.min(STEPS)).unwrap_or(1);
        let counts_of = |number: i64| {
            let step = &self.steps[index_of(number)];
            if step.number == number { step.counts } else { [0; BUCKETS] }
        };
        (present - steps + 1..=present).map(counts_of).collect()
    }
}

impl Default for LatencyHeatmap {
    fn default() -> Self {
        Self { steps: vec![Step { number: i64::MIN, counts: [0; BUCKETS] }; STEPS] }
    }
}

/// When the step began in which `now` lies.
pub(crate) fn began_at(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(number_of(now) * STEP_S * 1_000_000)
}

/// Below which time `percent` of what was counted lies, in microseconds, as exactly as buckets tell: even within
/// its bucket. None without any.
pub(crate) fn percentile(counts: &Counts, percent: u64) -> Option<i64> {
    let total: u64 = counts.iter().sum();
    let rank = (percent * total).div_ceil(100).max(1);
    let mut below = 0;
    for (place, &count) in counts.iter().enumerate() {
        if below + count < rank {
            below += count;
            continue;
        }
        // The buckets at both ends have only one end: it stands for all that lies beyond.
        let Some(&high) = BOUNDS_MS.get(place) else { return BOUNDS_MS.last().map(|last| last * 1_000) };
        let low = if place == 0 { high } else { BOUNDS_MS[place - 1] };
        let part = i64::try_from((rank - below) * 1_000 / count).unwrap_or(1_000);
        return Some(low * 1_000 + (high - low) * part);
    }
    None
}

fn number_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(STEP_S * 1_000_000)
}

fn span() -> i64 {
    i64::try_from(STEPS).expect("121 fits")
}

fn index_of(number: i64) -> usize {
    usize::try_from(number.rem_euclid(span())).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::at;

    fn sum(heat: &LatencyHeatmap, steps: usize, second: i64) -> u64 {
        heat.last(steps, at(second)).iter().flatten().sum()
    }

    #[test]
    fn a_time_counts_in_its_step_for_an_hour() {
        let mut heat = LatencyHeatmap::default();
        heat.count(1_500, at(0), at(3_600));
        heat.count(-5, at(3_599), at(3_600));
        heat.count(-5, at(9_999), at(3_600));
        assert_eq!(heat.last(2, at(3_600)).map_vec(), [[(2, 1)], [(2, 1)]]);
        assert_eq!(sum(&heat, STEPS, 3_600), 3);
        assert_eq!(sum(&heat, STEPS, 3_630), 2);
        heat.count(7, at(0), at(3_630));
        assert_eq!(sum(&heat, STEPS, 3_630), 2, "too old");
        assert_eq!(sum(&heat, STEPS, 99_999), 0);
    }

    trait MapVec {
        fn map_vec(&self) -> Vec<Vec<(usize, u64)>>;
    }

    impl MapVec for Vec<Counts> {
        fn map_vec(&self) -> Vec<Vec<(usize, u64)>> {
            let filled = |counts: &Counts| {
                counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
            };
            self.iter().map(filled).collect()
        }
    }

    #[test]
    fn percentiles_lie_evenly_within_their_bucket() {
        let mut counts = [0; BUCKETS];
        assert_eq!(percentile(&counts, 50), None);
        counts[bucket(1_500)] = 100;
        assert_eq!(
            [50, 90, 100].map(|percent| percentile(&counts, percent)),
            [Some(1_500), Some(1_900), Some(2_000)]
        );
        counts[bucket(-50_000)] = 900;
        assert_eq!(percentile(&counts, 50), Some(-44_500));
        assert_eq!(percentile(&counts, 99), Some(1_900));
        let mut long = [0; BUCKETS];
        long[BUCKETS - 1] = 1;
        assert_eq!(percentile(&long, 50), Some(300_000_000));
    }
}
