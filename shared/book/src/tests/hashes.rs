//! The venue's hash: its text, its inputs, what follows from it.
//!
//! Knows: the rule of the protocol's section 1.6, written down by hand. Never: the code under test but from outside.

use super::*;

const BIDS: [(u32, u32); 2] = [(47, 5), (48, 10)];
const ASKS: [(u32, u32); 2] = [(53, 5), (52, 10)];

fn opening(hash: BookHash, last: Option<u32>) -> Book {
    let mut book = snapshot(&[(48, 10), (47, 5)], &[(52, 10), (53, 5)], 1_000);
    book.hash = Some(hash);
    book.tick_size = Some(Decimal::new(1, 2));
    book.last_trade_price = last.map(price);
    book
}

fn after_trade(hash: BookHash) -> Book {
    Book { tick_size: None, ..opening(hash, None) }
}

fn snap(book: &mut TokenBook, tick: &Book) -> Check {
    book.snapshot(tick, &mut Budget::unlimited()).1
}

/// One more share at 48 with the right hash, received and ended.
fn grow(book: &mut TokenBook, shares: u32, last: &str) {
    let budget = &mut Budget::unlimited();
    let at_ms = i64::from(shares) * 1_000;
    let wanted = hash_of(&[(47, 5), (48, shares)], &ASKS, at_ms, last);
    book.apply(&hashed(change(Side::Buy, 48, shares, at_ms), &wanted), budget);
    book.close_idle_group(at(at_ms + 500), budget);
}

#[test]
fn the_text_that_is_hashed_is_the_compact_json_of_the_protocol() {
    let text = concat!(
        r#"{"market":"0xbd31dc8a20211944f6b70f31557f1001557b59905b7738480ca09bd4532f84af","#,
        r#""asset_id":"65818619657568813474341868652308942079804919287380422192892211131408793125422","#,
        r#""timestamp":"1789156413830","hash":"","#,
        r#""bids":[{"price":"0.001","size":"5000000.5"},{"price":"0.49","size":"10"}],"#,
        r#""asks":[{"price":"1","size":"0.000001"},{"price":"0.5","size":"3"}],"#,
        r#""min_order_size":"5","tick_size":"0.001","neg_risk":true,"last_trade_price":"0.490"}"#,
    );
    let level = |price: &str, size: &str| Level(Price::of_text(price).unwrap(), Size::of_text(size).unwrap());
    let (market, token) = (text.split('"').nth(3).unwrap(), text.split('"').nth(7).unwrap());
    let mut tick = opening(sha1_of(text), Some(49));
    tick.bids = vec![level("0.490", "10"), level("0.001", "5000000.5")];
    tick.asks = vec![level("0.5", "3.0"), level("1", "0.000001")];
    tick.tick_size = Some("0.0010".parse().unwrap());
    tick.changed_at = at(1_789_156_413_830);
    let mut book = TokenBook::new(HashContext {
        condition_id: ConditionId::try_from(market).unwrap(),
        token_id: TokenId::try_from(token).unwrap(),
        tick_size: None,
        order_size_min: Some("5.0".parse().unwrap()),
        neg_risk: true,
    });
    assert_eq!(snap(&mut book, &tick), Check::Agreed);
    assert_eq!(book.last_trade_price(), Some(price(49)));
}

#[test]
fn a_book_of_empty_sides_that_never_traded_has_a_hash_too() {
    let text = r#"{"market":"0xab","asset_id":"71","timestamp":"1000","hash":"","bids":[],"asks":[],"min_order_size":"5","tick_size":"0.01","neg_risk":false,"last_trade_price":""}"#;
    let mut tick = opening(sha1_of(text), None);
    (tick.bids, tick.asks) = (vec![], vec![]);
    assert_eq!(snap(&mut TokenBook::new(context()), &tick), Check::Agreed);
}

#[test]
fn what_is_not_known_is_no_mismatch() {
    let wrong = || sha1_of("another book");
    let mut without = context();
    without.order_size_min = None;
    let mut book = TokenBook::new(without);
    assert_eq!(snap(&mut book, &opening(wrong(), None)), Check::Unknown);
    let mut without = context();
    without.tick_size = None;
    let mut book = TokenBook::new(without);
    assert_eq!(snap(&mut book, &after_trade(wrong())), Check::Unknown);
    assert_eq!(snap(&mut book, &Book { hash: None, ..opening(wrong(), None) }), Check::Unknown);
    assert_eq!(snap(&mut book, &opening(wrong(), None)), Check::Differs, "the snapshot stated the tick size");
    assert_eq!(book.stats(), BookStats { groups: 0, checked: 1, mismatches: 1, differences: 0 });
}

#[test]
fn a_book_after_a_trade_is_checked_with_the_known_inputs_and_an_opening_book_with_its_own() {
    let mut book = TokenBook::new(context());
    book.traded(price(49), &mut Budget::unlimited());
    assert_eq!(snap(&mut book, &after_trade(hash_of(&BIDS, &ASKS, 1_000, "0.490"))), Check::Agreed);
    assert_eq!(snap(&mut book, &opening(hash_of(&BIDS, &ASKS, 1_000, "0.510"), Some(51))), Check::Agreed);
    assert_eq!(book.last_trade_price(), Some(price(51)));
    assert_eq!(snap(&mut book, &opening(hash_of(&BIDS, &ASKS, 1_000, ""), None)), Check::Agreed);
    assert_eq!(book.last_trade_price(), None, "a grid without a last trade: never traded");
}

#[test]
fn the_price_of_a_trade_is_learned_from_the_hash_before_its_own_frame_comes() {
    let mut book = opened();
    book.traded(price(49), &mut Budget::unlimited());
    for (shares, last, learned) in [
        (11, "0.490", "0.49"),
        (12, "0.520", "0.52"), // On the grid.
        (13, "0.490", "0.49"), // The one before.
        (14, "", ""),
        (15, "0.000", "0"),
        (16, "1.000", "1"),
    ] {
        grow(&mut book, shares, last);
        assert_eq!(book.trust(), Trust::Fine, "{last}");
        assert_eq!(book.last_trade_price().map(|p| p.to_string()).unwrap_or_default(), learned);
    }
    assert_eq!((book.stats().checked, book.stats().mismatches), (6, 0));
    grow(&mut book, 17, "0.4905");
    assert_eq!(book.trust(), Trust::Suspect, "off the grid it cannot be guessed");
    book.traded(price(50), &mut Budget::unlimited());
    assert_eq!((book.trust(), book.stats().mismatches), (Trust::Suspect, 1), "another price says nothing");
    book.traded(Price::of_text("0.4905").unwrap(), &mut Budget::unlimited());
    assert_eq!((book.trust(), book.stats().mismatches), (Trust::Fine, 0), "its trade came a little later");
    assert_eq!(book.to_tick(at(19_000)).unwrap().hash_ok, Some(true));
    grow(&mut book, 18, "0.4905");
    assert_eq!(book.trust(), Trust::Fine, "once known it is written in full");
}

#[test]
fn the_price_of_a_trade_is_found_on_the_markets_own_grid() {
    for (tick, last) in [("0.0025", "0.5025"), ("0.0001", "0.4907"), ("0.005", "0.495")] {
        let text = format!(
            r#"{{"market":"0xab","asset_id":"71","timestamp":"1000","hash":"","bids":[{{"price":"0.47","size":"5"}},{{"price":"0.48","size":"10"}}],"asks":[{{"price":"0.53","size":"5"}},{{"price":"0.52","size":"10"}}],"min_order_size":"5","tick_size":"{tick}","neg_risk":false,"last_trade_price":"{last}"}}"#
        );
        let mut book = TokenBook::new(context());
        book.set_tick_size(tick.parse().unwrap());
        assert_eq!(snap(&mut book, &after_trade(sha1_of(&text))), Check::Agreed, "{tick}");
        assert_eq!(book.last_trade_price().unwrap().to_string(), last);
    }
}

#[test]
fn one_group_that_differs_makes_a_book_suspect_two_in_a_row_break_it_and_agreement_mends_it() {
    let wrong = |book: &mut TokenBook, at_ms: i64| {
        let budget = &mut Budget::unlimited();
        book.apply(&hashed(change(Side::Buy, 45, 1, at_ms), &sha1_of(&at_ms.to_string())), budget);
        book.close_idle_group(at(at_ms + 500), budget);
        book.trust()
    };
    let mut book = opened();
    assert_eq!(wrong(&mut book, 2_000), Trust::Suspect);
    assert_eq!(book.to_tick(at(9_000)).unwrap().hash_ok, Some(false));
    apply(&mut book, &change(Side::Buy, 45, 0, 3_000));
    book.close_idle_group(at(3_500), &mut Budget::unlimited());
    assert_eq!(book.trust(), Trust::Suspect, "a group without a hash says nothing");
    grow(&mut book, 11, "");
    assert_eq!(book.trust(), Trust::Fine);
    assert_eq!(book.to_tick(at(9_000)).unwrap().hash_ok, Some(true));
    assert_eq!(
        [12_000, 13_000, 14_000].map(|ms| wrong(&mut book, ms)),
        [Trust::Suspect, Trust::Broken, Trust::Broken]
    );
    let again = Book { changed_at: at(14_000), ..opening(sha1_of("?"), None) };
    assert_eq!(snap(&mut book, &again), Check::Differs);
    assert_eq!(book.trust(), Trust::Suspect, "fetching again would give the same");
    assert_eq!([15_000, 16_000].map(|ms| wrong(&mut book, ms)), [Trust::Suspect, Trust::Broken]);
    snap(&mut book, &Book { hash: None, changed_at: at(16_000), ..again });
    assert_eq!(book.trust(), Trust::Fine, "a snapshot that is not known to differ is believed");
}

#[test]
fn without_budget_nothing_is_checked_but_a_suspect_book() {
    let nothing = &mut Budget::new(0);
    let mut book = TokenBook::new(context());
    let wrong = opening(sha1_of("?"), None);
    assert_eq!(book.snapshot(&wrong, nothing), (Applied::Yes, Check::Skipped));
    assert_eq!((book.trust(), book.stats().checked), (Trust::Fine, 0));
    assert_eq!(snap(&mut book, &wrong), Check::Differs);
    assert_eq!(book.snapshot(&wrong, nothing).1, Check::Differs);
    assert!(nothing.hashed() > 1_000, "a search costs about as much as so many levels: {}", nothing.hashed());
}

#[test]
fn a_new_grid_goes_into_the_hash() {
    let mut book = opened();
    book.set_tick_size(Decimal::new(1, 3));
    grow(&mut book, 11, "");
    assert_eq!(book.trust(), Trust::Suspect);
    book.set_tick_size("0.010".parse().unwrap());
    grow(&mut book, 12, "");
    assert_eq!(book.trust(), Trust::Fine);
}

#[test]
fn a_told_book_carries_what_is_known_of_it() {
    let mut book = TokenBook::new(context());
    let tick = opening(hash_of(&BIDS, &ASKS, 1_000, "0.500"), Some(50));
    snap(&mut book, &tick);
    let actual = book.to_tick(at(7_000)).unwrap();
    let wanted = Book { id: tick.content_id(), hash_ok: Some(true), received_at: at(7_000), ..tick };
    assert_eq!(actual, wanted);
    assert_eq!(book.verified_at(), Some(at(1_010)));
}
