//! What a test does to a running venue, seen from its clients.
//!
//! Knows: the handles and sections 1.1 to 1.7 of the protocol reference. Never: the simulator's inside.

use std::collections::{BTreeMap, HashMap};

use crate::support::{Client, all_tokens, eventually, get, request, start, universe};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use venue_sim::controls::{Announced, TrueBook};
use venue_sim::ledger::Kind;
use venue_sim::scenario::Cut;

type Side = BTreeMap<String, String>;

/// Books as a client keeps them that trusts every frame: bids and asks by price.
#[derive(Default)]
struct Kept(HashMap<String, [Side; 2]>);

impl Kept {
    fn take(&mut self, frame: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for element in frame.as_array().map_or(std::slice::from_ref(frame), Vec::as_slice) {
            if element["event_type"] == "book" {
                let side = |name: &str| -> Side {
                    let levels = element[name].as_array().unwrap().iter();
                    levels.map(|level| (text(&level["price"]), text(&level["size"]))).collect()
                };
                self.0.insert(text(&element["asset_id"]), [side("bids"), side("asks")]);
            }
            for entry in element["price_changes"].as_array().into_iter().flatten() {
                let sides = self.0.entry(text(&entry["asset_id"])).or_default();
                let side = &mut sides[usize::from(entry["side"] == "SELL")];
                match text(&entry["size"]).as_str() {
                    "0" => drop(side.remove(&text(&entry["price"]))),
                    size => drop(side.insert(text(&entry["price"]), size.to_owned())),
                }
            }
        }
    }

    fn equals(&self, token: &str, book: TrueBook) -> bool {
        let [bids, asks] = &self.0[token];
        *bids == book.bids.into_iter().collect::<Side>() && *asks == book.asks.into_iter().collect::<Side>()
    }
}

#[tokio::test]
async fn a_poisoned_token_ends_the_socket_and_subscribes_nothing() {
    let simulator = start("calm", |_, _| {}).await;
    let tokens = all_tokens(&simulator).await[..4].to_vec();
    simulator.poison([tokens[2].clone()]);
    assert_eq!(simulator.poisoned(), tokens[2..3]);
    let first = json!({"type": "market", "assets_ids": tokens}).to_string();
    let mut client = Client::connect(&simulator).await;
    client.say(&first).await;
    assert_eq!(client.closed().await, (1011, String::new()));
    let (mut later, _) = Client::subscribed(&simulator, &tokens[..1]).await;
    later.say(&json!({"operation": "subscribe", "assets_ids": tokens[1..]}).to_string()).await;
    assert_eq!(later.closed().await, (1011, String::new()));
    assert_eq!(simulator.ledger().len(), 1, "only the one opening book of the second socket");
    simulator.cure(&tokens[2]);
    let (_, books) = Client::subscribed(&simulator, &tokens).await;
    assert_eq!(books.as_array().unwrap().len(), 4);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_withheld_book_is_missing_once_and_its_changes_are_not() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 1_000).await;
    let tokens = all_tokens(&simulator).await[..2].to_vec();
    simulator.withhold_books(tokens[..1].to_vec(), 1);
    let (mut client, books) = Client::subscribed(&simulator, &tokens).await;
    let told: Vec<&str> =
        books.as_array().unwrap().iter().map(|book| book["asset_id"].as_str().unwrap()).collect();
    assert_eq!(told, tokens[1..]);
    simulator.begin();
    while !client.text().await.contains(&tokens[0]) {}
    let (_, books) = Client::subscribed(&simulator, &tokens).await;
    assert_eq!(books.as_array().unwrap().len(), 2);
    simulator.shutdown().await;
}

#[tokio::test]
async fn only_a_book_that_lost_a_removal_differs_from_the_venues_own() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 2_000).await;
    let tokens = simulator.open_tokens();
    assert_eq!(tokens, all_tokens(&simulator).await);
    let (mut client, books) = Client::subscribed(&simulator, &tokens).await;
    let mut kept = Kept::default();
    kept.take(&books);
    simulator.lose_removal();
    simulator.begin();
    eventually("a removal is lost", || !simulator.lost_removals().is_empty()).await;
    simulator.stop_generating().await.unwrap();
    client.say("PING").await;
    loop {
        match client.text().await.as_str() {
            "PONG" => break,
            text => kept.take(&serde_json::from_str(text).unwrap()),
        }
    }
    let lost = simulator.lost_removals().remove(0);
    let differs = |token: &&String| !kept.equals(token, simulator.book_of(token).unwrap());
    // A later change of the very level heals it.
    assert!(tokens.iter().filter(differs).all(|token| *token == lost.token_id));
    let ledger = simulator.ledger();
    let withheld = ledger.iter().find(|entry| entry.note.as_deref() == Some("withheld")).unwrap();
    assert_eq!((&withheld.token_id, withheld.kind, withheld.delivered), (&lost.token_id, Kind::Price, false));
    assert!(ledger.iter().all(|entry| entry.kind != Kind::Price || entry.delivered == entry.note.is_none()));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_resolved_market_is_closed_at_gamma_and_only_told_if_so_wished() {
    let simulator = start("calm", |_, _| {}).await;
    let ids: Vec<String> = universe(&simulator)
        .await
        .iter()
        .map(|market| market["conditionId"].as_str().unwrap().to_owned())
        .collect();
    let tokens = all_tokens(&simulator).await;
    let (mut client, _) = Client::subscribed(&simulator, &tokens[..4]).await;
    assert_eq!(simulator.resolve(&ids[..1], Announced::Silently), 1);
    assert_eq!(simulator.resolve(&ids[..2], Announced::Openly), 1, "the first one is closed already");
    let told = client.json().await;
    assert_eq!((&told["event_type"], &told["market"]), (&json!("market_resolved"), &json!(ids[1])));
    let gamma = simulator.urls().gamma;
    let closed = get(&format!("{gamma}/markets?closed=true&condition_ids={}", ids[..3].join(","))).await;
    assert_eq!(closed.as_array().unwrap().len(), 2);
    assert!(closed[0]["closed"] == true && closed[0]["acceptingOrders"] == false);
    assert_eq!((universe(&simulator).await.len(), simulator.status().markets_open), (38, 38));
    let book = format!("{}/book?token_id={}", simulator.urls().clob, tokens[0]);
    assert_eq!(request("GET", &book, "").await.0, 404);
    assert_eq!(simulator.book_of(&tokens[0]), None);
    simulator.shutdown().await;
}

#[tokio::test]
async fn replaced_markets_leave_in_silence_and_their_successors_are_announced_and_listed() {
    let simulator = start("calm", |_, _| {}).await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await[..2]).await;
    let replaced = simulator.replace_markets(25);
    assert_eq!((replaced.closed.len(), replaced.opened.len()), (10, 10));
    for id in &replaced.opened {
        let told = client.json().await;
        assert_eq!((&told["event_type"], &told["condition_id"]), (&json!("new_market"), &json!(id)));
    }
    let listed = universe(&simulator).await;
    let is_listed = |id: &String| listed.iter().any(|market| market["conditionId"] == id.as_str());
    assert!(
        listed.len() == 40 && replaced.opened.iter().all(is_listed) && !replaced.closed.iter().any(is_listed)
    );
    let volumes = listed.iter().map(|market| market["volume24hr"].as_f64().unwrap());
    assert!(volumes.is_sorted_by(|one, next| one >= next));
    simulator.shutdown().await;
}

#[tokio::test]
async fn so_many_sockets_are_dropped_as_asked_for_and_no_more_than_there_are() {
    let simulator = start("calm", |_, _| {}).await;
    let tokens = all_tokens(&simulator).await;
    let clients = join_all((0..5).map(|_| Client::subscribed(&simulator, &tokens[..2]))).await;
    assert_eq!(simulator.drop_some(2, Cut::Abort, 7), 2);
    eventually("two are gone", || simulator.status().sockets == 3).await;
    assert_eq!(simulator.drop_some(9, Cut::Close, 7), 3);
    eventually("all are gone", || simulator.status().sockets == 0).await;
    drop(clients);
    simulator.shutdown().await;
}

#[tokio::test]
async fn upgrades_beyond_the_limit_get_429_and_are_counted() {
    let simulator = start("busy-door", |_, scenario| scenario.connects_per_s = Some(0)).await;
    match connect_async(simulator.urls().ws).await {
        Err(Error::Http(answer)) => {
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (429, &"1".parse().unwrap())
            );
        }
        other => panic!("{other:?}"),
    }
    simulator.limit_connects(None);
    let client = Client::connect(&simulator).await;
    let status = simulator.status();
    assert_eq!((status.connects, status.connects_refused), (1, 1));
    drop(client);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_lagging_dump_is_overtaken_by_newer_changes() {
    let simulator = start("lagging-dump", |_, _| {}).await;
    let tokens = all_tokens(&simulator).await;
    simulator.begin();
    let mut client = Client::connect(&simulator).await;
    client.say(&json!({"type": "market", "assets_ids": tokens}).to_string()).await;
    let stamp = |value: &Value| value["timestamp"].as_str().unwrap().parse::<u64>().unwrap();
    let mut newest = HashMap::new();
    let books = loop {
        let frame = client.json().await;
        if frame.is_array() {
            break frame;
        }
        for entry in frame["price_changes"].as_array().into_iter().flatten() {
            newest.insert(entry["asset_id"].to_string(), stamp(&frame));
        }
    };
    let overtaken =
        |book: &&Value| newest.get(&book["asset_id"].to_string()).is_some_and(|at| *at > stamp(book));
    let books = books.as_array().unwrap();
    assert_eq!(books.len(), tokens.len());
    assert!(books.iter().filter(overtaken).count() > 5, "{} changes came before", newest.len());
    simulator.shutdown().await;
}

#[tokio::test]
async fn each_scenario_of_an_ailment_runs_to_its_end() {
    let names = [
        "match-groups",
        "lagging-dump",
        "stale-snapshots",
        "lost-removals",
        "poison",
        "missing-books",
        "silent-resolve",
        "busy-door",
        "slow-rest",
        "v1-gone",
        "thaw",
        "short-markets",
        "late-markets",
        "blocked-rest",
    ];
    let run = async |name: &'static str| {
        let simulator = start(name, |_, scenario| scenario.duration_s = Some(2)).await;
        let poisoned = simulator.poisoned();
        assert_eq!(poisoned.len(), if name == "poison" { 3 } else { 0 });
        let tokens: Vec<String> =
            simulator.open_tokens().into_iter().filter(|token| !poisoned.contains(token)).collect();
        let (client, _) = Client::subscribed(&simulator, &tokens).await;
        let reading = tokio::spawn(client.rest());
        simulator.begin();
        simulator.finished().await.unwrap();
        let trades = simulator.ledger().iter().filter(|entry| entry.kind == Kind::Trade).count();
        simulator.shutdown().await;
        let frames = reading.await.unwrap();
        // Those that reconnect end the only client early.
        assert!(frames.len() > 10, "{name}: {}", frames.len());
        assert!(frames.iter().all(|frame| serde_json::from_str::<Value>(frame).is_ok()), "{name}");
        if name == "match-groups" {
            assert!(trades > 20, "{trades}");
        }
    };
    join_all(names.into_iter().map(run)).await;
}
