//! The first exchange with a Postgres: does it take clients yet?
//!
//! Knows: the start-up packet and the first byte of the answer. Never: a password, SQL.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ports;

/// One look; a server under load still answers the first packet in milliseconds.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// Protocol 3.0.
const PROTOCOL: i32 = 0x0003_0000;

/// Whether the server on `port` of 127.0.0.1 asks a client for its password. While it starts,
/// recovers or stops, it takes the connection and answers with an error instead.
pub async fn takes_clients(port: u16) -> bool {
    let asked = async {
        let mut socket = TcpStream::connect(ports::loopback(port)).await.ok()?;
        socket.write_all(&start_up("postgres", "postgres")).await.ok()?;
        let mut kind = [0; 1];
        socket.read_exact(&mut kind).await.ok()?;
        Some(kind[0] == b'R')
    };
    timeout(ANSWER_WAIT, asked).await.ok().flatten() == Some(true)
}

fn start_up(user: &str, database: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in ["user", user, "database", database, ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let length = i32::try_from(body.len() + 4).expect("two short words fit the length field");
    let mut packet = length.to_be_bytes().to_vec();
    packet.append(&mut body);
    packet
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn packet_states_its_length_and_ends_with_an_empty_name() {
        let packet = start_up("u", "d");
        assert_eq!(packet.len(), usize::from(packet[3]));
        assert_eq!(&packet[4..], b"\0\x03\0\0user\0u\0database\0d\0\0");
    }

    #[tokio::test]
    async fn question_for_a_password_means_ready_and_an_error_does_not() {
        for (kind, ready) in [(b'R', true), (b'E', false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.write_all(&[kind]).await.unwrap();
                socket
            });
            assert_eq!(takes_clients(port).await, ready);
            drop(server.await.unwrap());
        }
    }
}
