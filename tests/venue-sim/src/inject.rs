//! What happens besides the ordinary stream: odd trades, repeats, garbage, breaks.
//!
//! Knows: the injections, when each is due, how its verdict is made certain. Never: a socket, REST itself.

use crate::controls::Announced;
use crate::expect::Expectation;
use crate::garbage;
use crate::ledger::Occasion;
use crate::market::Purpose;
use crate::names;
use crate::oddities;
use crate::scenario::{Cut, Injection, PriceForm, Scenario, SideForm, SizeForm, TradeForm, What};
use crate::snapshot;
use crate::stream;
use crate::units::{Price, Side, Size};
use crate::venue::{Order, Print, Venue};

/// From the touch of a book to the trade that relies on it: the reader has settled the book by then.
const AFTER_TOUCH_MS: u64 = 150;
/// Until the next look whether a market can be used.
const RETRY_MS: u64 = 500;
/// How long a deed waits for a subscriber of its market.
const PATIENCE_MS: u64 = 60_000;
/// How long the sockets show a wrong book after an overruled trade: longer than any question takes.
const HELD_MS: u64 = 20_000;
/// Different prices of near trades on one market, 0.02 apart: each is the only one within 0.01 of itself.
const SLOTS: usize = 9;
/// Distances of trades beyond the limit, in ten-thousandths.
const BEYOND: [i32; 4] = [1_010, 1_500, 2_500, 3_000];

/// Something for the generator's task to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// End all sockets.
    Cut(Cut),
}

#[derive(Debug)]
struct Plan {
    injection: Injection,
    markets: Vec<usize>,
    period_ms: u64,
    due_at_ms: u64,
    left: Option<u32>,
    turn: usize,
}

#[derive(Clone, Copy, Debug)]
struct Delayed {
    at_ms: u64,
    deed: Deed,
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Fire { plan: usize, turn: usize, market: usize, give_up_at_ms: u64 },
    Heal { market: usize },
    Thaw { books_after_ms: u64 },
}

/// The injections of a run.
#[derive(Debug)]
pub(crate) struct Injector {
    plans: Vec<Plan>,
    delayed: Vec<Delayed>,
    random: fastrand::Rng,
}

impl Injector {
    pub(crate) fn new(scenario: &Scenario, venue: &Venue, begun_at_ms: u64) -> Self {
        let plans = scenario.injections.iter().enumerate().map(|(at, injection)| {
            let of_plan = |market: &&crate::market::Market| market.purpose == Purpose::Injection(at);
            let run_ms = u64::from(scenario.duration_s.unwrap_or(0)) * 1000;
            let (period_ms, first_ms) = match (injection.count, injection.every_s) {
                (Some(count), _) => {
                    let period_ms = run_ms / u64::from(count.max(1));
                    (period_ms, period_ms / 2)
                }
                // Trades start soon and one after the other, not in volleys; breaks only after their time.
                (None, every_s) => {
                    let period_ms = u64::from(every_s.unwrap_or(1)) * 1000;
                    let soon_ms = if injection.pool_size() > 0 { 1000 + at as u64 * 700 } else { period_ms };
                    (period_ms, period_ms.min(soon_ms))
                }
            };
            Plan {
                injection: injection.clone(),
                markets: venue.markets.iter().filter(of_plan).map(|market| market.number).collect(),
                period_ms: period_ms.max(1),
                due_at_ms: begun_at_ms + first_ms,
                left: injection.count,
                turn: 0,
            }
        });
        Self {
            plans: plans.collect(),
            delayed: Vec::new(),
            random: fastrand::Rng::with_seed(scenario.seed ^ 0x0dd),
        }
    }

    /// Starts what is due and does what was put off until now.
    pub(crate) fn step(&mut self, venue: &mut Venue, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for plan in 0..self.plans.len() {
            while self.plans[plan].due_at_ms <= now_ms && self.plans[plan].left != Some(0) {
                let of = &mut self.plans[plan];
                of.due_at_ms += of.period_ms;
                of.left = of.left.map(|left| left - 1);
                of.turn += 1;
                let turn = of.turn - 1;
                effects.extend(self.start(venue, plan, turn, now_ms));
            }
        }
        self.settle(venue, now_ms);
        effects
    }

    /// Does what was put off until now; starts nothing new.
    pub(crate) fn settle(&mut self, venue: &mut Venue, now_ms: u64) {
        let (due, waiting) = self.delayed.drain(..).partition(|delayed| delayed.at_ms <= now_ms);
        self.delayed = waiting;
        let due: Vec<Delayed> = due;
        for delayed in due {
            match delayed.deed {
                Deed::Fire { .. } => self.fire(venue, delayed.deed, now_ms),
                Deed::Heal { market } => venue.send_books(market, now_ms),
                Deed::Thaw { books_after_ms } => venue.thaw(now_ms + books_after_ms),
            }
        }
    }

    /// Nothing waits any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.delayed.is_empty()
    }

    /// Gives up what waits; books that are wrong on purpose are put right.
    pub(crate) fn abandon(&mut self, venue: &mut Venue, now_ms: u64) {
        for delayed in std::mem::take(&mut self.delayed) {
            match delayed.deed {
                Deed::Heal { market } => venue.send_books(market, now_ms),
                Deed::Thaw { .. } => venue.thaw(now_ms),
                Deed::Fire { .. } => {}
            }
        }
    }

    fn start(&mut self, venue: &mut Venue, plan: usize, turn: usize, now_ms: u64) -> Option<Effect> {
        let of = &self.plans[plan];
        match of.injection.what {
            What::Reconnect => return Some(Effect::Cut(of.injection.cut)),
            What::Freeze => {
                venue.frozen = true;
                let books_after_ms = u64::from(of.injection.books_after_s) * 1000;
                self.delay(u64::from(of.injection.for_s) * 1000, Deed::Thaw { books_after_ms }, now_ms);
            }
            What::NewMarket => {
                venue.open_next(now_ms);
            }
            What::MarketResolved | What::SilentResolve => {
                let silent = of.injection.what == What::SilentResolve;
                let announced = if silent { Announced::Silently } else { Announced::Openly };
                if let Some(market) = venue.last_announced() {
                    venue.close(&[market], announced, now_ms);
                }
            }
            What::LostRemoval => venue.ailments.arm_loss(),
            What::Trade
            | What::DoubleFill
            | What::RepeatPriceChange
            | What::TickSizeChange
            | What::StaleSnapshot
            | What::OddHash
            | What::UnknownEvent
            | What::HugeFrame
            | What::NotUtf8
            | What::Garbage => {
                let market = of.markets[turn % of.markets.len()];
                let give_up_at_ms = now_ms + PATIENCE_MS;
                self.delay(0, Deed::Fire { plan, turn, market, give_up_at_ms }, now_ms);
            }
        }
        None
    }

    fn delay(&mut self, by_ms: u64, deed: Deed, now_ms: u64) {
        self.delayed.push(Delayed { at_ms: now_ms + by_ms, deed });
    }

    /// Does a deed once its market has a listener and a fresh, settled quote.
    fn fire(&mut self, venue: &mut Venue, deed: Deed, now_ms: u64) {
        let Deed::Fire { plan, turn, market, give_up_at_ms } = deed else { return };
        let heard = venue.hub.reaches(market, 0b11, crate::hub::Reach::Token) && !venue.frozen;
        if !heard || venue.markets[market].held_until_ms > now_ms {
            if now_ms < give_up_at_ms {
                self.delay(RETRY_MS, deed, now_ms);
            }
            return;
        }
        if stream::needs_touch(venue, market, now_ms) {
            stream::change_deep(venue, market, 3, &mut self.random, now_ms, now_ms);
            self.delay(AFTER_TOUCH_MS, deed, now_ms);
            return;
        }
        let of = &self.plans[plan];
        let (what, form, slot) = (of.injection.what, of.injection.trade.clone(), turn / of.markets.len());
        match what {
            What::DoubleFill => {
                let print = self.print(venue, market, slot, &form, now_ms);
                venue.send_trade(&print, now_ms);
                venue.send_trade(&print, now_ms);
            }
            What::RepeatPriceChange => self.repeat(venue, market, now_ms),
            What::TickSizeChange => {
                let tick = if venue.markets[market].tick == 10 { 1 } else { 10 };
                venue.send_tick_size(market, tick, now_ms);
            }
            What::Garbage => {
                let print = self.print(venue, market, slot, &TradeForm::default(), now_ms);
                garbage::send(venue, turn, &print, now_ms);
            }
            What::OddHash => oddities::send_odd_hash(venue, market, turn, &mut self.random, now_ms),
            What::UnknownEvent => oddities::send_unknown(venue, market, of.injection.burst, now_ms),
            What::HugeFrame => oddities::send_huge(venue, market, of.injection.elements, now_ms),
            What::NotUtf8 => oddities::send_not_utf8(venue, market, now_ms),
            What::StaleSnapshot => snapshot::send_stale(venue, market, turn % 2, &mut self.random, now_ms),
            What::Trade => {
                let print = self.print(venue, market, slot, &form, now_ms);
                venue.send_trade(&print, now_ms);
            }
            What::Reconnect
            | What::Freeze
            | What::NewMarket
            | What::MarketResolved
            | What::SilentResolve
            | What::LostRemoval => {}
        }
    }

    fn repeat(&mut self, venue: &mut Venue, market: usize, now_ms: u64) {
        let of = &venue.markets[market];
        let price = of.book().best_bid().moved(-3 * i32::from(of.tick));
        let order = Order { side: Side::Buy, price, size: stream::level_size(&mut self.random) };
        let stamp_ms = of.next_stamp(now_ms);
        venue.change(market, &[order], stamp_ms, 0, now_ms);
        venue.send_change(market, order, 0, Occasion::Repeat, now_ms);
    }

    /// The trade of a form. An overruled one moves the true book in silence first.
    fn print(
        &mut self,
        venue: &mut Venue,
        market: usize,
        slot: usize,
        form: &TradeForm,
        now_ms: u64,
    ) -> Print {
        let token = self.random.usize(0..2);
        let side = if self.random.bool() { Side::Buy } else { Side::Sell };
        if form.price == PriceForm::Overruled {
            let of = &mut venue.markets[market];
            let mid = if of.book().best_bid() >= Price::of(4_900) { 3_000 } else { 7_000 };
            let stamp_ms = of.next_stamp(now_ms);
            of.furnish_around(mid, stamp_ms, &mut self.random);
            of.held_until_ms = now_ms + HELD_MS;
            self.delay(HELD_MS, Deed::Heal { market }, now_ms);
        }
        let book = &venue.markets[market].tokens[token].book;
        let (bid, ask) = (book.best_bid(), book.best_ask());
        let outward = |distance: i32| match side {
            Side::Buy => ask.moved(distance),
            Side::Sell => bid.moved(-distance),
        };
        let price = match form.price {
            PriceForm::Near => {
                let step = i32::try_from(slot % SLOTS).unwrap_or(0) - 4;
                Price::of(u16::midpoint(bid.units(), ask.units())).moved(step * 200)
            }
            PriceForm::Edge => outward(1_000),
            PriceForm::Beyond => outward(BEYOND[slot % BEYOND.len()]),
            PriceForm::Overruled => outward(0),
        };
        let age_ms = self.random.i64(form.age_s[0] * 1000..=form.age_s[1] * 1000);
        let size = Size::of_millionths(self.random.u64(1_000_000..900_000_000));
        let true_size = size.to_string();
        let transaction_hash = names::hex_id(&mut self.random);
        let hash_text = if form.bare_hash { "0x".to_owned() } else { transaction_hash.clone() };
        Print {
            market,
            token,
            side,
            price,
            size,
            size_text: match form.size {
                SizeForm::Present => Some(true_size.clone()),
                SizeForm::Absent => None,
                SizeForm::Empty => Some(String::new()),
                SizeForm::Zero => Some("0".to_owned()),
                SizeForm::Negative => Some("-5".to_owned()),
                SizeForm::NotANumber => Some("NaN".to_owned()),
            },
            timestamp_ms: now_ms.saturating_add_signed(-age_ms),
            transaction_hash,
            hash_text: form.hash.then_some(hash_text),
            side_json: match form.side {
                SideForm::Present => Some(side.json()),
                SideForm::Absent => None,
                SideForm::Empty => Some("\"\""),
                SideForm::Null => Some("null"),
            },
            at_rest: form.at_rest,
            expected: Expectation::of(form, age_ms, &true_size),
        }
    }
}

#[cfg(test)]
#[path = "inject_tests.rs"]
mod tests;
