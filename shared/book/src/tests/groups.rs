//! Match groups: several changes, seen as one.
//!
//! Knows: when a group begins, ends and goes on after all. Never: what makes up a hash.

use super::*;

/// A name for a group.
fn hash(n: u8) -> BookHash {
    sha1_of(&n.to_string())
}

/// The taker's remainder rests first: crossed; then the eaten levels go.
fn crossing(at_ms: i64) -> [PriceChange; 3] {
    [change(Side::Buy, 53, 4, at_ms), change(Side::Sell, 52, 0, at_ms), change(Side::Sell, 53, 0, at_ms)]
}

#[test]
fn a_trade_is_held_against_the_book_before_its_own_match() {
    let mut book = opened();
    for change in crossing(2_000) {
        apply(&mut book, &change);
    }
    assert_eq!(quote_at(&book, 2_025), (Some(price(48)), Some(price(52))));
}

#[test]
fn a_change_long_before_the_trade_counts_as_settled() {
    let mut book = opened();
    apply(&mut book, &change(Side::Buy, 50, 4, 2_000));
    book.close_idle_group(at(2_110), &mut Budget::unlimited());
    let settled = (Some(price(50)), Some(price(52)));
    assert_eq!(quote_at(&book, 2_050), settled, "exactly the spread of a match later");
    assert_eq!(quote_at(&book, 2_049), (Some(price(48)), Some(price(52))), "within it");
}

#[test]
fn nobody_sees_a_book_inside_a_group_until_it_was_quiet_for_100_ms() {
    let mut book = opened();
    apply(&mut book, &change(Side::Buy, 50, 4, 2_000)); // Received at 2,010.
    let quote = |book: &TokenBook, ms| book.prevailing(at(9_000), at(ms)).unwrap().best_bid;
    assert_eq!(quote(&book, 2_109), Some(price(48)));
    assert_eq!(quote(&book, 2_110), Some(price(50)), "nobody called `rest`, but it has ended");
    assert_eq!(book.to_tick(at(2_109)), None);
    assert!(book.close_idle_group(at(2_109), &mut Budget::unlimited()), "99 ms");
    assert!(!book.close_idle_group(at(2_110), &mut Budget::unlimited()), "100 ms");
    assert_eq!(book.to_tick(at(2_110)).unwrap().bids[0].0, price(50));
}

#[test]
fn nobody_sees_a_book_that_is_crossed() {
    let mut book = opened();
    apply(&mut book, &change(Side::Buy, 53, 4, 2_000));
    assert!(book.ladder().unwrap().top().is_crossed());
    assert_eq!(quote_at(&book, 9_000), (Some(price(48)), Some(price(52))));
    book.close_idle_group(at(9_000), &mut Budget::unlimited());
    assert_eq!(quote_at(&book, 9_000), (Some(price(48)), Some(price(52))), "nor after its group");
    assert_eq!(book.to_tick(at(9_000)), None);
    let mut crossed = TokenBook::new(context());
    crossed.snapshot(&snapshot(&[(60, 1)], &[(50, 1)], 1_000), &mut Budget::unlimited());
    assert_eq!((crossed.prevailing(at(9_000), at(9_000)), crossed.to_tick(at(9_000))), (None, None));
}

#[test]
fn another_hash_at_the_same_time_is_another_group_and_no_hash_fits_any() {
    let mut book = opened();
    for (changes, groups) in [
        (hashed(change(Side::Buy, 45, 1, 2_000), &hash(1)), 0),
        (hashed(change(Side::Buy, 44, 1, 2_000), &hash(1)), 0),
        (change(Side::Buy, 43, 1, 2_000), 0),
        (hashed(change(Side::Buy, 42, 1, 2_000), &hash(2)), 1),
        (hashed(change(Side::Buy, 42, 1, 2_001), &hash(2)), 2),
    ] {
        apply(&mut book, &changes);
        assert_eq!(book.stats().groups, groups);
    }
}

#[test]
fn a_group_that_goes_on_after_its_rest_takes_back_what_was_concluded() {
    let mut book = opened();
    let budget = &mut Budget::unlimited();
    let wanted = hash_of(&[(47, 5), (48, 10)], &[], 2_000, "");
    let [remainder, first, second] = [
        change(Side::Sell, 52, 0, 2_000),
        change(Side::Sell, 54, 0, 2_000),
        change(Side::Sell, 53, 0, 2_000),
    ]
    .map(|change| hashed(change, &wanted));
    let stated = PriceChange { best_bid: Some(price(48)), ..remainder };
    book.apply(&stated, budget);
    assert!(!book.close_idle_group(at(2_110), budget));
    assert_eq!(book.trust(), Trust::Suspect);
    let stats = BookStats { groups: 1, checked: 1, mismatches: 1, differences: 1 };
    assert_eq!(book.stats(), stats);
    assert_eq!(quote_at(&book, 2_100).1, Some(price(53)));
    let mut late = first;
    late.received_at = at(2_200);
    book.apply(&late, budget);
    assert_eq!(
        (book.trust(), book.stats(), book.has_open_group()),
        (Trust::Fine, BookStats::default(), true)
    );
    assert_eq!(quote_at(&book, 2_100).1, Some(price(52)), "its quote is taken back");
    book.apply(&PriceChange { best_bid: Some(price(48)), ..second }, budget);
    assert!(book.close_idle_group(at(2_299), budget), "its idle time begins again");
    assert!(!book.close_idle_group(at(2_300), budget));
    assert_eq!(book.stats(), BookStats { groups: 1, checked: 1, mismatches: 0, differences: 0 });
    assert_eq!((book.trust(), book.verified_at()), (Trust::Fine, Some(at(2_200))));
    assert_eq!(quote_at(&book, 2_100).1, None);
}

#[test]
fn the_quotes_of_earlier_groups_survive_a_group_that_is_taken_back() {
    let mut book = opened();
    for n in 0..20 {
        apply(&mut book, &change(Side::Buy, 20 + n, 1, 2_000 + i64::from(n)));
    }
    let quotes = |book: &TokenBook| (2_000..2_100).map(|ms| quote_at(book, ms)).collect::<Vec<_>>();
    let before = quotes(&book);
    book.close_idle_group(at(5_000), &mut Budget::unlimited());
    let mut again = change(Side::Buy, 39, 1, 2_019);
    again.received_at = at(6_000);
    apply(&mut book, &again);
    assert_eq!(quotes(&book), before);
}

#[test]
fn a_snapshot_of_the_group_under_way_is_its_end_and_no_mismatch() {
    let mut book = opened();
    let budget = &mut Budget::unlimited();
    let wanted = hash_of(&[(47, 5)], &[(53, 5)], 2_000, "");
    book.apply(&hashed(change(Side::Sell, 52, 0, 2_000), &wanted), budget);
    let mut whole = snapshot(&[(47, 5)], &[(53, 5)], 2_000);
    whole.hash = Some(wanted);
    assert_eq!(book.snapshot(&whole, budget), (Applied::Yes, Check::Agreed));
    assert_eq!(book.stats(), BookStats { groups: 1, checked: 1, mismatches: 0, differences: 0 });
}

#[test]
fn a_group_of_the_past_is_not_held_against_a_book_that_went_on() {
    let mut book = opened();
    let budget = &mut Budget::unlimited();
    let late = hash_of(&[(46, 1), (47, 5), (48, 10)], &[(53, 5), (52, 10)], 2_000, "");
    let newer = hash_of(&[(45, 1), (46, 1), (47, 5), (48, 10)], &[(53, 5), (52, 10)], 3_000, "");
    book.apply(&hashed(change(Side::Buy, 45, 1, 3_000), &newer), budget);
    book.apply(&hashed(change(Side::Buy, 46, 1, 2_000), &late), budget);
    assert_eq!(book.trust(), Trust::Suspect, "the newer one lacked it");
    book.close_idle_group(at(9_000), budget);
    assert_eq!((book.trust(), book.stats().checked), (Trust::Suspect, 1), "the late one says nothing");
    assert_eq!(book.to_tick(at(9_000)).unwrap().hash_ok, None);
    let next = hash_of(&[(45, 1), (46, 1), (47, 5), (48, 11)], &[(53, 5), (52, 10)], 4_000, "");
    book.apply(&hashed(change(Side::Buy, 48, 11, 4_000), &next), budget);
    book.close_idle_group(at(9_000), budget);
    assert_eq!(book.trust(), Trust::Fine, "the next one shows that all is there");
}

#[test]
fn a_difference_to_the_stated_best_prices_is_counted_once_a_group_ends() {
    let mut book = opened();
    let stating = |cents, bid, at_ms| PriceChange {
        best_bid: Some(price(bid)),
        best_ask: Some(price(52)),
        ..change(Side::Buy, cents, 1, at_ms)
    };
    apply(&mut book, &stating(49, 49, 2_000));
    apply(&mut book, &stating(50, 51, 3_000));
    assert_eq!(book.stats().differences, 0, "the group may go on");
    apply(&mut book, &change(Side::Buy, 45, 1, 4_000));
    assert_eq!(book.stats().differences, 1);
    book.reset();
    assert_eq!(book.stats().differences, 1, "a count outlives its connection");
}
