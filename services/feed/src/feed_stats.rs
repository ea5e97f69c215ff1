//! What the rooms of the feed say of themselves, gathered for stats and metrics.
//!
//! Knows: counters and states. Never: what to do about them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use book::BookStats;
use contract::ids::TokenId;
use contract::stats::{FeedDetails, FeedReport, SocketReport, SocketState};
use contract::tick::Kind;
use contract::time::Timestamp;

use crate::publish::queue::PublishQueue;

/// Tokens named in a report.
const NAMED_MAX: usize = 20;
/// Tokens named in one problem: a token has up to 78 digits.
const SHOWN_MAX: usize = 3;

/// The stats; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedStats(Arc<Mutex<FeedCounters>>);

#[derive(Debug, Default)]
struct FeedCounters {
    markets: u64,
    tokens: u64,
    sockets: Vec<SocketCounters>,
    universe_problem: Option<String>,
    recovery_problem: Option<String>,
    left_out: usize,
    set_aside: Vec<String>,
    dead: usize,
    recovered: u64,
    clock_offset_ms: Option<i64>,
}

/// What one socket counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketCounters {
    /// Its state, as reported.
    pub(crate) report: SocketReport,
    /// Ticks read, by kind.
    pub(crate) ticks: BTreeMap<Kind, u64>,
    /// Frames with something that could not be understood.
    pub(crate) dead: u64,
    /// Ticks about tokens nobody asked for.
    pub(crate) unwatched: u64,
    /// Hashes that are none.
    pub(crate) hashes_unreadable: u64,
    /// Ticks dropped because the buffer was full.
    pub(crate) dropped: u64,
    /// What its books counted.
    pub(crate) tally: BookStats,
    /// Books re-fetched.
    pub(crate) resyncs: u64,
    /// Tokens without a book although they were subscribed again and again.
    pub(crate) without_book: Vec<TokenId>,
}

impl FeedStats {
    /// Records what is followed, and how many markets found no place.
    pub(crate) fn followed(&self, markets: usize, tokens: usize, left_out: usize) {
        let mut notes = self.notes();
        notes.markets = markets as u64;
        notes.tokens = tokens as u64;
        notes.left_out = left_out;
    }

    /// Records that there is one more socket.
    pub(crate) fn add_socket(&self) {
        let mut notes = self.notes();
        let number = notes.sockets.len();
        notes.sockets.push(SocketCounters::numbered(number));
    }

    /// Records that the catalogue was read, whole.
    pub(crate) fn universe_read(&self) {
        self.notes().universe_problem = None;
    }

    /// Records which tokens are set aside.
    pub(crate) fn set_aside<'a>(&self, tokens: impl Iterator<Item = &'a TokenId>) {
        let mut tokens: Vec<String> = tokens.map(ToString::to_string).collect();
        tokens.sort_unstable();
        self.notes().set_aside = tokens;
    }

    /// Records how many tokens are of markets that are over and have no book.
    pub(crate) fn dead(&self, tokens: usize) {
        self.notes().dead = tokens;
    }

    /// Records trades that were recovered.
    pub(crate) fn recovered(&self, trades: u64) {
        self.notes().recovered += trades;
    }

    /// Records why the trades of gaps cannot be fetched, or that they can.
    pub(crate) fn recovery_failed(&self, problem: Option<String>) {
        self.notes().recovery_problem = problem;
    }

    /// Records the venue's clock minus ours.
    pub(crate) fn clock_offset(&self, ms: i64) {
        self.notes().clock_offset_ms = Some(ms);
    }

    /// Records why the markets are not known.
    pub(crate) fn universe_failed(&self, problem: String) {
        self.notes().universe_problem = Some(problem);
    }

    /// Changes what one socket says of itself.
    pub(crate) fn socket(&self, number: usize, change: impl FnOnce(&mut SocketCounters)) {
        if let Some(socket) = self.notes().sockets.get_mut(number) {
            change(socket);
        }
    }

    /// What is wrong now, in events.
    pub(crate) fn problems(&self) -> Vec<String> {
        let notes = self.notes();
        let mut problems: Vec<String> =
            notes.universe_problem.iter().map(|why| format!("universe: {why}")).collect();
        problems.extend(notes.recovery_problem.iter().map(|why| format!("recovery of trades: {why}")));
        if notes.left_out > 0 {
            problems.push(format!("{} markets found no socket: raise FEED_SOCKETS_MAX", notes.left_out));
        }
        if !notes.set_aside.is_empty() {
            let named = named(&notes.set_aside);
            problems
                .push(format!("{} tokens make the venue close the socket: {named}", notes.set_aside.len()));
        }
        let without = without_book(&notes);
        if !without.is_empty() {
            problems.push(format!("no book comes for {} tokens: {}", without.len(), named(&without)));
        }
        // A socket that nothing is left to follow for is no trouble.
        let wanted = notes.sockets.iter().filter(|socket| socket.report.tokens > 0);
        let broken = wanted.filter(|socket| socket.report.state != SocketState::Connected);
        problems.extend(broken.map(|socket| {
            let why = socket.report.problem.as_deref().unwrap_or("not open yet");
            format!("socket {}: {why}", socket.report.number)
        }));
        problems
    }

    /// Everything, as the feed's report; what other rooms count is left at zero.
    pub(crate) fn report(&self, shard: &str, universe: &str, queue: &PublishQueue) -> FeedReport {
        let level = queue.level();
        let notes = self.notes();
        let tally = notes.sockets.iter().fold(BookStats::default(), |mut sum, socket| {
            sum += socket.tally;
            sum
        });
        let sum = |count: fn(&SocketCounters) -> u64| notes.sockets.iter().map(count).sum::<u64>();
        let mut ticks = BTreeMap::new();
        for (kind, count) in notes.sockets.iter().flat_map(|socket| &socket.ticks) {
            *ticks.entry(kind.word().to_owned()).or_default() += count;
        }
        FeedReport {
            shard: shard.to_owned(),
            universe: universe.to_owned(),
            markets: notes.markets,
            tokens: notes.tokens,
            tokens_with_book: sum(|socket| socket.report.tokens_with_book),
            sockets: notes.sockets.iter().map(|socket| socket.report.clone()).collect(),
            reconnections: sum(|socket| socket.report.reconnections),
            frames: sum(|socket| socket.report.frames),
            ticks,
            dead: sum(|socket| socket.dead),
            published: level.published,
            buffered: level.messages,
            buffered_bytes: level.bytes,
            dropped: sum(|socket| socket.dropped),
            gaps_open: 0,
            last_data_at: notes.sockets.iter().filter_map(|socket| socket.report.last_data_at).max(),
            quote_differences: tally.differences,
            depth: FeedDetails {
                groups: tally.groups,
                hashes_checked: tally.checked,
                hash_mismatches: tally.mismatches,
                resyncs: sum(|socket| socket.resyncs),
                trades_recovered: notes.recovered,
                unwatched: sum(|socket| socket.unwatched),
                hashes_unreadable: sum(|socket| socket.hashes_unreadable),
                without_book: without_book(&notes).into_iter().take(NAMED_MAX).collect(),
                set_aside: notes.set_aside.iter().take(NAMED_MAX).cloned().collect(),
                set_aside_count: notes.set_aside.len() as u64,
                left_out: notes.left_out as u64,
                tokens_dead: notes.dead as u64,
                clock_offset_ms: notes.clock_offset_ms,
                ..FeedDetails::default()
            },
        }
    }

    /// Up to when every open socket delivered data: one that is silent since may have lost something.
    pub(crate) fn heard_until(&self) -> Option<Timestamp> {
        let notes = self.notes();
        let open = notes
            .sockets
            .iter()
            .map(|socket| &socket.report)
            .filter(|report| report.state == SocketState::Connected && report.tokens > 0);
        open.map(|report| report.last_data_at.max(report.connected_at)).min().flatten()
    }

    /// The newest data frame of any socket.
    pub(crate) fn last_data_at(&self) -> Option<Timestamp> {
        self.notes().sockets.iter().filter_map(|socket| socket.report.last_data_at).max()
    }

    fn notes(&self) -> MutexGuard<'_, FeedCounters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_book(notes: &FeedCounters) -> Vec<String> {
    let tokens = notes.sockets.iter().flat_map(|socket| &socket.without_book);
    let mut tokens: Vec<String> = tokens.map(ToString::to_string).collect();
    tokens.sort_unstable();
    tokens
}

/// The first few names of a list.
fn named(tokens: &[String]) -> String {
    let shown = tokens.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if tokens.len() > SHOWN_MAX { format!("{shown}, …") } else { shown }
}

// === impl SocketCounters ===

impl SocketCounters {
    fn numbered(number: usize) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Self { report: SocketReport { number, ..SocketReport::default() }, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_adds_up_what_the_sockets_say() {
        let stats = FeedStats::default();
        stats.followed(3, 6, 0);
        for (number, us) in [(0, 0), (1, 1)] {
            stats.add_socket();
            stats.socket(number, |socket| {
                socket.report.frames = 5;
                socket.report.last_data_at = Some(Timestamp::from_micros(us));
                socket.tally.checked = 4;
                *socket.ticks.entry(Kind::Trade).or_default() += 2;
            });
        }
        stats.socket(9, |_| panic!("there is no such socket"));
        stats.recovered(7);
        let report = stats.report("0/1", "all", &PublishQueue::new(1));
        assert_eq!((report.frames, report.ticks["trade"], report.markets), (10, 4, 3));
        assert_eq!((report.depth.hashes_checked, report.depth.trades_recovered), (8, 7));
        assert_eq!(report.last_data_at, Some(Timestamp::from_micros(1)));
        assert_eq!(stats.last_data_at(), report.last_data_at);
    }

    #[test]
    fn everything_was_heard_up_to_the_last_word_of_the_most_silent_socket_that_is_open() {
        let stats = FeedStats::default();
        assert_eq!(stats.heard_until(), None);
        let at = Timestamp::from_micros;
        for (number, last_data_at, connected_at) in
            [(0, Some(9), 1), (1, Some(4), 5), (2, Some(2), 1), (3, None, 7)]
        {
            stats.add_socket();
            stats.socket(number, |socket| {
                socket.report.last_data_at = last_data_at.map(at);
                socket.report.connected_at = Some(at(connected_at));
                socket.report.tokens = 2;
                socket.report.state = SocketState::Connected;
            });
        }
        assert_eq!(stats.heard_until(), Some(at(2)));
        stats.socket(2, |socket| socket.report.state = SocketState::Reconnecting);
        assert_eq!(stats.heard_until(), Some(at(5)), "opened after its last word");
    }

    #[test]
    fn problems_name_the_socket_the_universe_and_the_tokens() {
        let stats = FeedStats::default();
        stats.universe_failed("no answer".to_owned());
        assert_eq!(stats.problems(), ["universe: no answer"]);
        stats.universe_read();
        stats.followed(1, 2, 4);
        (0..3).for_each(|_| stats.add_socket());
        stats.socket(0, |socket| socket.report.state = SocketState::Connected);
        stats.socket(1, |socket| {
            socket.report.problem = Some("refused".to_owned());
            socket.report.tokens = 2;
            socket.without_book = vec![TokenId::try_from("72").unwrap()];
        });
        let aside: Vec<TokenId> =
            (1..6).map(|n| TokenId::try_from(format!("{n}").as_str()).unwrap()).collect();
        stats.set_aside(aside.iter());
        stats.recovery_failed(Some("503".to_owned()));
        assert_eq!(
            stats.problems(),
            [
                "recovery of trades: 503",
                "4 markets found no socket: raise FEED_SOCKETS_MAX",
                "5 tokens make the venue close the socket: 1, 2, 3, …",
                "no book comes for 1 tokens: 72",
                "socket 1: refused"
            ]
        );
        let report = stats.report("0/1", "all", &PublishQueue::new(1));
        assert_eq!((report.depth.set_aside_count, report.depth.without_book.len()), (5, 1));
    }
}
