//! A client of the simulator: WebSocket and plain HTTP.
//!
//! Knows: bytes in and out, one time limit. Never: a type of the simulator's inside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use venue_sim::scenario::Scenario;
use venue_sim::{Begin, Options, Simulator};

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A WebSocket to the market channel.
pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn connect(simulator: &Simulator) -> Self {
        Self::to(&simulator.urls().ws).await
    }

    /// Connects to an address, and says who it is.
    pub(crate) async fn to(url: &str) -> Self {
        let request = ClientRequestBuilder::new(url.parse().unwrap());
        let request = request.with_header("User-Agent", "venue-sim-tests");
        Self(connect_async(request).await.unwrap().0)
    }

    /// Connects and subscribes with custom features; returns the first answer too.
    pub(crate) async fn subscribed(simulator: &Simulator, tokens: &[String]) -> (Self, Value) {
        let mut client = Self::connect(simulator).await;
        client
            .say(&json!({"type": "market", "assets_ids": tokens, "custom_feature_enabled": true}).to_string())
            .await;
        let books = client.json().await;
        (client, books)
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, or none if the connection ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        timeout(LIMIT, self.0.next()).await.expect("something comes in time").and_then(Result::ok)
    }

    /// What comes next, or how the connection failed.
    pub(crate) async fn received(&mut self) -> Option<Result<Message, Error>> {
        timeout(LIMIT, self.0.next()).await.expect("something comes in time")
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("a text was due, not {other:?}"),
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Code and reason of the close frame that must come, whatever comes before it.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
        }
    }

    /// All texts until the connection ends.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(message) = self.next().await {
            match message {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Binary(_) => texts.push("(binary)".to_owned()),
                // Answered by the library when it is read on.
                _ => {}
            }
        }
        texts
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// Asks until there is an answer.
pub(crate) async fn eventually_some<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A simulator of a scenario that waits to be told to begin.
pub(crate) async fn start(name: &str, change: impl FnOnce(&mut Options, &mut Scenario)) -> Simulator {
    let mut scenario = Scenario::named(name).unwrap();
    let mut options = Options::of(scenario.clone());
    options.begin = Begin::WhenTold;
    change(&mut options, &mut scenario);
    options.source = venue_sim::Source::Scenario(scenario);
    Simulator::start(options).await.unwrap()
}

/// Status and body of a request to an absolute `http` address.
pub(crate) async fn request(method: &str, url: &str, body: &str) -> (u16, String) {
    let (head, body) = ask(method, url, "User-Agent: venue-sim-tests\r\n", body).await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// Head and body of the answer to a request with these headers.
pub(crate) async fn ask(method: &str, url: &str, headers: &str, body: &str) -> (String, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let text = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The same address with a parameter that no cache knows: trades are answered by one.
pub(crate) fn fresh(url: &str) -> String {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let (separator, number) =
        (if url.contains('?') { '&' } else { '?' }, ASKED.fetch_add(1, Ordering::Relaxed));
    format!("{url}{separator}_={number}")
}

/// The JSON of a GET that must succeed.
pub(crate) async fn get(url: &str) -> Value {
    let (status, body) = request("GET", url, "").await;
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// All open markets, by keyset.
pub(crate) async fn universe(simulator: &Simulator) -> Vec<Value> {
    let base =
        format!("{}/markets/keyset?limit=100&order=volume24hr&ascending=false", simulator.urls().gamma);
    let (mut markets, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("{base}{cursor}")).await;
        markets.extend(page["markets"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&after_cursor={next}"),
            None => return markets,
        }
    }
}

/// The tokens of a market of Gamma.
pub(crate) fn tokens_of(market: &Value) -> Vec<String> {
    serde_json::from_str(market["clobTokenIds"].as_str().unwrap()).unwrap()
}

/// Every token of every open market.
pub(crate) async fn all_tokens(simulator: &Simulator) -> Vec<String> {
    universe(simulator).await.iter().flat_map(tokens_of).collect()
}
