//! Injected deeds without sockets that write: what a subscriber's queue and the ledger get.
//!
//! Knows: each deed's promise. Never: a network, the wall clock.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::expect::{SizeSource, Verdict};
use crate::fills::Fills;
use crate::hub::Outgoing;
use crate::ledger::{Entry, Kind, Ledger};
use crate::opening::Wish;

const NOW_MS: u64 = 1_790_000_000_000;

struct Stage {
    venue: Venue,
    ledger: Arc<Ledger>,
    injector: Injector,
    _queue: mpsc::Receiver<Outgoing>,
}

/// A scenario with one subscriber of everything.
fn stage(scenario: &Scenario) -> Stage {
    let ledger = Arc::new(Ledger::new(1_000_000));
    let mut venue = Venue::of_scenario(scenario, None, Fills::new(2_000), Arc::clone(&ledger), NOW_MS);
    let (sender, queue) = mpsc::channel(100_000);
    let socket = venue.hub.enter(sender, CancellationToken::new());
    venue.hub.set_custom(socket, Some(true));
    let tokens =
        venue.markets.iter().flat_map(|market| market.tokens.iter().map(|token| token.id.to_string()));
    let wish = Wish { tokens: tokens.collect(), opening_books: true };
    venue.subscribe(socket, &wish, 10_000, NOW_MS);
    let injector = Injector::new(scenario, &venue, NOW_MS);
    Stage { venue, ledger, injector, _queue: queue }
}

/// Runs only the injections of a scenario to its end and returns what was sent live.
fn run(name: &str) -> (Stage, Vec<Entry>, Vec<Effect>) {
    let scenario = Scenario::named(name).unwrap();
    let mut stage = stage(&scenario);
    let mut effects = Vec::new();
    let mut now_ms = NOW_MS;
    for _ in 0..9_000 {
        now_ms += 10;
        let over = now_ms - NOW_MS >= u64::from(scenario.duration_s.unwrap_or(80)) * 1_000;
        if over {
            stage.injector.settle(&mut stage.venue, now_ms);
        } else {
            effects.extend(stage.injector.step(&mut stage.venue, now_ms));
        }
    }
    assert!(scenario.duration_s.is_none() || stage.injector.is_idle());
    let entries = stage.ledger.entries(0, usize::MAX);
    (stage, entries, effects)
}

fn trades(entries: &[Entry]) -> Vec<&Entry> {
    entries.iter().filter(|entry| entry.kind == Kind::Trade).collect()
}

fn verdicts(entries: &[Entry], verdict: Verdict, reasons: &str) -> usize {
    let expected = trades(entries).into_iter().filter_map(|entry| entry.expected.as_ref());
    expected.filter(|expected| expected.verdict == verdict && expected.reasons.join("+") == reasons).count()
}

#[test]
fn stale_trades_are_expected_as_their_age_wants_it() {
    let (_, entries, _) = run("stale-trades");
    assert_eq!(trades(&entries).len(), 36);
    assert_eq!(verdicts(&entries, Verdict::Refused, "G1"), 20);
    assert_eq!(verdicts(&entries, Verdict::Flagged, "SKEW"), 6);
    assert_eq!(verdicts(&entries, Verdict::Clean, ""), 10);
    for entry in trades(&entries) {
        let age_ms = i64::try_from(entry.sent_at_ms).unwrap() - i64::try_from(entry.timestamp_ms).unwrap();
        let refused = entry.expected.as_ref().unwrap().verdict == Verdict::Refused;
        assert_eq!(refused, age_ms > 300_000);
    }
}

#[test]
fn missing_sizes_are_found_at_rest_where_the_ledger_says_so() {
    let (stage, entries, _) = run("missing-sizes");
    assert_eq!(trades(&entries).len(), 41);
    assert_eq!(verdicts(&entries, Verdict::Clean, "G3"), 11);
    assert_eq!(verdicts(&entries, Verdict::Flagged, "G3+G5"), 3);
    for entry in trades(&entries) {
        let expected = entry.expected.as_ref().unwrap();
        let (market, token) = stage.venue.token(&entry.token_id).unwrap();
        let near = |fill: &&crate::fills::Fill| {
            let price = Price::parse(entry.price.as_ref().unwrap()).unwrap();
            let apart = (i32::from(price.units()) - i32::from(fill.price.units())).abs();
            fill.token == token && apart <= 100 && fill.settled_at_ms.abs_diff(entry.timestamp_ms) <= 60_000
        };
        let rows = stage.venue.fills.visible(Some(&[market]), u64::MAX);
        let found: Vec<String> = rows.into_iter().filter(near).map(|fill| fill.size.to_string()).collect();
        let wanted: Vec<String> = expected.size.iter().cloned().collect();
        assert_eq!(found, wanted, "exactly the one answer there is to find: {entry:?}");
        assert_ne!(expected.size_source, Some(SizeSource::Venue));
    }
}

#[test]
fn spikes_lie_where_their_verdict_wants_them() {
    let (stage, entries, _) = run("price-spikes");
    assert_eq!(trades(&entries).len(), 34);
    assert_eq!(verdicts(&entries, Verdict::Flagged, "G5"), 20);
    for entry in trades(&entries) {
        let quote = entries.iter().rev().find(|other| {
            other.kind == Kind::Price && other.token_id == entry.token_id && other.sequence < entry.sequence
        });
        let units = |text: &Option<String>| i32::from(Price::parse(text.as_ref().unwrap()).unwrap().units());
        let (price, quote) = (units(&entry.price), quote.unwrap());
        let distance = (units(&quote.best_bid) - price).max(price - units(&quote.best_ask));
        let (market, token) = stage.venue.token(&entry.token_id).unwrap();
        let book = &stage.venue.markets[market].tokens[token].book;
        let at_rest =
            (i32::from(book.best_bid().units()) - price).max(price - i32::from(book.best_ask().units()));
        let flagged = entry.expected.as_ref().unwrap().verdict == Verdict::Flagged;
        assert!(
            flagged || distance == 1_000 || (distance > 1_500 && at_rest <= 0),
            "{entry:?} {distance} {at_rest}"
        );
        assert!(!flagged || (distance > 1_000 && at_rest > 1_000), "{entry:?} {distance} {at_rest}");
        assert!(entry.sent_at_ms - quote.sent_at_ms <= stream::TOUCH_AGE_MS, "the quote is fresh");
    }
}

#[test]
fn a_wrong_book_is_put_right_after_its_hold() {
    let (stage, entries, _) = run("price-spikes");
    let overruled = stage.venue.markets.iter().filter(|market| market.held_until_ms > 0);
    for token in overruled.flat_map(|market| &market.tokens) {
        let book =
            entries.iter().rev().find(|entry| entry.kind == Kind::Book && *entry.token_id == *token.id);
        assert_eq!(book.unwrap().hash, Some(token.book.hash.text()));
    }
}

#[test]
fn double_fills_are_two_trades_and_two_rows_and_repeats_are_marked() {
    let (stage, entries, _) = run("duplicates");
    let trades = trades(&entries);
    assert_eq!(trades.len(), 30);
    for pair in trades.chunks(2) {
        assert_eq!(
            (&pair[0].transaction_hash, pair[0].timestamp_ms),
            (&pair[1].transaction_hash, pair[1].timestamp_ms)
        );
        assert_eq!(pair[0].expected, pair[1].expected);
    }
    assert_eq!(stage.venue.fills.visible(None, u64::MAX).len(), 30);
    assert_eq!(entries.iter().filter(|entry| entry.occasion == Occasion::Repeat).count(), 30);
}

#[test]
fn every_form_of_garbage_is_sent_and_named_and_what_is_true_in_it_has_its_own_entry() {
    let (_, entries, _) = run("garbage");
    let notes: std::collections::HashSet<_> = entries.iter().filter_map(|entry| entry.note.clone()).collect();
    // All but `unknown-members`, in which nothing is wrong.
    assert_eq!(notes.len(), garbage::FORMS.len() - 1, "{notes:?}");
    assert_eq!(trades(&entries).len(), 6, "three mixed arrays and three trades with unknown members");
    assert!(entries.iter().any(|entry| entry.kind == Kind::TickSize));
    assert_eq!(entries.iter().filter(|entry| entry.kind == Kind::Market).count(), 5);
}

#[test]
fn a_stale_snapshot_is_older_than_the_changes_before_it() {
    let (_, entries, _) = run("stale-snapshots");
    let stale: Vec<&Entry> = entries.iter().filter(|entry| entry.note.as_deref() == Some("stale")).collect();
    assert_eq!(stale.len(), 20);
    for book in stale {
        assert_eq!((book.kind, book.occasion), (Kind::Book, Occasion::Live));
        let before = entries[..usize::try_from(book.sequence).unwrap()].iter().rev();
        let newer = before.filter(|entry| entry.token_id == book.token_id).take(3).collect::<Vec<_>>();
        assert_eq!(newer.len(), 3);
        assert!(newer.iter().all(|change| change.kind == Kind::Price));
        assert!(
            newer.iter().all(|change| change.timestamp_ms > book.timestamp_ms && change.hash != book.hash)
        );
    }
}

#[test]
fn markets_that_are_resolved_in_silence_leave_no_entry() {
    let (stage, entries, _) = run("silent-resolve");
    let closed = stage.venue.markets.iter().filter(|market| market.listing == crate::market::Listing::Closed);
    assert_eq!(closed.count(), 4);
    assert_eq!(entries.iter().filter(|entry| entry.kind == Kind::Market).count(), 6, "all of them new ones");
}

#[test]
fn as_many_removals_are_lost_as_a_scenario_counts() {
    let (mut stage, ..) = run("lost-removals");
    let mut ordinary = stream::Ordinary::new(crate::scenario::Proportions::default(), 3);
    for step in 0..6_000 {
        ordinary.step(&mut stage.venue, NOW_MS + 100_000 + step);
    }
    assert_eq!(stage.venue.ailments.lost().len(), 12);
    let withheld = stage.ledger.entries(0, usize::MAX).into_iter();
    assert_eq!(withheld.filter(|entry| entry.note.as_deref() == Some("withheld")).count(), 12);
}

#[test]
fn a_reconnect_is_an_effect_for_the_task() {
    let (_, _, effects) = run("reconnect");
    assert_eq!(effects, [Effect::Cut(Cut::Close); 4]);
}

#[test]
fn the_demo_has_every_verdict_within_its_first_minute() {
    let (_, entries, _) = run("demo");
    for (verdict, reasons) in [
        (Verdict::Refused, "G1"),
        (Verdict::Clean, "G3"),
        (Verdict::Clean, ""),
        (Verdict::Flagged, "G5"),
        (Verdict::Flagged, "SKEW"),
    ] {
        assert!(verdicts(&entries, verdict, reasons) > 0, "{verdict:?} {reasons}");
    }
}

#[test]
fn a_deed_waits_for_a_subscriber_and_for_a_quote_newer_than_the_opening_book() {
    let scenario = Scenario::named("stale-trades").unwrap();
    let mut stage = stage(&scenario);
    let socket = stage.venue.hub.ids()[0];
    stage.venue.hub.leave(socket);
    for step in 0..1_000 {
        stage.injector.step(&mut stage.venue, NOW_MS + step * 10);
    }
    assert!(trades(&stage.ledger.entries(0, usize::MAX)).is_empty());
    assert!(!stage.injector.is_idle());
    stage.injector.abandon(&mut stage.venue, NOW_MS + 10_000);
    assert!(stage.injector.is_idle());
}
