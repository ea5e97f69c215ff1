//! Names, prices and states of tokens.
//!
//! Knows: small made-up markets. Never: a bus.

use std::collections::HashSet;

use contract::gap::{Cause, Gap};
use contract::verdict::Verdict;

use super::*;
use crate::state::gaps::Gaps;
use crate::state::testing::{at, book, condition, gap, judged_trade, market, price_change, token};

fn price(text: &str) -> Option<Price> {
    Price::of_text(text).ok()
}

fn row(tokens: &Tokens, gaps: &Gaps, number: u32, second: i64) -> Row {
    tokens.row(&token(number), gaps, &HashSet::new(), at(second)).expect("it is followed")
}

#[test]
fn a_market_names_its_tokens_and_a_correction_replaces_the_name() {
    let mut tokens = Tokens::default();
    let mut known = market(1);
    tokens.learn(&known);
    known.question = "Really?".to_owned();
    tokens.learn(&known);
    let name = tokens.name(&known.tokens[0].token_id).unwrap();
    assert_eq!((&*name.question, &*name.outcome), ("Really?", "Yes"));
    assert_eq!(tokens.question(&known.condition_id).as_deref(), Some("Really?"));
    assert_eq!(tokens.size(), 2);
}

#[test]
fn beyond_the_bound_the_first_learned_tokens_go() {
    let mut tokens = Tokens::bounded(4);
    (1..=3).for_each(|number| tokens.learn(&market(number)));
    assert_eq!(tokens.size(), 4);
    assert_eq!(tokens.name(&token(2)), None);
    assert_eq!(tokens.question(&condition(1)), None);
    assert!(tokens.question(&condition(2)).is_some());
    assert!(tokens.name(&token(7)).is_some());
    tokens.tick(&Event::of(price_change(1)), at(0));
    assert_eq!(tokens.size(), 4, "a tick of an unknown token takes a place, too");
}

#[test]
fn prices_are_those_of_the_newest_tick_and_a_refused_trade_is_no_price() {
    let mut tokens = Tokens::default();
    tokens.learn(&market(1));
    tokens.tick(&Event::of(book(1, 5)), at(5));
    tokens.tick(&Event::of(judged_trade(1, Verdict::Refused)), at(5));
    let gaps = Gaps::default();
    let before = row(&tokens, &gaps, 2, 5);
    assert_eq!((before.bid, before.ask, before.last), (price("0.4"), price("0.6"), None));
    // The change was read before the book.
    tokens.tick(&Event::of(price_change(1)), at(5));
    tokens.tick(&Event::of(judged_trade(2, Verdict::Flagged)), at(5));
    let after = row(&tokens, &gaps, 2, 5);
    assert_eq!((after.bid, after.ask, after.last), (price("0.4"), price("0.6"), price("0.55")));
    assert_eq!(row(&tokens, &gaps, 3, 5).bid, None, "the other outcome");
}

#[test]
fn a_token_is_never_seen_then_live_then_quiet() {
    let mut tokens = Tokens::default();
    tokens.learn(&market(1));
    let gaps = Gaps::default();
    assert_eq!(row(&tokens, &gaps, 2, 0).standing, TokenStatus::NeverSeen);
    tokens.tick(&Event::of(book(1, 0)), at(0));
    assert_eq!(row(&tokens, &gaps, 2, 60).standing, TokenStatus::Live);
    assert_eq!(row(&tokens, &gaps, 2, 61).standing, TokenStatus::Quiet);
}

#[test]
fn a_gap_makes_a_token_resyncing_until_a_tick_comes_and_a_mismatch_suspect_until_a_book_agrees() {
    let mut tokens = Tokens::default();
    tokens.learn(&market(1));
    tokens.tick(&Event::of(book(1, 0)), at(0));
    let mut gaps = Gaps::default();
    gaps.take(gap(1));
    assert_eq!(row(&tokens, &gaps, 2, 2).standing, TokenStatus::Resyncing);
    tokens.tick(&Event::of(book(2, 3)), at(3));
    assert_eq!(row(&tokens, &gaps, 2, 3).standing, TokenStatus::Live);
    gaps.take(Gap::opened(condition(1), "0/1", Cause::BookMismatch, at(4), at(4)));
    assert_eq!(row(&tokens, &gaps, 2, 5).standing, TokenStatus::Suspect);
    tokens.tick(&Event::of(book(3, 6)), at(6));
    assert_eq!(row(&tokens, &gaps, 2, 6).standing, TokenStatus::Live);
    let aside = HashSet::from([token(2).to_string()]);
    assert_eq!(tokens.row(&token(2), &gaps, &aside, at(6)).unwrap().standing, TokenStatus::Suspect);
}

#[test]
fn a_market_that_is_closed_or_given_up_is_not_followed() {
    let mut tokens = Tokens::default();
    tokens.learn(&market(1));
    tokens.learn(&Market { closed: true, ..market(2) });
    let count = |tokens: &Tokens| tokens.snapshot(&Gaps::default(), &HashSet::new(), at(0)).rows.len();
    assert_eq!(count(&tokens), 2);
    tokens.followed(&condition(1), Some(at(0)));
    assert_eq!(count(&tokens), 0);
    assert!(tokens.row(&token(2), &Gaps::default(), &HashSet::new(), at(0)).is_none());
    tokens.followed(&condition(1), None);
    assert_eq!(count(&tokens), 2);
}

#[test]
fn what_was_stored_last_stands_in_until_something_comes() {
    let mut tokens = Tokens::default();
    tokens.learn(&market(1));
    assert_eq!(tokens.bare(), [token(2), token(3)]);
    let seed = |number, second| Seed {
        token_id: token(number),
        bid: price("0.1"),
        ask: None,
        quoted_at: at(second),
        last: price("0.2").map(|price| (price, at(second))),
    };
    tokens.seed(&seed(2, -100));
    tokens.tick(&Event::of(book(1, 0)), at(0));
    tokens.seed(&seed(2, -100));
    let known = row(&tokens, &Gaps::default(), 2, 0);
    assert_eq!((known.bid, known.last, known.last_tick_at), (price("0.4"), price("0.2"), Some(at(0))));
    tokens.seed(&seed(3, -100));
    assert_eq!(row(&tokens, &Gaps::default(), 3, 0).standing, TokenStatus::Quiet);
    assert!(tokens.bare().is_empty());
}
