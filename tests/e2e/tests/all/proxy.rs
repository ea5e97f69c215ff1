//! The network that breaks, by itself: each line does what it says, before an echo.
//!
//! Knows: a proxy, a server that sends back what it gets. Never: a service.

use std::io::ErrorKind;
use std::time::Duration;

use e2e::proxy::{Line, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Long enough to distinguish silence from an answer that crosses loopback.
const SILENT_FOR: Duration = Duration::from_millis(300);
/// Longest wait for what must come.
const WITHIN: Duration = Duration::from_secs(10);

async fn proxied_echo() -> Proxy {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                // It ends with the connection.
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    Proxy::start(port).await
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

/// Sends four bytes; what comes back within `limit`: none is silence.
async fn echo(socket: &mut TcpStream, limit: Duration) -> Option<std::io::Result<[u8; 4]>> {
    let mut answer = [0; 4];
    let exchange = async {
        socket.write_all(b"ping").await?;
        socket.read_exact(&mut answer).await.map(drop)
    };
    let outcome = timeout(limit, exchange).await.ok()?;
    Some(outcome.map(|()| answer))
}

async fn answers(socket: &mut TcpStream) -> bool {
    echo(socket, WITHIN).await.is_some_and(|answer| answer.is_ok_and(|bytes| bytes == *b"ping"))
}

#[tokio::test]
async fn connections_that_are_once_half_open_stay_so_and_new_ones_are_good_again() {
    let proxy = proxied_echo().await;
    let mut before = connect(&proxy).await;
    assert!(answers(&mut before).await);
    proxy.set(Line::HalfOpen);
    let mut meanwhile = connect(&proxy).await;
    for socket in [&mut before, &mut meanwhile] {
        assert!(echo(socket, SILENT_FOR).await.is_none(), "taken, and nothing comes back");
    }
    proxy.set(Line::Good);
    for socket in [&mut before, &mut meanwhile] {
        assert!(echo(socket, SILENT_FOR).await.is_none(), "only a time limit ends it");
    }
    assert!(answers(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn a_reset_is_an_error_and_a_cut_is_an_end() {
    let proxy = proxied_echo().await;
    for (line, kind) in [(Line::Reset, ErrorKind::ConnectionReset), (Line::Cut, ErrorKind::UnexpectedEof)] {
        let mut socket = connect(&proxy).await;
        assert!(answers(&mut socket).await);
        proxy.set(line);
        let mut answer = [0; 4];
        let read = timeout(WITHIN, socket.read_exact(&mut answer)).await.expect("it is reported");
        assert_eq!(read.unwrap_err().kind(), kind, "{line:?}");
        proxy.set(Line::Good);
        assert!(answers(&mut connect(&proxy).await).await, "after {line:?}");
    }
}

#[tokio::test]
async fn a_late_line_is_late_in_both_directions_and_a_slow_one_takes_its_time() {
    let proxy = proxied_echo().await;
    let mut socket = connect(&proxy).await;
    assert!(answers(&mut socket).await);
    // Four bytes at eight a second, there and back.
    for (line, least) in [(Line::Late(Duration::from_millis(150)), 300), (Line::Slow(8), 1_000)] {
        proxy.set(line);
        let began = Instant::now();
        assert!(answers(&mut socket).await);
        assert!(began.elapsed() >= Duration::from_millis(least), "{line:?}: {:?}", began.elapsed());
    }
}
