//! What the rooms of the feed say of themselves, gathered for stats and metrics.
//!
//! Knows: counters and states. Never: what to do about them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::stats::{FeedReport, SocketReport, SocketState};
use contract::tick::Kind;
use contract::time::Timestamp;

use crate::relay::Relay;

/// The board; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    markets: u64,
    tokens: u64,
    sockets: Vec<SocketNotes>,
    universe_problem: Option<String>,
    left_out: usize,
}

/// What one socket counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketNotes {
    /// Its state, as told.
    pub(crate) report: SocketReport,
    /// Ticks read, by kind.
    pub(crate) ticks: BTreeMap<Kind, u64>,
    /// Elements that could not be understood.
    pub(crate) dead: u64,
    /// Ticks about tokens nobody asked for.
    pub(crate) unwatched: u64,
    /// Ticks dropped because the buffer was full.
    pub(crate) dropped: u64,
    /// Gaps now open.
    pub(crate) gaps_open: u64,
    /// Settled books that differed from the venue's stated best prices.
    pub(crate) quote_differences: u64,
}

impl Board {
    /// Notes what is followed, and how many sockets there are.
    pub(crate) fn planned(&self, markets: usize, tokens: usize, sockets: usize, left_out: usize) {
        let mut notes = self.notes();
        notes.markets = markets as u64;
        notes.tokens = tokens as u64;
        notes.sockets = (0..sockets).map(SocketNotes::numbered).collect();
        notes.left_out = left_out;
        notes.universe_problem = None;
    }

    /// Notes why the markets are not known.
    pub(crate) fn universe_failed(&self, problem: String) {
        self.notes().universe_problem = Some(problem);
    }

    /// Changes what one socket says of itself.
    pub(crate) fn socket(&self, number: usize, change: impl FnOnce(&mut SocketNotes)) {
        if let Some(socket) = self.notes().sockets.get_mut(number) {
            change(socket);
        }
    }

    /// What is wrong now, in words.
    pub(crate) fn problems(&self) -> Vec<String> {
        let notes = self.notes();
        let mut problems: Vec<String> =
            notes.universe_problem.iter().map(|why| format!("universe: {why}")).collect();
        if notes.left_out > 0 {
            problems.push(format!("{} markets found no socket: raise FEED_SOCKETS_MAX", notes.left_out));
        }
        let broken = notes.sockets.iter().filter(|socket| socket.report.state != SocketState::Connected);
        problems.extend(broken.map(|socket| {
            let why = socket.report.problem.as_deref().unwrap_or("not open yet");
            format!("socket {}: {why}", socket.report.number)
        }));
        problems
    }

    /// Everything, as the feed's report.
    pub(crate) fn report(&self, shard: &str, universe: &str, relay: &Relay) -> FeedReport {
        let level = relay.level();
        let notes = self.notes();
        let sum = |count: fn(&SocketNotes) -> u64| notes.sockets.iter().map(count).sum::<u64>();
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
            gaps_open: sum(|socket| socket.gaps_open),
            last_data_at: notes.sockets.iter().filter_map(|socket| socket.report.last_data_at).max(),
            quote_differences: sum(|socket| socket.quote_differences),
        }
    }

    /// The newest data frame of any socket.
    pub(crate) fn last_data_at(&self) -> Option<Timestamp> {
        self.notes().sockets.iter().filter_map(|socket| socket.report.last_data_at).max()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl SocketNotes ===

impl SocketNotes {
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
        let board = Board::default();
        board.planned(3, 6, 2, 0);
        for (number, us) in [(0, 0), (1, 1)] {
            board.socket(number, |socket| {
                socket.report.frames = 5;
                socket.report.last_data_at = Some(Timestamp::from_micros(us));
                *socket.ticks.entry(Kind::Trade).or_default() += 2;
            });
        }
        board.socket(9, |_| panic!("there is no such socket"));
        let report = board.report("0/1", "all", &Relay::new(1));
        assert_eq!((report.frames, report.ticks["trade"], report.markets), (10, 4, 3));
        assert_eq!(report.last_data_at, Some(Timestamp::from_micros(1)));
        assert_eq!(board.last_data_at(), report.last_data_at);
    }

    #[test]
    fn problems_name_the_socket_and_the_universe() {
        let board = Board::default();
        board.universe_failed("no answer".to_owned());
        assert_eq!(board.problems(), ["universe: no answer"]);
        board.planned(1, 2, 2, 4);
        board.socket(0, |socket| socket.report.state = SocketState::Connected);
        board.socket(1, |socket| socket.report.problem = Some("refused".to_owned()));
        assert_eq!(
            board.problems(),
            ["4 markets found no socket: raise FEED_SOCKETS_MAX", "socket 1: refused"]
        );
    }
}
