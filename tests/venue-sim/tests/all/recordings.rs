//! Replay over a real socket, and the program itself.
//!
//! Knows: a recording written from the protocol reference. Never: bytes of a capture.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Client, get, request, universe};
use serde_json::{Value, json};
use venue_sim::ledger::Kind;
use venue_sim::replay::Rebase;
use venue_sim::scenario::Scenario;
use venue_sim::{Begin, Options, Simulator, Source};

const RECORDED_MS: u64 = 1_790_000_000_000;

/// A book, a change of both tokens, a trade and an announcement, 20 ms apart.
fn recording() -> String {
    let frames = [
        json!([{"market": "0xc0", "asset_id": "11", "timestamp": "1790000000000", "hash": "00", "bids": [{"price": "0.4", "size": "10"}],
                "asks": [{"price": "0.6", "size": "7"}], "tick_size": "0.01", "event_type": "book", "last_trade_price": ""}]),
        json!({"market": "0xc0", "price_changes": [
                {"asset_id": "11", "price": "0.41", "size": "5", "side": "BUY", "hash": "01", "best_bid": "0.41", "best_ask": "0.6"},
                {"asset_id": "22", "price": "0.59", "size": "5", "side": "SELL", "hash": "02", "best_bid": "0.4", "best_ask": "0.59"}],
               "timestamp": "1790000000020", "event_type": "price_change"}),
        json!({"market": "0xc0", "asset_id": "11", "price": "0.41", "size": "2.5", "fee_rate_bps": "0", "side": "SELL",
               "timestamp": "1790000000040", "event_type": "last_trade_price", "transaction_hash": "0xabc"}),
        json!({"id": "7", "event_type": "new_market", "timestamp": "1790000000060"}),
    ];
    let wrapped = frames.iter().zip(0_u64..).map(|(frame, at)| {
        json!({"recv_ts": RECORDED_MS + at * 20, "frame": frame.to_string()}).to_string() + "\n"
    });
    wrapped.collect()
}

async fn replay(rebase: Rebase, speed: u32) -> (Simulator, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.jsonl");
    std::fs::write(&path, recording()).unwrap();
    let mut options = Options::of(Scenario::named("calm").unwrap());
    options.source = Source::Recording { path, speed, rebase };
    options.begin = Begin::WhenTold;
    options.settlement_delay = std::time::Duration::ZERO;
    let simulator = Simulator::start(options).await.unwrap();
    let tokens = ["11".to_owned(), "22".to_owned()];
    let (mut client, books) = Client::subscribed(&simulator, &tokens).await;
    assert_eq!(
        books.as_array().unwrap().len(),
        1,
        "the token whose first frame is a book has it from the start"
    );
    simulator.begin();
    let mut frames = Vec::new();
    for _ in 0..4 {
        frames.push(client.json().await);
    }
    simulator.finished().await.unwrap();
    (simulator, frames)
}

#[tokio::test]
async fn a_recording_is_played_as_if_it_were_now() {
    let (simulator, frames) = replay(Rebase::Now, 1).await;
    let stamp = |frame: &Value| frame["timestamp"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(stamp(&frames[1]) > RECORDED_MS + 1_000_000);
    assert_eq!(stamp(&frames[2]) - stamp(&frames[1]), 20);
    let ledger = simulator.ledger();
    let trade = ledger.iter().find(|entry| entry.kind == Kind::Trade).unwrap();
    assert!(trade.delivered && trade.expected.is_none() && trade.size.as_deref() == Some("2.5"));
    assert_eq!(ledger.iter().filter(|entry| entry.kind == Kind::Price && entry.delivered).count(), 2);
    let urls = simulator.urls();
    assert_eq!(
        get(&format!("{}/book?token_id=11", urls.clob)).await["bids"][1],
        json!({"price": "0.41", "size": "5"})
    );
    assert_eq!(
        get(&format!("{}/v2/trades?condition=0xc0", urls.data)).await["data"][0]["transaction_hash"],
        "0xabc"
    );
    assert_eq!(universe(&simulator).await[0]["conditionId"], "0xc0");
    simulator.shutdown().await;
}

#[tokio::test]
async fn without_rebase_every_byte_stays_and_faster_is_faster() {
    let (simulator, frames) = replay(Rebase::None, 10).await;
    let original: Vec<Value> = recording()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["frame"].as_str().unwrap().to_owned())
        .map(|frame| serde_json::from_str(&frame).unwrap())
        .collect();
    assert_eq!(frames, original);
    simulator.shutdown().await;
}

#[tokio::test]
async fn plain_arrays_lone_tokens_announcements_and_unknown_types_are_played_as_they_are() {
    let lone = json!({"market": "0xd0", "asset_id": "33", "price": "0.2", "size": "4", "fee_rate_bps": "", "side": "BUY",
                      "timestamp": "1790000000005", "event_type": "last_trade_price"});
    let frames = [
        json!([{"market": "0xd0", "asset_id": "33", "timestamp": "1790000000000", "hash": "00", "event_type": "book",
                "bids": [{"price": "0.1", "size": "1"}], "asks": []}, lone]),
        json!({"market": "0xd0", "asset_id": "33", "sequence": 2, "timestamp": "1790000000010", "event_type": "preview"}),
        json!({"id": "7", "market": "0xe0", "assets_ids": ["44", "55"], "timestamp": "1790000000020",
               "event_type": "new_market"}),
        json!([]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.jsonl");
    std::fs::write(&path, frames.iter().map(|frame| frame.to_string() + "\n").collect::<String>()).unwrap();
    let mut options = Options::of(Scenario::named("calm").unwrap());
    options.source = Source::Recording { path, speed: 1, rebase: Rebase::None };
    options.begin = Begin::WhenTold;
    let simulator = Simulator::start(options).await.unwrap();
    let (mut client, books) = Client::subscribed(&simulator, &["33".to_owned()]).await;
    assert_eq!(books.as_array().unwrap().len(), 1);
    simulator.begin();
    for frame in frames {
        assert_eq!(client.json().await, frame);
    }
    simulator.finished().await.unwrap();
    let kinds: Vec<Kind> = simulator.ledger()[1..].iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Book, Kind::Trade, Kind::Garbage]);
    let known = simulator.book_of("33").unwrap();
    assert_eq!((known.bids, known.asks), (vec![("0.1".to_owned(), "1".to_owned())], Vec::new()));
    assert_eq!(universe(&simulator).await.len(), 1);
    simulator.shutdown().await;
}

#[test]
fn the_program_says_where_it_is_and_writes_its_ledger_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_venue-sim"))
        .args(["--addr", "127.0.0.1:0", "--scenario", "demo", "--ledger", ledger.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("venue-sim ready ws=ws://127.0.0.1:"), "{line}");
    let clob = line.split_whitespace().find_map(|word| word.strip_prefix("clob=")).unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(request("GET", &format!("{clob}/time"), "")).0, 200);
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(ledger.exists());
}

#[test]
fn a_bad_configuration_ends_with_64_and_names_every_fault() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_venue-sim")).args(["--addr", "x", "--rate", "y"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(said.contains("--addr") && said.contains("--rate"), "{said}");
}
