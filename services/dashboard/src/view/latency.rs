//! Answer of `/api/latency`: how long each stage takes, now and over the last hour.
//!
//! Knows: stages and units. Never: a clock's error; it is shown as it was measured.

use contract::latency::BOUNDS_MS;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Number;
use crate::state::Projection;
use crate::state::latency::Samples;
use crate::state::latency_heatmap::{Counts, LatencyHeatmap, STEP_S, began_at, percentile};

/// The stages.
#[derive(Debug, Serialize)]
pub(crate) struct Latencies {
    at: Timestamp,
    from: Timestamp,
    step_s: i64,
    /// Upper ends of the buckets; one more takes what is longer. Below 0 the venue's clock runs ahead.
    bounds_ms: [i64; BOUNDS_MS.len()],
    stages: Stages,
    skew: Skew,
}

#[derive(Debug, Serialize)]
struct Stages {
    /// From the match to the feed.
    received: Stage,
    /// From the feed to the verdict.
    judged: Stage,
    /// From the verdict to the commit.
    stored: Stage,
    /// From the verdict to the live clients.
    page: Stage,
}

/// Milliseconds, signed; null where nothing was measured.
#[derive(Debug, Serialize)]
struct Stage {
    p50: Option<Number>,
    p90: Option<Number>,
    p99: Option<Number>,
    /// By step, then by bucket; null for a step in which nothing was measured.
    counts: Vec<Option<Counts>>,
}

/// How far the venue's clock is ahead, as far as it is seen.
#[derive(Debug, Serialize)]
struct Skew {
    /// Smallest time from the match to the feed among the newest trades: negative when the venue's clock is ahead.
    min_ms: Option<Number>,
    p50_ms: Option<Number>,
    max_ms: Option<Number>,
    /// Newest trades of which the time is negative.
    negative: Option<usize>,
    samples: Option<usize>,
    /// The venue's clock minus ours, as its REST answers tell it.
    clock_offset_ms: Option<i64>,
}

// === impl Latencies ===

impl Latencies {
    /// The last `steps` steps. `page`: what the live stream measured.
    pub(crate) fn of(
        fold: &Projection,
        page: &(Samples, LatencyHeatmap),
        steps: usize,
        now: Timestamp,
    ) -> Self {
        let earlier = i64::try_from(steps.saturating_sub(1)).unwrap_or(0) * STEP_S * 1_000_000;
        let samples = &fold.executed_to_received;
        let spread = samples.spread();
        Self {
            at: now,
            from: Timestamp::from_micros(began_at(now).micros() - earlier),
            step_s: STEP_S,
            bounds_ms: BOUNDS_MS,
            stages: Stages {
                received: Stage::measured(samples, &fold.received_heat, steps, now),
                judged: Stage::measured(&fold.received_to_judged, &fold.judged_heat, steps, now),
                stored: Stage::counted(&fold.stored_heat, steps, now),
                page: Stage::measured(&page.0, &page.1, steps, now),
            },
            skew: Skew {
                min_ms: samples.smallest().map(millis),
                p50_ms: spread.map(|spread| millis(spread.p50)),
                max_ms: samples.largest().map(millis),
                negative: spread.map(|_| samples.negative()),
                samples: spread.map(|spread| spread.samples),
                clock_offset_ms: fold.fleet.feeds(now).find_map(|feed| feed.depth.clock_offset_ms),
            },
        }
    }
}

impl Stage {
    fn measured(samples: &Samples, heat: &LatencyHeatmap, steps: usize, now: Timestamp) -> Self {
        let spread = samples.spread();
        Self {
            p50: spread.map(|spread| millis(spread.p50)),
            p90: spread.map(|spread| millis(spread.p90)),
            p99: spread.map(|spread| millis(spread.p99)),
            counts: by_step(heat, steps, now),
        }
    }

    /// Where only counts are known: read off those of the last two minutes.
    fn counted(heat: &LatencyHeatmap, steps: usize, now: Timestamp) -> Self {
        let sum = heat.recent(now);
        let at = |percent| percentile(&sum, percent).map(millis);
        Self { p50: at(50), p90: at(90), p99: at(99), counts: by_step(heat, steps, now) }
    }
}

fn by_step(heat: &LatencyHeatmap, steps: usize, now: Timestamp) -> Vec<Option<Counts>> {
    let is_some = |counts: &Counts| counts.iter().any(|count| *count > 0);
    heat.last(steps, now).into_iter().map(|counts| Some(counts).filter(is_some)).collect()
}

fn millis(micros: i64) -> Number {
    Number(Decimal::new(micros, 3).normalize())
}
