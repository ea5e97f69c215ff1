//! One socket of the market channel: opened, subscribed, kept awake, read.
//!
//! Knows: the first message, the heartbeat, how a socket ends. Never: a reconnection, a book.

use std::time::Duration;

use contract::dead_letter::PAYLOAD_KEPT_MAX;
use contract::ids::TokenId;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::link::{self, Link, LinkError};

/// Longest wait for the connection and the upgrade.
const OPEN_WITHIN: Duration = Duration::from_secs(15);
/// Longest wait for a message of ours to leave.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// The largest frame while a book is owed: those of 200 tokens take about 3 MB, of 400 deep ones about 10 MB.
pub const OPENING_BYTES_MAX: usize = 16 << 20;
/// The largest frame once all books are there; the largest that was captured then has a few kB.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Token ids in one subscription message: 100 of them are 8 KB.
pub const TOKENS_PER_MESSAGE: usize = 100;
/// Characters kept of the library's words about a text that is none.
const WHAT_CHARS_MAX: usize = 200;
/// The longest wait that a `Retry-After` may impose.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// An open, subscribed socket.
#[derive(Debug)]
pub struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a socket brings.
#[derive(Debug)]
pub enum Frame {
    /// A text frame, to be read by [`crate::translate::frame`].
    Text(Utf8Bytes),
    /// A binary frame: the venue never sends one.
    Binary(Bytes),
}

/// Why a socket could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No connection could be made, by a proxy or without.
    #[error("no way leads to the venue")]
    Link(#[from] LinkError),
    /// The venue refused the upgrade.
    #[error("the venue answered {status} to the upgrade")]
    Refused {
        /// HTTP status.
        status: u16,
        /// How long it asks us to wait, at most a minute.
        retry_after: Option<Duration>,
    },
    /// The venue closed the socket.
    #[error("the venue closed the socket: {code} {reason}")]
    Closed {
        /// WebSocket close code; 1006 where none was given.
        code: u16,
        /// Its reason, at most 123 bytes, control characters left out.
        reason: String,
    },
    /// The venue did not understand what was subscribed: what it sends from here on is not what was asked for.
    #[error("the venue did not understand the subscription (INVALID OPERATION)")]
    NotUnderstood,
    /// A frame is larger than any of the venue's: it stays unread, so the connection is to be given up.
    #[error("the venue sent a frame of {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What it may be.
        limit: usize,
        /// How it begins, as far as a dead letter keeps it; empty where it was not read at all.
        beginning: Vec<u8>,
    },
    /// A text frame is no text: the library gives the connection up, and what the frame held is not known.
    #[error("the venue sent text that is no UTF-8 ({what})")]
    NotText {
        /// Where it breaks.
        what: String,
    },
    /// The connection broke, or is none that the venue could have made.
    #[error("the connection failed")]
    Broken(#[source] Box<WsError>),
    /// Something took longer than it may.
    #[error("{what} took longer than {limit:?}")]
    Slow {
        /// What.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
}

impl Session {
    /// Opens a socket and subscribes to `tokens`, with opening books and the venue's extra events.
    ///
    /// # Errors
    /// When the venue cannot be reached, refuses, or takes longer than 15 s.
    pub async fn open(url: &str, tokens: &[TokenId]) -> Result<Self, SessionError> {
        Self::over(link::of_process().map_err(LinkError::from)?, url, tokens).await
    }

    pub(crate) async fn over(link: &Link, url: &str, tokens: &[TokenId]) -> Result<Self, SessionError> {
        let mut limits = WebSocketConfig::default();
        limits.max_message_size = Some(OPENING_BYTES_MAX);
        limits.max_frame_size = Some(OPENING_BYTES_MAX);
        let opening = async {
            let request = url.into_client_request().map_err(classified)?;
            let stream = link.connect(request.uri()).await?;
            let tls = Connector::Rustls(link.tls());
            client_async_tls_with_config(request, stream, Some(limits), Some(tls)).await.map_err(classified)
        };
        let (socket, _answer) = match tokio::time::timeout(OPEN_WITHIN, opening).await {
            Ok(opened) => opened?,
            Err(_) => return Err(SessionError::Slow { what: "opening the socket", limit: OPEN_WITHIN }),
        };
        let mut session = Self { socket };
        let mut chunks = tokens.chunks(TOKENS_PER_MESSAGE);
        session.send(first_message(chunks.next().unwrap_or_default())).await?;
        for chunk in chunks {
            // A socket that the venue closed meanwhile says so, and why, when it is read.
            if session.subscribe(chunk).await.is_err() {
                break;
            }
        }
        Ok(session)
    }

    /// Subscribes to more tokens, with their opening books; none of them may be subscribed already.
    ///
    /// # Errors
    /// As [`Session::ping`].
    pub async fn subscribe(&mut self, tokens: &[TokenId]) -> Result<(), SessionError> {
        self.change("subscribe", tokens).await
    }

    /// Takes tokens away. A frame that is on its way still comes.
    ///
    /// # Errors
    /// As [`Session::ping`].
    pub async fn unsubscribe(&mut self, tokens: &[TokenId]) -> Result<(), SessionError> {
        self.change("unsubscribe", tokens).await
    }

    /// Sends the text `PING` that keeps the socket open; never before the first subscription.
    ///
    /// # Errors
    /// When the connection broke or takes nothing for 10 s.
    pub async fn ping(&mut self) -> Result<(), SessionError> {
        self.send("PING".to_owned()).await
    }

    /// Answers a `PING` of the venue.
    ///
    /// # Errors
    /// As [`Session::ping`].
    pub async fn pong(&mut self) -> Result<(), SessionError> {
        self.send("PONG".to_owned()).await
    }

    /// The next frame, of at most `bytes_max`: [`OPENING_BYTES_MAX`] or less. Waits for ever when none comes. Dropping the
    /// wait loses nothing.
    ///
    /// # Errors
    /// When the socket was closed, the connection broke, or a frame is too large.
    pub async fn next(&mut self, bytes_max: usize) -> Result<Frame, SessionError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) if text.len() > bytes_max => {
                    return Err(too_large(text.as_bytes(), bytes_max));
                }
                Some(Ok(Message::Binary(bytes))) if bytes.len() > bytes_max => {
                    return Err(too_large(&bytes, bytes_max));
                }
                Some(Ok(Message::Text(text))) => return Ok(Frame::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Frame::Binary(bytes)),
                // The library answers protocol pings by itself; these say nothing of the data.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) =
                        frame.map_or((1006, String::new()), |f| (f.code.into(), f.reason.to_string()));
                    let reason = reason.chars().filter(|c| !c.is_control()).collect();
                    return Err(SessionError::Closed { code, reason });
                }
                Some(Err(error)) => return Err(classified(error)),
                None => return Err(SessionError::Closed { code: 1006, reason: String::new() }),
            }
        }
    }

    /// Says goodbye, at most for a second.
    pub async fn close(mut self) {
        // The venue needs no goodbye: whether it is parsed makes no difference.
        let _heard = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    async fn change(&mut self, operation: &str, tokens: &[TokenId]) -> Result<(), SessionError> {
        for chunk in tokens.chunks(TOKENS_PER_MESSAGE) {
            self.send(later_message(operation, chunk)).await?;
        }
        Ok(())
    }

    async fn send(&mut self, text: String) -> Result<(), SessionError> {
        match tokio::time::timeout(SEND_WITHIN, self.socket.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(classified),
            Err(_) => Err(SessionError::Slow { what: "sending a message", limit: SEND_WITHIN }),
        }
    }
}

impl SessionError {
    /// The beginning, as far as it is known, of the frame for which the connection was given up; none where it ended
    /// otherwise.
    pub fn unread(&self) -> Option<&[u8]> {
        match self {
            Self::TooLarge { beginning, .. } => Some(beginning),
            Self::NotText { .. } => Some(&[]),
            Self::Link(_)
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::NotUnderstood
            | Self::Broken(_)
            | Self::Slow { .. } => None,
        }
    }

    /// How long the venue asks us to wait before the next attempt, where it says so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Link(_)
            | Self::Closed { .. }
            | Self::NotUnderstood
            | Self::TooLarge { .. }
            | Self::NotText { .. }
            | Self::Broken(_)
            | Self::Slow { .. } => None,
        }
    }
}

/// The first message of a socket. `level` is left out: what it means is not documented.
fn first_message(tokens: &[TokenId]) -> String {
    serde_json::json!({
        "type": "market",
        "assets_ids": tokens,
        "custom_feature_enabled": true,
        "initial_dump": true,
    })
    .to_string()
}

fn later_message(operation: &str, tokens: &[TokenId]) -> String {
    serde_json::json!({ "operation": operation, "assets_ids": tokens, "custom_feature_enabled": true })
        .to_string()
}

fn too_large(frame: &[u8], limit: usize) -> SessionError {
    let beginning = frame[..frame.len().min(PAYLOAD_KEPT_MAX)].to_vec();
    SessionError::TooLarge { bytes: frame.len(), limit, beginning }
}

fn classified(error: WsError) -> SessionError {
    match error {
        WsError::Http(answer) => {
            let header = answer.headers().get("retry-after");
            let seconds =
                header.and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
            let retry_after = seconds.map(|s| Duration::from_secs(s).min(RETRY_AFTER_MAX));
            SessionError::Refused { status: answer.status().as_u16(), retry_after }
        }
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            SessionError::TooLarge { bytes: size, limit: max_size, beginning: Vec::new() }
        }
        WsError::Utf8(what) => SessionError::NotText { what: what.chars().take(WHAT_CHARS_MAX).collect() },
        other => SessionError::Broken(Box::new(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::tests::{Company, VENUE};

    #[test]
    fn the_first_message_is_a_market_subscription_and_later_ones_are_operations() {
        let tokens = [TokenId::try_from("71").unwrap(), TokenId::try_from("72").unwrap()];
        let first: serde_json::Value = serde_json::from_str(&first_message(&tokens)).unwrap();
        assert_eq!(first["type"], "market");
        assert_eq!(first["assets_ids"], serde_json::json!(["71", "72"]));
        assert_eq!(first["custom_feature_enabled"], true);
        let later: serde_json::Value = serde_json::from_str(&later_message("subscribe", &tokens)).unwrap();
        assert_eq!((later["operation"].as_str(), later.get("type")), (Some("subscribe"), None));
    }

    #[tokio::test]
    async fn a_venue_that_refuses_the_upgrade_is_told_apart_from_one_that_is_gone() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/market", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _request = stream.read(&mut [0; 2_048]).await.unwrap();
            let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let refused = Session::open(&url, &[]).await.unwrap_err();
        assert!(matches!(refused, SessionError::Refused { status: 429, .. }), "{refused:?}");
        assert_eq!(refused.retry_after(), Some(RETRY_AFTER_MAX));
        answering.await.unwrap();
        let gone = Session::open(&url, &[]).await.unwrap_err();
        assert!(matches!(gone, SessionError::Link(LinkError::Unreachable { .. })), "{gone:?}");
    }

    #[tokio::test]
    async fn where_only_a_proxy_leads_out_sockets_go_through_it() {
        let company = Company::new(200, true).await;
        let url = format!("wss://{VENUE}/ws/market");
        let mut session = Session::over(&company.link, &url, &[]).await.unwrap();
        assert!(
            matches!(session.next(FRAME_BYTES_MAX).await, Ok(Frame::Text(text)) if text.as_str() == "PONG")
        );
        let asked = company.asked.lock().unwrap();
        assert!(
            asked[0].starts_with("CONNECT venue.example:443 HTTP/1.1\r\nHost: venue.example:443\r\n"),
            "{asked:?}"
        );
        assert!(asked[0].contains("\r\nProxy-Authorization: Basic bWU6c0BjcmV0\r\n"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_venue_that_nobody_vouches_for_is_not_spoken_to() {
        let company = Company::new(200, false).await;
        let error = Session::over(&company.link, &format!("wss://{VENUE}/ws/market"), &[]).await.unwrap_err();
        assert!(
            matches!(&error, SessionError::Broken(why) if why.to_string().contains("certificate")),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named_without_its_login() {
        let company = Company::new(407, true).await;
        let error = Session::over(&company.link, &format!("wss://{VENUE}/ws/market"), &[]).await.unwrap_err();
        let SessionError::Link(why @ LinkError::Refused { status: 407, .. }) = error else {
            panic!("{error:?}")
        };
        assert!(why.to_string().starts_with("the proxy `127.0.0.1:"), "{why}");
        assert!(!format!("{why:?} {:?}", company.link).contains("s%40cret"));
    }
}
