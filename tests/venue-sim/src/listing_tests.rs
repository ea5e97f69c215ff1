//! What opens and closes, and in which order Gamma shows it.
//!
//! Knows: the promises of the listings. Never: a network, the wall clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fills::Fills;
use crate::hub::Outgoing;
use crate::ledger::Ledger;
use crate::opening::Wish;

const NOW_MS: u64 = 1_790_000_000_000;

/// A calm venue of so many markets and reserved ones, with one listener to announcements.
fn venue(markets: usize, reserved: usize) -> (Venue, Arc<Ledger>, mpsc::Receiver<Outgoing>) {
    let mut scenario = Scenario::named("calm").unwrap();
    (scenario.markets, scenario.reserved) = (markets, reserved);
    let ledger = Arc::new(Ledger::new(10_000));
    let mut venue = Venue::of_scenario(&scenario, None, Fills::new(0), Arc::clone(&ledger), NOW_MS);
    let (sender, queue) = mpsc::channel(10_000);
    let socket = venue.hub.enter(sender, CancellationToken::new());
    venue.hub.set_custom(socket, Some(true));
    (venue, ledger, queue)
}

fn told(queue: &mut mpsc::Receiver<Outgoing>) -> Vec<serde_json::Value> {
    let texts = std::iter::from_fn(|| queue.try_recv().ok());
    let text = |outgoing: Outgoing| match outgoing.message {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("announcements are text, not {other:?}"),
    };
    texts.map(text).collect()
}

#[test]
fn a_fifth_is_replaced_in_silence_on_one_side_and_aloud_on_the_other() {
    let (mut venue, _, mut queue) = venue(100, 30);
    let replaced = venue.replace(20, NOW_MS);
    assert_eq!((replaced.closed.len(), replaced.opened.len()), (20, 20));
    assert_eq!(venue.open_ordinary().len(), 100);
    let told = told(&mut queue);
    assert!(told.iter().all(|frame| frame["event_type"] == "new_market"));
    let opened: Vec<&str> = told.iter().map(|frame| frame["condition_id"].as_str().unwrap()).collect();
    assert_eq!(opened, replaced.opened);
    let closed = replaced.closed.iter().map(|id| venue.condition(id).unwrap());
    assert!(closed.eq((0..20).map(|at| 5 * at + 2)), "evenly spread");
}

#[test]
fn no_more_is_closed_than_can_be_opened() {
    let (mut venue, ..) = venue(100, 7);
    let replaced = venue.replace(20, NOW_MS);
    assert_eq!((replaced.closed.len(), replaced.opened.len()), (7, 7));
    assert_eq!(venue.replace(20, NOW_MS), Replaced::default());
}

#[test]
fn what_is_replaced_ranks_among_the_others_by_volume() {
    let (mut venue, ..) = venue(100, 40);
    venue.replace(40, NOW_MS);
    let order: Vec<usize> = venue.listings.by_volume.order().to_vec();
    let volumes: Vec<_> = order.iter().map(|at| venue.markets[*at].volume_cents).collect();
    assert!(volumes.is_sorted_by(|one, next| one >= next));
    let upper = order[..70].iter().filter(|at| **at >= 100).count();
    assert!((15..=25).contains(&upper), "{upper} of 40 in the upper half");
}

#[test]
fn a_market_closes_once_and_only_openly_with_a_word() {
    let (mut venue, ledger, mut queue) = venue(4, 1);
    assert_eq!(venue.close(&[0, 1, 1], Announced::Silently, NOW_MS), 2);
    assert_eq!((told(&mut queue).len(), ledger.next_sequence()), (0, 0));
    assert_eq!(venue.close(&[0, 2], Announced::Openly, NOW_MS), 1);
    assert_eq!(told(&mut queue)[0]["event_type"], "market_resolved");
    let closed = venue.markets[1].tokens[0].id.to_string();
    assert!(venue.token(&closed).is_none() && venue.condition(&venue.markets[1].condition_id).is_some());
}

#[test]
fn only_what_was_announced_in_this_run_is_the_last_announced() {
    let (mut venue, ..) = venue(4, 2);
    assert_eq!(venue.last_announced(), None);
    let opened = [venue.open_next(NOW_MS), venue.open_next(NOW_MS), venue.open_next(NOW_MS)];
    assert_eq!(opened, [Some(4), Some(5), None]);
    assert_eq!(venue.last_announced(), Some(5));
    venue.close(&[5], Announced::Silently, NOW_MS);
    assert_eq!(venue.last_announced(), Some(4));
}

#[test]
fn the_poison_and_the_missing_books_of_a_scenario_are_spread_and_apart() {
    let mut scenario = Scenario::named("missing-books").unwrap();
    scenario.poison_tokens = 3;
    let mut venue = Venue::of_scenario(&scenario, None, Fills::new(0), Arc::new(Ledger::new(10)), NOW_MS);
    let poisoned: BTreeSet<String> = venue.ailments.poisoned().into_iter().collect();
    assert_eq!(poisoned.len(), 3);
    let tokens: Vec<String> = venue
        .markets
        .iter()
        .flat_map(|market| market.tokens.iter().map(|token| token.id.to_string()))
        .collect();
    let mut missing = |wanted: usize| {
        let found = tokens.iter().filter(|token| venue.ailments.withholds(token)).collect::<Vec<_>>();
        assert_eq!(found.len(), wanted);
        assert!(found.iter().all(|token| !poisoned.contains(*token)));
    };
    missing(5);
    for _ in 1..100 {
        missing(1);
    }
    missing(0);
}

#[test]
fn spread_markets_are_apart_and_never_more_than_there_are() {
    assert_eq!(spread(&[0, 1, 2, 3, 4, 5, 6, 7, 8], 3), [1, 4, 7]);
    assert_eq!(spread(&[5, 6], 9), [5, 6]);
    assert!(spread(&[], 3).is_empty());
}

#[test]
fn a_market_that_nobody_listens_to_leaves_the_stream_after_ten_minutes_and_comes_back() {
    let (mut venue, _, _queue) = venue(4, 0);
    let (sender, _second_queue) = mpsc::channel(100);
    let socket = venue.hub.enter(sender, CancellationToken::new());
    let ids: Vec<String> = venue.markets.iter().map(|market| market.tokens[0].id.to_string()).collect();
    let wish = |tokens: &[String]| Wish { tokens: tokens.to_vec(), opening_books: false };
    venue.subscribe(socket, &wish(&ids), 500, NOW_MS);
    venue.unsubscribe(socket, &ids[1..]);
    venue.leave_unheard(NOW_MS + UNHEARD_MAX_MS - 1);
    assert_eq!(venue.active, [0, 1, 2, 3]);
    venue.leave_unheard(NOW_MS + UNHEARD_MAX_MS);
    assert_eq!(venue.active, [0]);
    venue.subscribe(socket, &wish(&ids[2..3]), 500, NOW_MS + UNHEARD_MAX_MS);
    assert_eq!(venue.active, [0, 2]);
}
