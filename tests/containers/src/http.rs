//! Plain HTTP to a published port: answers may be large.
//!
//! Knows: HTTP/1.1 on loopback, read to its end. Never: TLS, redirects, chunks.

use std::time::Duration;

use anyhow::{Context, ensure};
use stack::ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A page of the ledger takes a second or two on a busy machine.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Status and body of `method path` at a port of this machine.
///
/// # Errors
/// When nobody answers within 30 s, or not in HTTP.
pub async fn ask(port: u16, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    timeout(ANSWER_WAIT, exchange(port, method, path)).await.context("no answer in time")?
}

async fn exchange(port: u16, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let mut socket = TcpStream::connect(ports::loopback(port)).await?;
    let question = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(question.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP")?;
    ensure!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "an answer in chunks");
    let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}
