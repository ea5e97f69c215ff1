//! What was read off once a second, for five minutes.
//!
//! Knows: counters and states as they stood. Never: how they are shown.

use std::collections::VecDeque;

use contract::time::Timestamp;

/// Seconds kept: those of the rates, and one before them to take differences from.
const SAMPLES_MAX: usize = 301;
/// Ages of trades gathered in one second.
const AGES_MAX: usize = 2_000;

/// The samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Series {
    samples: VecDeque<Sample>,
    /// Ages of the trades that came since the last sample, in microseconds.
    ages: Vec<i64>,
}

/// How things stood in one second. What was not known is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sample {
    /// Since 1970.
    pub(crate) second: i64,
    /// Median age of the trades of that second.
    pub(crate) trade_age_p50: Option<i64>,
    /// Trades that each gate caught, ever.
    pub(crate) hits: Option<[u64; 3]>,
    /// Rows stored, ever.
    pub(crate) stored: Option<u64>,
    pub(crate) gaps_open: Option<u64>,
    pub(crate) sockets_open: Option<u64>,
    pub(crate) raw_pending: Option<u64>,
    pub(crate) judged_pending: Option<u64>,
}

// === impl Series ===

impl Series {
    /// Keeps the age of a trade for the sample to come.
    pub(crate) fn aged(&mut self, micros: i64) {
        if self.ages.len() < AGES_MAX {
            self.ages.push(micros);
        }
    }

    /// Takes a sample; of one second the first.
    pub(crate) fn sample(&mut self, mut sample: Sample) {
        if self.samples.back().is_some_and(|last| last.second >= sample.second) {
            return;
        }
        self.ages.sort_unstable();
        sample.trade_age_p50 = self.ages.get(self.ages.len() / 2).copied();
        self.ages.clear();
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// What stood in each of `seconds` seconds up to that of `now`, with the sample before it.
    pub(crate) fn last(&self, seconds: i64, now: Timestamp) -> Vec<Option<(Sample, Option<Sample>)>> {
        let present = now.micros().div_euclid(1_000_000);
        let mut found = vec![None; usize::try_from(seconds).unwrap_or(0)];
        let mut before = None;
        for &sample in &self.samples {
            let place = usize::try_from(sample.second - (present - seconds + 1)).ok();
            if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                *slot = Some((sample, before));
            }
            before = Some(sample);
        }
        found
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.samples.len(), self.ages.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64) -> Sample {
        Sample { second, stored: Some(u64::try_from(second).unwrap() * 10), ..Sample::default() }
    }

    #[test]
    fn each_second_has_the_sample_taken_in_it_and_the_one_before() {
        let mut series = Series::default();
        series.aged(9);
        series.aged(-1);
        series.aged(5);
        for second in [7, 7, 9] {
            series.sample(sample(second));
        }
        let last = series.last(3, Timestamp::from_micros(9_500_000));
        let shown: Vec<_> = last.iter().map(|found| found.map(|(sample, _)| sample.second)).collect();
        assert_eq!(shown, [Some(7), None, Some(9)]);
        assert_eq!(last[0].unwrap().0.trade_age_p50, Some(5));
        assert_eq!(last[2].unwrap().1.unwrap().second, 7);
        assert_eq!(last[2].unwrap().0.trade_age_p50, None);
        (10..1_000).for_each(|second| series.sample(sample(second)));
        assert_eq!(series.sizes(), [SAMPLES_MAX, 0]);
    }
}
