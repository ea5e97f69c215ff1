//! The newest measured times, and how they are spread.
//!
//! Knows: a bounded number of samples, signed. Never: what was measured.

use std::collections::VecDeque;

/// Samples kept: enough for a steady 99th percentile, little enough to sort once a second.
pub(crate) const SAMPLES_MAX: usize = 4_096;

/// The newest samples, in microseconds. A negative one means that two clocks differ; it is kept as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(VecDeque<i64>);

/// How samples are spread, by nearest rank.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p50: i64,
    pub(crate) p90: i64,
    pub(crate) p99: i64,
    /// How many samples there were.
    pub(crate) samples: usize,
}

impl Samples {
    /// Keeps a sample; the oldest goes when there are too many.
    pub(crate) fn keep(&mut self, micros: i64) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(micros);
    }

    /// The smallest; none without any.
    pub(crate) fn smallest(&self) -> Option<i64> {
        self.0.iter().min().copied()
    }

    /// The largest; none without any.
    pub(crate) fn largest(&self) -> Option<i64> {
        self.0.iter().max().copied()
    }

    /// How many are negative.
    pub(crate) fn negative(&self) -> usize {
        self.0.iter().filter(|micros| **micros < 0).count()
    }

    /// How they are spread; none without any.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let mut sorted: Vec<i64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let samples = sorted.len();
        let rank = |percent: usize| sorted.get((percent * samples).div_ceil(100).saturating_sub(1)).copied();
        Some(Spread { p50: rank(50)?, p90: rank(90)?, p99: rank(99)?, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_samples_nothing_is_known() {
        assert_eq!(Samples::default().spread(), None);
    }

    #[test]
    fn percentiles_are_samples_and_keep_their_sign() {
        let mut samples = Samples::default();
        (-50..50).for_each(|micros| samples.keep(micros));
        assert_eq!(samples.spread(), Some(Spread { p50: -1, p90: 39, p99: 48, samples: 100 }));
        assert_eq!((samples.smallest(), samples.largest(), samples.negative()), (Some(-50), Some(49), 50));
    }

    #[test]
    fn only_the_newest_samples_count() {
        let mut samples = Samples::default();
        samples.keep(i64::MAX);
        (0..SAMPLES_MAX).for_each(|_| samples.keep(7));
        let spread = samples.spread().unwrap();
        assert_eq!((spread.p50, spread.p99, spread.samples), (7, 7, SAMPLES_MAX));
    }
}
