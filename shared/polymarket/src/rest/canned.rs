//! A server for tests that answers with bytes prepared beforehand and keeps what it was asked.
//!
//! Knows: as much HTTP as one request needs. Never: the venue.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{DataVersion, Rest, RestConfig};

/// A running server. It lives as long as the test's runtime.
pub(super) struct Canned {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// `Accept-Encoding` of each request.
    encodings: Arc<Mutex<Vec<String>>>,
}

type Kept = Arc<Mutex<Vec<String>>>;

/// What a test server does with one request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes and then nothing, keeping the connection open.
    Stall(Vec<u8>),
    /// Sends these bytes, then the others again and again.
    Endless(Vec<u8>, Vec<u8>),
}

/// A whole answer with this status, extra header lines and body.
pub(super) fn reply(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(
        format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes(),
    )
}

/// A whole, good answer.
pub(super) fn ok(body: &str) -> Reply {
    reply(200, "", body)
}

impl Canned {
    /// Answers the first request with the first reply, and so on; the last one again and again.
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let encodings = Arc::new(Mutex::new(Vec::new()));
        let kept = (asked.clone(), encodings.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let reply = replies[number.min(replies.len() - 1)].clone();
                number += 1;
                tokio::spawn(answer(stream, reply, kept.clone()));
            }
        });
        Self { url, asked, encodings }
    }

    /// The request lines so far, each with its body behind a space.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Which encodings were accepted so far.
    pub(super) fn encodings(&self) -> Vec<String> {
        self.encodings.lock().unwrap().clone()
    }

    /// A client of this server alone.
    pub(super) fn rest(&self, data_version: DataVersion) -> Rest {
        Rest::new(self.config(data_version)).unwrap()
    }

    pub(super) fn config(&self, data_version: DataVersion) -> RestConfig {
        RestConfig {
            clob_url: self.url.clone(),
            gamma_url: format!("{}/", self.url),
            data_url: self.url.clone(),
            data_version,
            rate_per_s: NonZeroU32::new(1_000).unwrap(),
            timeout: Duration::from_secs(30),
            now: || Timestamp::from_millis(1_790_000_000_000),
        }
    }
}

async fn answer(mut stream: TcpStream, reply: Reply, (asked, encodings): (Kept, Kept)) {
    let mut read = Vec::new();
    let head = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap_or(0);
        read.extend_from_slice(&piece[..count]);
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if read.len() >= end + 4 + length.unwrap_or(0) {
                break end;
            }
        }
        if count == 0 {
            return;
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
    let encoding = text.lines().find_map(|line| line.strip_prefix("accept-encoding: "));
    encodings.lock().unwrap().extend(encoding.map(str::to_owned));
    let first = String::from_utf8_lossy(&read).lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
    let body = String::from_utf8_lossy(&read[head + 4..]).into_owned();
    asked.lock().unwrap().push(format!("{first} {body}").trim_end().to_owned());
    let (Reply::Bytes(bytes) | Reply::Stall(bytes) | Reply::Endless(bytes, _)) = &reply;
    let _gone = stream.write_all(bytes).await;
    match reply {
        Reply::Bytes(_) => {}
        Reply::Stall(_) => std::future::pending().await,
        Reply::Endless(_, more) => while stream.write_all(&more).await.is_ok() {},
    }
}
