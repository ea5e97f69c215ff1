//! The traps of the protocol's section 1.7, one sentence each.
//!
//! Knows: in which order the venue may tell things. Never: a hash, but as a name of a group.

use contract::tick::Quote;

use super::*;

#[test]
fn without_a_snapshot_there_is_no_quote_and_deltas_wait() {
    let mut book = TokenBook::new(context());
    assert_eq!(apply(&mut book, &change(Side::Buy, 48, 1, 1_000)), Applied::NoSnapshot);
    assert_eq!(book.prevailing(at(1_000), at(1_000)), None);
    assert_eq!(book.to_tick(at(1_000)), None);
    assert!(!book.is_live());
}

#[test]
fn a_delta_older_than_the_snapshot_is_dropped_and_an_equal_one_applied() {
    let mut book = opened();
    assert_eq!(apply(&mut book, &change(Side::Buy, 49, 1, 999)), Applied::Older);
    assert_eq!(apply(&mut book, &change(Side::Buy, 49, 1, 1_000)), Applied::Yes);
    assert_eq!(top(&book).0, Some(price(49)));
}

#[test]
fn a_snapshot_older_than_the_last_delta_is_ignored_and_an_equal_one_taken() {
    let mut book = opened();
    let budget = &mut Budget::unlimited();
    book.apply(&change(Side::Buy, 49, 1, 1_500), budget);
    assert_eq!(book.snapshot(&snapshot(&[], &[], 1_499), budget), (Applied::Older, Check::Unknown));
    assert_eq!(top(&book).0, Some(price(49)));
    assert_eq!(book.snapshot(&snapshot(&[], &[], 1_500), budget), (Applied::Yes, Check::Unknown));
    assert_eq!(top(&book), (None, None));
}

#[test]
fn changes_that_came_before_a_lagging_dump_are_applied_after_it() {
    let mut book = TokenBook::new(context());
    for (cents, at_ms) in [(45, 999), (46, 1_000), (47, 1_001)] {
        assert_eq!(apply(&mut book, &change(Side::Buy, cents, 1, at_ms)), Applied::NoSnapshot);
    }
    book.snapshot(&snapshot(&[(40, 1)], &[], 1_000), &mut Budget::unlimited());
    let bids: Vec<_> = book.ladder().unwrap().bids().map(|level| level.0).collect();
    assert_eq!(bids, [47, 46, 40].map(price), "those the dump does not contain");
    assert_eq!(apply(&mut book, &change(Side::Buy, 48, 1, 999)), Applied::Older);
    let late = book.snapshot(&snapshot(&[], &[], 1_000), &mut Budget::unlimited());
    assert_eq!(late.0, Applied::Older, "a second dump is compared with them");
}

#[test]
fn changes_of_the_same_moment_that_came_before_the_books_own_group_are_in_it() {
    let asks = [(52, 10)];
    let (before, after) = (hash_of(&[(48, 7)], &asks, 1_000, ""), hash_of(&[(48, 9)], &asks, 1_000, ""));
    let mut book = TokenBook::new(context());
    apply(&mut book, &hashed(change(Side::Buy, 48, 7, 1_000), &before));
    apply(&mut book, &hashed(change(Side::Buy, 48, 9, 1_000), &after));
    let later = hash_of(&[(47, 3), (48, 9)], &asks, 1_000, "");
    apply(&mut book, &hashed(change(Side::Buy, 47, 3, 1_000), &later));
    let actual = Book { hash: Some(after), ..snapshot(&[(48, 9)], &asks, 1_000) };
    let budget = &mut Budget::unlimited();
    assert_eq!(book.snapshot(&actual, budget), (Applied::Yes, Check::Agreed));
    book.close_idle_group(at(9_000), budget);
    let bids: Vec<_> = book.ladder().unwrap().bids().collect();
    assert_eq!(bids, [Level(price(48), size(9)), Level(price(47), size(3))]);
    assert_eq!(book.stats().mismatches, 0);
}

#[test]
fn an_opening_book_that_lags_behind_a_later_book_of_the_same_moment_is_ignored() {
    let (early, later) = ([(48, 10)], [(48, 10), (49, 1)]);
    let asks = [(52, 10)];
    let hashed = |bids: &[(u32, u32)]| Book {
        hash: Some(hash_of(bids, &asks, 1_000, "")),
        ..snapshot(bids, &asks, 1_000)
    };
    let mut book = TokenBook::new(context());
    let budget = &mut Budget::unlimited();
    assert_eq!(book.snapshot(&hashed(&later), budget), (Applied::Yes, Check::Agreed));
    assert_eq!(book.snapshot(&hashed(&early), budget).0, Applied::Older);
    assert_eq!(top(&book).0, Some(price(49)));
    assert_eq!(
        book.snapshot(&snapshot(&early, &asks, 1_001), budget).0,
        Applied::Yes,
        "a later one is taken"
    );
    let mut unsure = TokenBook::new(context());
    unsure.snapshot(&snapshot(&later, &asks, 1_000), budget);
    assert_eq!(unsure.snapshot(&hashed(&early), budget).0, Applied::Yes, "nothing spoke for ours");
}

#[test]
fn early_changes_up_to_1024_are_kept_and_a_book_that_may_lack_older_ones_is_suspect() {
    for (changes, snapshot_ms, trust) in [
        (1_024, 1_000, Trust::Fine),
        (1_025, 1_000, Trust::Suspect),
        (1_025, 1_001, Trust::Fine), // The one that had to go is contained in the dump.
    ] {
        let mut book = TokenBook::new(context());
        for n in 0..changes {
            apply(&mut book, &change(Side::Buy, 1 + u32::try_from(n % 40).unwrap(), 1, 1_000 + n));
        }
        book.snapshot(&snapshot(&[], &[], snapshot_ms), &mut Budget::unlimited());
        assert_eq!(book.trust(), trust, "{changes} changes, dump of {snapshot_ms}");
        assert_eq!(book.ladder().unwrap().levels(), 40);
    }
}

#[test]
fn early_changes_of_a_lost_connection_are_forgotten() {
    let mut book = TokenBook::new(context());
    apply(&mut book, &change(Side::Buy, 48, 1, 1_000));
    book.reset();
    book.snapshot(&snapshot(&[], &[], 900), &mut Budget::unlimited());
    assert_eq!(top(&book), (None, None));
}

#[test]
fn order_of_arrival_is_not_order_of_time_and_time_does_not_go_back() {
    let mut book = opened();
    apply(&mut book, &change(Side::Buy, 49, 1, 3_000));
    assert_eq!(apply(&mut book, &change(Side::Buy, 50, 1, 2_000)), Applied::Yes);
    book.close_idle_group(at(9_000), &mut Budget::unlimited());
    let actual = book.to_tick(at(9_000)).unwrap();
    assert_eq!((actual.changed_at, actual.bids[0].0), (at(3_000), price(50)));
    let stale = book.snapshot(&snapshot(&[], &[], 2_500), &mut Budget::unlimited());
    assert_eq!(stale.0, Applied::Older);
}

#[test]
fn a_repeated_change_changes_nothing() {
    let mut book = opened();
    for _ in 0..3 {
        apply(&mut book, &change(Side::Buy, 49, 1, 2_000));
        book.close_idle_group(at(2_200), &mut Budget::unlimited());
    }
    assert_eq!(top(&book), (Some(price(49)), Some(price(52))));
    assert_eq!(book.stats().groups, 1);
}

#[test]
fn a_new_market_may_have_bids_of_a_cent_and_asks_of_99() {
    let mut book = TokenBook::new(context());
    book.snapshot(&snapshot(&[(1, 100)], &[(99, 100)], 1_000), &mut Budget::unlimited());
    assert_eq!(quote_at(&book, 2_000), (Some(price(1)), Some(price(99))));
}

#[test]
fn the_age_of_a_quote_is_the_time_since_a_frame_confirmed_the_book() {
    let mut book = opened();
    assert_eq!(book.prevailing(at(5_000), at(5_010)).unwrap().age_us, 4_000_000);
    let mut quote = Quote {
        id: TickId::of_bytes([0; 16]),
        condition_id: context().condition_id,
        token_id: context().token_id,
        best_bid: None,
        best_ask: None,
        changed_at: at(4_000),
        received_at: at(4_010),
    };
    book.confirm(&quote);
    assert_eq!(book.prevailing(at(5_000), at(5_010)).unwrap().age_us, 1_000_000);
    book.reset();
    quote.received_at = at(5_000);
    book.confirm(&quote);
    assert!(!book.is_live(), "a quote alone makes no book");
}

#[test]
fn a_lost_connection_costs_the_levels_but_not_counts_and_last_trade() {
    let mut book = opened();
    book.traded(price(50), &mut Budget::unlimited());
    apply(&mut book, &change(Side::Buy, 49, 1, 2_000));
    book.close_idle_group(at(3_000), &mut Budget::unlimited());
    book.reset();
    assert_eq!((book.is_live(), book.has_open_group(), book.verified_at()), (false, false, None));
    assert_eq!((book.last_trade_price(), book.stats().groups), (Some(price(50)), 1));
    let (applied, _) = book.snapshot(&snapshot(&[], &[], 900), &mut Budget::unlimited());
    assert_eq!(applied, Applied::Yes, "nothing is older than a book that is lost");
}
