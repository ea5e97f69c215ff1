//! Odd frames, silence after a freeze, books that moved without a word, tick sizes that go back and forth.
//!
//! Knows: section 7 of the protocol reference. Never: the simulator's inside.

use std::time::Duration;

use crate::support::{Client, all_tokens, eventually, get, request, start, tokens_of, universe};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use venue_sim::Flow;
use venue_sim::ledger::Kind;
use venue_sim::rest::RestMode;
use venue_sim::scenario::Service;

#[tokio::test]
async fn odd_hashes_and_sides_crowds_and_a_huge_frame_are_sent_and_named() {
    let simulator = start("odd-frames", |_, scenario| {
        scenario.duration_s = Some(4);
        scenario.injections[6].elements = 100_000;
    })
    .await;
    let (client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    let reading = tokio::spawn(client.rest());
    simulator.begin();
    simulator.finished().await.unwrap();
    let ledger = simulator.ledger();
    simulator.shutdown().await;
    let texts = reading.await.unwrap();
    let huge: Vec<&String> = texts.iter().filter(|text| text.starts_with("[1,1,")).collect();
    assert_eq!(huge.iter().map(|text| text.len()).collect::<Vec<_>>(), [200_001]);
    let frames: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let of_type = |name: &str| frames.iter().filter(|frame| frame["event_type"] == name).collect::<Vec<_>>();
    let noted = |note: &str| ledger.iter().filter(|entry| entry.note.as_deref() == Some(note)).count();
    assert_eq!((of_type("settlement_preview").len(), noted("unknown-event-type")), (5_000, 5_000));
    let changes = of_type("price_change").into_iter().filter_map(|frame| frame["price_changes"].as_array());
    let hashes = changes.flatten().chain(of_type("book")).map(|told| told["hash"].as_str().unwrap());
    let odd: Vec<&str> = hashes.filter(|hash| hash.len() != 40).collect();
    assert_eq!((odd.len(), noted("odd-hash")), (36, 36));
    for form in
        [|hash: &str| hash.is_empty(), |hash: &str| hash.len() == 64, |hash: &str| hash.starts_with("0x")]
    {
        assert_eq!(odd.iter().filter(|hash| form(hash)).count(), 12);
    }
    let trades = of_type("last_trade_price");
    let sides =
        |form: fn(Option<&Value>) -> bool| trades.iter().filter(|trade| form(trade.get("side"))).count();
    assert_eq!(sides(|side| side.is_none()), 4);
    assert_eq!(sides(|side| side == Some(&Value::Null)), 4);
    assert_eq!(sides(|side| side == Some(&json!(""))), 4);
    assert_eq!(trades.iter().filter(|trade| trade["transaction_hash"] == "0x").count(), 4);
    let told: Vec<_> =
        ledger.iter().filter(|entry| entry.kind == Kind::Trade && entry.side.is_none()).collect();
    assert_eq!(told.len(), 12);
    assert!(told.iter().all(|entry| entry.at_rest.is_some()), "the Data API knows them");
}

#[tokio::test]
async fn a_text_frame_may_hold_a_byte_that_no_text_has() {
    let simulator = start("not-utf-8", |_, scenario| scenario.duration_s = Some(3)).await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    let failure = loop {
        match client.received().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the connection ended without a fault"),
        }
    };
    assert!(matches!(failure, Error::Utf8(_)), "{failure:?}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn after_a_thaw_changes_flow_and_books_asked_for_meanwhile_never_come() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let tokens = all_tokens(&simulator).await;
    simulator.begin();
    simulator.freeze(Flow::Frozen);
    let mut client = Client::connect(&simulator).await;
    client.say(&json!({"type": "market", "assets_ids": tokens}).to_string()).await;
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG");
    simulator.thaw_without_books(Duration::from_hours(1));
    let again = |operation: &str| json!({"operation": operation, "assets_ids": tokens[..2]}).to_string();
    for operation in ["unsubscribe", "subscribe"] {
        client.say(&again(operation)).await;
    }
    for _ in 0..500 {
        assert!(client.json().await.is_object(), "changes, and no book");
    }
    simulator.thaw_without_books(Duration::ZERO);
    for operation in ["unsubscribe", "subscribe"] {
        client.say(&again(operation)).await;
    }
    let books = loop {
        let frame = client.json().await;
        if frame.is_array() {
            break frame;
        }
    };
    assert_eq!(books.as_array().unwrap().len(), 2);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_freeze_of_a_scenario_holds_books_back_for_its_time() {
    let simulator = start("thaw", |_, scenario| {
        scenario.duration_s = Some(6);
        scenario.injections[0].for_s = 1;
        scenario.injections[0].books_after_s = 60;
    })
    .await;
    let (client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    let reading = tokio::spawn(client.rest());
    simulator.begin();
    eventually("it freezes", || simulator.status().frozen).await;
    eventually("it thaws", || !simulator.status().frozen).await;
    let mut late = Client::connect(&simulator).await;
    late.say(&json!({"type": "market", "assets_ids": simulator.open_tokens()}).to_string()).await;
    assert!(late.json().await.is_object(), "changes, and no book");
    simulator.finished().await.unwrap();
    simulator.shutdown().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn a_book_that_moved_without_a_word_is_seen_at_rest_and_by_who_asks_anew() {
    let simulator = start("calm", |_, _| {}).await;
    let market = universe(&simulator).await[0].clone();
    let tokens = tokens_of(&market);
    let (mut client, before) = Client::subscribed(&simulator, &tokens).await;
    simulator.move_book(market["conditionId"].as_str().unwrap(), Duration::from_hours(1));
    let at_rest = get(&format!("{}/book?token_id={}", simulator.urls().clob, tokens[0])).await;
    assert_ne!(at_rest["hash"], before[0]["hash"]);
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG", "nothing was said of it");
    let (_, anew) = Client::subscribed(&simulator, &tokens).await;
    assert_eq!((&anew[0]["hash"], &anew[0]["bids"]), (&at_rest["hash"], &at_rest["bids"]));
    let best = |book: &Value| -> f64 {
        let best = book["bids"].as_array().unwrap().last().unwrap()["price"].as_str().unwrap();
        best.parse().unwrap()
    };
    assert!((best(&anew[0]) - best(&before[0])).abs() > 0.15, "{anew} {before}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_tick_size_goes_back_and_forth_and_gamma_shows_it_late() {
    let simulator = start("calm", |_, scenario| scenario.tick_lag_ms = 3_600_000).await;
    let market = universe(&simulator).await[0].clone();
    let (id, tokens) = (market["conditionId"].as_str().unwrap(), tokens_of(&market));
    let (mut client, books) = Client::subscribed(&simulator, &tokens).await;
    let first = books[0]["tick_size"].as_str().unwrap().to_owned();
    let gamma = format!("{}/markets/keyset?condition_ids={id}", simulator.urls().gamma);
    let told = async || get(&gamma).await["markets"][0]["orderPriceMinTickSize"].to_string();
    let (mut old, units) = (first.clone(), if first == "0.01" { 100 } else { 10 });
    for (ten_thousandths, new) in [(1, "0.0001"), (units, first.as_str())] {
        simulator.set_tick_size(id, ten_thousandths);
        for _ in &tokens {
            let frame = client.json().await;
            assert_eq!(frame["event_type"], "tick_size_change");
            assert_eq!((&frame["old_tick_size"], &frame["new_tick_size"]), (&json!(old), &json!(new)));
        }
        let book = get(&format!("{}/book?token_id={}", simulator.urls().clob, tokens[0])).await;
        assert_eq!((&book["tick_size"], told().await.as_str()), (&json!(new), old.as_str()));
        new.clone_into(&mut old);
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn rest_may_cancel_block_and_say_as_a_date_when_to_come_back() {
    let simulator = start("calm", |_, _| {}).await;
    let url = format!("{}/time", simulator.urls().clob);
    for (mode, status, part) in [
        (RestMode::Canceled, 400, "context canceled"),
        (RestMode::Blocked, 403, "error code: 1010"),
        (RestMode::LimitedByDate, 429, "too many requests"),
    ] {
        simulator.set_rest(Service::Clob, mode);
        let (seen, body) = request("GET", &url, "").await;
        assert!(seen == status && body.contains(part), "{mode:?}: {seen} {body}");
    }
    simulator.shutdown().await;
}
