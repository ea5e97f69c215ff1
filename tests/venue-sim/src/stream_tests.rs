//! The ordinary stream without sockets that write: what a subscriber's queue gets.
//!
//! Knows: the proportions and the shape of a match. Never: a network.

use std::sync::Arc;

use axum::extract::ws::Message;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fills::Fills;
use crate::hub::Outgoing;
use crate::ledger::{Entry, Kind, Ledger};
use crate::opening::{Opening, Wish};
use crate::scenario::Scenario;

const NOW_MS: u64 = 1_790_000_000_000;

struct Stage {
    venue: Venue,
    ledger: Arc<Ledger>,
    queue: mpsc::Receiver<Outgoing>,
    ordinary: Ordinary,
}

/// A calm venue with one subscriber of everything; nothing was sent but the opening books.
fn stage(markets: usize) -> Stage {
    stage_of(markets, |_| {})
}

fn stage_of(markets: usize, change: impl FnOnce(&mut Venue)) -> Stage {
    let mut scenario = Scenario::named("calm").unwrap();
    scenario.markets = markets;
    let ledger = Arc::new(Ledger::new(1_000_000));
    let mut venue = Venue::of_scenario(&scenario, None, Fills::new(2_000), Arc::clone(&ledger), NOW_MS);
    change(&mut venue);
    let (sender, mut queue) = mpsc::channel(200_000);
    let socket = venue.hub.enter(sender, CancellationToken::new());
    venue.hub.set_custom(socket, Some(true));
    let tokens =
        venue.markets.iter().flat_map(|market| market.tokens.iter().map(|token| token.id.to_string()));
    let wish = Wish { tokens: tokens.collect(), opening_books: true };
    assert!(matches!(venue.subscribe(socket, &wish, 10_000, NOW_MS), Opening::Queued));
    queue.try_recv().unwrap();
    let ordinary = Ordinary::new(scenario.proportions, scenario.seed);
    Stage { venue, ledger, queue, ordinary }
}

/// Sends about this many ticks, one a millisecond, and returns the frames.
fn frames(stage: &mut Stage, ticks: u64) -> Vec<Value> {
    let mut now_ms = NOW_MS;
    while stage.ordinary.counts.total() < ticks {
        now_ms += stage.ordinary.step(&mut stage.venue, now_ms);
    }
    let mut frames = Vec::new();
    while let Ok(outgoing) = stage.queue.try_recv() {
        let Message::Text(text) = outgoing.message else { panic!("the ordinary stream is text") };
        frames.push(serde_json::from_str(&text).unwrap());
    }
    frames
}

fn live(ledger: &Ledger) -> Vec<Entry> {
    ledger
        .entries(0, usize::MAX)
        .into_iter()
        .filter(|entry| entry.occasion == crate::ledger::Occasion::Live)
        .collect()
}

#[test]
fn the_stream_keeps_its_proportions() {
    let mut stage = stage(30);
    frames(&mut stage, 40_000);
    let entries = live(&stage.ledger);
    let share = |kind| entries.iter().filter(|entry| entry.kind == kind).count() * 1_000 / entries.len();
    assert!((965..=975).contains(&share(Kind::Price)), "{}", share(Kind::Price));
    assert!((18..=22).contains(&share(Kind::Quote)), "{}", share(Kind::Quote));
    assert!((4..=6).contains(&share(Kind::Trade)), "{}", share(Kind::Trade));
    assert!((4..=6).contains(&share(Kind::Book)), "{}", share(Kind::Book));
}

#[test]
fn the_same_seed_sends_the_same_frames() {
    let [one, other] = [frames(&mut stage(5), 2_000), frames(&mut stage(5), 2_000)];
    assert_eq!(one, other);
}

/// A reader who knows only the frames ends with the venue's books, and with their hashes.
#[test]
fn the_frames_rebuild_the_books_and_their_hashes() {
    let mut stage = stage(3);
    let mut books: std::collections::HashMap<String, crate::book::Book> = stage
        .venue
        .markets
        .iter()
        .flat_map(|market| market.tokens.iter().map(|token| (token.id.to_string(), token.book.clone())))
        .collect();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    for frame in frames(&mut stage, 10_000) {
        for entry in frame["price_changes"].as_array().into_iter().flatten() {
            let book = books.get_mut(&text(entry, "asset_id")).unwrap();
            let (price, size) = (text(entry, "price"), text(entry, "size"));
            let side = Side::parse(&text(entry, "side")).unwrap();
            book.set(side, Price::parse(&price).unwrap(), Size::parse(&size).unwrap());
            book.changed_at_ms = text(&frame, "timestamp").parse().unwrap();
        }
        if frame["event_type"] == "last_trade_price" {
            let market = stage.venue.token(&text(&frame, "asset_id")).unwrap().0;
            for token in &stage.venue.markets[market].tokens {
                books.get_mut(&*token.id).unwrap().last_trade = Price::parse(&text(&frame, "price"));
            }
        }
    }
    for market in stage.venue.markets.iter().filter(|market| market.active) {
        for (at, token) in market.tokens.iter().enumerate() {
            let rebuilt = &books[&*token.id];
            assert_eq!(rebuilt.changed_at_ms, token.book.changed_at_ms);
            let hash = crate::hash::of_book(&mut String::new(), market.surroundings(at), rebuilt);
            assert_eq!(hash, token.book.hash, "{}", market.question);
        }
    }
}

#[test]
fn the_settled_book_is_never_crossed_and_stays_deep() {
    let mut stage = stage(4);
    frames(&mut stage, 60_000);
    for market in stage.venue.markets.iter().filter(|market| market.active) {
        let book = market.book();
        assert!(book.best_bid() < book.best_ask(), "{} {}", book.best_bid(), book.best_ask());
        for side in [Side::Buy, Side::Sell] {
            assert!((2..=LEVELS_MAX + 2).contains(&book.levels(side).len()), "{}", book.levels(side).len());
        }
    }
}

#[test]
fn every_tick_size_keeps_its_grid() {
    let ticks = [1000, 500, 100, 50, 25, 10, 1];
    let mut stage = stage_of(ticks.len(), |venue| {
        for (market, tick) in venue.markets.iter_mut().zip(ticks) {
            market.tick = tick;
        }
    });
    let frames = frames(&mut stage, 40_000);
    assert!(frames.iter().any(|frame| frame["event_type"] == "last_trade_price"));
    for (market, tick) in stage.venue.markets.iter().zip(ticks) {
        let book = market.book();
        assert!(book.best_bid() < book.best_ask(), "{tick}: {} {}", book.best_bid(), book.best_ask());
        for level in [Side::Buy, Side::Sell].into_iter().flat_map(|side| book.levels(side)) {
            let units = level.price.units();
            assert!(units % tick == 0 && (1..10_000).contains(&units), "{tick}: {}", level.price);
        }
    }
}

#[test]
fn a_match_is_best_prices_then_one_group_then_the_trade_stamped_later() {
    let mut stage = stage(6);
    let frames = frames(&mut stage, 40_000);
    let trades = frames.iter().enumerate().filter(|(_, frame)| frame["event_type"] == "last_trade_price");
    let (mut groups_of_two, mut count) = (0, 0);
    for (at, trade) in trades {
        let stamp = |frame: &Value| frame["timestamp"].as_str().unwrap().parse::<u64>().unwrap();
        let group: Vec<&Value> =
            frames[..at].iter().rev().take_while(|frame| frame["event_type"] == "price_change").collect();
        let of_group: Vec<&&Value> = group.iter().filter(|frame| stamp(frame) == stamp(group[0])).collect();
        assert!((20..=60).contains(&(stamp(trade) - stamp(group[0]))), "{trade}");
        let orders = of_group.iter().take_while(|frame| hashes(frame) == hashes(group[0])).count();
        groups_of_two += usize::from(orders == 2);
        assert_eq!(frames[at - orders - 1]["event_type"], "best_bid_ask");
        count += 1;
    }
    assert!(count > 150 && groups_of_two > 10, "{count} {groups_of_two}");
}

/// The hashes of a price change by token.
fn hashes(frame: &Value) -> std::collections::BTreeMap<String, String> {
    let entries = frame["price_changes"].as_array().unwrap().iter();
    entries.map(|entry| (entry["asset_id"].to_string(), entry["hash"].to_string())).collect()
}

#[test]
fn ordinary_trades_lie_within_the_limit_of_the_quote_before_them() {
    let mut stage = stage(6);
    let mut quotes = std::collections::HashMap::new();
    let units = |value: &Value| i32::from(Price::parse(value.as_str().unwrap()).unwrap().units());
    for frame in frames(&mut stage, 40_000) {
        for entry in frame["price_changes"].as_array().into_iter().flatten() {
            quotes.insert(
                entry["asset_id"].to_string(),
                (units(&entry["best_bid"]), units(&entry["best_ask"])),
            );
        }
        if frame["event_type"] == "last_trade_price" {
            let (bid, ask) = quotes[&frame["asset_id"].to_string()];
            let price = units(&frame["price"]);
            assert!((bid - price).max(price - ask) < 900, "{frame} {bid} {ask}");
        }
    }
}
