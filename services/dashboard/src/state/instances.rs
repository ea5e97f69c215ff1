//! The instances heard of, what they said last, and what they counted together.
//!
//! Knows: who spoke when, by this machine's clock. Never: an instance that was silent for a minute.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use contract::latency::BUCKETS;
use contract::stats::{ErrorNote, FeedReport, Report, Service, SocketReport, Stats};
use contract::time::Timestamp;
use rust_decimal::Decimal;

use super::counters::Counters;
use super::latency_heatmap::Counts;
use super::restarts::{Restart, Restarts};

/// An instance is there while it was heard of within this time, four of its tellings: whoever looks once a second
/// knows of its end within five seconds.
pub(crate) const PRESENT_FOR: Duration = Duration::from_secs(4);
/// An instance that was silent for longer is forgotten; what it counted is kept.
pub(crate) const KNOWN_FOR: Duration = Duration::from_mins(1);
/// Instances known at once; one that says it is yet another is ignored.
pub(crate) const INSTANCES_MAX: usize = 1_000;
/// Instances that went, whose counters are kept apart in case they come back; older ones are added up.
const DEPARTED_MAX: usize = 256;
/// Errors kept, newest first.
pub(crate) const ERRORS_MAX: usize = 200;
/// How long an error counts.
const ERRORS_FOR: Duration = Duration::from_hours(1);
/// Tellings over which the rate of an instance is taken.
const MARKS_MAX: usize = 6;

/// The instances.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    by_name: BTreeMap<(Service, String), Instance>,
    departed: VecDeque<Departed>,
    forgotten: HashMap<Service, Counted>,
    restarts: Restarts,
    last_heard: HashMap<Service, Timestamp>,
    moved: HashMap<Service, (u64, Timestamp)>,
    errors: Vec<Told>,
}

/// One instance and its last word.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Its last word.
    pub(crate) stats: Stats,
    /// When it came, by our clock.
    pub(crate) heard_at: Timestamp,
    /// Whether another of its kind began after its last word and took its place.
    pub(crate) is_replaced: bool,
    /// Whether it took the place of another.
    is_successor: bool,
    marks: VecDeque<Mark>,
}

/// What an instance had done when it spoke.
#[derive(Debug)]
struct Mark {
    at: Timestamp,
    work: u64,
    output: u64,
    /// Data frames of each socket.
    frames: Vec<u64>,
}

/// An error with the one who told it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) service: Service,
    pub(crate) instance: String,
    pub(crate) note: ErrorNote,
}

#[derive(Debug)]
struct Departed {
    service: Service,
    instance: String,
    counted: Counted,
}

/// What was counted, and since when.
#[derive(Clone, Copy, Debug)]
struct Counted {
    counters: Counters,
    since: Timestamp,
}

// === impl Instances ===

impl Instances {
    /// Hears an instance.
    pub(crate) fn heard(&mut self, stats: Stats, now: Timestamp) {
        let key = (stats.service, stats.instance.clone());
        self.note_errors(&stats, now);
        self.last_heard.insert(stats.service, now);
        let service = stats.service;
        self.departed.retain(|gone| !gone.is(&stats));
        let mark = Mark::of(&stats);
        let has_room = self.by_name.len() < INSTANCES_MAX;
        match self.by_name.get_mut(&key) {
            Some(known) if known.stats.started_at == stats.started_at => {
                if known.marks.back().is_none_or(|last| last.at < mark.at) {
                    known.marks.push_back(mark);
                }
                if known.marks.len() > MARKS_MAX {
                    known.marks.pop_front();
                }
                (known.stats, known.heard_at) = (stats, now);
                // Whoever speaks again was only frozen.
                known.is_replaced = false;
            }
            Some(_) => {
                // It started again under its old name: what it had counted is kept.
                let (instance, at) = (stats.instance.clone(), stats.started_at);
                self.restarts.keep(Restart { service, at, before: instance.clone(), instance });
                if let Some(old) = self.by_name.insert(key, Instance::new(stats, now, mark)) {
                    self.depart(old);
                }
            }
            None if has_room => {
                self.by_name.insert(key, Instance::new(stats, now, mark));
            }
            None => {}
        }
        let work = self.counters(service).map_or(0, |counters| counters.work());
        if self.moved.get(&service).is_none_or(|&(before, _)| before != work) {
            self.moved.insert(service, (work, now));
        }
    }

    /// Trades that a writer committed since its last word, by the time since their verdicts; none where that is not
    /// known.
    pub(crate) fn stored_since(&self, stats: &Stats) -> Option<Counts> {
        let known = self.by_name.get(&(stats.service, stats.instance.clone()))?;
        let (Report::Writer(now), Report::Writer(before)) = (&stats.report, &known.stats.report) else {
            return None;
        };
        let same = known.stats.started_at == stats.started_at;
        let (now, before) = (&now.stored_after, &before.stored_after);
        if !same || now.len() != BUCKETS || before.len() > BUCKETS {
            return None;
        }
        let before = before.iter().copied().chain(std::iter::repeat(0));
        let mut counts = [0; BUCKETS];
        for ((count, now), before) in counts.iter_mut().zip(now).zip(before) {
            *count = now.saturating_sub(before);
        }
        Some(counts)
    }

    /// Finds who took whose place, forgets instances that were silent for too long, and errors of more than an hour ago.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for service in Service::ALL {
            self.find_successors(service, now);
        }
        self.restarts.expire(now);
        let silent = |instance: &Instance| now.since(instance.heard_at) > KNOWN_FOR;
        let gone: Vec<_> =
            self.by_name.iter().filter(|(_, it)| silent(it)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            if let Some(instance) = self.by_name.remove(&key) {
                self.depart(instance);
            }
        }
        self.errors.retain(|told| now.since(told.note.at) < ERRORS_FOR);
    }

    /// The instances of a service that are known, there or silent.
    pub(crate) fn of(&self, service: Service) -> impl Iterator<Item = &Instance> {
        self.by_name.iter().filter(move |((of, _), _)| *of == service).map(|(_, instance)| instance)
    }

    /// Those of them whose place no other one took.
    pub(crate) fn current(&self, service: Service) -> impl Iterator<Item = &Instance> {
        self.of(service).filter(|instance| !instance.is_replaced)
    }

    /// All instances that are known.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Instance> {
        self.by_name.values()
    }

    /// When any instance of a service was last heard of.
    pub(crate) fn last_heard(&self, service: Service) -> Option<Timestamp> {
        self.last_heard.get(&service).copied()
    }

    /// When the work counters of a service last moved.
    pub(crate) fn moved_at(&self, service: Service) -> Option<Timestamp> {
        self.moved.get(&service).map(|&(_, at)| at)
    }

    /// Processes that took the place of others within the last hour, the newest first.
    pub(crate) fn restarts(&self) -> impl Iterator<Item = &Restart> {
        self.restarts.newest_first()
    }

    /// What a service counted, in all instances heard of since this process started; none without any.
    pub(crate) fn counters(&self, service: Service) -> Option<Counters> {
        self.counted(service).map(|counted| counted.counters)
    }

    /// Since when those counters count: the start of the first instance of them.
    pub(crate) fn counted_since(&self, service: Service) -> Option<Timestamp> {
        self.counted(service).map(|counted| counted.since)
    }

    fn counted(&self, service: Service) -> Option<Counted> {
        let present = self.of(service).map(Instance::counted);
        let departed = self.departed.iter().filter(|gone| gone.service == service).map(|gone| gone.counted);
        let forgotten = self.forgotten.get(&service).copied();
        present.chain(departed).chain(forgotten).reduce(Counted::plus)
    }

    /// The feeds that are there, by their last word.
    pub(crate) fn feeds(&self, now: Timestamp) -> impl Iterator<Item = &FeedReport> {
        self.of(Service::Feed).filter(move |instance| instance.is_present(now)).filter_map(Instance::feed)
    }

    /// The sockets of the feeds that are there.
    pub(crate) fn sockets(&self, now: Timestamp) -> impl Iterator<Item = &SocketReport> {
        self.feeds(now).flat_map(|feed| &feed.sockets)
    }

    /// When the venue last sent data, as any feed said that is still known.
    pub(crate) fn last_data_at(&self) -> Option<Timestamp> {
        self.of(Service::Feed).filter_map(Instance::feed).filter_map(|feed| feed.last_data_at).max()
    }

    /// The errors of the last hour, newest first, at most 200.
    pub(crate) fn errors(&self, now: Timestamp) -> Vec<&Told> {
        self.errors.iter().filter(|told| now.since(told.note.at) < ERRORS_FOR).collect()
    }

    /// How many errors there were in the last hour: as the present instances counted them, and those still
    /// remembered of the others.
    pub(crate) fn errors_last_hour(&self, now: Timestamp) -> u64 {
        let counted = self.all().map(|instance| instance.stats.errors_last_hour);
        let is_known = |told: &&&Told| self.by_name.contains_key(&(told.service, told.instance.clone()));
        let errors = self.errors(now);
        let others = errors.iter().filter(|told| !is_known(told)).count();
        counted.fold(others as u64, u64::saturating_add)
    }

    fn note_errors(&mut self, stats: &Stats, now: Timestamp) {
        for note in &stats.errors {
            let told = Told { service: stats.service, instance: stats.instance.clone(), note: note.clone() };
            if now.since(note.at) < ERRORS_FOR && !self.errors.contains(&told) {
                let place = self.errors.partition_point(|known| known.note.at > note.at);
                self.errors.insert(place, told);
                self.errors.truncate(ERRORS_MAX);
            }
        }
    }

    /// Who is silent since before another of its kind began has been replaced by it: each by one.
    fn find_successors(&mut self, service: Service, now: Timestamp) {
        let mut silent: Vec<(Timestamp, String)> = Vec::new();
        let mut began: Vec<(Timestamp, String)> = Vec::new();
        for instance in self.of(service) {
            let name = instance.stats.instance.clone();
            match instance.is_present(now) {
                false if !instance.is_replaced => silent.push((instance.stats.at, name)),
                true if !instance.is_successor => began.push((instance.stats.started_at, name)),
                _ => {}
            }
        }
        silent.sort();
        began.sort();
        for (last_word, before) in silent {
            let Some(place) = began.iter().position(|(at, _)| *at >= last_word) else { break };
            let (at, instance) = began.remove(place);
            if let Some(old) = self.by_name.get_mut(&(service, before.clone())) {
                old.is_replaced = true;
            }
            if let Some(new) = self.by_name.get_mut(&(service, instance.clone())) {
                new.is_successor = true;
            }
            self.restarts.keep(Restart { service, at, instance, before });
        }
    }

    fn depart(&mut self, instance: Instance) {
        let counted = instance.counted();
        let Stats { service, instance, .. } = instance.stats;
        self.departed.push_back(Departed { service, instance, counted });
        if self.departed.len() > DEPARTED_MAX
            && let Some(oldest) = self.departed.pop_front()
        {
            let before = self.forgotten.get(&oldest.service).copied();
            let sum = before.map_or(oldest.counted, |before| before.plus(oldest.counted));
            self.forgotten.insert(oldest.service, sum);
        }
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.by_name.len(), self.departed.len(), self.errors.len()]
    }
}

// === impl Instance ===

impl Instance {
    fn new(stats: Stats, heard_at: Timestamp, mark: Mark) -> Self {
        let marks = VecDeque::from([mark]);
        Self { stats, heard_at, is_replaced: false, is_successor: false, marks }
    }

    /// Whether it was heard of just now.
    pub(crate) fn is_present(&self, now: Timestamp) -> bool {
        now.since(self.heard_at) <= PRESENT_FOR
    }

    /// Its work a second over its last few tellings, one decimal; none before the second of them.
    pub(crate) fn rate(&self) -> Option<Decimal> {
        self.rate_of(|mark| Some(mark.work))
    }

    /// What it passes on, likewise.
    pub(crate) fn output_rate(&self) -> Option<Decimal> {
        self.rate_of(|mark| Some(mark.output))
    }

    /// Data frames of its socket at this place in its report, likewise.
    pub(crate) fn frame_rate(&self, place: usize) -> Option<Decimal> {
        self.rate_of(|mark| mark.frames.get(place).copied())
    }

    fn rate_of(&self, count: impl Fn(&Mark) -> Option<u64>) -> Option<Decimal> {
        let (from, to) = (self.marks.front()?, self.marks.back()?);
        let micros = u64::try_from(to.at.micros_since(from.at)).ok().filter(|micros| *micros > 0)?;
        let done = Decimal::from(count(to)?.saturating_sub(count(from)?));
        Some((done * Decimal::from(1_000_000) / Decimal::from(micros)).round_dp(1))
    }

    fn counted(&self) -> Counted {
        Counted { counters: Counters::of(&self.stats.report), since: self.stats.started_at }
    }

    /// What it said, where it is a feed.
    pub(crate) fn feed(&self) -> Option<&FeedReport> {
        match &self.stats.report {
            Report::Feed(feed) => Some(feed),
            Report::Processor(_) | Report::Writer(_) | Report::Dashboard(_) => None,
        }
    }
}

// === impl Mark ===

impl Mark {
    fn of(stats: &Stats) -> Self {
        let counters = Counters::of(&stats.report);
        let frames = match &stats.report {
            Report::Feed(feed) => feed.sockets.iter().map(|socket| socket.frames).collect(),
            Report::Processor(_) | Report::Writer(_) | Report::Dashboard(_) => Vec::new(),
        };
        Self { at: stats.at, work: counters.work(), output: counters.output(), frames }
    }
}

// === impl Departed ===

impl Departed {
    fn is(&self, stats: &Stats) -> bool {
        self.service == stats.service
            && self.instance == stats.instance
            && self.counted.since == stats.started_at
    }
}

// === impl Counted ===

impl Counted {
    /// Both together.
    fn plus(self, other: Self) -> Self {
        Self { counters: self.counters.plus(&other.counters), since: self.since.min(other.since) }
    }
}
