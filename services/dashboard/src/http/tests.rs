//! The routes over a real socket, with bus and database away.
//!
//! Knows: HTTP and WebSocket as bytes, so that client and server share no code. Never: a server of another kind.

mod names;

use std::io::Read as _;
use std::net::SocketAddr;

use chassis::clock;
use contract::time::Timestamp;
use contract::verdict::Verdict;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::freshness::Freshness;
use crate::live::Hub;
use crate::state::testing::{gap, judged_trade, price_change, trade};

mod flow;
mod shares;
mod tokens;

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    address: SocketAddr,
    app: App,
    serving: JoinHandle<anyhow::Result<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl World {
    async fn open(token: Option<&str>) -> Self {
        Self::shared(token, 64, 64).await
    }

    /// One in which an address may hold so many connections and live streams.
    async fn shared(token: Option<&str>, connections: usize, streams: usize) -> Self {
        let mut registry = Registry::with_prefix("polyfeed_dashboard");
        let metrics = Metrics::register(&mut registry);
        let readiness = Readiness::new();
        readiness.latch("bus");
        let app = App {
            board: SharedState::new(Hub::new(clock::now().into()), clock::now().into()),
            listing: TokenTable::default(),
            reader: Reader::connect("postgres://u@127.0.0.1:1/d").unwrap(),
            grids: Recent::default(),
            durability: "standard",
            token: token.map(|token| Arc::new(Secret::new(token))),
            hosts: Arc::new(Hosts::parse("x,here", std::net::Ipv4Addr::LOCALHOST.into()).unwrap()),
            readiness,
            registry: Arc::new(registry),
            metrics,
            places: Arc::new(Semaphore::new(2)),
            shares: Shares::new(streams),
            streams: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let http = Http::bind("127.0.0.1:0".parse().unwrap(), connections).await.unwrap();
        let address = http.address();
        let serving = tokio::spawn(http.serve(app.clone()));
        Self { address, app, serving }
    }

    async fn bytes(&self, request: &str, headers: &str) -> Vec<u8> {
        self.said(&format!("{request} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n")).await
    }

    /// The answer to exactly this text.
    async fn said(&self, text: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
        answer
    }

    async fn ask(&self, request: &str, headers: &str) -> Answer {
        let answer = String::from_utf8(self.bytes(request, headers).await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer { status: status_of(head), head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "").await
    }

    /// Opens a WebSocket; the answer of the server, and the socket behind it.
    async fn upgrade(&self, path: &str, headers: &str) -> (u16, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: here:8080\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.expect("a head").unwrap());
        }
        (status_of(std::str::from_utf8(&head).unwrap()), stream)
    }

    async fn end(self) {
        self.app.stop.cancel();
        timeout(PATIENCE, self.serving).await.expect("it ends").unwrap().unwrap();
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

fn status_of(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The next frame: its opcode and payload. Frames of a server are not masked.
async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let reading = async {
        let opcode = stream.read_u8().await.unwrap() & 0x0f;
        let length = match stream.read_u8().await.unwrap() {
            126 => u64::from(stream.read_u16().await.unwrap()),
            127 => stream.read_u64().await.unwrap(),
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        (opcode, payload)
    };
    timeout(PATIENCE, reading).await.expect("a frame")
}

/// The next text, past pings.
async fn text(stream: &mut TcpStream) -> Value {
    loop {
        let (opcode, payload) = frame(stream).await;
        match opcode {
            1 => return serde_json::from_slice(&payload).unwrap(),
            9 => {}
            other => panic!("opcode {other}: {payload:?}"),
        }
    }
}

/// The code with which the server closes.
async fn close_code(stream: &mut TcpStream) -> u16 {
    loop {
        if let (8, payload) = frame(stream).await {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[tokio::test]
async fn without_servers_status_is_503_and_names_who_is_missing() {
    let world = World::open(None).await;
    let answer = world.get("/api/status").await;
    assert_eq!(answer.status, 503);
    let status = answer.json();
    assert_eq!((&status["healthy"], &status["database_connected"]), (&json!(false), &Value::Null));
    let problems = status["details"]["problems"].as_array().unwrap();
    let who: Vec<&str> = problems.iter().map(|problem| problem["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["bus", "database", "feed", "processor", "writer", "dashboard"]);
    world.end().await;
}

#[tokio::test]
async fn every_route_answers_with_the_safe_headers() {
    let world = World::open(None).await;
    for (path, status, kind) in [
        ("/", 200, "text/html"),
        ("/api/metrics", 200, "application/json"),
        ("/api/events", 200, "application/json"),
        ("/api/openapi.json", 200, "application/json"),
        ("/metrics", 200, "text/plain; version=0.0.4"),
        ("/live", 200, "text/plain"),
        ("/ready", 503, "application/json"),
        ("/api", 404, "application/json"),
        ("/../etc/passwd", 404, "application/json"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let head = answer.head.to_ascii_lowercase();
        for header in [
            &format!("content-type: {kind}"),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "connect-src 'self' ws://x wss://x",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path} lacks `{header}`: {head}");
        }
        assert!(!head.contains("access-control-allow-origin"));
        let is_kept = kind.starts_with("text/") && !matches!(path, "/live" | "/metrics");
        assert_eq!(head.contains("cache-control: no-store"), !is_kept);
    }
    assert_eq!(world.ask("POST /api/status", "").await.status, 405);
    assert_eq!(world.ask("POST /", "").await.status, 405);
    assert!(!world.get("/").await.head.contains("unsafe"));
    assert_eq!(world.get(&format!("/api/events?token_id={}", "1".repeat(9_000))).await.status, 414);
    world.end().await;
}

#[tokio::test]
async fn answers_are_compressed_for_whoever_wants_them_so() {
    let world = World::open(None).await;
    let plain = world.get("/api/metrics").await;
    assert!(!plain.head.contains("content-encoding") && plain.head.contains("vary: accept-encoding"));
    let raw = world.bytes("GET /api/metrics", "Accept-Encoding: gzip\r\n").await;
    let at = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8(raw[..at].to_vec()).unwrap(), &raw[at + 4..]);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(body.len() < plain.body.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["gates"].is_object());
    let short = world.ask("GET /ready", "Accept-Encoding: gzip\r\n").await;
    assert!(!short.head.contains("content-encoding"), "{}", short.head);
    world.end().await;
}

#[tokio::test]
async fn history_is_503_in_words_while_the_database_is_away() {
    let world = World::open(None).await;
    for path in ["/api/trades", "/api/markets?limit=1", "/api/gaps?open=true", "/api/coverage"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.error().starts_with("the database does not answer"), "{}", answer.error());
        assert!(!answer.body.contains("127.0.0.1"));
    }
    world.end().await;
}

#[tokio::test]
async fn bad_parameters_are_400_and_named() {
    let world = World::open(None).await;
    for (path, name) in [
        ("/api/events?limit=0", "limit"),
        ("/api/events?limit=501", "limit"),
        ("/api/events?offset=10001", "offset"),
        ("/api/events?kind=x", "kind"),
        ("/api/events?sort=asc", "sort"),
        ("/api/trades?before=1", "before"),
        ("/api/trades?after=1", "after"),
        ("/api/markets?after=x", "after"),
        ("/api/gaps?open=maybe", "open"),
        ("/api/status?x=1", "x"),
        ("/api/events?reason=g1", "reason"),
        ("/api/series?minutes=6", "minutes"),
        ("/api/latency?minutes=0", "minutes"),
        ("/api/coverage?hours=169", "hours"),
        ("/api/coverage?sort=age", "sort"),
        ("/api/tokens/1/book?levels=0", "levels"),
        ("/api/tokens/1/chart?minutes=0", "minutes"),
        ("/api/tokens/x/chart", "token_id"),
        ("/api/sockets?x=1", "x"),
        ("/api/flow?x=1", "x"),
        ("/api/tokens?limit=501", "limit"),
        ("/api/tokens?offset=100001", "offset"),
        ("/api/tokens?sort=name", "sort"),
        ("/api/tokens?dir=up", "dir"),
        ("/api/tokens?state=live,gone", "state"),
        (&format!("/api/tokens?q={}", "x".repeat(101)), "q"),
        ("/api/tokens/1?x=1", "x"),
        ("/ws/live?kinds=trades", "kinds"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.error().contains(&format!("`{name}`")), "{}", answer.error());
    }
    world.end().await;
}

#[tokio::test]
async fn events_are_paged_newest_first() {
    let world = World::open(None).await;
    for number in 1..=3 {
        world.app.board.tick(judged_trade(number, Verdict::Clean), Freshness::Live, clock::now().into());
    }
    world.app.board.tick(price_change(1), Freshness::Live, clock::now().into());
    let page = world.get("/api/events?kind=trade&limit=1&offset=1").await.json();
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(page["events"][0]["id"], json!(trade(2).trade.id.to_string()));
    let before = world.get(&format!("/api/events?before={}", trade(2).trade.id)).await.json();
    assert_eq!(before["events"].as_array().unwrap().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_taken_address_is_told_with_its_remedy() {
    let world = World::open(None).await;
    let error = Http::bind(world.address, 1).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("the dashboard cannot listen on {}", world.address)), "{error}");
    assert!(error.contains("set DASHBOARD_ADDR"), "{error}");
    world.end().await;
}

#[tokio::test]
async fn with_a_token_every_route_but_status_wants_it() {
    let world = World::open(Some("hunter2-hunter2")).await;
    let paths = [
        "/",
        "/api/metrics",
        "/api/events",
        "/api/trades",
        "/api/markets",
        "/api/gaps",
        "/api/openapi.json",
        "/metrics",
        "/live",
        "/ready",
        "/ws/live",
        "/nowhere",
    ];
    for path in paths {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.head.to_ascii_lowercase().contains("www-authenticate: bearer"));
        let wrong = world.ask(&format!("GET {path}"), "Authorization: Bearer hunter2-hunter3\r\n").await;
        assert_eq!(wrong.status, 401, "{path}");
        let right = world.ask(&format!("GET {path}"), "Authorization: Bearer hunter2-hunter2\r\n").await;
        assert_ne!(right.status, 401, "{path}");
    }
    assert_eq!(world.get("/api/status").await.status, 503);
    assert_eq!(world.get("/api/metrics?token=hunter2-hunter2").await.status, 401, "only page and socket");
    assert!(!is_ready(world.address, Some(&Secret::new("wrong"))).await);
    world.end().await;
}

#[tokio::test]
async fn a_browser_that_opens_the_page_with_the_token_gets_a_cookie_that_is_not_the_token() {
    let world = World::open(Some("hunter2-hunter2")).await;
    assert_eq!(world.get("/?token=hunter2").await.status, 401);
    let answer = world.get("/?token=hunter2-hunter2").await;
    assert_eq!(answer.status, 303);
    let line = answer.head.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Strict") && !line.contains("hunter2"));
    let cookie = line["set-cookie: ".len()..].split(';').next().unwrap();
    let with = |cookie: &str| format!("Cookie: other=1; {cookie}\r\n");
    assert_eq!(world.ask("GET /", &with(cookie)).await.status, 200);
    assert_eq!(world.ask("GET /api/metrics", &with(cookie)).await.status, 200);
    assert_eq!(world.ask("GET /", &with("polyfeed_session=0")).await.status, 401);
    assert_eq!(world.upgrade("/ws/live?token=hunter2-hunter2", "").await.0, 101);
    world.end().await;
}

#[tokio::test]
async fn a_foreign_origin_may_not_listen() {
    let world = World::open(None).await;
    for (origin, status) in [
        ("http://here:8080", 101),
        ("HTTP://HERE:8080", 101),
        ("http://evil.example", 403),
        ("http://here:8080.evil.example", 403),
        ("http://here:9090", 403),
        ("null", 403),
        ("file://here:8080", 403),
    ] {
        let (answered, stream) = world.upgrade("/ws/live", &format!("Origin: {origin}\r\n")).await;
        assert_eq!(answered, status, "{origin}");
        drop(stream);
        free_places(&world).await;
    }
    assert_eq!(world.upgrade("/ws/live", "").await.0, 101, "programs have no origin");
    assert_eq!(world.get("/ws/live").await.status, 400, "no WebSocket");
    world.end().await;
}

async fn free_places(world: &World) {
    let free = async {
        while world.app.places.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, free).await.expect("the place is free again");
}

#[tokio::test]
async fn a_live_client_gets_a_snapshot_and_then_what_happens() {
    let world = World::open(None).await;
    let hub = tokio::spawn(world.app.board.hub().clone().run(world.app.stop.clone()));
    let board = &world.app.board;
    board.tick(judged_trade(1, Verdict::Clean), Freshness::Live, clock::now().into());
    board.tick(price_change(1), Freshness::Live, clock::now().into());
    let (status, mut stream) = world.upgrade("/ws/live?kinds=trade,quote,gap", "").await;
    assert_eq!(status, 101);
    let snapshot = text(&mut stream).await;
    assert_eq!((&snapshot["type"], snapshot["events"].as_array().unwrap().len()), (&json!("snapshot"), 1));
    assert!(snapshot["metrics"].is_object() && snapshot["status"].is_object());
    board.tick(price_change(2), Freshness::Live, clock::now().into());
    board.tick(judged_trade(2, Verdict::Refused), Freshness::Live, clock::now().into());
    let event = text(&mut stream).await;
    assert_eq!(event["type"], "event");
    assert_eq!(event["events"].as_array().unwrap().len(), 1);
    assert_eq!(event["events"][0]["verdict"], "refused");
    board.gap(&gap(1), Freshness::Live);
    assert_eq!(text(&mut stream).await["gaps"][0]["cause"], "silence");
    world.app.stop.cancel();
    assert_eq!(close_code(&mut stream).await, 1001);
    hub.await.unwrap().unwrap();
    world.end().await;
}

#[tokio::test]
async fn there_are_only_so_many_live_streams() {
    let world = World::open(None).await;
    let (first, one) = world.upgrade("/ws/live", "").await;
    let (second, _two) = world.upgrade("/ws/live", "").await;
    let (third, _) = world.upgrade("/ws/live", "").await;
    assert_eq!((first, second, third), (101, 101, 503));
    drop(one);
    let again = async { while world.upgrade("/ws/live", "").await.0 != 101 {} };
    timeout(PATIENCE, again).await.expect("a place that is left can be taken");
    world.end().await;
}

/// A masked frame of a client; the mask of zeros leaves the payload as it is.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match u16::try_from(payload.len()).unwrap() {
        short @ ..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn a_client_that_talks_too_long_or_too_much_is_sent_away() {
    let world = World::open(None).await;
    let (_, mut stream) = world.upgrade("/ws/live", "").await;
    stream.write_all(&masked(1, &[b'x'; 4_096])).await.unwrap();
    stream.write_all(&masked(1, &[b'x'; 4_097])).await.unwrap();
    assert_eq!(close_code(&mut stream).await, 1009);
    let (_, mut stream) = world.upgrade("/ws/live", "").await;
    for _ in 0..30 {
        // The server may have closed before the last of them.
        let _ = stream.write_all(&masked(1, b"hello")).await;
    }
    assert_eq!(close_code(&mut stream).await, 1008);
    world.end().await;
}

#[test]
fn the_description_is_json_and_names_every_route() {
    let text = include_str!("../../web/openapi.json");
    let description: Value = serde_json::from_str(text).unwrap();
    let paths = description["paths"].as_object().unwrap();
    for path in [
        "/",
        "/api/status",
        "/api/metrics",
        "/api/events",
        "/api/trades",
        "/api/markets",
        "/api/gaps",
        "/api/tokens",
        "/api/tokens/{token_id}",
        "/api/tokens/{token_id}/book",
        "/api/tokens/{token_id}/chart",
        "/api/coverage",
        "/api/sockets",
        "/api/flow",
        "/api/series",
        "/api/latency",
        "/api/openapi.json",
        "/ws/live",
        "/metrics",
        "/live",
        "/ready",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}
