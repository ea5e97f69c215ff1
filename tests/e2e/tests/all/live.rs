//! The live stream under 2,000 ticks a second: what clients that take nothing cost, and what the others get.
//!
//! Knows: sockets as bytes, the memory of a process. Never: how fast anything is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::{Settings, World, eventually};
use futures_util::StreamExt;
use serde_json::Value;
use stack::http;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Clients that take nothing.
const STALLED: usize = 30;
/// What the dashboard may grow by, all caches of its own included, while they wait: one frame for each of them and
/// 64 for all together. A second of this stream is a megabyte: a queue for each of them would be above it in 4 s.
const GROWTH_MAX_KB: u64 = 128 * 1024;
/// What a system may keep for each of them is full after some seconds, and 5 s later they are let go.
const LET_GO_WITHIN: Duration = Duration::from_mins(2);
const MESSAGES_MAX_PER_S: u64 = 20;

/// What a client was told.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    messages: u64,
    events: usize,
    lagged: u64,
}

#[tokio::test]
async fn clients_that_take_nothing_cost_a_bounded_buffer_and_their_neighbour_nothing() {
    let world = World::start(Settings::scenario("calm").sized(200, 2_000, None)).await;
    let address = world.metrics_address("dashboard");
    let dashboard = world.pid("dashboard").unwrap();
    let before_kb = memory_kb(dashboard);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(stall(address).await);
    }
    let heard = Arc::new(Mutex::new(Heard::default()));
    let neighbour = tokio::spawn(listen(address, heard.clone()));
    clients_become(address, STALLED + 1).await;
    let (began, told) = (Instant::now(), *heard.lock().unwrap());
    world.sim.begin();
    clients_become(address, 1).await;
    let grown_kb = memory_kb(dashboard).saturating_sub(before_kb);
    assert!(grown_kb < GROWTH_MAX_KB, "{grown_kb} kB more for {STALLED} clients that took nothing");

    let seen = heard.lock().unwrap().events;
    eventually("the neighbour goes on", Duration::from_secs(30), async || {
        if heard.lock().unwrap().events > seen { Ok(()) } else { Err("no event since") }
    })
    .await;
    let (seconds, heard) = (began.elapsed().as_secs() + 1, *heard.lock().unwrap());
    let messages = heard.messages - told.messages;
    assert!(messages <= MESSAGES_MAX_PER_S * seconds, "{messages} messages in {seconds} s");
    assert_eq!(heard.lagged, 0, "{heard:?}");
    let rate = heard.events as u64 / seconds;
    eprintln!("{seconds} s: {grown_kb} kB more, {rate} events/s in {} messages/s", messages / seconds);
    neighbour.abort();
    drop(stalled);
}

/// Opens the stream with the smallest buffer there is, and takes nothing of it but the answer's head.
async fn stall(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let hello = format!(
        "GET /ws/live HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(hello.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Takes everything, and counts it.
async fn listen(address: SocketAddr, heard: Arc<Mutex<Heard>>) {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws/live")).await.unwrap();
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.unwrap() else { continue };
        let told: Value = serde_json::from_str(&text).unwrap();
        let mut heard = heard.lock().unwrap();
        heard.messages += 1;
        match told["type"].as_str() {
            Some("event") => heard.events += told["events"].as_array().unwrap().len(),
            Some("lagged") => heard.lagged += told["missed"].as_u64().unwrap(),
            _ => {}
        }
    }
}

async fn clients_become(address: SocketAddr, number: usize) {
    let wanted = format!("polyfeed_dashboard_clients {number}");
    eventually(&wanted, LET_GO_WITHIN, async || {
        let (_, metrics) = http::get(address, "/metrics").await.ok_or("no answer")?;
        let told = metrics.lines().find(|line| line.starts_with("polyfeed_dashboard_clients "));
        if told == Some(&wanted) { Ok(()) } else { Err(told.unwrap_or("no such metric").to_owned()) }
    })
    .await;
}

/// The most memory that a process ever had, in kB.
fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
