//! Part of `/api/status`: how far what is stored and shown is behind what is received.
//!
//! Knows: seconds, slope, since when. Never: 0 where it is not known.

use std::time::Duration;

use contract::time::Timestamp;
use serde::Serialize;

use super::Number;
use crate::state::delivery::{self, Stage, Standing};

/// The whole and its stages.
#[derive(Debug, Serialize)]
pub(crate) struct Delivery {
    /// Each with the stage in which it loses most of its time.
    stored: Lag,
    shown: Lag,
    dropped: Dropped,
    left_out: LeftOut,
    stages: Vec<Lag>,
}

/// How far behind; null while unknown.
#[derive(Debug, Serialize)]
struct Lag {
    stage: Option<&'static str>,
    /// Age of the oldest tick that waits, since its receipt; 0 only where none waits.
    behind_seconds: Option<Number>,
    limit_seconds: u64,
    /// `growing`, `steady`, `shrinking`, over some ten seconds.
    slope: Option<&'static str>,
    waiting: Option<u64>,
    /// Since when it is over the limit.
    over_since: Option<Timestamp>,
}

/// Ticks that the feeds had no room for.
#[derive(Debug, Serialize)]
struct Dropped {
    last_minute: u64,
    /// Of the ticks read meanwhile.
    share: Option<Number>,
    since: Option<Timestamp>,
}

/// Ticks that this dashboard passed over to show what is new; no other reader lacks them.
#[derive(Debug, Serialize)]
struct LeftOut {
    last_minute: u64,
    at: Option<Timestamp>,
}

// === impl Delivery ===

impl Delivery {
    /// As it stands at `now`.
    pub(crate) fn of(delivery: &delivery::Delivery, now: Timestamp) -> Self {
        let (drops, left_out) = (delivery.drops(now), delivery.skipped(now));
        let of_stage = |stage: Stage| Lag::of(Some(stage), stage.limit(), delivery.standing(stage, now));
        let whole = |end: Stage| {
            let (stage, whole) = delivery.whole(end, now).unzip();
            Lag::of(stage, end.limit(), whole)
        };
        Self {
            stored: whole(Stage::Stored),
            shown: whole(Stage::Shown),
            dropped: Dropped {
                last_minute: drops.map_or(0, |drops| drops.ticks),
                share: drops.and_then(|drops| Number::share(drops.ticks, drops.of)),
                since: drops.map(|drops| drops.since),
            },
            left_out: LeftOut {
                last_minute: left_out.map_or(0, |(ticks, _)| ticks),
                at: left_out.map(|(_, at)| at),
            },
            stages: Stage::ALL.map(of_stage).into(),
        }
    }
}

// === impl Lag ===

impl Lag {
    fn of(stage: Option<Stage>, limit: Duration, standing: Option<Standing>) -> Self {
        Self {
            stage: stage.map(Stage::word),
            behind_seconds: standing.map(|standing| Number::span(standing.behind)),
            limit_seconds: limit.as_secs(),
            slope: standing.map(|standing| standing.slope.word()),
            waiting: standing.map(|standing| standing.waiting),
            over_since: standing.and_then(|standing| standing.over_since),
        }
    }
}
