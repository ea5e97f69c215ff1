//! One book, told step by step.
//!
//! Knows: the traps of the protocol's section 1.7. Never: a frame.

use std::collections::BTreeMap;

use contract::ids::{ConditionId, TickId, TokenId};
use contract::money::Size;
use contract::tick::{Level, Side};
use proptest::prelude::*;

use super::*;

fn price(cents: u32) -> Price {
    Price::of_text(&format!("0.{cents:02}")).unwrap()
}

fn size(shares: u32) -> Size {
    Size::of_text(&shares.to_string()).unwrap()
}

fn snapshot(bids: &[(u32, u32)], asks: &[(u32, u32)], at_ms: i64) -> Book {
    let levels = |list: &[(u32, u32)]| list.iter().map(|&(p, s)| Level(price(p), size(s))).collect();
    Book {
        id: TickId::of_bytes([0; 16]),
        condition_id: ConditionId::try_from("0xab").unwrap(),
        token_id: TokenId::try_from("71").unwrap(),
        bids: levels(bids),
        asks: levels(asks),
        hash: None,
        hash_ok: None,
        tick_size: None,
        last_trade_price: None,
        changed_at: Timestamp::from_millis(at_ms),
        received_at: Timestamp::from_millis(at_ms + 10),
    }
}

fn change(side: Side, cents: u32, shares: u32, at_ms: i64) -> PriceChange {
    let book = snapshot(&[], &[], at_ms);
    PriceChange {
        id: book.id,
        condition_id: book.condition_id,
        token_id: book.token_id,
        side,
        price: price(cents),
        size: size(shares),
        best_bid: None,
        best_ask: None,
        hash: None,
        changed_at: book.changed_at,
        received_at: book.received_at,
    }
}

fn opened() -> TokenBook {
    let mut book = TokenBook::default();
    book.snapshot(&snapshot(&[(48, 10), (47, 5)], &[(52, 10), (53, 5)], 1_000));
    book
}

fn quote_at(book: &TokenBook, executed_ms: i64) -> (Option<Price>, Option<Price>) {
    let executed_at = Timestamp::from_millis(executed_ms);
    let quote = book.prevailing(executed_at, executed_at.plus(Duration::from_millis(10))).unwrap();
    (quote.best_bid, quote.best_ask)
}

#[test]
fn without_a_snapshot_there_is_no_quote_and_deltas_wait() {
    let mut book = TokenBook::default();
    assert_eq!(book.apply(&change(Side::Buy, 48, 1, 1_000)), Applied::NoSnapshot);
    assert_eq!(book.prevailing(Timestamp::from_millis(1_000), Timestamp::from_millis(1_000)), None);
    assert!(!book.is_live());
}

#[test]
fn a_delta_older_than_the_snapshot_is_dropped_and_an_equal_one_applied() {
    let mut book = opened();
    assert_eq!(book.apply(&change(Side::Buy, 49, 1, 999)), Applied::Older);
    assert_eq!(book.apply(&change(Side::Buy, 49, 1, 1_000)), Applied::Yes);
    assert_eq!(book.ladder().unwrap().top().best_bid, Some(price(49)));
}

#[test]
fn a_snapshot_older_than_the_last_delta_is_ignored_and_an_equal_one_taken() {
    let mut book = opened();
    book.apply(&change(Side::Buy, 49, 1, 1_500));
    assert_eq!(book.snapshot(&snapshot(&[], &[], 1_499)), Applied::Older);
    assert_eq!(book.ladder().unwrap().top().best_bid, Some(price(49)));
    assert_eq!(book.snapshot(&snapshot(&[], &[], 1_500)), Applied::Yes);
    assert_eq!(book.ladder().unwrap().top(), Top::default());
}

#[test]
fn a_trade_is_held_against_the_book_before_its_own_match() {
    let mut book = opened();
    // The taker's remainder rests first: crossed; then the eaten level goes; the trade is stamped later.
    book.apply(&change(Side::Buy, 53, 4, 2_000));
    book.apply(&change(Side::Sell, 52, 0, 2_000));
    book.apply(&change(Side::Sell, 53, 0, 2_000));
    assert_eq!(quote_at(&book, 2_025), (Some(price(48)), Some(price(52))));
}

#[test]
fn a_change_long_before_the_trade_counts_as_settled() {
    let mut book = opened();
    book.apply(&change(Side::Buy, 50, 4, 2_000));
    assert_eq!(
        quote_at(&book, 2_050),
        (Some(price(50)), Some(price(52))),
        "exactly the spread of a match later"
    );
    assert_eq!(quote_at(&book, 2_049), (Some(price(48)), Some(price(52))), "within it");
}

#[test]
fn nobody_sees_a_book_crossed_inside_a_group() {
    let mut book = opened();
    book.apply(&change(Side::Buy, 53, 4, 2_000));
    assert!(book.ladder().unwrap().top().is_crossed());
    assert_eq!(quote_at(&book, 9_000), (Some(price(48)), Some(price(52))));
}

#[test]
fn the_age_of_a_quote_is_the_time_since_a_frame_confirmed_the_book() {
    let mut book = opened();
    let at = |ms| Timestamp::from_millis(ms);
    assert_eq!(book.prevailing(at(5_000), at(5_010)).unwrap().age_us, 4_000_000);
    let mut quote = contract::tick::Quote {
        id: TickId::of_bytes([0; 16]),
        condition_id: ConditionId::try_from("0xab").unwrap(),
        token_id: TokenId::try_from("71").unwrap(),
        best_bid: None,
        best_ask: None,
        changed_at: at(4_000),
        received_at: at(4_010),
    };
    book.confirm(&quote);
    assert_eq!(book.prevailing(at(5_000), at(5_010)).unwrap().age_us, 1_000_000);
    book.lose();
    quote.received_at = at(5_000);
    book.confirm(&quote);
    assert!(!book.is_live(), "a quote alone makes no book");
}

#[test]
fn a_difference_to_the_stated_best_prices_is_counted_once_a_group_settles() {
    let mut book = opened();
    let mut right = change(Side::Buy, 49, 1, 2_000);
    (right.best_bid, right.best_ask) = (Some(price(49)), Some(price(52)));
    book.apply(&right);
    let mut wrong = change(Side::Buy, 50, 1, 3_000);
    (wrong.best_bid, wrong.best_ask) = (Some(price(51)), Some(price(52)));
    book.apply(&wrong);
    assert_eq!(book.differences(), 0, "the group may go on");
    book.apply(&change(Side::Buy, 45, 1, 4_000));
    assert_eq!(book.differences(), 1);
    book.lose();
    assert_eq!(book.differences(), 1, "a count outlives its connection");
}

proptest! {
    #[test]
    fn any_sequence_leaves_the_book_equal_to_a_plain_model(
        steps in prop::collection::vec((any::<bool>(), 1u32..99, 0u32..4, 0i64..6, any::<bool>()), 1..60)
    ) {
        let mut book = TokenBook::default();
        let mut model: Option<(BTreeMap<u32, u32>, BTreeMap<u32, u32>)> = None;
        let (mut newest, mut snapshot_at, mut now) = (0, 0, 1_000);
        for (is_snapshot, cents, shares, later, buy) in steps {
            now += later - 2;
            if is_snapshot && cents < 20 {
                let applied = book.snapshot(&snapshot(&[(cents, 1)], &[], now));
                if model.is_none() || now >= newest {
                    prop_assert_eq!(applied, Applied::Yes);
                    model = Some((BTreeMap::from([(cents, 1)]), BTreeMap::new()));
                    (newest, snapshot_at) = (now, now);
                } else {
                    prop_assert_eq!(applied, Applied::Older);
                }
            } else {
                let applied = book.apply(&change(if buy { Side::Buy } else { Side::Sell }, cents, shares, now));
                match &mut model {
                    None => prop_assert_eq!(applied, Applied::NoSnapshot),
                    Some(_) if now < snapshot_at => prop_assert_eq!(applied, Applied::Older),
                    Some((bids, asks)) => {
                        let side = if buy { bids } else { asks };
                        if shares == 0 { side.remove(&cents); } else { side.insert(cents, shares); }
                        newest = newest.max(now);
                    }
                }
            }
        }
        if let Some((bids, asks)) = model {
            let ladder = book.ladder().unwrap();
            let expected: Vec<_> = bids.iter().rev().map(|(&p, &s)| Level(price(p), size(s))).collect();
            prop_assert_eq!(ladder.bids().collect::<Vec<_>>(), expected);
            let expected: Vec<_> = asks.iter().map(|(&p, &s)| Level(price(p), size(s))).collect();
            prop_assert_eq!(ladder.asks().collect::<Vec<_>>(), expected);
            if let Some(quote) = book.prevailing(Timestamp::from_millis(now), Timestamp::from_millis(now)) {
                let top = Top { best_bid: quote.best_bid, best_ask: quote.best_ask };
                prop_assert!(!top.is_crossed() || ladder.top().is_crossed());
            }
        }
    }
}
