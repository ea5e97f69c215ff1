//! Who listens to what, and the bounded queue of each socket.
//!
//! Knows: sockets, their tokens, their queues. Never: a book, the meaning of a frame; it never waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::{CloseFrame, Message};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ledger::Marks;

/// One frame on its way to one socket.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    pub(crate) marks: Marks,
    /// It answers a subscription.
    pub(crate) opening: bool,
    _ticket: Ticket,
}

/// Counts a frame from its queueing to its writing (or to the end of its socket).
#[derive(Debug)]
struct Ticket(Arc<AtomicUsize>);

/// Which sockets a frame is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Those that subscribe the token.
    Token,
    /// Those of them that asked for custom features.
    TokenCustom,
    /// Every socket that asked for custom features, whatever it subscribes.
    EveryCustom,
}

/// A socket's place in the hub.
#[derive(Debug)]
struct Seat {
    queue: mpsc::Sender<Outgoing>,
    custom: bool,
    tokens: usize,
    /// The markets of its tokens.
    markets: HashSet<usize>,
    /// Cancelled when the socket is to end at once.
    cut: CancellationToken,
}

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    seats: HashMap<u64, Seat>,
    /// By market: socket and a bit for each of its tokens.
    listeners: Vec<Vec<(u64, u8)>>,
    next_id: u64,
    queued: Arc<AtomicUsize>,
}

impl Hub {
    /// Makes room for this many markets.
    pub(crate) fn for_markets(count: usize) -> Self {
        Self { listeners: vec![Vec::new(); count], ..Self::default() }
    }

    /// Seats a socket and returns its number.
    pub(crate) fn enter(&mut self, queue: mpsc::Sender<Outgoing>, cut: CancellationToken) -> u64 {
        self.next_id += 1;
        self.seats
            .insert(self.next_id, Seat { queue, custom: false, tokens: 0, markets: HashSet::new(), cut });
        self.next_id
    }

    /// Frees a socket's place; nothing is queued for it any more.
    pub(crate) fn leave(&mut self, id: u64) {
        for market in self.seats.remove(&id).into_iter().flat_map(|seat| seat.markets) {
            self.listeners[market].retain(|(socket, _)| *socket != id);
        }
    }

    /// Turns the custom features of a socket on or off.
    pub(crate) fn set_custom(&mut self, id: u64, on: Option<bool>) {
        if let (Some(seat), Some(on)) = (self.seats.get_mut(&id), on) {
            seat.custom = on;
        }
    }

    /// Adds a token; false if the socket had it already.
    pub(crate) fn listen(&mut self, id: u64, market: usize, token: usize) -> bool {
        let (Some(seat), bit) = (self.seats.get_mut(&id), bit(token)) else { return false };
        let listeners = &mut self.listeners[market];
        let added = if let Some((_, bits)) = listeners.iter_mut().find(|(socket, _)| *socket == id) {
            let new = *bits & bit == 0;
            *bits |= bit;
            new
        } else {
            listeners.push((id, bit));
            seat.markets.insert(market);
            true
        };
        seat.tokens += usize::from(added);
        added
    }

    /// Takes a token away.
    pub(crate) fn forget(&mut self, id: u64, market: usize, token: usize) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let listeners = &mut self.listeners[market];
        if let Some((_, bits)) =
            listeners.iter_mut().find(|(socket, bits)| *socket == id && bits & bit(token) != 0)
        {
            *bits &= !bit(token);
            seat.tokens -= 1;
        }
        listeners.retain(|(_, bits)| *bits != 0);
        if !listeners.iter().any(|(socket, _)| *socket == id) {
            seat.markets.remove(&market);
        }
    }

    /// The sockets that subscribe a market, each with all its markets.
    pub(crate) fn listeners(&self, market: usize) -> Vec<(u64, Vec<usize>)> {
        let seats = self.listeners[market].iter().filter_map(|(id, _)| Some((*id, self.seats.get(id)?)));
        seats.map(|(id, seat)| (id, seat.markets.iter().copied().collect())).collect()
    }

    /// How many tokens a socket has.
    pub(crate) fn tokens_of(&self, id: u64) -> usize {
        self.seats.get(&id).map_or(0, |seat| seat.tokens)
    }

    /// Whether a socket is still there.
    pub(crate) fn seats(&self, id: u64) -> bool {
        self.seats.contains_key(&id)
    }

    /// Sockets and, over all of them, tokens.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.seats.len(), self.seats.values().map(|seat| seat.tokens).sum())
    }

    /// The numbers of all sockets.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.seats.keys().copied().collect()
    }

    /// Whether a frame about these tokens (bits) of a market would reach anybody.
    pub(crate) fn reaches(&self, market: usize, tokens: u8, reach: Reach) -> bool {
        match reach {
            Reach::EveryCustom => self.seats.values().any(|seat| seat.custom),
            Reach::Token => self.listeners[market].iter().any(|(_, bits)| bits & tokens != 0),
            Reach::TokenCustom => self.listeners[market].iter().any(|(socket, bits)| {
                bits & tokens != 0 && self.seats.get(socket).is_some_and(|seat| seat.custom)
            }),
        }
    }

    /// Queues a frame for everybody it is for. `tokens` holds the token bits of each of its records, the
    /// first of which has the number `first`. A socket whose queue is full is ended.
    pub(crate) fn deliver(
        &mut self,
        market: usize,
        tokens: &[u8],
        reach: Reach,
        message: &Message,
        first: u64,
    ) {
        let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        let mut too_slow = Vec::new();
        if reach == Reach::EveryCustom {
            for (id, seat) in self.seats.iter().filter(|(_, seat)| seat.custom) {
                let marks = Marks { first, count, mask: u64::MAX };
                if !seat.offer(message.clone(), marks, false, &self.queued) {
                    too_slow.push(*id);
                }
            }
        } else {
            for (id, bits) in &self.listeners[market] {
                let Some(seat) = self.seats.get(id) else { continue };
                if reach == Reach::TokenCustom && !seat.custom {
                    continue;
                }
                let wanted = tokens.iter().enumerate().filter(|(_, token)| *token & bits != 0);
                let mask =
                    wanted.fold(0_u64, |mask, (at, _)| mask | 1_u64.checked_shl(shift(at)).unwrap_or(0));
                if mask != 0
                    && !seat.offer(message.clone(), Marks { first, count, mask }, false, &self.queued)
                {
                    too_slow.push(*id);
                }
            }
        }
        for id in too_slow {
            self.abort(id);
        }
    }

    /// Queues a frame about several tokens, once for each socket that subscribes any of them. A frame about
    /// none goes to everybody.
    pub(crate) fn deliver_across(&mut self, about: &[(usize, usize)], message: &Message, first: u64) {
        let count = u32::try_from(about.len()).unwrap_or(u32::MAX);
        let mut masks: HashMap<u64, u64> = HashMap::new();
        for (at, (market, token)) in about.iter().enumerate() {
            for (id, _) in self.listeners[*market].iter().filter(|(_, bits)| bits & bit(*token) != 0) {
                *masks.entry(*id).or_default() |= 1_u64.checked_shl(shift(at)).unwrap_or(0);
            }
        }
        if about.is_empty() {
            masks.extend(self.seats.keys().map(|id| (*id, 0)));
        }
        for (id, mask) in masks {
            self.answer(id, message.clone(), Marks { first, count, mask }, false);
        }
    }

    /// Queues a frame for one socket.
    pub(crate) fn answer(&mut self, id: u64, message: Message, marks: Marks, opening: bool) {
        let Some(seat) = self.seats.get(&id) else { return };
        if !seat.offer(message, marks, opening, &self.queued) {
            self.abort(id);
        }
    }

    /// Ends a socket at once.
    pub(crate) fn abort(&mut self, id: u64) {
        if let Some(seat) = self.seats.get(&id) {
            seat.cut.cancel();
        }
        self.leave(id);
    }

    /// Ends a socket with a close frame after all that is queued for it.
    pub(crate) fn close(&mut self, id: u64, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.answer(id, Message::Close(Some(frame)), Marks::default(), false);
        self.leave(id);
    }

    /// Frames queued and not yet written, over all sockets.
    pub(crate) fn queued(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.queued)
    }
}

fn bit(token: usize) -> u8 {
    1_u8.checked_shl(shift(token)).unwrap_or(0)
}

fn shift(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Seat {
    fn offer(&self, message: Message, marks: Marks, opening: bool, queued: &Arc<AtomicUsize>) -> bool {
        queued.fetch_add(1, Ordering::Relaxed);
        let outgoing = Outgoing { message, marks, opening, _ticket: Ticket(Arc::clone(queued)) };
        self.queue.try_send(outgoing).is_ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seated(hub: &mut Hub, room: usize) -> (u64, mpsc::Receiver<Outgoing>, CancellationToken) {
        let (queue, waiting) = mpsc::channel(room);
        let cut = CancellationToken::new();
        (hub.enter(queue, cut.clone()), waiting, cut)
    }

    #[test]
    fn a_frame_reaches_only_those_who_subscribe_one_of_its_tokens() {
        let mut hub = Hub::for_markets(2);
        let (first, mut first_queue, _) = seated(&mut hub, 8);
        let (second, mut second_queue, _) = seated(&mut hub, 8);
        assert!(hub.listen(first, 0, 0) && !hub.listen(first, 0, 0));
        assert!(hub.listen(second, 1, 1));
        hub.deliver(0, &[1, 2], Reach::Token, &Message::text("x"), 40);
        let marks = first_queue.try_recv().unwrap().marks;
        assert_eq!((marks.first, marks.count, marks.mask), (40, 2, 0b01));
        assert!(second_queue.try_recv().is_err());
        hub.forget(first, 0, 0);
        assert!(!hub.reaches(0, 3, Reach::Token));
        assert_eq!(hub.sizes(), (2, 1));
    }

    #[test]
    fn a_socket_that_leaves_is_taken_from_all_its_markets_and_only_it() {
        let mut hub = Hub::for_markets(3);
        let [(first, ..), (second, ..)] = [seated(&mut hub, 8), seated(&mut hub, 8)];
        for (socket, market) in [(first, 0), (first, 1), (first, 2), (second, 1)] {
            hub.listen(socket, market, 0);
        }
        hub.forget(first, 2, 0);
        hub.leave(first);
        assert!([0, 2].into_iter().all(|market| !hub.reaches(market, 3, Reach::Token)));
        assert!(hub.reaches(1, 1, Reach::Token) && hub.seats(second) && !hub.seats(first));
    }

    #[test]
    fn custom_frames_need_the_flag_and_global_ones_only_that() {
        let mut hub = Hub::for_markets(1);
        let (id, mut queue, _) = seated(&mut hub, 8);
        hub.listen(id, 0, 0);
        hub.deliver(0, &[1], Reach::TokenCustom, &Message::text("x"), 0);
        assert!(queue.try_recv().is_err());
        hub.set_custom(id, Some(true));
        hub.forget(id, 0, 0);
        hub.deliver(0, &[1], Reach::EveryCustom, &Message::text("x"), 0);
        assert!(queue.try_recv().is_ok());
    }

    #[test]
    fn a_socket_with_a_full_queue_is_ended_and_never_waited_for() {
        let mut hub = Hub::for_markets(1);
        let (id, queue, cut) = seated(&mut hub, 2);
        hub.listen(id, 0, 0);
        for _ in 0..2 {
            hub.deliver(0, &[1], Reach::Token, &Message::text("x"), 0);
            assert!(!cut.is_cancelled());
        }
        assert_eq!(hub.queued().load(Ordering::Relaxed), 2);
        hub.deliver(0, &[1], Reach::Token, &Message::text("x"), 0);
        assert!(cut.is_cancelled());
        assert_eq!(hub.sizes(), (0, 0));
        drop(queue);
        assert_eq!(hub.queued().load(Ordering::Relaxed), 0);
    }
}
