//! Frames of a small market, read one after the other.
//!
//! Knows: what a frame must come to. Never: a socket.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_789_156_414_000);

fn id(text: &str) -> TokenId {
    TokenId::try_from(text).unwrap()
}

fn watched() -> AssignedMarket {
    AssignedMarket {
        market: ConditionId::try_from("0xab").unwrap(),
        tokens: vec![id("71"), id("72")],
        held: 0,
        tick_size: Some(Decimal::new(1, 2)),
        order_size_min: Some(Decimal::from(5)),
        neg_risk: false,
        end_at: None,
    }
}

fn books() -> BookKeeper {
    let mut books = BookKeeper::new(Arc::new(Mutex::new(Budget::unlimited())), Duration::from_mins(5));
    books.follow(&[watched()]);
    books
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

/// A removal of the only bid that says that the book is another one afterwards.
fn wrong_change(token: &str, at_ms: u64) -> String {
    format!(
        r#"{{"market":"0xab", "price_changes":[{{"asset_id":"{token}", "price":"0.4", "size":"3", "side":"BUY", "hash":"{at_ms:040}", "best_bid":"0.5", "best_ask":"0.6"}}], "timestamp":"{at_ms}", "event_type":"price_change"}}"#
    )
}

fn trades(reading: &FrameOutcome) -> Vec<&contract::tick::Trade> {
    reading
        .ticks
        .iter()
        .filter_map(|t| if let Tick::Trade(trade) = t { Some(trade.as_ref()) } else { None })
        .collect()
}

#[test]
fn a_market_is_complete_with_the_last_of_its_books() {
    let mut books = books();
    assert!(books.read(&book("71", ""), NOW).completed.is_empty());
    let reading = books.read(&format!("[{}]", book("72", "")), NOW);
    assert_eq!((reading.completed.len(), reading.opened), (1, vec![id("72")]));
    assert_eq!((books.live(), books.size()), (2, 2));
    books.reset_books();
    assert_eq!(books.live(), 0);
    assert!(!books.is_complete(&reading.completed[0]));
}

#[test]
fn a_market_is_not_complete_while_a_token_is_held_back() {
    let mut books = books();
    let (new, left) = books.follow(&[AssignedMarket { tokens: vec![id("71")], held: 1, ..watched() }]);
    assert_eq!((new, left), (vec![], vec![id("72")]));
    assert!(books.read(&book("71", ""), NOW).completed.is_empty());
    assert_eq!(books.read(&book("72", ""), NOW).unwatched, 1);
    let (new, left) = books.follow(&[watched()]);
    assert_eq!((new, left), (vec![id("72")], vec![]));
    assert_eq!(books.live(), 1, "the other book stays");
    assert_eq!(books.read(&book("72", ""), NOW).completed.len(), 1);
}

#[test]
fn a_trade_is_stamped_with_quote_and_price_before() {
    let mut books = books();
    let first = books.read(&trade("71", "0xab", "0.55"), NOW);
    assert_eq!((trades(&first)[0].prevailing, trades(&first)[0].price_before), (None, None));
    books.read(&book("72", "0.490"), NOW);
    let second = books.read(&trade("72", "0xab", "0.55"), NOW);
    let stamped = trades(&second)[0];
    assert_eq!(stamped.price_before, None, "what a book shows as the last trade may be the other outcome's");
    assert_eq!(stamped.prevailing.unwrap().best_ask.unwrap().to_string(), "0.6");
    assert_eq!(
        trades(&books.read(&trade("72", "0xab", "0.56"), NOW))[0].price_before.unwrap().to_string(),
        "0.55"
    );
}

#[test]
fn a_book_that_shows_another_last_trade_than_was_told_means_that_one_was_missed() {
    let mut books = books();
    assert!(books.read(&book("71", "0.490"), NOW).missed.is_empty(), "nothing was received before");
    books.read(&trade("72", "0xab", "0.55"), NOW);
    assert!(books.read(&book("71", "0.550"), NOW).missed.is_empty(), "a market has one last trade");
    assert!(books.read(&book("71", "0.5509"), NOW).missed.is_empty(), "three decimals are shown");
    assert_eq!(books.read(&book("72", "0.560"), NOW).missed, [watched().market]);
}

#[test]
fn two_identical_fills_are_two_ticks_and_the_same_book_is_one() {
    let mut books = books();
    let twice = books.read(&format!("[{0},{0}]", trade("71", "0xab", "0.55")), NOW);
    assert_ne!(twice.ticks[0].id(), twice.ticks[1].id());
    let books = books.read(&format!("[{0},{0}]", book("71", "")), NOW);
    assert_eq!(books.ticks[0].id(), books.ticks[1].id());
}

#[test]
fn what_nobody_asked_for_is_counted_and_what_does_not_fit_is_refused() {
    let mut books = books();
    let strange = books.read(&trade("99", "0xab", "0.55"), NOW);
    assert_eq!((strange.ticks.len(), strange.unwatched), (0, 1));
    let crossed = books.read(&trade("71", "0xcd", "0.55"), NOW);
    assert_eq!((crossed.ticks.len(), crossed.refused.len()), (0, 1));
    assert!(crossed.refused[0].0.contains("belongs to market 0xab"));
    assert_eq!(books.read("[7]", NOW).refused.len(), 1);
    assert!(books.read("PONG", NOW).pong && books.read("PING", NOW).ping);
}

#[test]
fn a_book_that_differs_twice_is_fetched_anew_once_a_minute_and_no_more() {
    let mut books = books();
    books.read(&format!("[{},{}]", book("71", "0.5"), book("72", "0.5")), NOW);
    let mut broken = Vec::new();
    for step in 0..4_u64 {
        let at = NOW.plus(Duration::from_secs(step));
        broken.extend(books.read(&wrong_change("71", 1_789_156_414_000 + step), at).broken);
        assert!(books.has_open_groups());
    }
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!((broken[0].token.clone(), broken[0].right_until), (id("71"), Some(NOW)));
    books.reset_book(&id("71"));
    assert!(books.lacks_book(&id("71")) && !books.lacks_book(&id("72")));
    let fresh = books.read(&book("71", "0.5"), NOW.plus(Duration::from_secs(9)));
    assert_eq!(fresh.completed.len(), 1);
    assert!(books.stats().mismatches >= 2);
}

#[test]
fn a_group_of_which_nothing_more_comes_ends_by_itself() {
    let mut books = books();
    books.read(&book("71", "0.5"), NOW);
    books.read(&wrong_change("71", 1_789_156_414_000), NOW);
    assert!(
        books.close_idle_groups(NOW.plus(Duration::from_millis(50))).is_empty() && books.has_open_groups()
    );
    books.close_idle_groups(NOW.plus(Duration::from_millis(101)));
    assert_eq!(books.stats().mismatches, 1);
}

#[test]
fn a_suspect_that_no_group_speaks_for_within_two_seconds_is_fetched_anew() {
    let mut books = books();
    books.read(&format!("[{},{}]", book("71", "0.5"), book("72", "0.5")), NOW);
    books.read(&wrong_change("71", 1_789_156_414_000), NOW);
    let ended = NOW.plus(Duration::from_millis(101));
    assert!(books.close_idle_groups(ended).is_empty());
    assert!(
        books.close_idle_groups(ended.plus(Duration::from_micros(1_999_999))).is_empty()
            && books.has_open_groups()
    );
    assert_eq!(books.close_idle_groups(ended.plus(SUSPECT_MAX)).len(), 1);
    books.reset_book(&id("71"));
    assert!(!books.has_open_groups());
}

#[test]
fn where_most_books_differ_it_is_the_rule_that_is_odd_and_nothing_is_fetched() {
    let tokens: Vec<String> = (100..160).map(|number: u32| number.to_string()).collect();
    let list: Vec<AssignedMarket> =
        tokens.iter().map(|token| AssignedMarket { tokens: vec![id(token)], ..watched() }).collect();
    let all = AssignedMarket {
        tokens: list.iter().flat_map(|watched| watched.tokens.clone()).collect(),
        ..watched()
    };
    let mut books = BookKeeper::new(Arc::new(Mutex::new(Budget::unlimited())), Duration::from_mins(5));
    books.follow(&[all]);
    let mut broken = 0;
    for token in &tokens {
        books.read(&book(token, "0.5"), NOW);
    }
    for step in 1..4_u64 {
        for token in &tokens {
            let at = NOW.plus(Duration::from_secs(step));
            broken += books.read(&wrong_change(token, 1_789_156_414_000 + step), at).broken.len();
        }
    }
    assert!(broken < 30, "{broken} of 60 books were re-fetched");
}

#[test]
fn books_are_told_when_they_changed_and_not_again() {
    let mut books = books();
    books.read(&format!("[{},{}]", book("71", "0.5"), book("72", "0.5")), NOW);
    assert!(books.changed_books(NOW).is_empty(), "the venue's own books were published");
    books.read(&wrong_change("71", 1_789_156_414_000), NOW);
    let later = NOW.plus(Duration::from_secs(1));
    books.close_idle_groups(later);
    let changed = books.changed_books(later);
    assert_eq!((changed.len(), changed[0].bids.len(), changed[0].hash_ok), (1, 2, Some(false)));
    assert!(books.changed_books(later).is_empty());
}

/// The same book of a token as REST tells it, a second later.
fn of_rest_later(token: &str) -> RestBook {
    let Tick::Book(book) = books().read(&book(token, "0.5"), NOW).ticks.remove(0) else { panic!("a book") };
    RestBook {
        condition_id: book.condition_id,
        token_id: book.token_id,
        bids: book.bids,
        asks: book.asks,
        hash: None,
        tick_size: None,
        order_size_min: None,
        neg_risk: None,
        last_trade_price: None,
        changed_at: Timestamp::from_millis(1_789_156_414_000),
    }
}

#[test]
fn a_book_that_the_socket_does_not_bring_is_taken_from_rest_with_what_changed_since() {
    let mut books = books();
    books.read(&book("72", "0.5"), NOW);
    let reading = books.read(&wrong_change("71", 1_789_156_414_000 + 5), NOW);
    assert_eq!(reading.without_book, [id("71")], "its changes flow");
    let reading = books.snapshot(of_rest_later("71"), NOW);
    assert_eq!((reading.opened, reading.completed.len(), reading.ticks.len()), (vec![id("71")], 1, 1));
    let later = NOW.plus(Duration::from_secs(1));
    books.close_idle_groups(later);
    let bids: Vec<usize> = books.changed_books(later).iter().map(|book| book.bids.len()).collect();
    assert_eq!(bids, [2], "the change of 5 ms later is on top");
    assert_eq!(books.snapshot(of_rest_later("71"), NOW).ticks, [], "it has one now");
}

#[test]
fn a_book_that_rest_has_overruled_is_fetched_unless_it_agrees_with_the_trade_by_now() {
    let mut books = books();
    books.read(&book("71", "0.5"), NOW);
    let overruled = |token: &str, cents: i64| Overruled {
        condition_id: watched().market,
        token_id: id(token),
        price: Price::try_from(Decimal::new(cents, 2)).unwrap(),
        deviation_max: Decimal::new(1, 1),
        at: NOW,
    };
    assert_eq!(books.doubted(&overruled("71", 70), NOW), None, "exactly at the limit of 0.6 + 0.1");
    assert_eq!(books.doubted(&overruled("72", 90), NOW), None, "it has no book");
    let broken = books.doubted(&overruled("71", 71), NOW).unwrap();
    assert_eq!((broken.cause, broken.token, broken.right_until), (Cause::Overruled, id("71"), Some(NOW)));
    assert_eq!(books.doubted(&overruled("71", 39), NOW), None, "not again within a minute");
    assert!(books.doubted(&overruled("71", 39), NOW.plus(RESYNC_EVERY)).is_some());
}

#[test]
fn announcements_are_handed_on() {
    let new = r#"{"id":"1","question":"?","market":"0xcd","event_type":"new_market","active":false}"#;
    let resolved = r#"{"id":"1","market":"0xab","winning_asset_id":"71","event_type":"market_resolved"}"#;
    let reading = books().read(&format!("[{new},{resolved}]"), NOW);
    let [new, resolved] = ["0xcd", "0xab"].map(|text| ConditionId::try_from(text).unwrap());
    let [MarketEvent::New(market), MarketEvent::Resolved(ended, resolution)] = reading.news.as_slice() else {
        panic!("{:?}", reading.news)
    };
    assert_eq!((&market.condition_id, ended), (&new, &resolved));
    assert_eq!(resolution.winning_token_id, Some(id("71")));
    let grid = r#"{"event_type":"tick_size_change","market":"0xab","asset_id":"71","new_tick_size":"0.001","timestamp":"1789156413000"}"#;
    let changed = books().read(grid, NOW).news;
    let at = Timestamp::from_millis(1_789_156_413_000);
    assert_eq!(changed, [MarketEvent::TickSize(resolved, Decimal::new(1, 3), at)]);
}

proptest! {
    #[test]
    fn no_text_makes_the_desk_panic(text in "\\PC{0,200}") {
        books().read(&text, NOW);
    }
}

mod fixtures;
