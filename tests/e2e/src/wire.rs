//! The wire of nats-server, spoken by hand: whether one line of a login is taken or refused.
//!
//! Knows: a few lines of the protocol. Never: what a client makes of them.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Longest wait for a word of the server.
const WORD_WITHIN: Duration = Duration::from_secs(10);

/// A connection that the server let in.
#[derive(Debug)]
pub struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    subscriptions: u32,
}

impl Wire {
    /// Connects as `user`; without one, as nobody.
    ///
    /// # Errors
    /// The server's words when it does not let us in.
    pub async fn connect(port: u16, user: Option<(&str, &str)>) -> Result<Self, String> {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
        let (reader, writer) = socket.into_split();
        let mut wire = Self { reader: BufReader::new(reader), writer, subscriptions: 0 };
        let mut hello =
            json!({ "verbose": true, "pedantic": false, "lang": "test", "version": "1", "protocol": 1 });
        if let Some((user, password)) = user {
            (hello["user"], hello["pass"]) = (json!(user), json!(password));
        }
        wire.say(&format!("CONNECT {hello}\r\n")).await?;
        Ok(wire)
    }

    /// Publishes nothing on `subject`.
    ///
    /// # Errors
    /// The server's words when it refuses.
    pub async fn publish(&mut self, subject: &str) -> Result<(), String> {
        self.say(&format!("PUB {subject} 0\r\n\r\n")).await
    }

    /// Publishes `payload` on `subject` and asks for an answer on `reply`.
    ///
    /// # Errors
    /// The server's words when it refuses.
    pub async fn request(&mut self, subject: &str, reply: &str, payload: &str) -> Result<(), String> {
        self.say(&format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len())).await
    }

    /// Subscribes to `subject`.
    ///
    /// # Errors
    /// The server's words when it refuses.
    pub async fn subscribe(&mut self, subject: &str) -> Result<(), String> {
        self.subscriptions += 1;
        self.say(&format!("SUB {subject} {}\r\n", self.subscriptions)).await
    }

    async fn say(&mut self, line: &str) -> Result<(), String> {
        self.writer.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
        let word = async {
            loop {
                let mut line = String::new();
                let read = self.reader.read_line(&mut line).await.map_err(|error| error.to_string())?;
                let line = line.trim();
                match line.split(' ').next() {
                    _ if read == 0 => return Err("closed".to_owned()),
                    Some("+OK") => return Ok(()),
                    Some("-ERR") => return Err(line.to_owned()),
                    Some("PING") => {
                        self.writer.write_all(b"PONG\r\n").await.map_err(|error| error.to_string())?;
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(WORD_WITHIN, word).await.map_err(|_| "silence".to_owned())?
    }
}
