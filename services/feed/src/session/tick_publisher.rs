//! The way out of a socket: ticks and letters to the queue, and what becomes of those it has no room for.
//!
//! Knows: messages, fills published already, gaps of an overflown queue, where a trace begins. Never: a connection.

use bus::Message;
use chassis::clock;
use chassis::trace::{Role, Span, Tracer};
use contract::codec::encode;
use contract::dead_letter::DeadLetter;
use contract::gap::Cause;
use contract::stats::Service;
use contract::subject;
use contract::tick::{Tick, Trade};
use contract::time::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use crate::gaps::Gaps;
use crate::gaps::fills::{Fills, Seen};
use crate::metrics::Skew;
use crate::publish::dead_letters::DeadLetterLimiter;
use crate::publish::message::tick_message;
use crate::publish::queue::{PAYLOAD_BYTES_MAX, PublishQueue};
use crate::session::book_keeper::BookKeeper;

/// Where everything that a socket reads goes; a clone leads to the same place.
#[derive(Clone, Debug)]
pub(crate) struct TickPublisher {
    /// The buffer before the bus.
    pub(crate) queue: PublishQueue,
    /// The gaps of all markets.
    pub(crate) gaps: Gaps,
    /// The fills that were published.
    pub(crate) fills: Fills,
    /// How many letters may be written.
    pub(crate) letters: DeadLetterLimiter,
    /// How far the venue's times lie before ours.
    pub(crate) skew: Skew,
    /// Makes the first spans of trades.
    pub(crate) tracer: Tracer,
}

impl TickPublisher {
    /// Hands ticks over; how many there was no room for. Those too large for the bus are added to `refused`.
    pub(crate) fn ticks(
        &self,
        ticks: &[Tick],
        refused: &mut Vec<(String, Vec<u8>)>,
        received_at: Timestamp,
        correlation: &str,
    ) -> u64 {
        let mut dropped = 0;
        for tick in ticks {
            self.skew.note(tick);
            let message = tick_message(tick, correlation);
            if message.payload.len() > PAYLOAD_BYTES_MAX {
                let error =
                    format!("a {} of {} bytes is too large for the bus", tick.kind(), message.payload.len());
                refused.push((error, message.payload.to_vec()));
                continue;
            }
            // Once a market has lost a tick, its gap stays open until the buffer has room again.
            let overflowed =
                self.gaps.any_overrun() && self.gaps.is_open_for(tick.condition_id(), Cause::BufferFull);
            if overflowed || !self.offer(tick, message, received_at) {
                self.gaps.open(tick.condition_id(), Cause::BufferFull, received_at, received_at);
                dropped += 1;
            }
        }
        dropped
    }

    /// Writes a dead letter about what could not be understood of one frame: one for all of it, and none where there were
    /// many recently.
    pub(crate) fn letter(
        &self,
        refused: &[(String, Vec<u8>)],
        socket: usize,
        received_at: Timestamp,
        correlation: &str,
    ) {
        let Some((error, bytes)) = refused.first() else { return };
        debug!(correlation_id = %correlation, "a part of a frame of socket {socket} was not understood: {error}");
        if !self.letters.allow(Instant::now()) {
            return;
        }
        let all = match refused.len() {
            1 => error.clone(),
            count => format!("{count} parts of a frame, the first: {error}"),
        };
        let name = format!("socket {socket}");
        let letter = DeadLetter::new(Service::Feed, &name, correlation, &all, bytes, received_at);
        let mut message = Message::new(subject::dead(Service::Feed), letter.id.to_string(), encode(&letter));
        message.correlation_id = Some(correlation.to_owned());
        if self.queue.enqueue_dead_letter(message).is_err() {
            self.letters.leave_out();
        }
    }

    /// Markets that lost ticks to an overrun buffer are complete again once it has room and they have their books.
    pub(crate) fn recover_from_overflow(&self, books: &BookKeeper, at: Timestamp) {
        if !self.gaps.any_overrun() || !self.queue.is_relaxed() {
            return;
        }
        for market in books.markets() {
            if self.gaps.is_open_for(market, Cause::BufferFull) && books.is_complete(market) {
                self.gaps.restored(market, at);
            }
        }
    }

    /// Offers a tick, unless it is a fill that REST has reported before; false when there is no room.
    fn offer(&self, tick: &Tick, mut message: Message, received_at: Timestamp) -> bool {
        let Tick::Trade(trade) = tick else { return self.queue.offer(message, received_at).is_ok() };
        if self.fills.record_socket_trade(trade) == Seen::Duplicate {
            return true;
        }
        let socket = self.socket_span(trade, received_at);
        let publish = socket.as_ref().map(|socket| message.traced(socket));
        let taken = self.queue.offer_traced(message, received_at, publish).is_ok();
        if !taken {
            self.fills.withdraw(trade);
        }
        if let Some(socket) = socket {
            if taken { socket.end() } else { socket.failed("the buffer is full").end() }
        }
        taken
    }

    /// The first span of a trade, from the receipt of its frame to the buffer; none where its trace is not sampled.
    /// Only trades are traced: the flood of prices would hide them.
    fn socket_span(&self, trade: &Trade, received_at: Timestamp) -> Option<Span> {
        let begun_at = received_at.date_time().unwrap_or_else(clock::now);
        let span = self.tracer.root(trade.id.bytes(), "socket", Role::Consumer, begun_at)?;
        Some(
            span.text("network.protocol.name", "websocket")
                .text("polyfeed.market", trade.condition_id.to_string())
                .text("polyfeed.token", trade.token_id.to_string()),
        )
    }
}
