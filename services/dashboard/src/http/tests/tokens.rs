//! The routes about tokens.
//!
//! Knows: made-up markets in the fold. Never: a database.

use super::*;
use crate::state::testing::{book, market, token};

/// Two markets; of one token of the first a book and a trade came just now.
async fn world() -> World {
    let world = World::open(None).await;
    world.app.board.with(|fold| (1..=2).for_each(|number| fold.market(&market(number))));
    let now = clock::now().into();
    let second = Timestamp::micros_since(now, crate::state::testing::at(0)) / 1_000_000;
    world.app.board.tick(book(1, second), Freshness::Live, now);
    world.app.board.tick(judged_trade(1, Verdict::Clean), Freshness::Live, now);
    world
}

#[tokio::test]
async fn the_table_of_tokens_is_sorted_filtered_and_cut() {
    let world = world().await;
    let all = world.get("/api/tokens").await.json();
    assert_eq!((&all["total"], &all["matched"], &all["limit"]), (&json!(4), &json!(4), &json!(100)));
    assert_eq!((&all["counts"]["live"], &all["counts"]["never_seen"]), (&json!(1), &json!(3)));
    let cut = world.get("/api/tokens?sort=question&dir=desc&limit=1&offset=3").await.json();
    assert_eq!(cut["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(cut["tokens"][0]["token_id"], json!(token(3).as_str()));
    let live = world.get("/api/tokens?state=live,quiet&q=QUESTION+1").await.json();
    assert_eq!((&live["matched"], &live["total"]), (&json!(1), &json!(4)));
    let row = &live["tokens"][0];
    assert_eq!((&row["bid"], &row["ask"], &row["last"]), (&json!("0.4"), &json!("0.6"), &json!("0.55")));
    assert_eq!(
        (&row["outcome"], &row["state"], &row["volume_24h"]),
        (&json!("Yes"), &json!("live"), &Value::Null)
    );
    world.end().await;
}

#[tokio::test]
async fn a_token_is_told_with_its_market_and_the_gaps_open_now() {
    let world = world().await;
    world.app.board.gap(&gap(1), Freshness::Live);
    let known = world.get("/api/tokens/2").await.json();
    assert_eq!((&known["slug"], &known["gaps"][0]["cause"]), (&json!("market-1"), &json!("silence")));
    assert_eq!(known["gaps"][0]["question"], json!("Question 1?"));
    let unknown = world.get("/api/tokens/77").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().contains("/api/trades?token_id="), "what is left of it: {}", unknown.error());
    for path in ["/api/tokens/77/book", "/api/tokens/77/chart"] {
        assert_eq!(world.get(path).await.status, 503, "{path}: the database would know");
    }
    let odd = world.get("/api/tokens/0x1").await;
    assert_eq!(odd.status, 400);
    assert!(odd.error().starts_with("`token_id` must be 1 to 78 decimal digits"), "{}", odd.error());
    world.end().await;
}
