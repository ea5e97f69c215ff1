//! Real markets from a file, seen at Gamma, the CLOB and the sockets.
//!
//! Knows: section 2.5 of the protocol reference. Never: the simulator's inside.

use std::path::Path;

use crate::support::{Client, get, request, start, tokens_of, universe};
use serde_json::{Value, json};
use venue_sim::controls::Announced;

/// Three rows that can be traded and one, the second by volume, that cannot.
const ROWS: [&str; 4] = [
    r#"{"id":"531202", "conditionId":"0xa0","slug":"small","active":true,"closed":false,"orderPriceMinTickSize":0.01,"orderMinSize":5,"outcomes":"[\"Yes\", \"No\"]","clobTokenIds":"[\"11\", \"12\"]"}"#,
    r#"{"id":"531203","conditionId":"0xb0","slug":"large","closed":false,"orderPriceMinTickSize":0.1,"orderMinSize":15,"outcomes":"[\"Up\", \"Down\"]","clobTokenIds":"[\"21\", \"22\"]","volume24hr":4746.209854,"negRisk":true}"#,
    r#"{"id":"531204","conditionId":"0xc0","slug":"lone","closed":false,"outcomes":"[\"Yes\"]","clobTokenIds":"[\"31\"]","volume24hr":90}"#,
    r#"{"id":"531205","conditionId":"0xd0","slug":"smallest","closed":false,"orderPriceMinTickSize":0.001,"clobTokenIds":"[\"41\", \"42\"]"}"#,
];

async fn texts(url: &str) -> Vec<String> {
    let body = request("GET", url, "").await.1;
    let rows: Vec<&serde_json::value::RawValue> = serde_json::from_str(&body).unwrap();
    rows.into_iter().map(|row| row.get().to_owned()).collect()
}

#[tokio::test]
async fn rows_are_told_word_for_word_by_volume_and_traded_on_their_own_grid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, ROWS.join("\n")).unwrap();
    let simulator = start("calm", |options, scenario| {
        options.universe = Some(path.clone());
        scenario.reserved = 1;
        scenario.rate_per_s = 1_000;
    })
    .await;
    let urls = simulator.urls();
    let listed = texts(&format!("{}/markets?order=volume24hr&ascending=false", urls.gamma)).await;
    assert_eq!(listed, [ROWS[1], ROWS[2], ROWS[0]], "the last one is reserved");
    let by_id = texts(&format!("{}/markets?id=531203&id=531202", urls.gamma)).await;
    assert_eq!(by_id, [ROWS[0], ROWS[1]]);
    assert_eq!(simulator.open_tokens(), ["21", "22", "11", "12"]);
    let (mut client, books) = Client::subscribed(&simulator, &["31".to_owned(), "22".to_owned()]).await;
    assert_eq!(books.as_array().unwrap().len(), 1, "one token makes no market: {books}");
    assert_eq!(books[0]["tick_size"], "0.1");
    let book = get(&format!("{}/book?token_id=22", urls.clob)).await;
    assert_eq!((&book["min_order_size"], &book["neg_risk"]), (&json!("15"), &json!(true)));
    assert!(book["bids"].as_array().unwrap().iter().all(|level| level["price"].as_str().unwrap().len() == 3));
    simulator.begin();
    while client.json().await["event_type"] != "price_change" {}
    simulator.resolve(&["0xc0".to_owned(), "0xb0".to_owned()], Announced::Openly);
    let closed = texts(&format!("{}/markets?closed=true", urls.gamma)).await;
    assert_eq!(closed, [1, 2].map(|row| ROWS[row].replace("\"closed\":false", "\"closed\":true")));
    assert_eq!(simulator.replace_markets(100).opened, ["0xd0"]);
    assert_eq!(texts(&format!("{}/markets", urls.gamma)).await, [ROWS[3]]);
    simulator.shutdown().await;
}

#[tokio::test]
async fn half_of_the_venue_can_be_swept_and_subscribed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/fixtures/rest/gamma_universe_2026-03-11_even.jsonl.gz");
    if !path.exists() {
        eprintln!("SKIPPED: no real markets beside this project");
        return;
    }
    let simulator = start("calm", |options, _| options.universe = Some(path)).await;
    let markets = universe(&simulator).await;
    assert_eq!(markets.len(), 17_995 - 16);
    let volume = |market: &Value| market["volume24hr"].as_f64().unwrap_or(-1.0);
    assert!(markets.is_sorted_by(|one, next| volume(one) >= volume(next)));
    let tokens: Vec<String> = markets.iter().flat_map(tokens_of).collect();
    for shard in tokens.chunks(400) {
        let (_, books) = Client::subscribed(&simulator, shard).await;
        assert_eq!(books.as_array().unwrap().len(), shard.len());
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn rows_of_protocol_v2_are_ordinary_markets_with_positions_for_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let row = r#"{"id":"7","conditionId":"0x011c","version":"v2","slug":"new","closed":false,"outcomes":"[\"Yes\", \"No\"]","positionIds":["71","72"]}"#;
    std::fs::write(&path, row).unwrap();
    let simulator = start("calm", |options, _| options.universe = Some(path.clone())).await;
    assert_eq!(texts(&format!("{}/markets", simulator.urls().gamma)).await, [row]);
    let (_, books) = Client::subscribed(&simulator, &["71".to_owned(), "72".to_owned()]).await;
    assert_eq!(books.as_array().unwrap().len(), 2);
    let book = get(&format!("{}/book?token_id=72", simulator.urls().clob)).await;
    assert_eq!((&book["market"], &book["asset_id"]), (&json!("0x011c"), &json!("72")));
    simulator.shutdown().await;
}
