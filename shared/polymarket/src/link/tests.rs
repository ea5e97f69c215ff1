//! A company's network in one process: only a proxy leads out, and an authority of the company's own vouches for all.
//!
//! Knows: as much of a proxy and of a venue as one connection needs. Never: the real environment.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, copy_bidirectional};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::*;

/// A name that no resolver knows (RFC 2606): who reaches it went through the proxy.
pub(crate) const VENUE: &str = "venue.example";

/// The network.
pub(crate) struct Company {
    /// The way out.
    pub(crate) link: Link,
    /// What the proxy was asked.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Company {
    /// A proxy that lets everybody through, or answers with this status.
    pub(crate) async fn new(status: u16, is_trusted: bool) -> Self {
        crate::install_tls();
        let authority = generate_simple_self_signed([VENUE.to_owned()]).unwrap();
        let trusted = is_trusted.then(|| authority.cert.der().clone());
        let (asked, venue) = (Arc::default(), venue(authority).await);
        let proxy = proxy(venue, status, Arc::clone(&asked)).await;
        let url = format!("http://me:s%40cret@{proxy}");
        let proxies = variables(&[("HTTPS_PROXY", &url)]).unwrap();
        Self { link: Link { proxies, tls: tls(trusted.into_iter().collect()) }, asked }
    }
}

fn variables(set: &[(&str, &str)]) -> Result<Proxies, OddProxy> {
    let set: HashMap<&str, &str> = set.iter().copied().collect();
    Proxies::of_variables(|name| set.get(name).map(|value| (*value).to_owned()))
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

async fn proxy(target: SocketAddr, status: u16, asked: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let head = head(&mut inside).await;
                asked.lock().unwrap().push(head);
                let answer = format!("HTTP/1.1 {status} x\r\nVia: test\r\n\r\n");
                inside.write_all(answer.as_bytes()).await.unwrap();
                if status == 200 {
                    let mut outside = TcpStream::connect(target).await.unwrap();
                    // How it ends makes no difference.
                    let _ended = copy_bidirectional(&mut inside, &mut outside).await;
                }
            });
        }
    });
    address
}

/// Answers an upgrade with a socket that says `PONG`, everything else with an empty object.
async fn venue(authority: CertifiedKey<KeyPair>) -> SocketAddr {
    let key = PrivateKeyDer::try_from(authority.signing_key.serialize_der()).unwrap();
    let certificates = vec![authority.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let asked = head(&mut stream).await;
                let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
                let answer = match key {
                    Some(key) => format!(
                        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n\u{81}\u{4}PONG",
                        derive_accept_key(key.as_bytes())
                    ),
                    None => "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
                };
                let bytes: Vec<u8> = answer.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
                stream.write_all(&bytes).await.unwrap();
                while stream.read_u8().await.is_ok() {}
            });
        }
    });
    address
}

#[test]
fn each_way_has_its_proxy_and_some_need_none() {
    let way = |set: &[(&str, &str)], host: &str, is_tls: bool| {
        variables(set).unwrap().leading_to(host, is_tls).map(|proxy| proxy.uri().to_string())
    };
    let some = |proxy: &str| Some(format!("http://{proxy}/"));
    let both =
        [("HTTPS_PROXY", "http://a:1"), ("http_proxy", "b:2"), ("NO_PROXY", "near.example, 10.0.0.0/8")];
    assert_eq!((way(&both, VENUE, true), way(&both, VENUE, false)), (some("a:1"), some("b:2")));
    for near in ["near.example", "very.near.example", "10.1.2.3", "localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(way(&both, near, true), None, "{near}");
    }
    let all = [("all_proxy", "c:3"), ("HTTPS_PROXY", " ")];
    assert_eq!((way(&all, VENUE, true), way(&all, VENUE, false)), (some("c:3"), some("c:3")));
    assert_eq!(way(&[], VENUE, true), None);
}

#[test]
fn what_is_no_proxy_is_told_by_its_variable_and_not_shown() {
    for odd in ["socks5://me:secret@x:1", "https://me:secret@x:1", "http://", "a b"] {
        let error = variables(&[("https_proxy", odd)]).unwrap_err().to_string();
        assert!(error.starts_with("`HTTPS_PROXY` is no HTTP proxy"), "{error}");
        assert!(!error.contains("me:secret"), "{error}");
    }
}
