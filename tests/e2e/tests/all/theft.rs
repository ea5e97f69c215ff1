//! What a stolen login could do: every call with every reply subject, and nothing may change.
//!
//! Knows: JetStream's calls as a thief would make them. Never: a client library, which would not let one.

use std::time::Duration;

use bus::Message;
use contract::subject;
use contract::tick::Kind;
use contract::verdict::Verdict;
use e2e::eventually;
use e2e::wire::Wire;
use stack::{http, ports};

use crate::accounts::{Guarded, STREAMS, market};

/// Every call to JetStream that could be of use to a thief, with the body that makes it answer.
fn calls(stream: &str) -> Vec<(String, String)> {
    let push = |to: &str| {
        format!(
            r#"{{"stream_name":"{stream}","config":{{"deliver_subject":"{to}","ack_policy":"none","deliver_policy":"all"}}}}"#
        )
    };
    let named = |name: &str, to: &str| {
        format!(
            r#"{{"stream_name":"{stream}","config":{{"name":"{name}","deliver_subject":"{to}","ack_policy":"none","deliver_policy":"all"}}}}"#
        )
    };
    let mut calls = vec![
        (format!("$JS.API.DIRECT.GET.{stream}"), r#"{"seq":99999999}"#.to_owned()),
        (format!("$JS.API.DIRECT.GET.{stream}"), r#"{"seq":1}"#.to_owned()),
        (format!("$JS.API.DIRECT.GET.{stream}"), r#"{"seq":1,"batch":10}"#.to_owned()),
        (format!("$JS.API.DIRECT.GET.{stream}.ticks.clean.trade.0xab"), String::new()),
        (format!("$JS.API.STREAM.MSG.GET.{stream}"), r#"{"seq":99999999}"#.to_owned()),
        (format!("$JS.API.STREAM.INFO.{stream}"), String::new()),
        (format!("$JS.API.STREAM.PURGE.{stream}"), String::new()),
        (format!("$JS.API.STREAM.DELETE.{stream}"), String::new()),
        (format!("$JS.API.CONSUMER.LIST.{stream}"), String::new()),
        ("$JS.API.INFO".to_owned(), String::new()),
        ("$JS.API.STREAM.NAMES".to_owned(), String::new()),
    ];
    for consumer in ["processor", "writer"] {
        let of = |verb: &str| format!("$JS.API.CONSUMER.{verb}.{stream}.{consumer}");
        calls.extend([
            (of("INFO"), String::new()),
            (of("DELETE"), String::new()),
            (of("MSG.NEXT"), r#"{"batch":1,"no_wait":true}"#.to_owned()),
            (of("CREATE"), named(consumer, VICTIM)),
        ]);
    }
    for to in [VICTIM, "_INBOX_feed.x"] {
        calls.push((format!("$JS.API.CONSUMER.CREATE.{stream}"), push(to)));
        calls.push((format!("$JS.API.CONSUMER.CREATE.{stream}.thief"), named("thief", to)));
        calls.push((format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.thief"), named("thief", to)));
    }
    // As the mappings of an account spell them.
    calls.extend(
        calls.clone().into_iter().map(|(subject, body)| (subject.replace("$JS.API", "pipeline"), body)),
    );
    calls
}

/// A flagged trade that somebody else would like to be a clean one.
const VICTIM: &str = "ticks.clean.trade.0xab";

/// Where an answer would do harm, were it published there.
fn replies() -> Vec<String> {
    let mut replies: Vec<String> = STREAMS
        .iter()
        .flat_map(|stream| ["STREAM.DELETE", "STREAM.PURGE"].map(|verb| format!("$JS.API.{verb}.{stream}")))
        .collect();
    replies.extend(
        [VICTIM, "ticks.raw.trade.0xab", "markets.0xab", "gaps.0xab", "dead.feed", "$KV.FEED.mark-0-1"]
            .map(str::to_owned),
    );
    for consumer in ["TICKS_RAW.processor", "TICKS_JUDGED.writer", "MARKETS.writer"] {
        replies.push(format!("$JS.API.CONSUMER.DELETE.{consumer}"));
        replies.push(format!("$JS.ACK.{consumer}.1.1.1.1.0"));
    }
    replies
}

/// What the server has: each stream with its messages, and each of its consumers with what it has acknowledged.
async fn inventory(guarded: &Guarded) -> String {
    let address = ports::loopback(guarded.nats.monitor_port());
    let answer = http::get(address, "/jsz?accounts=true&streams=true&consumers=true").await;
    let body: serde_json::Value = serde_json::from_str(&answer.unwrap().1).unwrap();
    let mut lines = Vec::new();
    for account in body["account_details"].as_array().unwrap() {
        for stream in account["stream_detail"].as_array().into_iter().flatten() {
            let state = &stream["state"];
            lines.push(format!(
                "{} {} {} {}",
                account["name"], stream["name"], stream["created"], state["last_seq"]
            ));
            for consumer in stream["consumer_detail"].as_array().into_iter().flatten() {
                lines.push(format!("  {} {}", consumer["name"], consumer["ack_floor"]["stream_seq"]));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn a_stolen_login_of_those_who_look_changes_nothing_by_any_call_with_any_reply_subject() {
    let guarded = Guarded::start().await;
    let services = [guarded.bus("processor").await, guarded.bus("feed").await, guarded.bus("writer").await];
    let flagged =
        Message::new(subject::judged(Verdict::Flagged, Kind::Trade, &market()), "1".to_owned(), vec![7]);
    services[0].publish(&flagged).await.unwrap().acknowledged().await.unwrap();
    let raw = Message::new(subject::raw(Kind::Trade, &market()), "1".to_owned(), vec![7]);
    services[1].publish(&raw).await.unwrap().acknowledged().await.unwrap();
    let before = inventory(&guarded).await;
    assert!(before.contains("TICKS_JUDGED") && before.contains("processor"), "{before}");
    for login in ["viewer", "dashboard"] {
        let mut wire = guarded.wire(login).await;
        let mut taken = 0;
        for stream in STREAMS {
            for (call, body) in calls(stream) {
                for reply in replies() {
                    taken += u32::from(wire.request(&call, &reply, &body).await.is_ok());
                }
            }
        }
        // The server has taken all of it once it answers the next line, and done it once it has done this:
        wire.subscribe(&format!("_INBOX_{login}.x")).await.unwrap();
        by_reply_subject_a_stream_goes(&guarded, "CANARY").await;
        assert_eq!(inventory(&guarded).await, before, "{login}");
        assert_eq!(taken > 0, login == "dashboard", "{login} may ask {taken}");
    }
}

/// What a theft looks like: with a login of the pipeline's own account, the way that must not work for others.
async fn by_reply_subject_a_stream_goes(guarded: &Guarded, stream: &str) {
    let mut admin = guarded.wire("admin").await;
    let body = format!(r#"{{"name":"{stream}","subjects":["{stream}"],"storage":"memory"}}"#);
    admin.request(&format!("$JS.API.STREAM.CREATE.{stream}"), "_INBOX.x", &body).await.unwrap();
    let is_there = async |wanted: bool| {
        eventually("the stream comes and goes", Duration::from_secs(10), async || {
            let now = inventory(guarded).await;
            if now.contains(stream) == wanted { Ok(()) } else { Err(now) }
        })
        .await;
    };
    is_there(true).await;
    let (call, body) = ("$JS.API.DIRECT.GET.TICKS_JUDGED", r#"{"seq":99999999}"#);
    admin.request(call, &format!("$JS.API.STREAM.DELETE.{stream}"), body).await.unwrap();
    is_there(false).await;
}

#[tokio::test]
async fn those_who_look_cannot_keep_a_service_out_by_their_number() {
    let guarded = Guarded::start().await;
    let mut held = Vec::new();
    let refused = loop {
        let viewer =
            Wire::connect(guarded.nats.port(), Some(("viewer", guarded.logins.password("viewer")))).await;
        match viewer {
            Ok(wire) => held.push(wire),
            Err(words) => break words,
        }
        assert!(held.len() <= 128, "viewers have no limit of their own");
    };
    assert!(refused.contains("maximum account active connections exceeded"), "{refused}");
    guarded.bus("feed").await.check().unwrap();
}
