//! Opening books that come late or not at all, and removals that are lost: what a subscriber's queue gets.
//!
//! Knows: the promises of subscriptions. Never: a network, the wall clock.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fills::Fills;
use crate::hub::Outgoing;
use crate::ledger::{Kind, Ledger};
use crate::scenario::Scenario;
use crate::stream::Ordinary;

const NOW_MS: u64 = 1_790_000_000_000;

struct Stage {
    venue: Venue,
    ledger: Arc<Ledger>,
    socket: u64,
    queue: mpsc::Receiver<Outgoing>,
    tokens: Vec<String>,
}

/// A calm venue of four markets with one socket that has subscribed nothing yet.
fn stage(change: impl FnOnce(&mut Scenario)) -> Stage {
    let mut scenario = Scenario::named("calm").unwrap();
    scenario.markets = 4;
    change(&mut scenario);
    let ledger = Arc::new(Ledger::new(1_000_000));
    let mut venue = Venue::of_scenario(&scenario, None, Fills::new(0), Arc::clone(&ledger), NOW_MS);
    let (sender, queue) = mpsc::channel(100_000);
    let socket = venue.hub.enter(sender, CancellationToken::new());
    let open = venue.markets.iter().take(4).flat_map(|market| &market.tokens);
    let tokens = open.map(|token| token.id.to_string()).collect();
    Stage { venue, ledger, socket, queue, tokens }
}

impl Stage {
    fn subscribe(&mut self) -> Opening {
        let wish = Wish { tokens: self.tokens.clone(), opening_books: true };
        self.venue.subscribe(self.socket, &wish, 500, NOW_MS)
    }

    fn frames(&mut self) -> Vec<Value> {
        let text = |outgoing: Outgoing| match outgoing.message {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("only texts are queued, not {other:?}"),
        };
        std::iter::from_fn(|| self.queue.try_recv().ok()).map(text).collect()
    }

    /// Ordinary ticks of the next `ms` milliseconds, one each.
    fn run(&mut self, ms: u64) {
        let mut ordinary = Ordinary::new(crate::scenario::Proportions::default(), 1);
        for step in 1..=ms {
            ordinary.step(&mut self.venue, NOW_MS + step);
        }
    }
}

#[test]
fn a_late_book_is_as_old_as_its_subscription_and_comes_after_the_changes() {
    let mut stage = stage(|scenario| scenario.dump_lag_ms = 300);
    let Opening::Late(books) = stage.subscribe() else { panic!("the books are to come late") };
    stage.run(300);
    let changes = stage.frames();
    assert!(changes.len() > 50 && changes.iter().all(Value::is_object));
    stage.venue.bring(stage.socket, books, NOW_MS + 300);
    let frames = stage.frames();
    let books = frames[0].as_array().unwrap();
    let newest = |frame: &Value| frame["timestamp"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((frames.len(), books.len()), (1, 8));
    assert!(books.iter().all(|book| newest(book) <= NOW_MS));
    assert!(changes.iter().any(|change| newest(change) > NOW_MS + 200));
    let ledger = stage.ledger.entries(0, usize::MAX);
    let opening = ledger.iter().filter(|entry| entry.occasion == Occasion::Opening).collect::<Vec<_>>();
    assert!(opening.len() == 8 && opening.iter().all(|entry| entry.sent_at_ms == NOW_MS + 300));
}

#[test]
fn a_late_book_of_a_socket_that_is_gone_is_neither_sent_nor_told() {
    let mut stage = stage(|scenario| scenario.dump_lag_ms = 300);
    let Opening::Late(books) = stage.subscribe() else { panic!("the books are to come late") };
    stage.venue.hub.leave(stage.socket);
    stage.venue.bring(stage.socket, books, NOW_MS + 300);
    assert_eq!((stage.frames().len(), stage.ledger.next_sequence()), (0, 0));
}

#[test]
fn withheld_books_are_left_out_and_if_none_is_left_nothing_is_sent() {
    let mut stage = stage(|_| {});
    let tokens = stage.tokens.clone();
    stage.venue.ailments.withhold(tokens[..3].to_vec(), 1);
    stage.subscribe();
    let frames = stage.frames();
    let told = frames[0].as_array().unwrap().iter().map(|book| book["asset_id"].as_str().unwrap());
    assert!(told.eq(tokens[3..].iter()), "the other five, in their order");
    stage.venue.ailments.withhold(tokens.clone(), 1);
    stage.venue.unsubscribe(stage.socket, &tokens);
    assert!(matches!(stage.subscribe(), Opening::Nothing));
    stage.run(200);
    assert!(stage.frames().len() > 50, "changes flow");
    stage.venue.unsubscribe(stage.socket, &tokens);
    assert!(matches!(stage.subscribe(), Opening::Queued));
    assert_eq!(stage.frames()[0].as_array().unwrap().len(), 8);
}

#[test]
fn a_lost_removal_is_told_of_the_other_token_only_and_stands_in_the_ledger() {
    let mut stage = stage(|_| {});
    stage.subscribe();
    stage.venue.ailments.arm_loss();
    stage.run(4_000);
    let lost = stage.venue.ailments.lost();
    let [lost] = &lost[..] else { panic!("one loss was armed, not {lost:?}") };
    let entries = stage.ledger.entries(0, usize::MAX);
    let withheld: Vec<_> = entries.iter().filter(|entry| entry.note.as_deref() == Some("withheld")).collect();
    let [withheld] = withheld[..] else { panic!("one entry was withheld") };
    assert_eq!(
        (withheld.kind, withheld.delivered, withheld.size.as_deref()),
        (Kind::Price, false, Some("0"))
    );
    assert_eq!((&withheld.token_id, withheld.price.as_ref()), (&lost.token_id, Some(&lost.price)));
    let twin = &entries[usize::try_from(withheld.sequence).unwrap() + 1];
    assert_eq!((&twin.condition_id, twin.timestamp_ms), (&withheld.condition_id, withheld.timestamp_ms));
    assert_ne!(twin.token_id, withheld.token_id);
    let frames = stage.frames();
    let halves: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["price_changes"].as_array().is_some_and(|all| all.len() == 1))
        .collect();
    let [half] = halves[..] else { panic!("one frame has one entry only") };
    let entry = &half["price_changes"][0];
    assert_eq!(
        (entry["asset_id"].as_str(), entry["size"].as_str()),
        (Some(twin.token_id.as_str()), Some("0"))
    );
    assert_eq!(
        (entry["hash"].as_str(), entry["best_bid"].as_str()),
        (twin.hash.as_deref(), twin.best_bid.as_deref())
    );
}

#[test]
fn nothing_is_lost_while_nobody_could_miss_it() {
    let mut stage = stage(|_| {});
    stage.subscribe();
    let tokens = stage.tokens.iter().step_by(2).cloned().collect::<Vec<_>>();
    stage.venue.unsubscribe(stage.socket, &tokens);
    stage.venue.ailments.arm_loss();
    stage.run(2_000);
    assert!(stage.venue.ailments.lost().is_empty());
}
