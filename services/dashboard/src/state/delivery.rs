//! How far what is stored and shown is behind what is received: stage by stage, with its slope and since when.
//!
//! Knows: the age of the oldest tick that waits in each stage, and the limits of the contract. Never: how it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use contract::stats::{FeedReport, Report, Stats};
use contract::time::Timestamp;

/// What is stored may be this far behind what is received.
pub(crate) const STORED_BEHIND_MAX: Duration = Duration::from_secs(15);
/// What is shown may be this far behind what is received.
pub(crate) const SHOWN_BEHIND_MAX: Duration = Duration::from_secs(5);
/// For how long after the last drop it is a problem.
pub(crate) const DROPS_COUNT_FOR: Duration = Duration::from_mins(1);
/// A reading older than this says nothing about now.
const READING_AGE_MAX: Duration = Duration::from_secs(10);
/// The slope is taken over at least this long.
const SLOPE_OVER: Duration = Duration::from_secs(8);
/// A lag that changes by less than this over that time is steady.
const SLOPE_MIN: Duration = Duration::from_millis(800);
/// A feed speaks about this often.
const EVERY: Duration = Duration::from_secs(2);
/// Readings kept of a stage: one or two in a second.
const READINGS_MAX: usize = 40;

/// Where ticks may wait, in the order of their way.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Stage {
    /// In the feed, for the bus.
    Published,
    /// On the bus, for the processors.
    Judged,
    /// On the bus, for the writers.
    Stored,
    /// On the bus, for this dashboard.
    Shown,
}

/// What is known of all stages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    stages: BTreeMap<Stage, Readings>,
    feeds: BTreeMap<String, Dropped>,
    /// Ticks that this dashboard passed over to stay with what is new, and when it did so last.
    skipped: Option<(u64, Timestamp)>,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    /// Age of the oldest tick that waits in it, since its receipt; zero only where none waits.
    pub(crate) behind: Duration,
    /// How many wait.
    pub(crate) waiting: u64,
    /// Whether it falls further behind.
    pub(crate) slope: Slope,
    /// Since when it is over its limit.
    pub(crate) over_since: Option<Timestamp>,
}

/// Where a lag goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Slope {
    /// It grows.
    Growing,
    /// It stays.
    Steady,
    /// It shrinks.
    Shrinking,
}

/// Ticks that feeds had no room for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Drops {
    /// Within the last minute.
    pub(crate) ticks: u64,
    /// Out of so many read in that time.
    pub(crate) of: u64,
    /// Since when ticks are dropped again and again.
    pub(crate) since: Timestamp,
}

/// What was seen of a stage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Reading {
    /// When.
    pub(crate) at: Timestamp,
    /// How late what comes now is.
    pub(crate) behind: Duration,
    /// When the oldest tick of all that wait was received; none where none waits.
    pub(crate) oldest: Option<Timestamp>,
    /// How many wait.
    pub(crate) waiting: u64,
}

#[derive(Clone, Debug, Default)]
struct Readings {
    newest_last: VecDeque<Reading>,
    over_since: Option<Timestamp>,
}

/// What one feed has dropped.
#[derive(Clone, Debug)]
struct Dropped {
    started_at: Timestamp,
    /// When, ticks dropped and ticks read since its start, over the last minute.
    newest_last: VecDeque<(Timestamp, u64, u64)>,
    /// Since when ticks are dropped again and again, and when the last one was.
    since: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

// === impl Stage ===

impl Stage {
    /// All of them, in the order of a tick's way.
    pub(crate) const ALL: [Self; 4] = [Self::Published, Self::Judged, Self::Stored, Self::Shown];

    /// The word in answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Judged => "judged",
            Self::Stored => "stored",
            Self::Shown => "shown",
        }
    }

    /// How far behind it may be.
    pub(crate) const fn limit(self) -> Duration {
        match self {
            Self::Published | Self::Judged | Self::Stored => STORED_BEHIND_MAX,
            Self::Shown => SHOWN_BEHIND_MAX,
        }
    }
}

// === impl Slope ===

impl Slope {
    /// The word in answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Steady => "steady",
            Self::Shrinking => "shrinking",
        }
    }
}

// === impl Delivery ===

impl Delivery {
    /// A stage was looked at.
    pub(crate) fn read(&mut self, stage: Stage, reading: Reading) {
        let readings = self.stages.entry(stage).or_default();
        let is_over = reading.behind > stage.limit();
        readings.over_since = is_over.then(|| readings.over_since.unwrap_or(reading.at));
        readings.newest_last.push_back(reading);
        if readings.newest_last.len() > READINGS_MAX {
            readings.newest_last.pop_front();
        }
    }

    /// A feed's word on itself.
    pub(crate) fn feed(&mut self, stats: &Stats, now: Timestamp) {
        let Report::Feed(report) = &stats.report else { return };
        let fresh = || Dropped {
            started_at: stats.started_at,
            newest_last: VecDeque::new(),
            since: None,
            last_at: None,
        };
        self.feeds.retain(|_, feed| feed.is_known(now));
        let feed = self.feeds.entry(stats.instance.clone()).or_insert_with(fresh);
        if feed.started_at != stats.started_at {
            *feed = fresh();
        }
        // What it dropped before it was first heard of is old, unless all of its life is young.
        let is_young = now.since(stats.started_at) <= DROPS_COUNT_FOR;
        if feed.newest_last.is_empty() && is_young {
            feed.newest_last.push_back((stats.started_at, 0, 0));
        }
        feed.count(report, now);
    }

    /// This dashboard passed over so many ticks to stay with what is new.
    pub(crate) fn skip(&mut self, ticks: u64, now: Timestamp) {
        let before =
            self.skipped.filter(|(_, at)| now.since(*at) <= DROPS_COUNT_FOR).map_or(0, |(count, _)| count);
        self.skipped = Some((before + ticks, now));
    }

    /// How a stage stands; none where nothing is known of now.
    pub(crate) fn standing(&self, stage: Stage, now: Timestamp) -> Option<Standing> {
        let readings = self.stages.get(&stage)?;
        let reading = readings.fresh(now)?;
        let Reading { behind, waiting, .. } = reading;
        Some(Standing { behind, waiting, slope: readings.slope(&reading), over_since: readings.over_since })
    }

    /// Everything that was received before this moment is stored; none while a stage on its way is unknown.
    pub(crate) fn stored_until(&self, now: Timestamp) -> Option<Timestamp> {
        let mut until = None;
        for stage in [Stage::Published, Stage::Judged, Stage::Stored] {
            let reading = self.stages.get(&stage)?.fresh(now)?;
            // What came after the look is not known of.
            let known = reading.oldest.map_or(reading.at, |oldest| oldest.min(reading.at));
            until = Some(until.map_or(known, |until: Timestamp| until.min(known)));
        }
        until
    }

    /// How far behind what reaches `end` is as a whole, with the stage in which it loses most of its time; none while a
    /// stage on its way is unknown and the others are in time.
    pub(crate) fn whole(&self, end: Stage, now: Timestamp) -> Option<(Stage, Standing)> {
        let way = [Stage::Published, Stage::Judged, end].map(|stage| (stage, self.standing(stage, now)));
        let mut whole: Option<(Duration, Stage, Standing)> = None;
        for (stage, standing) in way {
            let Some(standing) = standing else { continue };
            let Some((most, worst, sum)) = &mut whole else {
                whole = Some((standing.behind, stage, standing));
                continue;
            };
            // A tick that is late in a stage has waited before: what counts is what a stage adds.
            let own = standing.behind.saturating_sub(sum.behind);
            let behind = sum.behind.max(standing.behind);
            if own > *most {
                (*most, *worst, *sum) = (own, stage, standing);
            }
            sum.behind = behind;
        }
        let is_known = way.iter().all(|(_, standing)| standing.is_some());
        let (_, stage, whole) = whole?;
        // Since when the whole is late, its end knows: there nothing arrives in time.
        let over_since =
            self.standing(end, now).and_then(|standing| standing.over_since).or(whole.over_since);
        let whole = Standing { over_since, ..whole };
        (is_known || whole.behind > end.limit()).then_some((stage, whole))
    }

    /// The same where it is over the limit.
    pub(crate) fn late(&self, end: Stage, now: Timestamp) -> Option<(Stage, Standing)> {
        self.whole(end, now).filter(|(_, whole)| whole.behind > end.limit())
    }

    /// What was dropped within the last minute, by all feeds together; none where nothing was.
    pub(crate) fn drops(&self, now: Timestamp) -> Option<Drops> {
        let mut sum: Option<Drops> = None;
        for feed in self.feeds.values() {
            let Some(since) = feed.since.filter(|_| feed.is_dropping(now)) else { continue };
            let (ticks, of) = feed.within_last_minute(now);
            let all = sum.get_or_insert(Drops { ticks: 0, of: 0, since });
            *all = Drops { ticks: all.ticks + ticks, of: all.of + of, since: all.since.min(since) };
        }
        sum
    }

    /// Ticks that this dashboard passed over within the last minute.
    pub(crate) fn skipped(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        self.skipped.filter(|(_, at)| now.since(*at) <= DROPS_COUNT_FOR)
    }
}

// === impl Readings ===

impl Readings {
    fn fresh(&self, now: Timestamp) -> Option<Reading> {
        self.newest_last.back().copied().filter(|reading| now.since(reading.at) <= READING_AGE_MAX)
    }

    fn slope(&self, now: &Reading) -> Slope {
        let earlier = |then: &&Reading| now.at.since(then.at) >= SLOPE_OVER;
        let then = self.newest_last.iter().rev().find(earlier).or(self.newest_last.front());
        let Some(then) = then else { return Slope::Steady };
        if now.behind > then.behind + SLOPE_MIN {
            Slope::Growing
        } else if then.behind > now.behind + SLOPE_MIN {
            Slope::Shrinking
        } else {
            Slope::Steady
        }
    }
}

impl Reading {
    /// A stage in which the oldest of `waiting` ticks was received at `oldest`.
    pub(crate) fn of_oldest(oldest: Option<Timestamp>, waiting: u64, at: Timestamp) -> Self {
        Self { at, behind: oldest.map_or(Duration::ZERO, |oldest| at.since(oldest)), oldest, waiting }
    }
}

// === impl Dropped ===

impl Dropped {
    fn count(&mut self, report: &FeedReport, now: Timestamp) {
        let read = report.ticks.values().sum();
        if self.newest_last.back().is_some_and(|(_, before, _)| report.dropped > *before) {
            if !self.is_dropping(now) {
                self.since = Some(now);
            }
            self.last_at = Some(now);
        }
        self.newest_last.push_back((now, report.dropped, read));
        // The one before the last minute is what the minute is counted from.
        while self.newest_last.get(1).is_some_and(|(at, ..)| now.since(*at) > DROPS_COUNT_FOR) {
            self.newest_last.pop_front();
        }
    }

    fn is_dropping(&self, now: Timestamp) -> bool {
        self.last_at.is_some_and(|at| now.since(at) <= DROPS_COUNT_FOR)
    }

    fn is_known(&self, now: Timestamp) -> bool {
        self.newest_last.back().is_some_and(|(at, ..)| now.since(*at) <= DROPS_COUNT_FOR)
    }

    fn within_last_minute(&self, now: Timestamp) -> (u64, u64) {
        let from = self.newest_last.iter().find(|(at, ..)| now.since(*at) <= DROPS_COUNT_FOR + EVERY);
        let (Some((_, dropped, read)), Some((_, dropped_now, read_now))) = (from, self.newest_last.back())
        else {
            return (0, 0);
        };
        (dropped_now - dropped, read_now - read)
    }
}

#[cfg(test)]
mod tests;
