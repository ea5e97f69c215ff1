//! Whatever the order of things: the book against a plain model, and a lost removal against the hash.
//!
//! Knows: how things may be mixed. Never: which of it happens in practice.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Levels in cents and shares.
type Levels = BTreeMap<u32, u32>;

#[derive(Clone, Debug)]
enum Step {
    /// A snapshot of a bid and an ask, so many ms later (minus two).
    Snapshot(i64, u32, u32),
    /// Changes of one group so many ms later (minus two), with a hash of three or none.
    Group(i64, Option<u8>, Vec<(Side, u32, u32)>),
    /// The newest change again.
    Repeat,
    /// So many ms pass.
    Rest(i64),
    Lose,
}

/// What a book does, in the plainest way.
#[derive(Default)]
struct Model {
    sides: Option<(Levels, Levels)>,
    newest: Option<Timestamp>,
    snapshot_at: Option<Timestamp>,
    pending: Vec<PriceChange>,
    /// Time, hash, and when it was last updated.
    group: Option<(Timestamp, Option<BookHash>, Timestamp)>,
    ended: Option<(Timestamp, Option<BookHash>)>,
    /// Best prices after every group and snapshot.
    settled: Vec<Top>,
}

impl Model {
    fn top(&self) -> Top {
        self.sides.as_ref().map_or_else(Top::default, |(bids, asks)| Top {
            best_bid: bids.last_key_value().map(|(&cents, _)| price(cents)),
            best_ask: asks.first_key_value().map(|(&cents, _)| price(cents)),
        })
    }

    fn end(&mut self) {
        if let Some((at, hash, _)) = self.group.take() {
            self.settled.push(self.top());
            self.ended = Some((at, hash));
        }
    }

    fn snapshot(&mut self, bid: u32, ask: u32, changed_at: Timestamp) -> Applied {
        if self.newest.is_some_and(|newest| changed_at < newest) {
            return Applied::Older;
        }
        self.end();
        self.ended = None;
        self.sides = Some((Levels::from([(bid, 1)]), Levels::from([(ask, 1)])));
        (self.newest, self.snapshot_at) = (Some(changed_at), Some(changed_at));
        self.settled.push(self.top());
        for change in std::mem::take(&mut self.pending) {
            self.apply(&change);
        }
        Applied::Yes
    }

    fn apply(&mut self, change: &PriceChange) -> Applied {
        let Some((bids, asks)) = &mut self.sides else {
            self.pending.push(change.clone());
            return Applied::NoSnapshot;
        };
        if self.snapshot_at.is_some_and(|at| change.changed_at < at) {
            return Applied::Older;
        }
        let mut after = (bids.clone(), asks.clone());
        let levels = if change.side == Side::Buy { &mut after.0 } else { &mut after.1 };
        let cents = (change.price.decimal() * Decimal::from(100)).try_into().unwrap();
        levels.insert(cents, change.size.decimal().try_into().unwrap());
        levels.retain(|_, shares| *shares > 0);
        let same = |at: Timestamp, hash: &Option<BookHash>| {
            at == change.changed_at && (hash.is_none() || change.hash.is_none() || *hash == change.hash)
        };
        match (&mut self.group, &self.ended) {
            (Some((at, hash, heard_at)), _) if same(*at, hash) => {
                *hash = hash.take().or_else(|| change.hash.clone());
                *heard_at = change.received_at.max(*heard_at);
            }
            (None, Some((at, hash))) if same(*at, hash) => {
                let hash = hash.clone().or_else(|| change.hash.clone());
                self.group = Some((*at, hash, change.received_at));
            }
            _ => {
                self.end();
                self.group = Some((change.changed_at, change.hash.clone(), change.received_at));
            }
        }
        self.sides = Some(after);
        self.newest = self.newest.max(Some(change.changed_at));
        Applied::Yes
    }
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop::bool::ANY.prop_map(|buys| if buys { Side::Buy } else { Side::Sell });
    let entries = prop::collection::vec((side, 40u32..60, 0u32..4), 1..5);
    prop_oneof![
        2 => (0i64..6, 40u32..50, 50u32..60).prop_map(|(later, bid, ask)| Step::Snapshot(later, bid, ask)),
        12 => (0i64..6, prop::option::of(0u8..3), entries).prop_map(|(l, hash, e)| Step::Group(l, hash, e)),
        3 => Just(Step::Repeat),
        4 => prop_oneof![Just(99), Just(100), 0i64..200].prop_map(Step::Rest),
        1 => Just(Step::Lose),
    ]
}

fn levels_of(levels: &mut dyn Iterator<Item = Level>) -> Vec<(Price, Size)> {
    levels.map(|level| (level.0, level.1)).collect()
}

/// Holds what the book shows against the model.
fn compare(book: &TokenBook, model: &Model, now: Timestamp) -> Result<(), TestCaseError> {
    prop_assert_eq!(book.is_live(), model.sides.is_some());
    prop_assert_eq!(book.has_open_group(), model.group.is_some());
    let (actual, quote) = (book.to_tick(now), book.prevailing(now, now));
    let Some((bids, asks)) = &model.sides else {
        prop_assert_eq!((actual, quote), (None, None));
        return Ok(());
    };
    let ladder = book.ladder().unwrap();
    let wanted_bids: Vec<_> = bids.iter().rev().map(|(&c, &s)| (price(c), size(s))).collect();
    let wanted_asks: Vec<_> = asks.iter().map(|(&c, &s)| (price(c), size(s))).collect();
    prop_assert_eq!(levels_of(&mut ladder.bids()), &wanted_bids[..]);
    prop_assert_eq!(levels_of(&mut ladder.asks()), &wanted_asks[..]);
    prop_assert_eq!(actual.is_some(), model.group.is_none() && !model.top().is_crossed());
    if let Some(actual) = actual {
        prop_assert_eq!(levels_of(&mut actual.bids.into_iter()), wanted_bids);
        prop_assert_eq!(levels_of(&mut actual.asks.into_iter()), wanted_asks);
        prop_assert_eq!(Some(actual.changed_at), model.newest);
    }
    if let Some(quote) = quote {
        let top = Top { best_bid: quote.best_bid, best_ask: quote.best_ask };
        let is_quiet =
            model.group.as_ref().is_none_or(|(_, _, updated_at)| now.since(*updated_at) >= GROUP_QUIET);
        prop_assert!(!top.is_crossed());
        prop_assert!(model.settled.contains(&top) || (is_quiet && top == model.top()));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_sequence_leaves_the_book_equal_to_a_plain_model(steps in prop::collection::vec(step(), 1..40)) {
        let budget = &mut Budget::unlimited();
        let (mut book, mut model) = (TokenBook::new(context()), Model::default());
        let (mut venue_ms, mut now) = (1_000, at(5_000));
        let mut newest = change(Side::Buy, 45, 1, venue_ms);
        for step in steps {
            now = now.plus(Duration::from_millis(1));
            match step {
                Step::Snapshot(later, bid, ask) => {
                    venue_ms += later - 2;
                    let tick = Book { received_at: now, ..snapshot(&[(bid, 1)], &[(ask, 1)], venue_ms) };
                    prop_assert_eq!(book.snapshot(&tick, budget).0, model.snapshot(bid, ask, at(venue_ms)));
                }
                Step::Group(later, hash, entries) => {
                    venue_ms += later - 2;
                    for (side, cents, shares) in entries {
                        now = now.plus(Duration::from_millis(1));
                        newest = PriceChange { received_at: now, ..change(side, cents, shares, venue_ms) };
                        newest.hash = hash.map(|n| sha1_of(&n.to_string()));
                        prop_assert_eq!(book.apply(&newest, budget), model.apply(&newest));
                        compare(&book, &model, now)?;
                    }
                }
                Step::Repeat => {
                    newest.received_at = now;
                    prop_assert_eq!(book.apply(&newest, budget), model.apply(&newest));
                }
                Step::Rest(ms) => {
                    now = now.plus(Duration::from_millis(u64::try_from(ms).unwrap()));
                    if model.group.as_ref().is_some_and(|(_, _, updated_at)| now.since(*updated_at) >= GROUP_QUIET) {
                        model.end();
                    }
                    prop_assert_eq!(book.close_idle_group(now, budget), model.group.is_some());
                }
                Step::Lose => {
                    book.reset();
                    model = Model::default();
                }
            }
            compare(&book, &model, now)?;
        }
    }

    #[test]
    fn a_lost_removal_is_found_at_the_end_of_the_next_group_and_breaks_the_book_after_the_one_after_it(
        bids in prop::collection::btree_map(1u32..40, 1u32..1_000, 2..20),
        asks in prop::collection::btree_map(60u32..99, 1u32..1_000, 2..20),
        groups in prop::collection::vec((40u32..49, 51u32..60, 1u32..1_000, 0u32..1_000), 3..12),
        lost in any::<prop::sample::Index>(),
        lost_before in any::<prop::sample::Index>(),
    ) {
        let budget = &mut Budget::unlimited();
        let (mut bids, mut asks) = (bids, asks);
        let (lost, lost_before) = (*lost.get(&bids.keys().copied().collect::<Vec<_>>()), lost_before.index(groups.len() - 1));
        let mut book = TokenBook::new(context());
        let upwards = |levels: &Levels| levels.iter().map(|(&c, &s)| (c, s)).collect::<Vec<_>>();
        let downwards = |levels: &Levels| levels.iter().rev().map(|(&c, &s)| (c, s)).collect::<Vec<_>>();
        let mut tick = snapshot(&downwards(&bids), &upwards(&asks), 1_000);
        tick.hash = Some(hash_of(&upwards(&bids), &downwards(&asks), 1_000, ""));
        prop_assert_eq!(book.snapshot(&tick, budget), (Applied::Yes, Check::Agreed));
        for (n, (bid, ask, shares, rest)) in groups.into_iter().enumerate() {
            if n == lost_before {
                bids.remove(&lost); // And no frame tells.
            }
            let at_ms = 2_000 + i64::try_from(n).unwrap();
            bids.insert(bid, shares);
            asks.insert(ask, rest);
            asks.retain(|_, shares| *shares > 0);
            let wanted = hash_of(&upwards(&bids), &downwards(&asks), at_ms, "");
            book.apply(&hashed(change(Side::Sell, bid, 7, at_ms), &wanted), budget); // Crossed for a moment.
            book.apply(&hashed(change(Side::Buy, bid, shares, at_ms), &wanted), budget);
            book.apply(&hashed(change(Side::Sell, bid, 0, at_ms), &wanted), budget);
            book.apply(&hashed(change(Side::Sell, ask, rest, at_ms), &wanted), budget);
            book.close_idle_group(at(at_ms + 200), budget);
            let trust = match n.checked_sub(lost_before) {
                None => Trust::Fine,
                Some(0) => Trust::Suspect,
                Some(_) => Trust::Broken,
            };
            prop_assert_eq!(book.trust(), trust);
        }
    }
}
