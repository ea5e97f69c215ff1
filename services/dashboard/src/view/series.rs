//! Answer of `/api/series`: the last minutes, second by second.
//!
//! Knows: which second a number belongs to. Never: a number that was not measured; that is null.

use contract::time::Timestamp;
use serde::Serialize;

use super::Number;
use crate::state::Projection;
use crate::state::rates::SECONDS;
use crate::state::series::Sample;

/// The seconds, oldest first; the present one, which is not over yet, is left out.
#[derive(Debug, Serialize)]
pub(crate) struct Seconds {
    from: Timestamp,
    step_s: u32,
    series: Series,
}

#[derive(Debug, Default, Serialize)]
struct Series {
    events_per_second: Vec<Option<u64>>,
    trades: Vec<Option<u64>>,
    /// In seconds, signed.
    trade_age_p50: Vec<Option<Number>>,
    g1: Vec<Option<u64>>,
    g3: Vec<Option<u64>>,
    g5: Vec<Option<u64>>,
    /// Errors logged by any service.
    errors: Vec<Option<u64>>,
    gaps_open: Vec<Option<u64>>,
    sockets_open: Vec<Option<u64>>,
    raw_pending: Vec<Option<u64>>,
    judged_pending: Vec<Option<u64>>,
    rows_per_second: Vec<Option<u64>>,
}

// === impl Seconds ===

impl Seconds {
    /// The last `seconds` seconds, at most 300, without the present one.
    pub(crate) fn of(fold: &Projection, seconds: usize, now: Timestamp) -> Self {
        let seconds = seconds.clamp(1, SECONDS);
        let span = i64::try_from(seconds).unwrap_or(1);
        let from = now.micros().div_euclid(1_000_000) - span + 1;
        let mut series = Series::default();
        let samples = fold.series.last(span, now);
        let slots = fold.rates.series(now);
        let slots = &slots[SECONDS - seconds..];
        let errors = errors(fold, from, seconds, now);
        for ((slot, found), errors) in slots.iter().zip(samples).zip(errors).take(seconds - 1) {
            // A second in which this process was not there, or without a bus, was not counted.
            let counted = |count: u64| (count > 0 || found.is_some()).then_some(count);
            series.events_per_second.push(counted(slot.events).filter(|_| fold.is_live()));
            series.trades.push(counted(slot.trades).filter(|_| fold.is_live()));
            series.errors.push(found.as_ref().map(|_| errors));
            series.push(found.as_ref());
        }
        Self { from: Timestamp::from_micros(from * 1_000_000), step_s: 1, series }
    }
}

impl Series {
    fn push(&mut self, found: Option<&(Sample, Option<Sample>)>) {
        let sample = found.map(|(sample, _)| *sample);
        // Between samples that are further apart, it is not known when it happened.
        let before = found.and_then(|(sample, before)| before.filter(|it| sample.second - it.second <= 2));
        let hits = |gate: usize| {
            let (now, before) = (sample?.hits?, before?.hits?);
            Some(now[gate].saturating_sub(before[gate]))
        };
        self.trade_age_p50.push(sample.and_then(|it| it.trade_age_p50).map(Number::seconds));
        self.g1.push(hits(0));
        self.g3.push(hits(1));
        self.g5.push(hits(2));
        self.gaps_open.push(sample.and_then(|it| it.gaps_open));
        self.sockets_open.push(sample.and_then(|it| it.sockets_open));
        self.raw_pending.push(sample.and_then(|it| it.raw_pending));
        self.judged_pending.push(sample.and_then(|it| it.judged_pending));
        let stored = sample.and_then(|it| it.stored).zip(before.and_then(|it| it.stored));
        self.rows_per_second.push(stored.map(|(now, before)| now.saturating_sub(before)));
    }
}

/// Errors logged in each second from `from` on.
fn errors(fold: &Projection, from: i64, seconds: usize, now: Timestamp) -> Vec<u64> {
    let mut counts = vec![0; seconds];
    for told in fold.fleet.errors(now) {
        let place = usize::try_from(told.note.at.micros().div_euclid(1_000_000) - from);
        if let Some(count) = place.ok().and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    counts
}
