//! Where the frames of one socket become ticks: numbered, stamped, checked against what is followed.
//!
//! Knows: the books of its tokens. Never: a socket, the bus, a clock.

use std::collections::HashMap;

use book::{Applied, TokenBook};
use contract::ids::{ConditionId, TokenId};
use contract::money::Price;
use contract::tick::Tick;
use contract::time::Timestamp;
use polymarket::translate::{Heard, Quiet, frame};

use crate::ordinals::Ordinals;
use crate::shard::Watched;

/// The desk of one socket. It outlives the connections of its socket.
#[derive(Debug)]
pub(crate) struct Desk {
    tokens: HashMap<TokenId, Held>,
    markets: Vec<Watched>,
    ordinals: Ordinals,
}

/// What a frame came to.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Ticks, in the frame's order, ready to be published.
    pub(crate) ticks: Vec<Tick>,
    /// What could not be understood: why, and its bytes.
    pub(crate) refused: Vec<(String, Vec<u8>)>,
    /// Markets all of whose books are live since this frame.
    pub(crate) completed: Vec<ConditionId>,
    /// Ticks about tokens that nobody asked for.
    pub(crate) unwatched: u64,
    /// Our `PING` was answered.
    pub(crate) pong: bool,
    /// The venue wants an answer.
    pub(crate) ping: bool,
}

#[derive(Debug)]
struct Held {
    market: ConditionId,
    book: TokenBook,
    last_price: Option<Price>,
}

impl Desk {
    /// A desk for these markets.
    pub(crate) fn new(markets: Vec<Watched>) -> Self {
        let held = |watched: &Watched| Held {
            market: watched.market.clone(),
            book: TokenBook::default(),
            last_price: None,
        };
        let tokens =
            markets.iter().flat_map(|w| w.tokens.iter().map(move |token| (token.clone(), held(w)))).collect();
        Self { tokens, markets, ordinals: Ordinals::default() }
    }

    /// The tokens, a market's side by side.
    pub(crate) fn tokens(&self) -> Vec<TokenId> {
        self.markets.iter().flat_map(|watched| watched.tokens.iter().cloned()).collect()
    }

    /// The markets.
    pub(crate) fn markets(&self) -> impl Iterator<Item = &ConditionId> {
        self.markets.iter().map(|watched| &watched.market)
    }

    /// Tokens whose book is live.
    pub(crate) fn live(&self) -> usize {
        self.tokens.values().filter(|held| held.book.is_live()).count()
    }

    /// Times the venue's stated best prices differed from ours.
    pub(crate) fn differences(&self) -> u64 {
        self.tokens.values().map(|held| held.book.differences()).sum()
    }

    /// Whether all books of the market are live.
    pub(crate) fn is_complete(&self, market: &ConditionId) -> bool {
        let watched = self.markets.iter().find(|watched| watched.market == *market);
        watched.is_some_and(|watched| self.all_live(&watched.tokens))
    }

    /// Forgets all books: the connection is lost. Ordinals and last prices stay.
    pub(crate) fn lose_books(&mut self) {
        for held in self.tokens.values_mut() {
            held.book.lose();
        }
    }

    /// Reads a text frame received at `received_at`.
    pub(crate) fn read(&mut self, text: &str, received_at: Timestamp) -> Reading {
        let mut reading = Reading::default();
        for heard in frame(text, received_at) {
            match heard {
                Heard::Tick(tick) => self.take(tick, &mut reading),
                Heard::Refused { error, bytes } => reading.refused.push((error, bytes.as_bytes().to_vec())),
                Heard::Nothing(Quiet::Pong) => reading.pong = true,
                Heard::Nothing(Quiet::Ping) => reading.ping = true,
                // The universe is chosen from the catalogue; these only say that it changed.
                Heard::Nothing(Quiet::Empty) | Heard::NewMarket(_) | Heard::Resolved(_) => {}
            }
        }
        reading
    }

    fn take(&mut self, mut tick: Tick, reading: &mut Reading) {
        let Some(held) = self.tokens.get_mut(tick.token_id()) else {
            reading.unwatched += 1;
            return;
        };
        if held.market != *tick.condition_id() {
            let error = format!(
                "token {} belongs to market {}, not to {}",
                tick.token_id(),
                held.market,
                tick.condition_id()
            );
            reading.refused.push((error, contract::codec::encode_tick(&tick)));
            return;
        }
        if !matches!(tick, Tick::Book(_)) {
            tick.set_id(self.ordinals.number(tick.id()));
        }
        let was_live = held.book.is_live();
        held.note(&mut tick);
        if !was_live && held.book.is_live() {
            let market = held.market.clone();
            if self.is_complete(&market) {
                reading.completed.push(market);
            }
        }
        reading.ticks.push(tick);
    }

    fn all_live(&self, tokens: &[TokenId]) -> bool {
        tokens.iter().all(|token| self.tokens.get(token).is_some_and(|held| held.book.is_live()))
    }
}

impl Held {
    /// Brings the book up to date and stamps a trade with what prevailed before it.
    fn note(&mut self, tick: &mut Tick) {
        match tick {
            Tick::Book(book) => {
                if self.book.snapshot(book) == Applied::Yes && self.last_price.is_none() {
                    self.last_price = book.last_trade_price;
                }
            }
            Tick::Price(change) => {
                self.book.apply(change);
            }
            Tick::Quote(quote) => self.book.confirm(quote),
            Tick::Trade(trade) => {
                trade.price_before = self.last_price.replace(trade.price);
                trade.prevailing = self.book.prevailing(trade.executed_at, trade.received_at);
            }
            Tick::TickSize(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_789_156_414_000);

    fn desk() -> Desk {
        let id = |text: &str| TokenId::try_from(text).unwrap();
        let market = ConditionId::try_from("0xab").unwrap();
        Desk::new(vec![Watched { market, tokens: vec![id("71"), id("72")] }])
    }

    fn book(token: &str, last: &str) -> String {
        format!(
            r#"{{"market":"0xab","asset_id":"{token}","timestamp":"1789156413000","bids":[{{"price":"0.5","size":"1"}}],"asks":[{{"price":"0.6","size":"1"}}],"event_type":"book","last_trade_price":"{last}"}}"#
        )
    }

    fn trade(token: &str, market: &str, price: &str) -> String {
        format!(
            r#"{{"market":"{market}", "asset_id":"{token}", "price":"{price}", "size":"2", "side":"BUY", "timestamp":"1789156413830", "event_type":"last_trade_price"}}"#
        )
    }

    fn trades(reading: &Reading) -> Vec<&contract::tick::Trade> {
        reading
            .ticks
            .iter()
            .filter_map(|t| if let Tick::Trade(trade) = t { Some(trade.as_ref()) } else { None })
            .collect()
    }

    #[test]
    fn a_market_is_complete_with_the_last_of_its_books() {
        let mut desk = desk();
        assert!(desk.read(&book("71", ""), NOW).completed.is_empty());
        let reading = desk.read(&format!("[{}]", book("72", "")), NOW);
        assert_eq!(reading.completed.len(), 1);
        assert_eq!((desk.live(), desk.tokens().len()), (2, 2));
        desk.lose_books();
        assert_eq!(desk.live(), 0);
        assert!(!desk.is_complete(&reading.completed[0]));
    }

    #[test]
    fn a_trade_is_stamped_with_quote_and_price_before() {
        let mut desk = desk();
        let first = desk.read(&trade("71", "0xab", "0.55"), NOW);
        assert_eq!((trades(&first)[0].prevailing, trades(&first)[0].price_before), (None, None));
        desk.read(&book("72", "0.490"), NOW);
        let second = desk.read(&trade("72", "0xab", "0.55"), NOW);
        let stamped = trades(&second)[0];
        assert_eq!(stamped.price_before.unwrap().to_string(), "0.49");
        assert_eq!(stamped.prevailing.unwrap().best_ask.unwrap().to_string(), "0.6");
        assert_eq!(
            trades(&desk.read(&trade("72", "0xab", "0.56"), NOW))[0].price_before.unwrap().to_string(),
            "0.55"
        );
    }

    #[test]
    fn two_identical_fills_are_two_ticks_and_the_same_book_is_one() {
        let mut desk = desk();
        let twice = desk.read(&format!("[{0},{0}]", trade("71", "0xab", "0.55")), NOW);
        assert_ne!(twice.ticks[0].id(), twice.ticks[1].id());
        let books = desk.read(&format!("[{0},{0}]", book("71", "")), NOW);
        assert_eq!(books.ticks[0].id(), books.ticks[1].id());
    }

    #[test]
    fn what_nobody_asked_for_is_counted_and_what_does_not_fit_is_refused() {
        let mut desk = desk();
        let strange = desk.read(&trade("99", "0xab", "0.55"), NOW);
        assert_eq!((strange.ticks.len(), strange.unwatched), (0, 1));
        let crossed = desk.read(&trade("71", "0xcd", "0.55"), NOW);
        assert_eq!((crossed.ticks.len(), crossed.refused.len()), (0, 1));
        assert!(crossed.refused[0].0.contains("belongs to market 0xab"));
        assert_eq!(desk.read("[7]", NOW).refused.len(), 1);
        assert!(desk.read("PONG", NOW).pong && desk.read("PING", NOW).ping);
    }
}
