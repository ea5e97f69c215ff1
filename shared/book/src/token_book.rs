//! One book on one connection: opened by a snapshot, kept by deltas, verified against the venue's hash.
//!
//! Knows: the order in which things may arrive. Never: a frame, a second token.

mod checked;
mod shown;

use contract::ids::BookHash;
use contract::money::Price;
use contract::tick::{Book, PriceChange, Quote};
use contract::time::Timestamp;
use rust_decimal::Decimal;

use crate::group::{ClosedGroup, Group, IntegrityState, Order};
use crate::pending_deltas::PendingDeltas;
use crate::settled::Settled;
use crate::{Applied, BookStats, Budget, Check, HashContext, Ladder, Top, Trust};

/// The book of one token.
#[derive(Clone, Debug)]
pub struct TokenBook {
    context: HashContext,
    /// Last trade price of the market, and the one before it; none: never traded, or not known.
    traded: [Option<Price>; 2],
    integrity: IntegrityState,
    pending: PendingDeltas,
    ladder: Option<Ladder>,
    /// Time of the newest snapshot or delta in the book, by the venue's clock.
    changed_at: Option<Timestamp>,
    /// Time of the newest snapshot.
    snapshot_at: Option<Timestamp>,
    /// When a frame last confirmed the book.
    confirmed_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    /// When the book was last verified against a hash.
    checked_at: Option<Timestamp>,
    /// The newest hash stated, and whether it agreed with the book as it stands outside a group.
    hash: Option<BookHash>,
    hash_ok: Option<bool>,
    group: Option<Group>,
    ended: Option<ClosedGroup>,
    settled: Settled,
}

impl TokenBook {
    /// A book without levels: it waits for its snapshot.
    pub fn new(context: HashContext) -> Self {
        Self {
            context,
            traded: [None; 2],
            integrity: IntegrityState::default(),
            pending: PendingDeltas::default(),
            ladder: None,
            changed_at: None,
            snapshot_at: None,
            confirmed_at: None,
            verified_at: None,
            checked_at: None,
            hash: None,
            hash_ok: None,
            group: None,
            ended: None,
            settled: Settled::default(),
        }
    }

    /// Replaces the book unless it knows something newer, or another state of the same moment for certain; says whether the hash agreed.
    ///
    /// The changes that waited for it are applied on top: an opening book may be older than they are.
    pub fn snapshot(&mut self, book: &Book, budget: &mut Budget) -> (Applied, Check) {
        if self.changed_at.is_some_and(|newest| book.changed_at < newest) {
            return (Applied::Older, Check::Unknown);
        }
        let now = book.received_at;
        if self.group.take_if(|group| group.fits(book.changed_at, book.hash.as_ref())).is_some() {
            // The snapshot is the end of this very group, of which our part may be incomplete.
            self.integrity.stats.groups += 1;
        } else {
            self.end_group(now, budget);
            if self.has_passed(book) {
                return (Applied::Older, Check::Unknown);
            }
        }
        self.ended = None;
        self.learn(book);
        self.ladder = Some(Ladder::of(book));
        self.changed_at = Some(book.changed_at);
        self.snapshot_at = Some(book.changed_at);
        self.confirmed_at = Some(now);
        self.verified_at = Some(now);
        let check = self.check(book.hash.as_ref(), book.changed_at, now, budget);
        self.integrity.after_snapshot(check);
        self.state(book.hash.clone(), check);
        if let Some(top) = self.uncrossed() {
            self.settled.push(book.changed_at, top);
        }
        if self.pending.lacks_since(book.changed_at) {
            self.integrity.trust = Trust::Suspect;
        }
        let early = self.pending.take();
        // What came up to the snapshot's own group is in it, though some of it may carry the same time.
        let is_own = |change: &PriceChange| {
            book.hash.is_some() && change.hash == book.hash && change.changed_at == book.changed_at
        };
        let contained = early.iter().rposition(is_own).map_or(0, |at| at + 1);
        for change in early.iter().skip(contained) {
            self.apply(change, budget);
        }
        (Applied::Yes, check)
    }

    /// Applies one changed level, which belongs to the group under way or ends it and begins another.
    pub fn apply(&mut self, change: &PriceChange, budget: &mut Budget) -> Applied {
        if self.ladder.is_none() {
            self.pending.keep(change);
            return Applied::NoSnapshot;
        }
        if self.snapshot_at.is_some_and(|snapshot| change.changed_at < snapshot) {
            return Applied::Older;
        }
        self.enter_group(change, budget);
        if let Some(ladder) = &mut self.ladder {
            ladder.set(change.side, change.price, change.size);
        }
        self.changed_at = self.changed_at.max(Some(change.changed_at));
        self.confirmed_at = Some(change.received_at);
        Applied::Yes
    }

    /// Takes the venue's own best prices as a sign that the book is alive.
    pub fn confirm(&mut self, quote: &Quote) {
        if self.ladder.is_some() {
            self.confirmed_at = Some(quote.received_at);
        }
    }

    /// The newest trade of the market was at this price: an input of the hash of both its books. A suspect book is held
    /// against its hash once more: its price may have been all that was not known.
    pub fn traded(&mut self, price: Price, budget: &mut Budget) {
        self.last_trade_was(Some(price));
        if self.integrity.trust == Trust::Suspect && self.hash_ok == Some(false) && self.group.is_none() {
            self.check_again(price, budget);
        }
    }

    /// Last trade price of the market; none: never traded, or not known.
    pub fn last_trade_price(&self) -> Option<Price> {
        self.traded[0]
    }

    /// The price grid is another from now on: an input of the hash.
    pub fn set_tick_size(&mut self, tick_size: Decimal) {
        self.context.tick_size = Some(tick_size);
    }

    /// Takes over what the catalogue says of the market; a price grid that the venue's frames stated stays.
    pub fn set_context(&mut self, context: HashContext) {
        self.context = HashContext { tick_size: self.context.tick_size.or(context.tick_size), ..context };
    }

    /// Ends the group under way if nothing of it has come for [`crate::GROUP_QUIET`] before `now`, by receive time.
    ///
    /// True: a group is still open, and `rest` is to be called again.
    pub fn close_idle_group(&mut self, now: Timestamp, budget: &mut Budget) -> bool {
        if self.group.as_ref().is_some_and(|group| group.is_quiet(now)) {
            self.end_group(now, budget);
        }
        self.has_open_group()
    }

    /// Whether a group is under way.
    pub fn has_open_group(&self) -> bool {
        self.group.is_some()
    }

    /// Forgets the book: its connection is lost, and nobody knows what changed since.
    ///
    /// Counters, surroundings and the last trade price stay.
    pub fn reset(&mut self) {
        let (context, traded, stats) = (self.context.clone(), self.traded, self.stats());
        *self = Self { traded, ..Self::new(context) };
        self.integrity.stats = stats;
    }

    /// Whether a snapshot has come since the connection stands.
    pub fn is_live(&self) -> bool {
        self.ladder.is_some()
    }

    /// How far the book is to be believed.
    pub fn trust(&self) -> Trust {
        self.integrity.trust
    }

    /// When the hash last agreed (receive time of the group's last frame), or the last snapshot was received.
    pub fn verified_at(&self) -> Option<Timestamp> {
        self.verified_at
    }

    /// The levels, if there is a book; inside a group they are on the way from one state to the next.
    pub fn ladder(&self) -> Option<&Ladder> {
        self.ladder.as_ref()
    }

    /// Counters since the book was made.
    pub fn stats(&self) -> BookStats {
        self.integrity.stats
    }

    /// Finds the change its group: the one under way, the one that seemed to have ended, or a new one.
    fn enter_group(&mut self, change: &PriceChange, budget: &mut Budget) {
        let fits = |group: &Group| group.fits(change.changed_at, change.hash.as_ref());
        if let Some(group) = self.group.as_mut().filter(|group| fits(group)) {
            return group.add(change);
        }
        let is_again = self.ended.as_ref().is_some_and(|ended| fits(&ended.group));
        if self.group.is_none()
            && let Some(ended) = self.ended.take_if(|_| is_again)
        {
            self.integrity = ended.before;
            if let Some(pushed) = ended.pushed {
                self.settled.take_back(pushed);
            }
            return self.group.insert(ended.group).add(change);
        }
        self.end_group(change.received_at, budget);
        let is_passed = self.changed_at.is_some_and(|newest| change.changed_at < newest);
        let order = if is_again || is_passed { Order::Late } else { Order::InTime };
        self.group = Some(Group::of(change, order));
    }

    /// Ends the group under way: what the book shows now is what others may see.
    fn end_group(&mut self, now: Timestamp, budget: &mut Budget) {
        let Some(group) = self.group.take() else { return };
        let before = self.integrity;
        self.integrity.stats.groups += 1;
        let check = match group.order {
            Order::InTime => self.check(group.hash.as_ref(), group.changed_at, now, budget),
            Order::Late => Check::Unknown,
        };
        self.integrity.after_group(check);
        if check == Check::Agreed {
            self.verified_at = Some(group.received_at);
        }
        let top = self.ladder.as_ref().map(Ladder::top);
        match group.order {
            Order::InTime => {
                let differs = group.stated.is_some() && group.stated != top;
                self.integrity.stats.differences += u64::from(differs);
                self.state(group.hash.clone(), check);
            }
            Order::Late => self.hash_ok = None,
        }
        let pushed = self.uncrossed().zip(self.changed_at).map(|(top, at)| self.settled.push(at, top));
        self.ended = Some(ClosedGroup { group, before, pushed });
    }

    /// Whether a snapshot of the same millisecond is an earlier state of it: ours agreed with the venue's hash, and
    /// the snapshot has other levels. So it is where an opening book lags behind a book that was sent after a trade.
    fn has_passed(&self, book: &Book) -> bool {
        self.changed_at == Some(book.changed_at)
            && self.hash_ok == Some(true)
            && self.ladder.as_ref().is_some_and(|ladder| *ladder != Ladder::of(book))
    }

    fn uncrossed(&self) -> Option<Top> {
        self.ladder.as_ref().map(Ladder::top).filter(|top| !top.is_crossed())
    }
}
