//! Orders and searches over made-up tokens; and how long they take for the whole venue.
//!
//! Knows: markets by number. Never: a route.

use contract::verdict::Verdict;

use super::*;
use crate::state::Fold;
use crate::state::testing::{at, book, judged_trade, market};

fn question(sort: Sort, descending: bool) -> Question {
    Question { sort, descending, text: String::new(), standings: Vec::new() }
}

/// Three markets: volume 10, 30 and unknown; the first token has a book and a trade.
fn fold() -> Fold {
    let mut fold = Fold::new(at(0));
    for (number, volume) in [(1, Some(10)), (2, Some(30)), (3, None)] {
        let mut market = market(number);
        market.volume_24h = volume.map(Decimal::from);
        fold.market(&market);
    }
    fold.tick(book(1, 0), at(0));
    fold.tick(judged_trade(1, Verdict::Clean), at(0));
    fold
}

fn ids(fold: &Fold, question: &Question) -> Vec<String> {
    let answer = Listing::default().answer(question, at(1), || fold.snapshot(at(1)));
    answer.places.iter().map(|&place| answer.table.snapshot.rows[place].token_id.to_string()).collect()
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
    assert_eq!(ids(&fold, &question(Sort::Question, false)), by_question);
    let by_outcome = ["3", "5", "7", "2", "4", "6"].map(String::from);
    assert_eq!(ids(&fold, &question(Sort::Outcome, false)), by_outcome);
    assert_eq!(ids(&fold, &question(Sort::Outcome, true))[0], "6");
    assert_eq!(ids(&fold, &question(Sort::Standing, false)).last().unwrap(), "2");
}

#[test]
fn a_search_takes_all_its_words_or_the_start_of_an_id() {
    let fold = fold();
    let search =
        |text: &str| ids(&fold, &Question { text: text.to_owned(), ..question(Sort::Question, false) });
    assert_eq!(search("question 2"), ["2", "5", "4"].map(String::from), "token 2, and both of market 2");
    assert_eq!(search("yes market-3"), ["6".to_owned()]);
    assert_eq!(search("0x1"), ["3", "2"].map(String::from));
    assert!(search("nobody").is_empty());
    let standings = vec![Standing::Live];
    assert_eq!(ids(&fold, &Question { standings, ..question(Sort::Question, false) }), ["2".to_owned()]);
}

#[test]
fn the_table_is_made_anew_after_a_second_and_not_before() {
    let (listing, mut fold) = (Listing::default(), fold());
    let asked = question(Sort::Volume, true);
    let total = |fold: &Fold, second| {
        let answer = listing.answer(&asked, at(second), || fold.snapshot(at(second)));
        (answer.table.snapshot.rows.len(), answer.table.counts[&Standing::NeverSeen])
    };
    assert_eq!(total(&fold, 0), (6, 5));
    fold.market(&market(4));
    let half =
        listing.answer(&asked, Timestamp::from_micros(at(0).micros() + 999_999), || panic!("too early"));
    assert_eq!(half.places.len(), 6);
    assert_eq!(total(&fold, 1), (8, 7));
}
