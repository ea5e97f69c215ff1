//! The largest frames that a venue can send, in the shapes that cost a reader most.
//!
//! Knows: what such a frame may cost. Never: which of them a venue has sent.

use std::process::{Command, Stdio};

use contract::time::Timestamp;
use futures_util::{SinkExt, StreamExt};
use polymarket::session::{FRAME_BYTES_MAX, Frame, OPENING_BYTES_MAX, Session, SessionError};
use polymarket::translate::{self, FrameEvent};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WsFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Beyond this a reader is not to grow for one frame, in kB.
const PEAK_KB_MAX: u64 = 64 << 10;
/// Names, to the child, where the frame comes from.
const VENUE: &str = "HOSTILE_VENUE";
const MARKET: &str = "0xbd31dc8a20211944f6b70f31557f1001557b59905b7738480ca09bd4532f84af";

/// As many `unit`s between `head` and `tail` as a frame may hold; `#` in it becomes a number.
fn full(head: &str, unit: &str, separator: &str, tail: &str) -> String {
    let mut text = String::with_capacity(OPENING_BYTES_MAX);
    text.push_str(head);
    if !unit.contains('#') {
        let room = OPENING_BYTES_MAX - head.len() - unit.len() - tail.len();
        text.push_str(&format!("{unit}{separator}").repeat(room / (unit.len() + separator.len())));
        return text + unit + tail;
    }
    for number in 0_u64.. {
        let unit = unit.replace('#', &format!("{number:07}"));
        if text.len() + separator.len() + unit.len() + tail.len() > OPENING_BYTES_MAX {
            break;
        }
        if number > 0 {
            text.push_str(separator);
        }
        text.push_str(&unit);
    }
    text + tail
}

fn nested(open: &str, close: &str) -> String {
    let depth = OPENING_BYTES_MAX / (open.len() + close.len());
    open.repeat(depth) + &close.repeat(depth)
}

fn element(kind: &str, members: &str) -> String {
    format!(
        r#"{{"market":"{MARKET}","asset_id":"71","timestamp":"1789156413830","event_type":"{kind}",{members}}}"#
    )
}

/// An element whose last member is still open.
fn open(kind: &str, members: &str) -> String {
    let mut text = element(kind, members);
    text.pop();
    text
}

/// Name, frame.
fn shapes() -> Vec<(&'static str, String)> {
    let level = r#"{"price":0.#,"size":1}"#;
    let levels: Vec<String> = (10..100).map(|price| format!(r#"{{"price":0.{price},"size":1}}"#)).collect();
    let book = element("book", &format!(r#""bids":[{}],"asks":[]"#, levels.join(",")));
    let trade = element("last_trade_price", r#""price":"0.5","size":"1","side":"BUY""#);
    let changes = |entries: &str| full(&open("price_change", r#""price_changes":["#), entries, ",", "]}");
    let bids = open("book", r#""asks":[],"bids":["#);
    vec![
        ("numbers", full("[", "1", ",", "]")),
        ("empty objects", full("[", "{}", ",", "]")),
        ("objects that lack everything", full("[", r#"{"event_type":"book"}"#, ",", "]")),
        ("an array that never ends", "[".repeat(OPENING_BYTES_MAX)),
        ("nested arrays", nested("[", "]")),
        ("nested objects", nested(r#"{"a":"#, "}")),
        ("a long string", full(r#"[{"event_type":""#, "x", "", "\"}]")),
        ("a long escaped string", full(r#"[{"event_type":""#, r"\u0041", "", "\"}]")),
        ("no JSON at all", "x".repeat(OPENING_BYTES_MAX)),
        ("many keys", full("{", r#""k#":1"#, ",", "}")),
        ("a long hash", full(&open("book", r#""asks":[],"bids":[],"hash":""#), "a", "", "\"}")),
        ("levels that are a string", full(&open("book", r#""asks":[],"bids":""#), r"\n", "", "\"}")),
        ("a deep book", full(&bids, level, ",", "]}")),
        ("levels without names", full(&bids, "[0,1]", ",", "]}")),
        ("many books", full("[", &book, ",", "]")),
        ("many trades", full("[", &trade, ",", "]")),
        ("empty entries", changes("{}")),
        ("small entries", changes(r#"{"asset_id":1,"price":0,"size":0,"side":"buy"}"#)),
    ]
}

/// A line of `/proc/self/status`, in kB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads one frame, in a process of its own, and tells what it cost.
async fn read_one(url: &str) {
    let mut session = Session::open(url, &[]).await.unwrap();
    let before = memory("VmRSS");
    let Frame::Text(text) = session.next(OPENING_BYTES_MAX).await.unwrap() else { panic!("no text") };
    let heard = translate::frame(text.as_str(), Timestamp::from_micros(0));
    let letters = heard.iter().filter(|heard| matches!(heard, FrameEvent::Refused { .. })).count();
    eprintln!("{} {letters}", memory("VmHWM").saturating_sub(before));
}

/// A venue that sends these to who subscribes, and waits until he is gone; where it is.
async fn venue(messages: Vec<Message>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/market", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let _subscription = socket.next().await.unwrap().unwrap();
        for message in messages {
            socket.send(message).await.unwrap();
        }
        while let Some(Ok(_)) = socket.next().await {}
    });
    (url, serving)
}

#[tokio::test]
async fn a_frame_over_the_limit_of_its_time_ends_the_connection_and_its_beginning_is_kept() {
    let text = |bytes: usize| Message::text("x".repeat(bytes));
    let (url, _serving) = venue(vec![text(FRAME_BYTES_MAX), text(FRAME_BYTES_MAX + 1)]).await;
    let mut session = Session::open(&url, &[]).await.unwrap();
    assert!(
        matches!(session.next(FRAME_BYTES_MAX).await, Ok(Frame::Text(text)) if text.len() == FRAME_BYTES_MAX)
    );
    match session.next(FRAME_BYTES_MAX).await {
        Err(SessionError::TooLarge { bytes, limit, beginning }) => {
            assert_eq!((bytes, limit, beginning.len()), (FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX, 64 << 10));
        }
        other => panic!("{other:?}"),
    }
    let (url, _serving) = venue(vec![text(FRAME_BYTES_MAX + 1), text(OPENING_BYTES_MAX + 1)]).await;
    let mut session = Session::open(&url, &[]).await.unwrap();
    assert!(session.next(OPENING_BYTES_MAX).await.is_ok(), "while a book is owed");
    let error = session.next(OPENING_BYTES_MAX).await.unwrap_err();
    assert_eq!(error.to_string(), "the venue sent a frame of 16777217 bytes, more than 16777216");
}

#[tokio::test]
async fn text_that_is_no_utf_8_ends_the_connection_and_is_named() {
    let broken = |payload: &'static [u8], opcode, is_final| {
        Message::Frame(WsFrame::message(payload, OpCode::Data(opcode), is_final))
    };
    let whole = vec![broken(b"[{\"event_type\":\"b\xFFok\"}]", Data::Text, true)];
    let halves = vec![broken(b"[{", Data::Text, false), broken(b"\xFF", Data::Continue, true)];
    for messages in [whole, halves] {
        let (url, _serving) = venue([vec![Message::text("PONG")], messages].concat()).await;
        let mut session = Session::open(&url, &[]).await.unwrap();
        assert!(
            matches!(session.next(FRAME_BYTES_MAX).await, Ok(Frame::Text(text)) if text.as_str() == "PONG")
        );
        let error = session.next(FRAME_BYTES_MAX).await.unwrap_err();
        assert!(matches!(error, SessionError::NotText { .. }), "{error:?}");
        assert!(error.to_string().starts_with("the venue sent text that is no UTF-8"), "{error}");
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "so the test tells its child that it is one")]
async fn the_largest_frame_of_any_shape_costs_at_most_64_mb_and_one_letter() {
    if let Ok(url) = std::env::var(VENUE) {
        return read_one(&url).await;
    }
    for (name, frame) in shapes() {
        assert!(frame.len() <= OPENING_BYTES_MAX && frame.len() > OPENING_BYTES_MAX - 8_192, "{name}");
        let (url, serving) = venue(vec![Message::text(frame)]).await;
        let mut reader = Command::new(std::env::current_exe().unwrap());
        reader
            .args(["--exact", "hostile::the_largest_frame_of_any_shape_costs_at_most_64_mb_and_one_letter"]);
        reader.args(["--nocapture"]).env(VENUE, url).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || reader.output()).await.unwrap().unwrap();
        serving.await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{name}: {told}");
        let (peak, letters) = told.trim().split_once(' ').unwrap();
        let (peak, letters): (u64, u64) = (peak.parse().unwrap(), letters.parse().unwrap());
        eprintln!("{name}: {peak} kB, {letters} letters");
        assert!(peak <= PEAK_KB_MAX, "{name}: {peak} kB");
        assert!(letters <= 1, "{name}: {letters} letters");
    }
}
