//! The market channel over a real socket.
//!
//! Knows: sections 1.1 to 1.3 of the protocol reference. Never: the simulator's inside.

use std::time::{Duration, Instant};

use crate::support::{Client, all_tokens, eventually, start};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};
use venue_sim::ledger::{Kind, Occasion};
use venue_sim::scenario::Cut;
use venue_sim::{Flow, Manners};

#[tokio::test]
async fn a_subscription_is_answered_by_one_array_of_books_without_spaces() {
    let simulator = start("calm", |_, _| {}).await;
    let tokens = all_tokens(&simulator).await[..4].to_vec();
    let mut client = Client::connect(&simulator).await;
    client.say(&json!({"type": "market", "assets_ids": tokens}).to_string()).await;
    let text = client.text().await;
    assert!(text.starts_with("[{\"market\":\"0x") && !text.contains(' '), "{text}");
    let books: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<&str> =
        books.as_array().unwrap().iter().map(|book| book["asset_id"].as_str().unwrap()).collect();
    assert_eq!(ids, tokens);
    assert_eq!(books[0]["event_type"], "book");
    simulator.shutdown().await;
}

#[tokio::test]
async fn ping_is_answered_by_pong_after_the_subscription_and_closes_before_it() {
    let simulator = start("calm", |_, _| {}).await;
    let (mut client, answer) = Client::subscribed(&simulator, &["12345".to_owned()]).await;
    assert_eq!(answer, json!([]), "an unknown token has no book");
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG");
    let mut early = Client::connect(&simulator).await;
    early.say("PING").await;
    assert_eq!(early.closed().await, (1008, "invalid subscription payload".to_owned()));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_first_message_that_is_repeated_is_no_operation_and_the_socket_stays() {
    let simulator = start("calm", |_, _| {}).await;
    let (mut client, _) = Client::subscribed(&simulator, &["12345".to_owned()]).await;
    client.say("{\"type\":\"market\",\"assets_ids\":[\"12345\"]}").await;
    assert_eq!(client.text().await, "INVALID OPERATION");
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG");
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_payload_that_is_no_subscription_closes() {
    let simulator = start("calm", |_, _| {}).await;
    for payload in [
        "hello",
        "{}",
        "{\"type\":\"user\",\"assets_ids\":[]}",
        "{\"operation\":\"subscribe\",\"assets_ids\":[]}",
    ] {
        let mut client = Client::connect(&simulator).await;
        client.say(payload).await;
        assert_eq!(client.closed().await, (1008, "invalid subscription payload".to_owned()), "{payload}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn without_ping_the_socket_stays_unless_manners_are_strict() {
    let with = |manners| {
        start(
            "calm",
            move |options: &mut venue_sim::Options, scenario: &mut venue_sim::scenario::Scenario| {
                (options.manners, options.ping_timeout) = (manners, Duration::from_millis(200));
                scenario.rate_per_s = 1_000;
            },
        )
    };
    let strict = with(Manners::Strict).await;
    let (mut client, _) = Client::subscribed(&strict, &all_tokens(&strict).await[..2]).await;
    assert_eq!(client.closed().await, (1008, "no ping received".to_owned()));
    strict.shutdown().await;
    let lenient = with(Manners::Lenient).await;
    let (mut client, _) = Client::subscribed(&lenient, &all_tokens(&lenient).await).await;
    lenient.begin();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(600) {
        assert!(client.json().await.is_object());
    }
    lenient.shutdown().await;
}

#[tokio::test]
async fn strict_manners_refuse_a_repeated_first_message_and_who_does_not_say_who_he_is() {
    let simulator = start("calm", |options, _| options.manners = Manners::Strict).await;
    let (mut client, _) = Client::subscribed(&simulator, &["12345".to_owned()]).await;
    client.say("{\"type\":\"market\",\"assets_ids\":[\"12345\"]}").await;
    assert_eq!(client.closed().await, (1008, "invalid subscription payload".to_owned()));
    match connect_async(simulator.urls().ws).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{other:?}"),
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn so_many_opening_books_lack_a_member_as_asked_for() {
    let simulator = start("sparse-books", |_, _| {}).await;
    let (_, books) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    let books = books.as_array().unwrap();
    assert_eq!(books.len(), 80);
    let without = |member: &str| books.iter().filter(|book| book.get(member).is_none()).count();
    let counts = ["event_type", "tick_size", "last_trade_price"].map(without);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!((12..=20).contains(&counts.iter().sum::<usize>()), "{counts:?}");
    assert_eq!(without("hash") + without("bids") + without("asset_id"), 0);
    simulator.shutdown().await;
}

#[tokio::test]
async fn unsubscribe_and_subscribe_force_a_new_snapshot_and_a_repeat_does_not() {
    let simulator = start("calm", |_, _| {}).await;
    let tokens = all_tokens(&simulator).await[..2].to_vec();
    let (mut client, books) = Client::subscribed(&simulator, &tokens).await;
    for operation in ["subscribe", "unsubscribe", "subscribe"] {
        client.say(&json!({"operation": operation, "assets_ids": tokens}).to_string()).await;
    }
    assert_eq!(client.json().await, books);
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG", "the repeated subscription was not answered");
    simulator.shutdown().await;
}

#[tokio::test]
async fn without_initial_dump_and_beyond_the_limit_no_books_come() {
    let simulator = start("calm", |options, _| options.books_max = 3).await;
    let tokens = all_tokens(&simulator).await;
    let mut client = Client::connect(&simulator).await;
    client
        .say(&json!({"type": "market", "assets_ids": tokens[..2], "initial_dump": false}).to_string())
        .await;
    client.say(&json!({"operation": "subscribe", "assets_ids": tokens[2..6]}).to_string()).await;
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG");
    simulator.shutdown().await;
}

#[tokio::test]
async fn best_bid_ask_comes_only_with_the_flag() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let tokens = all_tokens(&simulator).await;
    let mut plain = Client::connect(&simulator).await;
    plain.say(&json!({"type": "market", "assets_ids": tokens}).to_string()).await;
    plain.text().await;
    let (mut custom, _) = Client::subscribed(&simulator, &tokens).await;
    simulator.begin();
    while custom.json().await["event_type"] != "best_bid_ask" {}
    for _ in 0..2_000 {
        assert_ne!(plain.json().await["event_type"], "best_bid_ask");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_ledger_holds_exactly_what_a_client_read_before_a_close() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let (client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    let reading = tokio::spawn(client.rest());
    eventually("a thousand entries", || simulator.status().ledger_next > 1_000).await;
    simulator.drop_connections(Cut::Close).await;
    let frames = reading.await.unwrap();
    let lost = || simulator.ledger().iter().any(|entry| entry.kind == Kind::Trade && !entry.delivered);
    eventually("a trade while no socket is there", lost).await;
    simulator.stop_generating().await.unwrap();
    let ledger = simulator.ledger();
    let delivered = |kind| {
        ledger
            .iter()
            .filter(|entry| entry.kind == kind && entry.delivered && entry.occasion == Occasion::Live)
            .count()
    };
    let of_type = |name: &str| {
        frames.iter().filter(|frame| frame.ends_with(&format!("\"event_type\":\"{name}\"}}"))).count()
    };
    assert_eq!(delivered(Kind::Price), 2 * of_type("price_change"));
    assert_eq!(delivered(Kind::Quote), of_type("best_bid_ask"));
    assert_eq!(
        delivered(Kind::Trade),
        frames.iter().filter(|frame| frame.contains("last_trade_price\"")).count()
    );
    assert!(delivered(Kind::Price) > 500, "{}", delivered(Kind::Price));
    assert!(ledger.iter().all(|entry| !entry.uncertain), "whoever answers a close frame has read all");
    simulator.shutdown().await;
}

#[tokio::test]
async fn what_was_written_to_a_socket_that_is_cut_is_uncertain() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    for _ in 0..100 {
        client.next().await;
    }
    simulator.drop_connections(Cut::Abort).await;
    assert!(simulator.ledger().iter().filter(|entry| entry.uncertain).count() >= 100);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_frozen_venue_answers_ping_and_sends_nothing_else() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.freeze(Flow::Frozen);
    simulator.begin();
    for _ in 0..3 {
        client.say("PING").await;
        assert_eq!(client.text().await, "PONG");
    }
    eventually("a trade that nobody gets", || simulator.status().ledger_next > 80 + 2).await;
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG", "nothing was sent before it");
    simulator.freeze(Flow::Flowing);
    assert!(client.text().await.starts_with('{'));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_ended_and_holds_nobody_up() {
    let change = |options: &mut venue_sim::Options, scenario: &mut venue_sim::scenario::Scenario| {
        options.queue_frames = 64;
        scenario.rate_per_s = 50_000;
    };
    let simulator = start("calm", change).await;
    let tokens = all_tokens(&simulator).await;
    let (deaf, _) = Client::subscribed(&simulator, &tokens).await;
    simulator.begin();
    eventually("the deaf one is ended", || simulator.status().sockets == 0).await;
    drop(deaf);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_short_scenario_of_garbage_runs_to_its_end() {
    let simulator = start("garbage", |_, scenario| scenario.duration_s = Some(3)).await;
    let (client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    let reading = tokio::spawn(client.rest());
    simulator.begin();
    simulator.finished().await.unwrap();
    let sent: Vec<_> = simulator.ledger().into_iter().filter_map(|entry| entry.note).collect();
    simulator.shutdown().await;
    let frames = reading.await.unwrap();
    assert!(
        frames.iter().any(|frame| frame == "NO NEW ASSETS") && frames.iter().any(|frame| frame == "(binary)")
    );
    assert!(sent.len() > 30, "{}", sent.len());
    assert!(frames.iter().any(|frame| frame.contains("\"event_type\":\"new_market\"")));
}

#[tokio::test]
async fn shutdown_closes_the_sockets() {
    let simulator = start("calm", |_, _| {}).await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await[..2]).await;
    let stopping = tokio::spawn(simulator.shutdown());
    let closing = loop {
        match client.next().await {
            Some(Message::Close(frame)) => break frame.unwrap().code,
            Some(_) => {}
            None => panic!("no close frame"),
        }
    };
    assert_eq!(u16::from(closing), 1001);
    let _ = client.next().await;
    stopping.await.unwrap();
}
