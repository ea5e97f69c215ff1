//! One socket for ever: opened, subscribed, read, watched for silence, opened again.
//!
//! Knows: when a connection is to be replaced, which books are owed, which gap a break makes. Never: what a frame says.

mod report;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::clock;
use contract::gap::Cause;
use contract::ids::TokenId;
use contract::stats::SocketState;
use contract::tick::Tick;
use contract::time::Timestamp;
use polymarket::session::{Frame, Session, SessionError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::Sockets;
use crate::control::{ControlEvent, SocketCommand};
use crate::feed_stats::FeedStats;
use crate::publish::dead_letters::Unknown;
use crate::session::assignments::AssignedMarket;
use crate::session::book_keeper::{BookKeeper, FrameOutcome, WrongBook};
use crate::session::connect_limiter::ConnectRateLimiter;
use crate::session::connection_state::{ConnectionState, DisconnectReason};
use crate::session::recent_events::RecentEvents;
use crate::session::snapshot_requests::SnapshotRequests;
use crate::session::tick_publisher::TickPublisher;

/// One socket and everything that outlives its connections.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Its number within the feed.
    pub(crate) number: usize,
    /// Name of this process, for correlation ids.
    pub(crate) instance: String,
    /// Where the venue is and how patient we are.
    pub(crate) settings: Sockets,
    /// What it is to follow.
    pub(crate) list: watch::Receiver<Arc<[AssignedMarket]>>,
    /// Its tokens and their books.
    pub(crate) books: BookKeeper,
    /// Where what it reads goes.
    pub(crate) publisher: TickPublisher,
    /// Where it says how it fares.
    pub(crate) stats: FeedStats,
    /// Where it says what it cannot mend itself.
    pub(crate) events: mpsc::Sender<ControlEvent>,
    /// What others want of it, and where its own questions are answered.
    pub(crate) orders: (mpsc::Sender<SocketCommand>, mpsc::Receiver<SocketCommand>),
    /// Fetches books by REST.
    pub(crate) snapshots: SnapshotRequests,
    /// Its turn to connect.
    pub(crate) limiter: ConnectRateLimiter,
    /// Market events seen recently.
    pub(crate) announced: RecentEvents,
    /// How often rebuilt books are published; zero: never.
    pub(crate) book_every: Duration,
}

/// What wakes a socket.
enum SessionEvent {
    Stop,
    Frame(Result<Frame, SessionError>),
    Ping,
    Silence,
    List,
    PendingSnapshots,
    Rest,
    Tell,
    SocketCommand(SocketCommand),
}

impl Socket {
    /// Runs until `stop`. A broken connection never ends it.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(self.settings.reconnect_min, self.settings.reconnect_max);
        let mut suspected = HashSet::new();
        let mut epoch = 0;
        loop {
            if !self.has_tokens(&stop).await {
                break;
            }
            self.say(if epoch == 0 { SocketState::Connecting } else { SocketState::Reconnecting }, None);
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = stop.cancelled() => break,
            };
            let mut pause = Duration::ZERO;
            let (end, had_data) = match opened {
                Ok(session) => self.serve(session, epoch, &mut suspected, &stop).await,
                Err(error) => {
                    pause = error.retry_after().unwrap_or_default();
                    self.limiter.pause_for(pause);
                    (DisconnectReason::WrongBook(error), false)
                }
            };
            epoch += 1;
            if had_data {
                backoff.reset();
            }
            let why = match end {
                DisconnectReason::Stopped => break,
                DisconnectReason::Idle => {
                    self.say(SocketState::Disconnected, None);
                    continue;
                }
                DisconnectReason::Silent => format!("no data for {:?}", self.settings.silence_max),
                DisconnectReason::WrongBook(error) => chassis::logline::error_chain(&error),
            };
            let pause = backoff.next(fastrand::u64(..)).max(pause);
            warn!(socket = self.number, retry = ?pause, "socket {} lost: {why}", self.number);
            self.say(SocketState::Reconnecting, Some(why));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        self.say(SocketState::Disconnected, Some("stopped".to_owned()));
        Ok(())
    }

    /// Waits until there is something to follow; false when asked to stop before.
    async fn has_tokens(&mut self, stop: &CancellationToken) -> bool {
        let wanted = self.list.wait_for(|list| !list.is_empty());
        tokio::select! {
            list = wanted => match list {
                Ok(list) => {
                    let list = list.clone();
                    self.books.follow(&list);
                    true
                }
                // The subscription manager is gone: the feed stops.
                Err(_) => false,
            },
            () = stop.cancelled() => false,
        }
    }

    async fn open(&self) -> Result<Session, SessionError> {
        self.limiter.acquire().await;
        Session::open(&self.settings.url, &self.books.tokens()).await
    }

    /// Reads an open socket to its end; whether it brought any data.
    async fn serve(
        &mut self,
        mut session: Session,
        epoch: u64,
        suspected: &mut HashSet<TokenId>,
        stop: &CancellationToken,
    ) -> (DisconnectReason, bool) {
        let mut life = self.connected(epoch);
        let end = loop {
            let event = self.wait(&mut session, &mut life, stop).await;
            match self.meet(event, &mut session, &mut life).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(error) => break DisconnectReason::WrongBook(error),
            }
        };
        let Some(cause) = end.cause() else {
            session.close().await;
            return (end, life.had_data);
        };
        if let DisconnectReason::WrongBook(error) = &end {
            self.blame(&life, suspected);
            self.keep_unread(error, &mut life);
        }
        self.lost(cause, life.data_at);
        (end, life.had_data)
    }

    fn connected(&mut self, epoch: u64) -> ConnectionState {
        let at = Timestamp::from(clock::now());
        let tokens = self.books.tokens();
        info!(socket = self.number, tokens = tokens.len(), "socket {} is open", self.number);
        self.stats.socket(self.number, |notes| {
            notes.report.state = SocketState::Connected;
            notes.report.connected_at = Some(at);
            notes.report.reconnections = epoch;
            notes.report.tokens_with_book = 0;
            notes.report.problem = None;
        });
        ConnectionState::new(epoch, at, &tokens, self.settings.ping_every, self.book_every)
    }

    async fn wait(
        &mut self,
        session: &mut Session,
        life: &mut ConnectionState,
        stop: &CancellationToken,
    ) -> SessionEvent {
        let patience = if life.probed { self.settings.silence_max } else { self.settings.silence_max / 2 };
        let (look, bytes_max) = (life.openings.next_look(), life.frame_bytes_max());
        tokio::select! {
            biased;
            () = stop.cancelled() => SessionEvent::Stop,
            Ok(()) = self.list.changed() => SessionEvent::List,
            // Before the frames: a socket that always has one must not starve what keeps it open.
            _ = life.ping.tick() => SessionEvent::Ping,
            _ = life.rest.tick(), if self.books.has_open_groups() => SessionEvent::Rest,
            _ = life.tell.tick() => SessionEvent::Tell,
            Some(order) = self.orders.1.recv() => SessionEvent::SocketCommand(order),
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => SessionEvent::PendingSnapshots,
            frame = session.next(bytes_max) => SessionEvent::Frame(frame),
            () = sleep_until(life.heard_at + patience) => SessionEvent::Silence,
        }
    }

    /// Does what an event asks for; the end of the connection, if it is one.
    async fn meet(
        &mut self,
        event: SessionEvent,
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<Option<DisconnectReason>, SessionError> {
        match event {
            SessionEvent::Stop => return Ok(Some(DisconnectReason::Stopped)),
            SessionEvent::Ping => session.ping().await?,
            SessionEvent::Silence if life.probed => return Ok(Some(DisconnectReason::Silent)),
            SessionEvent::Silence => self.probe_liveness(session, life).await?,
            SessionEvent::List => {
                self.relist(session, life).await?;
                if self.books.size() == 0 {
                    return Ok(Some(DisconnectReason::Idle));
                }
            }
            SessionEvent::PendingSnapshots => self.request_missing_snapshots(session, life).await?,
            SessionEvent::Rest => {
                let broken = self.books.close_idle_groups(clock::now().into());
                self.resync(broken, session, life).await?;
            }
            SessionEvent::Tell => self.tell(life),
            SessionEvent::SocketCommand(SocketCommand::Doubt(overruled)) => {
                let doubted = self.books.doubted(&overruled, clock::now().into());
                self.resync(doubted.into_iter().collect(), session, life).await?;
            }
            SessionEvent::SocketCommand(SocketCommand::Snapshot(book)) => {
                let received_at = clock::now().into();
                let reading = self.books.snapshot(*book, received_at);
                self.take(reading, received_at, life);
            }
            SessionEvent::Frame(frame) => {
                let frame = frame?;
                let mut reading = self.frame(&frame, life);
                if reading.not_understood {
                    return Err(SessionError::NotUnderstood);
                }
                let broken = std::mem::take(&mut reading.broken);
                self.resync(broken, session, life).await?;
                if reading.ping {
                    session.pong().await?;
                }
            }
        }
        Ok(None)
    }

    /// Subscribes what is new on the list and gives up what has left it.
    async fn relist(
        &mut self,
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<(), SessionError> {
        let list = self.list.borrow_and_update().clone();
        let (new, left) = self.books.follow(&list);
        for token in &left {
            life.openings.came(token);
        }
        self.note_sizes(life);
        session.unsubscribe(&left).await?;
        life.openings.asked(&new, Instant::now());
        session.subscribe(&new).await
    }

    /// Asks again for books that are owed for too long, and names those that asking again did not bring.
    async fn request_missing_snapshots(
        &mut self,
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<(), SessionError> {
        let overdue = life.openings.overdue(Instant::now());
        if !overdue.missing.is_empty() {
            self.word(ControlEvent::Missing(overdue.missing));
        }
        life.openings.asked(&overdue.by_rest, Instant::now());
        self.snapshots.fetch(&overdue.by_rest, &self.orders.0);
        self.resubscribe(&overdue.again, session, life).await?;
        self.note_sizes(life);
        Ok(())
    }

    /// Half of the silence that is borne has passed: one book is asked for, to see whether anybody is there.
    async fn probe_liveness(
        &mut self,
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<(), SessionError> {
        life.probed = true;
        let Some(token) = self.books.quietest() else { return Ok(()) };
        debug!(socket = self.number, "socket {} is silent: a book is asked for", self.number);
        self.resubscribe(&[token], session, life).await
    }

    /// Re-fetches wrong books.
    async fn resync(
        &mut self,
        broken: Vec<WrongBook>,
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<(), SessionError> {
        for WrongBook { cause, token, market, right_until } in broken {
            if self.books.lacks_book(&token) {
                continue;
            }
            let cause_word = cause.word();
            warn!(token.id = %token, "a book is wrong ({cause_word}) and is re-fetched");
            let since = right_until.unwrap_or(life.data_at);
            self.publisher.gaps.open(&market, cause, since, clock::now().into());
            self.stats.socket(self.number, |notes| notes.resyncs += 1);
            self.resubscribe(&[token], session, life).await?;
        }
        Ok(())
    }

    async fn resubscribe(
        &mut self,
        tokens: &[TokenId],
        session: &mut Session,
        life: &mut ConnectionState,
    ) -> Result<(), SessionError> {
        for token in tokens {
            self.books.reset_book(token);
        }
        life.openings.asked(tokens, Instant::now());
        session.unsubscribe(tokens).await?;
        session.subscribe(tokens).await
    }

    /// The connection ended just after a subscription that was not answered. Once is an accident.
    fn blame(&self, life: &ConnectionState, suspected: &mut HashSet<TokenId>) {
        let blamed: HashSet<TokenId> = life.openings.blamed(Instant::now()).into_iter().collect();
        let twice: Vec<TokenId> = blamed.intersection(suspected).cloned().collect();
        if !twice.is_empty() {
            self.word(ControlEvent::Suspects(twice));
        }
        *suspected = blamed;
    }

    /// The connection is gone: its books are unknown, and from its last data on ticks may be missing.
    fn lost(&mut self, cause: Cause, since: Timestamp) {
        let now = clock::now().into();
        self.books.reset_books();
        for market in self.books.markets() {
            self.publisher.gaps.open(market, cause, since, now);
        }
        self.stats.socket(self.number, |notes| {
            notes.report.tokens_with_book = 0;
            notes.report.connected_at = None;
        });
    }

    fn frame(&mut self, frame: &Frame, life: &mut ConnectionState) -> FrameOutcome {
        let received_at = Timestamp::from(clock::now());
        let reading = match frame {
            Frame::Text(text) => self.books.read(text.as_str(), received_at),
            Frame::Binary(bytes) => {
                let refused = vec![("a binary frame: the venue documents none".to_owned(), bytes.to_vec())];
                FrameOutcome { refused, ..FrameOutcome::default() }
            }
        };
        self.take(reading, received_at, life)
    }

    /// Does what a reading asks for but for what goes to the venue.
    fn take(
        &mut self,
        mut reading: FrameOutcome,
        received_at: Timestamp,
        life: &mut ConnectionState,
    ) -> FrameOutcome {
        let correlation = self.correlation(life);
        for token in &reading.without_book {
            life.openings.ticked(token);
        }
        for market in std::mem::take(&mut reading.missed) {
            self.publisher.gaps.open(&market, Cause::Resubscribed, life.data_at, received_at);
        }
        for token in &reading.opened {
            life.openings.came(token);
        }
        for market in std::mem::take(&mut reading.completed) {
            self.publisher.gaps.restored(&market, received_at);
        }
        for news in std::mem::take(&mut reading.news) {
            // Every socket tells it: once is enough.
            if self.announced.is_first(&news) {
                self.word(ControlEvent::MarketEvent(news));
            }
        }
        for Unknown { kind, sample, .. } in
            reading.unknown.extract_if(.., |unknown| self.publisher.letters.note_unknown(unknown))
        {
            reading.refused.push((format!("unknown event type `{kind}`"), sample));
        }
        self.publisher.recover_from_overflow(&self.books, received_at);
        let FrameOutcome { ticks, refused, .. } = &mut reading;
        let dropped = self.publisher.ticks(ticks, refused, received_at, &correlation);
        self.publisher.letter(refused, self.number, received_at, &correlation);
        let is_data = !reading.ticks.is_empty();
        if is_data {
            life.data_at = received_at;
            life.had_data = true;
            (life.heard_at, life.probed) = (Instant::now(), false);
        }
        self.note(&reading, received_at, dropped, life);
        reading
    }

    /// A frame for which the connection was given up is a dead letter, as far as it was read.
    fn keep_unread(&self, error: &SessionError, life: &mut ConnectionState) {
        let Some(beginning) = error.unread() else { return };
        let (refused, correlation) = ([(error.to_string(), beginning.to_vec())], self.correlation(life));
        self.publisher.letter(&refused, self.number, clock::now().into(), &correlation);
        self.stats.socket(self.number, |notes| notes.dead += 1);
    }

    /// Publishes the books that changed, as they were rebuilt.
    fn tell(&mut self, life: &mut ConnectionState) {
        let now = Timestamp::from(clock::now());
        let books: Vec<Tick> = self.books.changed_books(now).into_iter().map(Tick::Book).collect();
        let correlation = self.correlation(life);
        let mut refused = Vec::new();
        let dropped = self.publisher.ticks(&books, &mut refused, now, &correlation);
        self.publisher.letter(&refused, self.number, now, &correlation);
        self.stats.socket(self.number, |notes| notes.dropped += dropped);
    }

    fn correlation(&self, life: &mut ConnectionState) -> String {
        life.frames += 1;
        format!("{}.{}.{}.{}", self.instance, self.number, life.epoch, life.frames)
    }
}
