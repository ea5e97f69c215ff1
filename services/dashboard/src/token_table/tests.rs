//! Orders and searches over made-up tokens; and when the table is made anew.
//!
//! Knows: markets by number. Never: a route.

use contract::verdict::Verdict;

use super::*;
use crate::state::Projection;
use crate::state::testing::{at, book, judged_trade, market};

fn question(sort: Sort, descending: bool) -> TableQuery {
    TableQuery { sort, descending, text: String::new(), standings: Vec::new() }
}

/// Three markets: volume 10, 30 and unknown; the first token has a book and a trade.
fn fold() -> Projection {
    let mut fold = Projection::new(at(0));
    for (number, volume) in [(1, Some(10)), (2, Some(30)), (3, None)] {
        let mut market = market(number);
        market.volume_24h = volume.map(Decimal::from);
        fold.market(&market);
    }
    fold.tick(book(1, 0), at(0));
    fold.tick(judged_trade(1, Verdict::Clean), at(0));
    fold
}

fn ids(fold: &Projection, question: &TableQuery) -> Vec<String> {
    let table = Table::of(fold.snapshot(at(1)), None);
    table.places(question).into_iter().map(|place| table.snapshot.rows[place].token_id.to_string()).collect()
}

#[test]
fn the_unknown_comes_last_whichever_way_round() {
    let fold = fold();
    assert_eq!(ids(&fold, &question(Sort::Volume, true)), ["5", "4", "3", "2", "7", "6"].map(String::from));
    assert_eq!(ids(&fold, &question(Sort::Volume, false)), ["3", "2", "5", "4", "7", "6"].map(String::from));
    for sort in [Sort::Bid, Sort::Ask, Sort::Last, Sort::Age, Sort::Ticks] {
        assert_eq!(ids(&fold, &question(sort, true))[0], "2", "{sort:?}");
    }
    assert_eq!(ids(&fold, &question(Sort::Age, false))[0], "2");
}

#[test]
fn names_are_sorted_both_ways_and_states_from_the_worst() {
    let fold = fold();
    let by_question = ["3", "2", "5", "4", "7", "6"].map(String::from);
    assert_eq!(ids(&fold, &question(Sort::TableQuery, false)), by_question);
    let by_outcome = ["3", "5", "7", "2", "4", "6"].map(String::from);
    assert_eq!(ids(&fold, &question(Sort::Outcome, false)), by_outcome);
    assert_eq!(ids(&fold, &question(Sort::Outcome, true))[0], "6");
    assert_eq!(ids(&fold, &question(Sort::TokenStatus, false)).last().unwrap(), "2");
}

#[test]
fn a_search_takes_all_its_words_or_the_start_of_an_id() {
    let fold = fold();
    let search =
        |text: &str| ids(&fold, &TableQuery { text: text.to_owned(), ..question(Sort::TableQuery, false) });
    assert_eq!(search("question 2"), ["2", "5", "4"].map(String::from), "token 2, and both of market 2");
    assert_eq!(search("yes market-3"), ["6".to_owned()]);
    assert_eq!(search("0x1"), ["3", "2"].map(String::from));
    assert!(search("nobody").is_empty());
    let standings = vec![TokenStatus::Live];
    assert_eq!(ids(&fold, &TableQuery { standings, ..question(Sort::TableQuery, false) }), ["2".to_owned()]);
}

/// Tokens of the table that answers at a second.
async fn total(listing: &TokenTable, fold: &Projection, second: i64) -> usize {
    let snapshot = fold.snapshot(at(second));
    let answer = listing.answer(&question(Sort::Volume, true), at(second), || snapshot).await.unwrap();
    assert_eq!(answer.table.counts[&TokenStatus::Live], 1);
    answer.table.snapshot.rows.len()
}

#[tokio::test]
async fn a_table_of_a_second_answers_while_the_next_one_is_made_aside() {
    let (listing, mut fold) = (TokenTable::default(), fold());
    assert_eq!(total(&listing, &fold, 0).await, 6);
    fold.market(&market(4));
    let asked = question(Sort::Volume, true);
    let before = Timestamp::from_micros(at(0).micros() + 999_999);
    let half = listing.answer(&asked, before, || panic!("too early")).await.unwrap();
    assert_eq!(half.places.len(), 6);
    assert_eq!(total(&listing, &fold, 1).await, 6, "the old one answers");
    drop(listing.making.lock().await);
    let next = listing.answer(&asked, at(1), || panic!("it is there")).await.unwrap();
    assert_eq!(next.places.len(), 8);
}

#[tokio::test]
async fn a_table_of_two_seconds_or_from_before_the_clock_was_set_back_answers_nobody() {
    let (listing, mut fold) = (TokenTable::default(), fold());
    assert_eq!(total(&listing, &fold, 10).await, 6);
    fold.market(&market(4));
    assert_eq!(total(&listing, &fold, 12).await, 8);
    fold.market(&market(5));
    assert_eq!(total(&listing, &fold, 0).await, 10);
}

#[tokio::test]
async fn those_who_ask_at_once_share_one_table() {
    let (listing, fold) = (TokenTable::default(), fold());
    let snapshot = fold.snapshot(at(0));
    let asked = question(Sort::Age, true);
    let first = listing.answer(&asked, at(0), || snapshot);
    let second = listing.answer(&asked, at(0), || panic!("one is enough"));
    let (first, second) = tokio::join!(first, second);
    assert!(Arc::ptr_eq(&first.unwrap().table, &second.unwrap().table));
}

#[tokio::test]
async fn the_next_table_has_ready_what_was_asked_and_forgets_what_is_asked_no_more() {
    let (listing, fold) = (TokenTable::default(), fold());
    let ready = || {
        let table = listing.table().clone().unwrap();
        let mut sorts: Vec<String> =
            table.answers().keys().map(|question| format!("{:?}", question.sort)).collect();
        sorts.sort();
        sorts
    };
    let ask = async |sort, second| {
        let snapshot = fold.snapshot(at(second));
        listing.answer(&question(sort, true), at(second), || snapshot).await.unwrap();
        drop(listing.making.lock().await);
    };
    ask(Sort::Age, 0).await;
    ask(Sort::Bid, 0).await;
    assert_eq!(ready(), ["Age", "Bid"]);
    ask(Sort::Age, 1).await;
    assert_eq!(ready(), ["Age", "Bid"], "both were asked of the one before");
    ask(Sort::Age, 2).await;
    assert_eq!(ready(), ["Age"]);
}
