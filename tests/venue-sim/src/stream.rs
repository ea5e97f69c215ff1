//! The ordinary stream: changes deep in the books, moves of the best prices, matches.
//!
//! Knows: the proportions and how a match looks on the wire. Never: an odd trade, a clock, a socket.

use crate::expect::Expectation;
use crate::market::{Listing, Purpose, mirrored};
use crate::names;
use crate::scenario::Proportions;
use crate::units::{Price, Side, Size};
use crate::venue::{Order, Print, Venue};

/// A trade's quote must be younger than 60 s; touching the book when it is older than this keeps far from it.
pub(crate) const TOUCH_AGE_MS: u64 = 10_000;
/// How far before its trade a match group is stamped, at most (seen: 20 to 30 ms).
const GROUP_LEAD_MS: u64 = 25;
/// Most levels a side; beyond it the worst one goes.
const LEVELS_MAX: usize = 40;
/// Fewer levels than this a side are not swept.
const LEVELS_MIN: usize = 6;
/// The best prices stay between these, so that both tokens have room.
const LOWEST: u16 = 1_500;
const HIGHEST: u16 = 8_500;
/// Draws until a market fits.
const DRAWS: usize = 8;

/// What was sent so far, in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) price: u64,
    pub(crate) quote: u64,
    pub(crate) trade: u64,
    pub(crate) book: u64,
}

impl Counts {
    pub(crate) fn total(self) -> u64 {
        self.price + self.quote + self.trade + self.book
    }
}

/// The state of the ordinary stream.
#[derive(Debug)]
pub(crate) struct Ordinary {
    proportions: Proportions,
    random: fastrand::Rng,
    pub(crate) counts: Counts,
    /// The market of the last trade, whose books are due.
    traded: Option<usize>,
}

impl Ordinary {
    pub(crate) fn new(proportions: Proportions, seed: u64) -> Self {
        Self {
            proportions,
            random: fastrand::Rng::with_seed(seed ^ 0x5eed),
            counts: Counts::default(),
            traded: None,
        }
    }

    /// Does one thing, whichever lags most behind its share, and returns how many ticks it took.
    pub(crate) fn step(&mut self, venue: &mut Venue, now_ms: u64) -> u64 {
        let before = self.counts;
        let Proportions { best_bid_ask, trade, book } = self.proportions;
        let done = (self.lags(before.trade, trade) && self.trade(venue, now_ms))
            || (self.lags(before.book, book) && self.books(venue, now_ms))
            || (self.lags(before.quote, best_bid_ask) && self.move_best(venue, now_ms))
            || self.deepen(venue, now_ms);
        // Where nobody listens yet time passes all the same.
        if done { self.counts.total() - before.total() } else { 1 }
    }

    fn lags(&self, count: u64, share: u32) -> bool {
        count * 1000 < u64::from(share) * (self.counts.total() + 1)
    }

    /// A market to act on; the ones subscribed first, which are the busy ones, come more often.
    fn pick(&mut self, venue: &Venue, ordinary_only: bool, now_ms: u64) -> Option<usize> {
        let count = venue.active.len();
        if count == 0 {
            return None;
        }
        (0..DRAWS).find_map(|_| {
            let at = self.random.usize(0..count).min(self.random.usize(0..count));
            let market = &venue.markets[venue.active[at]];
            let ordinary = market.purpose == Purpose::Ordinary || !ordinary_only;
            let fits = ordinary && market.listing == Listing::Open && market.held_until_ms <= now_ms;
            fits.then(|| venue.active[at])
        })
    }

    fn deepen(&mut self, venue: &mut Venue, now_ms: u64) -> bool {
        let Some(market) = self.pick(venue, false, now_ms) else { return false };
        let least = usize::from(venue.markets[market].purpose != Purpose::Ordinary);
        let order = choose_deep(venue, market, least, &mut self.random, now_ms);
        let stamp_ms = venue.markets[market].next_stamp(now_ms);
        let lead = self.random.usize(0..2);
        if least == 0 && venue.loses(market, order) {
            venue.change_but_lose(market, order, stamp_ms, now_ms);
        } else {
            venue.change(market, &[order], stamp_ms, lead, now_ms);
        }
        self.counts.price += 2;
        true
    }

    fn books(&mut self, venue: &mut Venue, now_ms: u64) -> bool {
        let Some(market) = self.traded.take() else { return false };
        venue.send_books(market, now_ms);
        self.counts.book += 2;
        true
    }

    /// Moves the best price of one side: best prices of both tokens first, then the change that moved them.
    fn move_best(&mut self, venue: &mut Venue, now_ms: u64) -> bool {
        let Some(market) = self.pick(venue, true, now_ms) else { return false };
        venue.markets[market].furnish(now_ms);
        let Some(order) = self.next_best(venue, market) else { return false };
        let stamp_ms = venue.markets[market].next_stamp(now_ms);
        venue.apply(market, &[order], stamp_ms);
        // Seen in recordings: now and then 1 ms later than the change it tells.
        venue.send_quotes(market, stamp_ms + u64::from(self.random.u8(0..4) == 0), now_ms);
        let lead = self.random.usize(0..2);
        venue.send_change(market, order, lead, crate::ledger::Occasion::Live, now_ms);
        self.counts.quote += 2;
        self.counts.price += 2;
        true
    }

    fn next_best(&mut self, venue: &Venue, market: usize) -> Option<Order> {
        let of = &venue.markets[market];
        let (book, tick) = (of.book(), of.tick);
        let (bid, ask) = (book.best(Side::Buy)?.price, book.best(Side::Sell)?.price);
        let ticks = ask.units().saturating_sub(bid.units()) / tick;
        let up = match () {
            () if bid.units() > HIGHEST => false,
            () if ask.units() < LOWEST => true,
            () => self.random.bool(),
        };
        let improve = ticks >= 4 || (ticks >= 2 && self.random.bool());
        // Up: a better bid, or the best ask goes. Down: the other way round.
        let side = if up == improve { Side::Buy } else { Side::Sell };
        if improve {
            let step = if up { i32::from(tick) } else { -i32::from(tick) };
            let from = if up { bid } else { ask };
            return Some(Order { side, price: from.moved(step), size: level_size(&mut self.random) });
        }
        let best = book.best(side).filter(|_| book.levels(side).len() >= LEVELS_MIN)?;
        Some(Order { side, price: best.price, size: Size::ZERO })
    }

    /// A match: best prices, the changes it made (all with one stamp and the final hash), then the trade.
    fn trade(&mut self, venue: &mut Venue, now_ms: u64) -> bool {
        let Some(market) = self.pick(venue, true, now_ms) else { return false };
        if needs_touch(venue, market, now_ms) {
            change_deep(venue, market, 3, &mut self.random, now_ms, now_ms.saturating_sub(2 * GROUP_LEAD_MS));
            self.counts.price += 2;
        }
        let token = self.random.usize(0..2);
        let side = if self.random.bool() { Side::Buy } else { Side::Sell };
        let Some((orders, price, size)) = self.match_up(venue, market, token, side) else { return false };
        let price = mirrored(token, side, price).1;
        let stamp_ms = venue.markets[market].next_stamp(now_ms.saturating_sub(GROUP_LEAD_MS));
        // The hash of the group carries the new last trade price already.
        venue.markets[market].trade_at(price);
        venue.apply(market, &orders, stamp_ms);
        venue.send_quotes(market, stamp_ms, now_ms);
        for order in &orders {
            venue.send_change(market, *order, token, crate::ledger::Occasion::Live, now_ms);
        }
        let size_text = size.to_string();
        let mut print = Print {
            market,
            token,
            side,
            price,
            size,
            expected: Expectation::clean(&size_text),
            size_text: Some(size_text),
            timestamp_ms: now_ms.max(stamp_ms + self.random.u64(20..=30)),
            hash_text: None,
            transaction_hash: names::hex_id(&mut self.random),
            side_json: Some(side.json()),
            at_rest: true,
        };
        print.hash_text = Some(print.transaction_hash.clone());
        venue.send_trade(&print, now_ms);
        self.counts.quote += 2;
        self.counts.price += 2 * orders.len() as u64;
        self.counts.trade += 1;
        self.traded = Some(market);
        true
    }

    /// The orders of a match in the first token's terms, its price there, and its size.
    fn match_up(
        &mut self,
        venue: &Venue,
        market: usize,
        token: usize,
        side: Side,
    ) -> Option<(Vec<Order>, Price, Size)> {
        let book = venue.markets[market].book();
        let taking = mirrored(token, side, Price::ZERO).0;
        let resting = taking.opposite();
        let best = book.best(resting)?;
        let roomy =
            book.levels(resting).len() >= LEVELS_MIN && (LOWEST..HIGHEST).contains(&best.price.units());
        let small = best.size.millionths() < Size::SHARE;
        if !small && (!roomy || self.random.bool()) {
            let eaten = Size::of_millionths(self.random.u64(1_000..=best.size.millionths() * 6 / 10));
            let rest = Order { side: resting, price: best.price, size: best.size.less(eaten) };
            return Some((vec![rest], best.price, eaten));
        }
        if book.levels(resting).len() < 2 {
            return None;
        }
        let removal = Order { side: resting, price: best.price, size: Size::ZERO };
        let remainder = Order { side: taking, price: best.price, size: level_size(&mut self.random) };
        // The taker's rest comes first, so that the book is crossed until the removal arrives.
        let orders = if roomy && self.random.bool() { vec![remainder, removal] } else { vec![removal] };
        Some((orders, best.price, best.size))
    }
}

/// Whether the quote of a market may be too old, or older than an opening book, for a trade's verdict to be sure.
pub(crate) fn needs_touch(venue: &Venue, market: usize, now_ms: u64) -> bool {
    let touched_at_ms = venue.markets[market].touched_at_ms;
    touched_at_ms + TOUCH_AGE_MS < now_ms || touched_at_ms <= venue.opened_at_ms
}

/// Changes a level at least `least` ticks behind the best one (0: the best one's size at most); the best
/// prices stay. Sends it with a stamp not before `stamp_ms`.
pub(crate) fn change_deep(
    venue: &mut Venue,
    market: usize,
    least: usize,
    random: &mut fastrand::Rng,
    now_ms: u64,
    stamp_ms: u64,
) {
    let order = choose_deep(venue, market, least, random, now_ms);
    let stamp_ms = venue.markets[market].next_stamp(stamp_ms);
    let lead = random.usize(0..2);
    venue.change(market, &[order], stamp_ms, lead, now_ms);
}

fn choose_deep(
    venue: &mut Venue,
    market: usize,
    least: usize,
    random: &mut fastrand::Rng,
    now_ms: u64,
) -> Order {
    let of = &mut venue.markets[market];
    of.furnish(now_ms);
    let side = if random.bool() { Side::Buy } else { Side::Sell };
    let away = i32::from(of.tick) * i32::try_from(random.usize(least..=least.max(13))).unwrap_or(13);
    let best = match side {
        Side::Buy => of.book().best_bid(),
        Side::Sell => of.book().best_ask(),
    };
    let price = best.moved(if side == Side::Buy { -away } else { away });
    let levels = of.book().levels(side);
    let there = of.book().size_at(side, price) > Size::ZERO;
    if levels.len() > LEVELS_MAX {
        Order { side, price: levels[0].price, size: Size::ZERO }
    } else if price == Price::ZERO || price == Price::ONE {
        Order { side, price: best, size: level_size(random) }
    } else if there && away > 0 && levels.len() > LEVELS_MIN + 2 && random.u8(0..10) < 4 {
        Order { side, price, size: Size::ZERO }
    } else {
        Order { side, price, size: level_size(random) }
    }
}

/// A size of a level: at least five shares, on the grid of 0.01.
pub(crate) fn level_size(random: &mut fastrand::Rng) -> Size {
    let hundredths = if random.bool() { random.u64(5..2_000) * 100 } else { random.u64(500..300_000) };
    Size::of_hundredths(hundredths)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
