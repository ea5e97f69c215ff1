//! TCP listener with a connection limit and idle timeouts.
//!
//! Knows: connections and their silence. Never: a path, a header.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use chassis::settings::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::shares::{Share, Shares};
use crate::metrics::Metrics;

/// Connections at once; more wait in the system's queue until one ends.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// How long whoever is sent away may take to hear why.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// How many are told so at once; more are cut off.
const FAREWELLS_MAX: usize = 64;
/// How long the first request of a connection may take to arrive.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long a connection may wait between two requests.
const IDLE_MAX: Duration = Duration::from_mins(1);
/// How long a client may take none of what is written to it.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a health check waits in all: shorter than the 3 s that container engines commonly give it.
const HEALTHCHECK_MAX: Duration = Duration::from_secs(2);

/// The listening socket.
#[derive(Debug)]
pub(crate) struct LimitedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    /// What of them each address holds.
    shares: Shares,
    farewells: Arc<Semaphore>,
    metrics: Metrics,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct GuardedStream {
    stream: TcpStream,
    visit: ConnectionActivity,
    served: u64,
    read_until: Pin<Box<Sleep>>,
    write_until: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// What the requests of a connection tell its socket. A clone is the same visit.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionActivity {
    /// Whose it is.
    pub(crate) address: IpAddr,
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    served: AtomicU64,
    is_busy: AtomicBool,
}

/// Whether the dashboard at `address` answers 200 to `/ready`, asked with its token.
pub(crate) async fn is_ready(address: SocketAddr, token: Option<&Secret>) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let key = token.map(|token| format!("Authorization: Bearer {}\r\n", token.expose()));
        let key = key.unwrap_or_default();
        let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        Ok::<_, io::Error>(line.ends_with(b" 200"))
    };
    matches!(timeout(HEALTHCHECK_MAX, asking).await, Ok(Ok(true)))
}

// === impl LimitedListener ===

impl LimitedListener {
    /// Binds `address`.
    pub(crate) async fn bind(address: SocketAddr, per_address: usize) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            shares: Shares::new(per_address),
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
            metrics: Metrics::default(),
        })
    }

    /// The same door, which counts there whom it sent away.
    pub(crate) fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Where it is, with the port that was picked.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Sends away who holds its share already, whatever it came for.
    fn refuse(&self, mut stream: TcpStream) {
        self.metrics.answered(429);
        let Ok(place) = self.farewells.clone().try_acquire_owned() else { return };
        let answer = too_many(self.shares.most());
        tokio::spawn(async move {
            let saying = async {
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await?;
                // Who closes on what it has not read takes its own answer back.
                let mut unread = [0; 1024];
                while stream.read(&mut unread).await? > 0 {}
                Ok::<_, io::Error>(())
            };
            // Whoever does not want to hear it need not.
            drop(timeout(FAREWELL_MAX, saying).await);
            drop(place);
        });
    }
}

fn too_many(most: usize) -> String {
    let error = format!(
        r#"{{"error":"this address holds its share of {most} connections: close some, or raise DASHBOARD_CONNECTIONS_PER_ADDRESS"}}"#
    );
    format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 1\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{error}",
        error.len()
    )
}

impl Listener for LimitedListener {
    type Io = GuardedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GuardedStream, SocketAddr) {
        let permit = self.permits.clone().acquire_owned().await.expect("nobody closes the semaphore");
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let Some(share) = self.shares.take(address.ip()) else {
                self.refuse(stream);
                continue;
            };
            // Small messages are not to wait for company; where the system cannot do that, they do.
            let _ = stream.set_nodelay(true);
            return (GuardedStream::new(stream, address.ip(), permit, share), address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}

// === impl ConnectionActivity ===

impl ConnectionActivity {
    /// A request has arrived: silence is ours now.
    pub(crate) fn begin(&self) {
        self.progress.is_busy.store(true, Ordering::Relaxed);
    }

    /// It is answered: the connection waits for the next one.
    pub(crate) fn end(&self) {
        self.progress.served.fetch_add(1, Ordering::Relaxed);
        self.progress.is_busy.store(false, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, LimitedListener>> for ConnectionActivity {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        stream.io().visit.clone()
    }
}

// === impl GuardedStream ===

impl GuardedStream {
    fn new(stream: TcpStream, address: IpAddr, permit: OwnedSemaphorePermit, share: Share) -> Self {
        Self {
            stream,
            visit: ConnectionActivity { address, progress: Arc::default() },
            served: 0,
            read_until: Box::pin(sleep(FIRST_REQUEST_MAX)),
            write_until: None,
            _permit: permit,
            _share: share,
        }
    }

    /// Whether this connection has waited for a request for too long.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        if self.visit.progress.is_busy.load(Ordering::Relaxed) {
            return false;
        }
        let served = self.visit.progress.served.load(Ordering::Relaxed);
        if served != self.served {
            self.served = served;
            self.read_until.as_mut().reset(Instant::now() + IDLE_MAX);
        }
        self.read_until.as_mut().poll(context).is_ready()
    }

    /// Gives up on a client that takes nothing for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_until = None;
            return written;
        }
        let until = self.write_until.get_or_insert_with(|| Box::pin(sleep(WRITE_MAX)));
        match until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guest = self.get_mut();
        let read = Pin::new(&mut guest.stream).poll_read(context, buffer);
        if read.is_pending() && guest.is_overdue(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guest = self.get_mut();
        let written = Pin::new(&mut guest.stream).poll_write(context, bytes);
        guest.written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guest = self.get_mut();
        let written = Pin::new(&mut guest.stream).poll_write_vectored(context, slices);
        guest.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection as the server sees it, and its client.
    async fn guest() -> (GuardedStream, TcpStream) {
        let mut door = LimitedListener::bind("127.0.0.1:0".parse().unwrap(), 8).await.unwrap();
        let client = TcpStream::connect(door.address().unwrap()).await.unwrap();
        (Listener::accept(&mut door).await.0, client)
    }

    /// How reading ends once the client is silent, and after how long by the paused clock.
    async fn silence(guest: &mut GuardedStream) -> (io::ErrorKind, Duration) {
        let start = Instant::now();
        let mut byte = [0];
        let error = guest.read_exact(&mut byte).await.unwrap_err();
        (error.kind(), start.elapsed())
    }

    #[tokio::test]
    async fn a_client_that_never_asks_is_sent_away_after_10_s() {
        let (mut guest, _client) = guest().await;
        tokio::time::pause();
        let (kind, waited) = silence(&mut guest).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert_eq!(waited.as_secs(), FIRST_REQUEST_MAX.as_secs());
    }

    #[tokio::test]
    async fn between_two_requests_a_connection_may_wait_for_a_minute() {
        let (mut guest, _client) = guest().await;
        guest.visit.begin();
        guest.visit.end();
        tokio::time::pause();
        let (kind, waited) = silence(&mut guest).await;
        assert_eq!((kind, waited.as_secs()), (io::ErrorKind::TimedOut, IDLE_MAX.as_secs()));
    }

    #[tokio::test]
    async fn while_a_request_is_answered_silence_is_no_fault() {
        let (mut guest, client) = guest().await;
        guest.visit.begin();
        tokio::time::pause();
        let mut byte = [0];
        let waited = timeout(Duration::from_hours(1), guest.read_exact(&mut byte)).await;
        assert!(waited.is_err(), "nothing came, and nobody was sent away");
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up_after_10_s() {
        let (mut guest, _client) = guest().await;
        guest.visit.begin();
        tokio::time::pause();
        let start = Instant::now();
        let error = guest.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= WRITE_MAX);
    }

    #[tokio::test]
    async fn nobody_listening_is_not_ready() {
        let door = LimitedListener::bind("127.0.0.1:0".parse().unwrap(), 8).await.unwrap();
        let address = door.address().unwrap();
        drop(door);
        assert!(!is_ready(address, None).await);
    }
}
