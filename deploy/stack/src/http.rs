//! The smallest HTTP question: GET, status, the first bytes of the answer.
//!
//! Knows: HTTP/1.0 over a plain loopback socket. Never: TLS, redirects, large bodies.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer is given up after this: everything asked runs on this machine.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// More of a body is not read: health answers are a few kilobytes at most.
const BODY_MAX_BYTES: u64 = 64 * 1024;

/// Status and body of `GET path` at `address`; `None` when nobody answers in time or it is not HTTP.
pub async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await.ok()?;
        // By 1.0 nobody answers in chunks.
        let question = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        socket.write_all(question.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        socket.take(BODY_MAX_BYTES).read_to_end(&mut answer).await.ok()?;
        parse(&String::from_utf8_lossy(&answer))
    };
    timeout(ANSWER_WAIT, exchange).await.ok().flatten()
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn ask_one_who_says(bytes: &'static [u8]) -> Option<(u16, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut question = [0; 1024];
            let read = socket.read(&mut question).await.unwrap();
            socket.write_all(bytes).await.unwrap();
            String::from_utf8_lossy(&question[..read]).into_owned()
        });
        let answer = get(address, "/healthz").await;
        assert!(server.await.unwrap().starts_with("GET /healthz HTTP/1.0\r\n"));
        answer
    }

    #[tokio::test]
    async fn status_and_body_are_read() {
        let answer = ask_one_who_says(b"HTTP/1.1 503 Sorry\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(answer, Some((503, "no".to_owned())));
    }

    #[tokio::test]
    async fn what_is_not_http_is_no_answer() {
        assert_eq!(ask_one_who_says(b"INFO {}\r\n\r\n").await, None);
        assert_eq!(ask_one_who_says(b"").await, None);
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let port = crate::ports::free().unwrap();
        assert_eq!(get(crate::ports::loopback(port), "/").await, None);
    }
}
