//! Subscriptions and the opening books that answer them.
//!
//! Knows: which book comes, at once, later or not at all. Never: a task, a timer; the words of a request.

use axum::extract::ws::Message;

use crate::frame::{self, Lack};
use crate::ledger::{Marks, Occasion, Record};
use crate::venue::Venue;

/// What a client asks for in a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) tokens: Vec<String>,
    pub(crate) opening_books: bool,
}

/// What became of the opening books of a subscription.
#[derive(Debug)]
pub(crate) enum Opening {
    /// There was nothing to answer.
    Nothing,
    /// They are queued.
    Queued,
    /// They are as of now and must be queued by [`Venue::bring`] after the lag.
    Late(Books),
}

/// An array of opening books and what the ledger is to say of it.
#[derive(Debug)]
pub(crate) struct Books {
    text: String,
    records: Vec<Record>,
}

impl Venue {
    /// Subscribes a socket and queues its opening books, or returns them where they are to come later.
    pub(crate) fn subscribe(&mut self, socket: u64, wish: &Wish, books_max: usize, now_ms: u64) -> Opening {
        let (mut new, mut unknown) = (Vec::new(), 0_usize);
        for id in &wish.tokens {
            let Some((market, token)) = self.token(id) else {
                unknown += 1;
                continue;
            };
            if self.hub.listen(socket, market, token) {
                new.push((market, token));
            }
            self.markets[market].heard_at_ms = now_ms;
            if !self.markets[market].active {
                self.markets[market].active = true;
                self.active.push(market);
            }
        }
        let silent = self.frozen || now_ms < self.books_from_ms;
        if !wish.opening_books || silent || (new.is_empty() && unknown == 0) {
            return Opening::Nothing;
        }
        // As the venue does without a sign: beyond its limit only changes arrive.
        if self.hub.tokens_of(socket) > books_max {
            return Opening::Nothing;
        }
        let asked = new.len();
        let Self { markets, ailments, .. } = self;
        new.retain(|(market, token)| !ailments.withholds(&markets[*market].tokens[*token].id));
        if new.is_empty() && asked > 0 {
            return Opening::Nothing;
        }
        let books = self.books_of(&new, now_ms);
        if self.dump_lag_ms > 0 {
            return Opening::Late(books);
        }
        self.bring(socket, books, now_ms);
        Opening::Queued
    }

    /// Queues opening books. A socket that ended meanwhile gets nothing, and neither does anybody while the
    /// venue is frozen.
    pub(crate) fn bring(&mut self, socket: u64, books: Books, now_ms: u64) {
        if self.frozen || !self.hub.seats(socket) {
            return;
        }
        self.opened_at_ms = now_ms;
        let Books { text, mut records } = books;
        for record in &mut records {
            record.sent_at_ms = now_ms;
        }
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let first = self.ledger.push(records.into_iter());
        self.hub.answer(socket, Message::text(text), Marks { first, count, mask: u64::MAX }, true);
    }

    /// Takes tokens of a socket away.
    pub(crate) fn unsubscribe(&mut self, socket: u64, tokens: &[String]) {
        for id in tokens {
            if let Some((market, token)) = self.by_token.get(id.as_str()).copied() {
                self.hub.forget(socket, market, token);
            }
        }
    }

    /// What the opening book of a token lacks: so many of a hundred lack one member, in turns.
    fn lack_of(&self, market: usize, token: usize) -> Option<Lack> {
        let at = 2 * market + token;
        let sparse = at * 37 % 100 < self.sparse_books_percent as usize;
        sparse.then_some([Lack::Kind, Lack::TickSize, Lack::LastTrade][at % 3])
    }

    /// The opening array. A token whose book is not known yet (replay) is left out, as an unknown one.
    fn books_of(&mut self, tokens: &[(usize, usize)], now_ms: u64) -> Books {
        self.opened_at_ms = now_ms;
        let mut text = String::with_capacity(2 + tokens.len() * 1536);
        text.push('[');
        let mut records = Vec::with_capacity(tokens.len());
        for (market, token) in tokens.iter().copied() {
            self.markets[market].furnish(now_ms);
            if self.markets[market].tokens[token].book.changed_at_ms == 0 {
                continue;
            }
            if !records.is_empty() {
                text.push(',');
            }
            let lack = self.lack_of(market, token);
            frame::push_opening_book(&mut text, &self.markets[market], token, lack);
            records.push(self.book_record(market, token, Occasion::Opening, now_ms));
        }
        text.push(']');
        Books { text, records }
    }
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
