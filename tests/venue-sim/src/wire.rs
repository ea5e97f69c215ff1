//! The accepted connections, on which a byte can be sent that no WebSocket library would let through.
//!
//! Knows: bytes on their way out. Never: a frame, who reads.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Text whose first byte leaves this machine as 0xFF.
pub(crate) const MARK: &str = "~this is no UTF-8~";

/// A listener whose connections put 0xFF in the place of each mark, once `unclean` is set.
#[derive(Debug)]
pub(crate) struct Wires {
    pub(crate) listener: TcpListener,
    pub(crate) unclean: Arc<AtomicBool>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    unclean: Arc<AtomicBool>,
}

/// The bytes with 0xFF in the place of the first byte of each mark; none if there is no mark.
fn soiled(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut soiled: Option<Vec<u8>> = None;
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(MARK.len()).position(|window| window == MARK.as_bytes()) {
        soiled.get_or_insert_with(|| bytes.to_vec())[from + at] = 0xff;
        from += at + MARK.len();
    }
    soiled
}

// === impl Listener ===

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Wire { stream, unclean: Arc::clone(&self.unclean) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

// === impl AsyncRead, AsyncWrite ===

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let soiled = if self.unclean.load(Ordering::Relaxed) { soiled(bytes) } else { None };
        Pin::new(&mut self.stream).poll_write(context, soiled.as_deref().unwrap_or(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_byte_of_each_mark_becomes_one_that_no_text_has() {
        let text = format!("a{MARK}b{MARK}");
        let soiled = soiled(text.as_bytes()).unwrap();
        assert_eq!(soiled.len(), text.len());
        let odd: Vec<usize> = (0..text.len()).filter(|at| soiled[*at] != text.as_bytes()[*at]).collect();
        assert_eq!(odd, [1, 2 + MARK.len()]);
        assert!(odd.iter().all(|at| soiled[*at] == 0xff));
        assert_eq!(super::soiled(b"~this is"), None);
    }
}
