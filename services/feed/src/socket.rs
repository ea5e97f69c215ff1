//! One socket for ever: opened, read, watched for silence, opened again.
//!
//! Knows: when a connection is to be replaced, and which gap that makes. Never: what a frame says.

use std::collections::BTreeSet;
use std::time::Duration;

use bus::Message;
use chassis::backoff::Backoff;
use chassis::clock;
use contract::codec::{encode, encode_tick};
use contract::gap::{Cause, Gap};
use contract::ids::ConditionId;
use contract::letter::DeadLetter;
use contract::stats::{Service, SocketState};
use contract::subject;
use contract::tick::Tick;
use contract::time::Timestamp;
use polymarket::session::{Frame, Session, SessionError};
use tokio::time::{Instant, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::board::Board;
use crate::config::Sockets;
use crate::desk::{Desk, Reading};
use crate::gaps::Gaps;
use crate::relay::{PAYLOAD_BYTES_MAX, Relay};

/// One socket and everything that outlives its connections.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Its number within the feed.
    pub(crate) number: usize,
    /// Name of this process, for correlation ids.
    pub(crate) instance: String,
    /// Where the venue is and how patient we are.
    pub(crate) settings: Sockets,
    /// Its tokens and their books.
    pub(crate) desk: Desk,
    /// Its gaps.
    pub(crate) gaps: Gaps,
    /// Where ticks go.
    pub(crate) relay: Relay,
    /// Where it says how it fares.
    pub(crate) board: Board,
}

/// A connection's life, as far as it matters for what comes after.
#[derive(Clone, Copy, Debug)]
struct Life {
    epoch: u64,
    frames: u64,
    data_at: Timestamp,
    had_data: bool,
}

enum End {
    Stopped,
    Broken(SessionError),
    Silent,
}

impl Socket {
    /// Runs until `stop`. A broken connection never ends it.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(self.settings.reconnect_min, self.settings.reconnect_max);
        let tokens = self.desk.tokens();
        for epoch in 0_u64.. {
            self.now(if epoch == 0 { SocketState::Connecting } else { SocketState::Reconnecting }, None);
            let opened = tokio::select! {
                opened = Session::open(&self.settings.url, &tokens) => opened,
                () = stop.cancelled() => break,
            };
            let mut pause = Duration::ZERO;
            let (end, had_data) = match opened {
                Ok(session) => self.serve(session, epoch, &stop).await,
                Err(error) => {
                    pause = error.retry_after().unwrap_or_default();
                    (End::Broken(error), false)
                }
            };
            if had_data {
                backoff.reset();
            }
            let why = match end {
                End::Stopped => break,
                End::Silent => format!("no data for {:?}", self.settings.silence_max),
                End::Broken(error) => chassis::logline::chain(&error),
            };
            let pause = backoff.next(fastrand::u64(..)).max(pause);
            warn!(
                socket = self.number,
                retry = ?pause,
                "socket {} lost: {why}",
                self.number
            );
            self.now(SocketState::Reconnecting, Some(why));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        self.now(SocketState::Disconnected, Some("stopped".to_owned()));
        Ok(())
    }

    /// Reads an open socket to its end; whether it brought any data.
    async fn serve(&mut self, mut session: Session, epoch: u64, stop: &CancellationToken) -> (End, bool) {
        let opened_at = Timestamp::from(clock::now());
        let mut life = Life { epoch, frames: 0, data_at: opened_at, had_data: false };
        self.opened(opened_at, epoch);
        let mut ping = interval_at(Instant::now() + self.settings.ping_every, self.settings.ping_every);
        let mut silent_at = Instant::now() + self.settings.silence_max;
        let end = loop {
            let frame = tokio::select! {
                biased;
                () = stop.cancelled() => break End::Stopped,
                frame = session.next() => frame,
                _ = ping.tick() => match session.ping().await {
                    Ok(()) => continue,
                    Err(error) => break End::Broken(error),
                },
                () = sleep_until(silent_at) => break End::Silent,
            };
            match frame {
                Ok(frame) => {
                    let reading = self.frame(&frame, &mut life);
                    if !reading.ticks.is_empty() {
                        silent_at = Instant::now() + self.settings.silence_max;
                    }
                    if reading.ping
                        && let Err(error) = session.pong().await
                    {
                        break End::Broken(error);
                    }
                }
                Err(error) => break End::Broken(error),
            }
        };
        let cause = match &end {
            End::Stopped => {
                session.close().await;
                return (end, life.had_data);
            }
            End::Broken(_) => Cause::SocketClosed,
            End::Silent => Cause::Silence,
        };
        self.lost(cause, life.data_at);
        (end, life.had_data)
    }

    fn opened(&mut self, at: Timestamp, epoch: u64) {
        info!(socket = self.number, tokens = self.desk.tokens().len(), "socket {} is open", self.number);
        self.board.socket(self.number, |notes| {
            notes.report.state = SocketState::Connected;
            notes.report.connected_at = Some(at);
            notes.report.reconnections = epoch;
            notes.report.tokens_with_book = 0;
            notes.report.problem = None;
        });
    }

    /// The connection is gone: its books are unknown, and from its last data on ticks may be missing.
    fn lost(&mut self, cause: Cause, since: Timestamp) {
        self.desk.lose_books();
        let markets: Vec<ConditionId> = self.desk.markets().cloned().collect();
        for market in markets {
            self.open_gap(&market, cause, since);
        }
        let gaps_open = self.gaps.count() as u64;
        self.board.socket(self.number, |notes| {
            notes.report.tokens_with_book = 0;
            notes.report.connected_at = None;
            notes.gaps_open = gaps_open;
        });
    }

    fn frame(&mut self, frame: &Frame, life: &mut Life) -> Reading {
        let received_at = Timestamp::from(clock::now());
        life.frames += 1;
        let correlation = format!("{}.{}.{}.{}", self.instance, self.number, life.epoch, life.frames);
        let mut reading = match frame {
            Frame::Text(text) => self.desk.read(text.as_str(), received_at),
            Frame::Binary(bytes) => {
                let refused = vec![("a binary frame: the venue documents none".to_owned(), bytes.clone())];
                Reading { refused, ..Reading::default() }
            }
        };
        for market in std::mem::take(&mut reading.completed) {
            self.heal(&market, received_at);
        }
        let dropped = self.publish(&mut reading, received_at, &correlation);
        let is_data = !reading.ticks.is_empty();
        if is_data {
            life.data_at = received_at;
            life.had_data = true;
        }
        self.note(&reading, received_at, is_data, dropped);
        reading
    }

    /// Hands ticks and letters to the relay; how many it had no room for.
    fn publish(&mut self, reading: &mut Reading, received_at: Timestamp, correlation: &str) -> u64 {
        if self.gaps.count() > 0 && self.relay.is_relaxed() {
            self.heal_overflow(received_at);
        }
        let mut dropped = 0;
        for tick in &reading.ticks {
            let message = tick_message(tick, correlation);
            if message.payload.len() > PAYLOAD_BYTES_MAX {
                let error =
                    format!("a {} of {} bytes is too large for the bus", tick.kind(), message.payload.len());
                reading.refused.push((error, message.payload.to_vec()));
                continue;
            }
            // Once a market has lost a tick, its gap stays open until the buffer has room again.
            let overflowed = self.gaps.is_open_for(tick.condition_id(), Cause::BufferFull);
            if overflowed || self.relay.offer(message, received_at).is_err() {
                self.open_gap(&tick.condition_id().clone(), Cause::BufferFull, received_at);
                dropped += 1;
            }
        }
        for (index, (error, bytes)) in reading.refused.iter().enumerate() {
            let origin = format!("{correlation}.{index}");
            let name = format!("socket {}", self.number);
            let letter = DeadLetter::new(Service::Feed, &name, &origin, error, bytes, received_at);
            debug!(correlation_id = %correlation, "an element of socket {} was not understood: {error}", self.number);
            let mut message =
                Message::new(subject::dead(Service::Feed), letter.id.to_string(), encode(&letter));
            message.correlation_id = Some(correlation.to_owned());
            if self.relay.offer(message, received_at).is_err() {
                dropped += 1;
            }
        }
        dropped
    }

    fn note(&self, reading: &Reading, received_at: Timestamp, is_data: bool, dropped: u64) {
        let live = self.desk_change(reading);
        let gaps_open = self.gaps.count() as u64;
        self.board.socket(self.number, |notes| {
            if is_data {
                notes.report.frames += 1;
                notes.report.last_data_at = Some(received_at);
            }
            if reading.pong {
                notes.report.last_pong_at = Some(received_at);
            }
            for tick in &reading.ticks {
                *notes.ticks.entry(tick.kind()).or_default() += 1;
            }
            notes.dead += reading.refused.len() as u64;
            notes.unwatched += reading.unwatched;
            notes.dropped += dropped;
            notes.gaps_open = gaps_open;
            if let Some((live, differences)) = live {
                notes.report.tokens_with_book = live;
                notes.quote_differences = differences;
            }
        });
    }

    /// Live books and differences, counted anew only when the frame held a book: it takes a walk over all tokens.
    fn desk_change(&self, reading: &Reading) -> Option<(u64, u64)> {
        let has_book = reading.ticks.iter().any(|tick| matches!(tick, Tick::Book(_)));
        has_book.then(|| (self.desk.live() as u64, self.desk.differences()))
    }

    fn heal_overflow(&mut self, at: Timestamp) {
        let markets: BTreeSet<ConditionId> = self.desk.markets().cloned().collect();
        for market in markets {
            if self.gaps.is_open_for(&market, Cause::BufferFull) && self.desk.is_complete(&market) {
                self.heal(&market, at);
            }
        }
    }

    fn open_gap(&mut self, market: &ConditionId, cause: Cause, opened_at: Timestamp) {
        if let Some(gap) = self.gaps.open(market, cause, opened_at) {
            self.relay.tell(gap_message(&gap));
        }
    }

    fn heal(&mut self, market: &ConditionId, healed_at: Timestamp) {
        if let Some(gap) = self.gaps.heal(market, healed_at) {
            self.relay.tell(gap_message(&gap));
        }
    }

    fn now(&self, state: SocketState, problem: Option<String>) {
        let tokens = self.desk.tokens().len() as u64;
        self.board.socket(self.number, |notes| {
            notes.report.state = state;
            notes.report.tokens = tokens;
            if problem.is_some() {
                notes.report.problem = problem;
            }
        });
    }
}

/// A gap on its subject; opened and healed are two messages.
pub(crate) fn gap_message(gap: &Gap) -> Message {
    let word = if gap.healed_at.is_some() { "healed" } else { "opened" };
    Message::new(subject::gap(&gap.condition_id), format!("{}-{word}", gap.id), encode(gap))
}

fn tick_message(tick: &Tick, correlation: &str) -> Message {
    let id = tick.id();
    Message {
        subject: subject::raw(tick.kind(), tick.condition_id()),
        id: Some(id.to_string()),
        correlation_id: Some(correlation.to_owned()),
        traceparent: Some(id.traceparent()),
        verdict: None,
        payload: encode_tick(tick).into(),
    }
}
