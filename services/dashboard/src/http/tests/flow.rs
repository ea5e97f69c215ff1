//! The routes about the way of a tick: sockets, flow, series, latency.
//!
//! Knows: made-up stats in the fold. Never: a bus.

use contract::latency::{BUCKETS, bucket};
use contract::stats::{Backlog, Report, WriterReport};

use super::*;
use crate::state::dependency::Queue;
use crate::state::testing::{feed, stats};

/// The clock, in seconds after the moment that stands for 0 in made-up stats.
fn second() -> i64 {
    Timestamp::from(clock::now()).micros_since(crate::state::testing::at(0)) / 1_000_000
}

fn writer(stored: u64, after: &[(i64, u64)]) -> Report {
    let mut stored_after = vec![0; BUCKETS];
    for &(micros, count) in after {
        stored_after[bucket(micros)] += count;
    }
    let stored = [("trades".to_owned(), stored)].into();
    Report::Writer(WriterReport {
        stored,
        stored_after,
        batches: 1,
        batch_us: 2_000,
        ..WriterReport::default()
    })
}

/// A feed and a writer that spoke twice, a second apart, and a processor's queue in which 9 messages wait.
async fn world() -> World {
    let world = World::open(None).await;
    let (now, second) = (clock::now().into(), second());
    world.app.board.with(|fold| {
        fold.bus.told(Ok(()), now);
        for (before, count) in [(1, 10), (0, 40)] {
            let mut report = feed(second);
            report.sockets[0].frames = count;
            report.published = count;
            fold.stats(stats("feed-1", second - before, Report::Feed(report)), now);
            let report = writer(count, &[(1_500, count)]);
            fold.stats(stats("writer-1", second - before, report), now);
        }
        fold.backlog(Queue::Raw, Backlog { pending: 9, unacknowledged: 0 }, now);
        // The present second is not over yet, and not shown.
        fold.settle(Timestamp::minus(now, Duration::from_secs(1)));
    });
    world
}

#[tokio::test]
async fn each_socket_is_told_with_its_rate_and_the_silent_tokens_beside_it() {
    let world = world().await;
    world.app.board.tick(judged_trade(1, Verdict::Clean), Freshness::Live, clock::now().into());
    let told = world.get("/api/sockets").await.json();
    let socket = &told["sockets"][0];
    assert_eq!((&socket["name"], &socket["state"]), (&json!("feed-1 #0"), &json!("connected")));
    assert_eq!((&socket["messages_per_s"], &socket["tokens"]), (&json!(30), &json!(4)));
    let silent = told["silent"].as_array().unwrap();
    assert_eq!((silent.len(), &silent[0]["token_id"]), (1, &json!("2")));
    world.end().await;
}

#[tokio::test]
async fn the_picture_has_every_stage_and_unknown_is_not_fine() {
    let world = world().await;
    let told = world.get("/api/flow").await.json();
    let stage = |name: &str| {
        told["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == name).unwrap().clone()
    };
    assert_eq!((&stage("venue")["state"], &stage("feed")["state"]), (&json!("ok"), &json!("ok")));
    assert_eq!(stage("processor")["state"], json!("unknown"));
    assert_eq!((&stage("nats_raw")["rate"], &stage("nats_raw")["state"]), (&json!(30), &json!("ok")));
    assert_eq!(stage("postgres")["state"], json!("unknown"));
    assert_eq!(stage("writer")["instances"][0]["instance"], json!("writer-1"));
    let arrows = told["arrows"].as_array().unwrap();
    let arrow = |to: &str| arrows.iter().find(|arrow| arrow["to"] == to).unwrap();
    assert_eq!((&arrow("processor")["lag"], &arrow("processor")["rate"]), (&json!(9), &Value::Null));
    assert_eq!((&arrow("writer")["lag"], &arrow("postgres")["age_s"]), (&Value::Null, &json!(0.002)));
    world.end().await;
}

#[tokio::test]
async fn a_series_has_one_number_a_second_and_null_where_nothing_was_measured() {
    let world = world().await;
    let told = world.get("/api/series?minutes=1").await.json();
    let series = told["series"].as_object().unwrap();
    assert_eq!(series.len(), 12);
    assert!(series.values().all(|values| values.as_array().unwrap().len() == 59));
    let known = |name: &str| {
        series[name].as_array().unwrap().iter().filter(|value| !value.is_null()).cloned().collect::<Vec<_>>()
    };
    assert_eq!((known("raw_pending"), known("sockets_open")), (vec![json!(9)], vec![json!(1)]));
    assert_eq!(known("judged_pending"), [] as [Value; 0]);
    assert_eq!(known("g1"), [] as [Value; 0], "no processor was heard of");
    world.end().await;
}

#[tokio::test]
async fn latency_has_every_stage_by_step_and_bucket() {
    let world = world().await;
    world.app.board.tick(judged_trade(1, Verdict::Clean), Freshness::Live, clock::now().into());
    let told = world.get("/api/latency?minutes=2").await.json();
    let stored = &told["stages"]["stored"];
    assert_eq!(stored["counts"].as_array().unwrap().len(), 4);
    assert_eq!(told["bounds_ms"].as_array().unwrap().len() + 1, BUCKETS);
    let steps = stored["counts"].as_array().unwrap();
    let counted: u64 = steps.iter().filter_map(|step| step[bucket(1_500)].as_u64()).sum();
    assert_eq!(counted, 30, "what the writer counted between its two words");
    assert_eq!(stored["p50"], json!(1.5));
    let (received, judged) = (&told["stages"]["received"], &told["stages"]["judged"]);
    assert_eq!((&received["p50"], &judged["p99"]), (&json!(1500), &json!(500)));
    assert_eq!(told["stages"]["page"]["p50"], Value::Null, "nobody listens");
    assert_eq!((&told["skew"]["min_ms"], &told["skew"]["negative"]), (&json!(1500), &json!(0)));
    world.end().await;
}
