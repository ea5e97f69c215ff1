//! One market: its ids and words, its two tokens and their books.
//!
//! Knows: that the outcomes are complements of each other. Never: who listens, what is sent.

use std::sync::Arc;

use crate::book::Book;
use crate::clock;
use crate::hash::{self, Surroundings};
use crate::names;
use crate::scenario::RestBook;
use crate::scenario::catalogue::LateForm;
use crate::units::{Price, Side, Size};
use crate::universe::Row;
use crate::window::Window;

/// Levels a side when a book is first filled.
const LEVELS_AT_START: i32 = 14;
/// Short markets are made a day before their window.
const MADE_BEFORE_MS: u64 = 86_400_000;
/// The markets after the first 200 that lack volume figures, as 62 % of the venue's do.
const MARKETS_SURE_OF_VOLUME: usize = 200;

/// One outcome of a market.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) id: Arc<str>,
    pub(crate) outcome: String,
    pub(crate) book: Book,
}

/// Whether a market can be found at REST and subscribed to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Listing {
    /// Made, but not yet announced: nobody can see it.
    Reserved,
    /// Traded.
    Open,
    /// Open and accepting orders, as Gamma says, but without a book: its window is over.
    Dead,
    /// Resolved: its tokens have no book any more.
    Closed,
}

impl Listing {
    /// Whether Gamma lists it with `closed=false`.
    pub(crate) fn is_open_at_gamma(self) -> bool {
        match self {
            Self::Open | Self::Dead => true,
            Self::Reserved | Self::Closed => false,
        }
    }
}

/// What a market is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// The ordinary stream of changes and trades.
    Ordinary,
    /// The injection of this number: its best prices move only when the injection wants it.
    Injection(usize),
}

/// How Gamma told a real market.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) text: String,
    end_date: Option<String>,
}

/// A subject that markets are found by at Gamma.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) slug: &'static str,
}

/// A market and the state of its books.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) number: usize,
    pub(crate) condition_id: Arc<str>,
    pub(crate) question: String,
    pub(crate) slug: String,
    pub(crate) tokens: Vec<Token>,
    /// Smallest price step in ten-thousandths.
    pub(crate) tick: u16,
    /// Smallest order, in shares.
    pub(crate) min_size: Size,
    pub(crate) neg_risk: bool,
    pub(crate) listing: Listing,
    pub(crate) purpose: Purpose,
    /// Volume of 24 h in hundredths of a dollar; `None` where Gamma leaves the members out.
    pub(crate) volume_cents: Option<u64>,
    /// Volume of all time, likewise.
    pub(crate) total_cents: Option<u64>,
    /// Liquidity, likewise.
    pub(crate) liquidity_cents: Option<u64>,
    pub(crate) ends_at_ms: u64,
    /// When a price change of this market was last sent.
    pub(crate) touched_at_ms: u64,
    /// Until then nothing may be sent: the book on the sockets is wrong on purpose.
    pub(crate) held_until_ms: u64,
    /// How REST `/book` answers for its tokens.
    pub(crate) rest_book: RestBook,
    /// It is in the ordinary stream.
    pub(crate) active: bool,
    /// When somebody was last seen to listen to it.
    pub(crate) heard_at_ms: u64,
    /// Gamma's number and text of a market that is read from a file.
    pub(crate) row: Option<Told>,
    /// Of a short market.
    pub(crate) window: Option<Window>,
    /// The outcome that wins once it is resolved.
    pub(crate) winner: usize,
    /// The taker's side of the last trade of this run.
    pub(crate) last_side: Option<Side>,
    /// When it was closed, in ms since the epoch; 0 while it was not.
    pub(crate) closed_at_ms: u64,
    /// Until when Gamma does not list it in full, and what it shows instead.
    pub(crate) late: Option<(u64, LateForm)>,
    /// The tick size before the last change, and when that was.
    pub(crate) tick_before: Option<(u16, u64)>,
    furnished: bool,
    seed: u64,
}

impl Market {
    /// An invented market; its books are filled when they are first needed, so that 36,000 are cheap.
    pub(crate) fn invented(number: usize, of: usize, seed: u64, purpose: Purpose, now_ms: u64) -> Self {
        let seed = seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = fastrand::Rng::with_seed(seed);
        let words = names::wording(number);
        let condition_id = names::hex_id(&mut random).into();
        let tokens = words.outcomes.into_iter().map(|outcome| Token {
            id: names::token_id(&mut random).into(),
            outcome,
            book: Book::empty(),
        });
        let has_volume = number < MARKETS_SURE_OF_VOLUME || number < of * 2 / 5;
        let rank = number as u64 + 1;
        // Falls with the number, so that the order by volume is the order by number.
        let volume_cents = has_volume.then_some(2_000_000_000 / rank + 100_000 - rank);
        Self {
            number,
            condition_id,
            slug: names::slug(&words.question, number),
            question: words.question,
            tokens: tokens.collect(),
            tick: if purpose == Purpose::Ordinary && random.u8(0..4) > 0 { 100 } else { 10 },
            min_size: Size::of_hundredths(500),
            neg_risk: random.u8(0..5) < 2,
            listing: Listing::Open,
            purpose,
            volume_cents,
            total_cents: volume_cents.map(|cents| cents * 31),
            liquidity_cents: volume_cents.map(|cents| cents / 7),
            ends_at_ms: (now_ms / 86_400_000 + 2 + random.u64(0..200)) * 86_400_000 + 43_200_000,
            touched_at_ms: 0,
            held_until_ms: 0,
            rest_book: RestBook::Up,
            active: false,
            heard_at_ms: 0,
            row: None,
            window: None,
            winner: usize::from(seed.is_multiple_of(3)),
            last_side: None,
            closed_at_ms: 0,
            late: None,
            tick_before: None,
            furnished: false,
            seed,
        }
    }

    /// A market of a file of real ones; only its books are invented, on its own grid.
    pub(crate) fn listed(number: usize, row: Row, seed: u64, now_ms: u64) -> Self {
        let mut market = Self::invented(number, number + 1, seed, Purpose::Ordinary, now_ms);
        market.condition_id = row.condition_id.into();
        (market.question, market.slug) = (row.question, row.slug);
        let token = |(id, outcome): (String, String)| Token { id: id.into(), outcome, book: Book::empty() };
        market.tokens = row.tokens.into_iter().map(token).collect();
        (market.tick, market.min_size, market.neg_risk) = (row.tick, row.min_size, row.neg_risk);
        market.listing = if row.closed { Listing::Closed } else { Listing::Open };
        market.volume_cents = row.volume_cents;
        (market.total_cents, market.liquidity_cents) = (row.total_cents, row.liquidity_cents);
        market.row = Some(Told { id: row.id, text: row.text, end_date: row.end_date });
        market
    }

    /// A short market, which nobody orders by volume: Gamma leaves it out.
    pub(crate) fn short(number: usize, window: Window, seed: u64, now_ms: u64) -> Self {
        let mut market = Self::invented(number, number + 1, seed, Purpose::Ordinary, now_ms);
        let [from, until] = [window.starts_at_ms(), window.ends_at_ms()].map(clock::iso);
        market.question = format!("{} Up or Down - {from} to {until}", window.asset.to_uppercase());
        market.slug = window.slug();
        for (token, outcome) in market.tokens.iter_mut().zip(["Up", "Down"]) {
            outcome.clone_into(&mut token.outcome);
        }
        (market.tick, market.neg_risk) = (100, false);
        (market.volume_cents, market.total_cents, market.liquidity_cents) = (None, None, None);
        market.ends_at_ms = window.ends_at_ms();
        market.window = Some(window);
        market
    }

    /// A market known only from a recording; its books come from there.
    pub(crate) fn recorded(number: usize, condition_id: Arc<str>, tokens: Vec<Token>, now_ms: u64) -> Self {
        let mut market = Self::invented(number, number + 1, 0, Purpose::Ordinary, now_ms);
        market.question =
            format!("Recorded market {number} ({})", condition_id.get(..10).unwrap_or("short id"));
        market.slug = names::slug(&market.question, number);
        market.condition_id = condition_id;
        market.tokens = tokens;
        market.furnished = true;
        market
    }

    /// Fills the books once, around a price of its own (injections: around one half).
    pub(crate) fn furnish(&mut self, now_ms: u64) {
        if self.furnished {
            return;
        }
        let mut random = fastrand::Rng::with_seed(self.seed.rotate_left(17));
        let cents = if self.purpose == Purpose::Ordinary { random.i32(25..=75) } else { 50 };
        let age_ms = random.u64(0..3_600_000);
        let mid = self.on_grid(cents * 100);
        self.fill(mid, &mut random);
        if random.u8(0..10) > 0 {
            self.trade_at(Price::ZERO.moved(mid));
        }
        self.rehash(now_ms - age_ms, &mut String::new());
    }

    /// Fills both books anew around a mid price in ten-thousandths.
    pub(crate) fn furnish_around(&mut self, mid: i32, changed_at_ms: u64, random: &mut fastrand::Rng) {
        self.fill(self.on_grid(mid), random);
        self.rehash(changed_at_ms, &mut String::new());
    }

    /// The nearest price, in ten-thousandths, that lies on the grid and leaves room on both sides.
    fn on_grid(&self, price: i32) -> i32 {
        let tick = i32::from(self.tick);
        let nearest = (price + tick / 2) / tick * tick;
        nearest.clamp(tick, (i32::from(Price::ONE.units()) - tick).max(tick))
    }

    fn fill(&mut self, mid: i32, random: &mut fastrand::Rng) {
        self.furnished = true;
        for token in &mut self.tokens {
            token.book.clear();
        }
        let tick = i32::from(self.tick);
        for (step, worth) in (1..=LEVELS_AT_START).zip(1_u64..) {
            for (side, away) in [(Side::Buy, -step * tick), (Side::Sell, step * tick)] {
                let hundredths = random.u64(500..20_000) * worth;
                let price = Price::ZERO.moved(mid + away);
                if price != Price::ZERO && price != Price::ONE {
                    self.apply(side, price, Size::of_hundredths(hundredths));
                }
            }
        }
    }

    /// Sets a level of the first token's book, and the same order as the second token's book shows it.
    pub(crate) fn apply(&mut self, side: Side, price: Price, size: Size) {
        for (at, token) in self.tokens.iter_mut().enumerate() {
            let (side, price) = mirrored(at, side, price);
            token.book.set(side, price, size);
        }
    }

    /// A trade of either token at this price. Both books then show this very price, not its complement
    /// (seen in the recording of 2026-06-30: two books of one market, both with the same last trade).
    pub(crate) fn trade_at(&mut self, price: Price) {
        for token in &mut self.tokens {
            token.book.last_trade = Some(price);
        }
    }

    /// Stamps both books and computes their hashes.
    pub(crate) fn rehash(&mut self, changed_at_ms: u64, scratch: &mut String) {
        for at in 0..self.tokens.len() {
            self.rehash_token(at, changed_at_ms, scratch);
        }
    }

    /// Stamps one book and computes its hash.
    pub(crate) fn rehash_token(&mut self, at: usize, changed_at_ms: u64, scratch: &mut String) {
        self.tokens[at].book.changed_at_ms = changed_at_ms;
        let hash = hash::of_book(scratch, self.surroundings(at), &self.tokens[at].book);
        self.tokens[at].book.hash = hash;
    }

    /// What goes into the hash of a token's book besides the book.
    pub(crate) fn surroundings(&self, at: usize) -> Surroundings<'_> {
        let token = &self.tokens[at];
        Surroundings {
            condition_id: &self.condition_id,
            token_id: &token.id,
            min_size: self.min_size,
            tick_size: Price::of(self.tick),
            neg_risk: self.neg_risk,
            timestamp_ms: token.book.changed_at_ms,
        }
    }

    /// The first token's book, from which changes are chosen.
    pub(crate) fn book(&self) -> &Book {
        &self.tokens[0].book
    }

    /// A timestamp for the next change: never before the last one.
    pub(crate) fn next_stamp(&self, wanted_ms: u64) -> u64 {
        self.tokens.iter().map(|token| token.book.changed_at_ms).fold(wanted_ms, u64::max)
    }

    /// When the market was made, as Gamma says it.
    pub(crate) fn started_at(&self) -> String {
        let made_at_ms = match self.window {
            Some(window) => window.starts_at_ms() - MADE_BEFORE_MS,
            None => self.ends_at_ms - 220 * 86_400_000,
        };
        clock::iso(made_at_ms)
    }

    /// When the market ends, as Gamma says it; none where a row has no end.
    pub(crate) fn ends_at(&self) -> Option<String> {
        match &self.row {
            Some(row) if self.listing != Listing::Dead => row.end_date.clone(),
            _ => Some(clock::iso(self.ends_at_ms)),
        }
    }

    /// The subject of an invented market.
    pub(crate) fn tag(&self) -> Option<Tag> {
        let tag = |id, label, slug| Tag { id, label, slug };
        match (&self.row, self.window) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(tag("21", "Crypto", "crypto")),
            (None, None) => Some(match self.number % 5 {
                0 => tag("84", "Weather", "weather"),
                1 => tag("2", "Politics", "politics"),
                3 => tag("120", "Finance", "finance"),
                _ => tag("1", "Sports", "sports"),
            }),
        }
    }

    /// The tick size that Gamma shows `lag_ms` after each change, in ten-thousandths.
    pub(crate) fn tick_at_gamma(&self, now_ms: u64, lag_ms: u64) -> u16 {
        match self.tick_before {
            Some((before, changed_at_ms)) if now_ms < changed_at_ms + lag_ms => before,
            _ => self.tick,
        }
    }
}

/// An order in the first token's book, as the token at `at` shows it: a bid at p is an ask at 1 - p.
pub(crate) fn mirrored(at: usize, side: Side, price: Price) -> (Side, Price) {
    if at == 0 { (side, price) } else { (side.opposite(), price.complement()) }
}

/// The text of a tick size given in ten-thousandths.
pub(crate) fn tick_text(tick: u16) -> String {
    Price::of(tick).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn market() -> Market {
        let mut market = Market::invented(3, 10, 7, Purpose::Ordinary, 1_790_000_000_000);
        market.furnish(1_790_000_000_000);
        market
    }

    fn assert_complementary(market: &Market) {
        let [first, second] = &market.tokens[..] else { panic!("two tokens") };
        for side in [Side::Buy, Side::Sell] {
            let here = first.book.levels(side).iter().map(|level| (level.price.complement(), level.size));
            let there = second.book.levels(side.opposite()).iter().map(|level| (level.price, level.size));
            assert!(here.eq(there), "the books are not complements of each other");
        }
    }

    #[test]
    fn the_books_of_a_new_market_are_complements_and_not_crossed() {
        let market = market();
        assert_complementary(&market);
        assert!(market.book().best_bid() < market.book().best_ask());
        assert!(market.tokens.iter().all(|token| token.book.changed_at_ms <= 1_790_000_000_000));
    }

    #[test]
    fn furnished_books_lie_on_the_grid_of_their_tick() {
        for (tick, number) in
            [1000, 100, 50, 25, 10, 1].into_iter().flat_map(|tick| (0..9).map(move |at| (tick, at)))
        {
            let mut market = Market::invented(number, 10, 7, Purpose::Ordinary, 1_790_000_000_000);
            market.tick = tick;
            market.furnish(1_790_000_000_000);
            assert_complementary(&market);
            let book = market.book();
            let all = book.levels(Side::Buy).iter().chain(book.levels(Side::Sell));
            assert!(all.clone().all(|level| level.price.units() % tick == 0), "{tick}");
            assert!(all.clone().all(|level| ![Price::ZERO, Price::ONE].contains(&level.price)), "{tick}");
            assert!(book.best(Side::Buy).is_some() && book.best(Side::Sell).is_some(), "{tick}");
            assert!(book.best_bid() < book.best_ask(), "{tick}");
        }
    }

    #[test]
    fn a_bid_on_one_token_is_an_ask_at_the_complement_on_the_other() {
        assert_eq!(mirrored(1, Side::Buy, Price::of(6_300)), (Side::Sell, Price::of(3_700)));
        assert_eq!(mirrored(0, Side::Buy, Price::of(6_300)), (Side::Buy, Price::of(6_300)));
    }

    #[test]
    fn the_same_seed_makes_the_same_market_and_another_number_another() {
        let [one, same, other] = [(5, 7), (5, 7), (6, 7)]
            .map(|(number, seed)| Market::invented(number, 10, seed, Purpose::Ordinary, 0).condition_id);
        assert_eq!(one, same);
        assert_ne!(one, other);
    }

    #[test]
    fn volume_falls_with_the_number() {
        let volume = |number| Market::invented(number, 36_000, 7, Purpose::Ordinary, 0).volume_cents;
        assert!((0..14_399).all(|number| volume(number) > volume(number + 1)));
        assert_eq!(volume(20_000), None);
    }

    proptest! {
        #[test]
        fn books_stay_complements_after_any_changes(
            changes in proptest::collection::vec((any::<bool>(), 1_u16..10_000, 0_u64..1_000), 1..60)
        ) {
            let mut market = market();
            for (buys, price, hundredths) in changes {
                let side = if buys { Side::Buy } else { Side::Sell };
                market.apply(side, Price::of(price), Size::of_hundredths(hundredths));
            }
            assert_complementary(&market);
        }
    }
}
