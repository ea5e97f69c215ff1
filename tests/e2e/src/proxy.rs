//! A network that breaks: a proxy in front of a server, which slows, cuts, freezes or resets what passes.
//!
//! Knows: bytes in two directions. Never: a protocol.

use std::net::SocketAddr;
use std::time::Duration;

use stack::ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// Bytes taken in one step; at [`Line::Slow`] each step waits.
const STEP_BYTES: usize = 16 * 1024;

/// How the line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line {
    /// Everything passes at once.
    Good,
    /// Every piece of up to 16 KiB passes this much later, one after the other, in each direction.
    Late(Duration),
    /// So many bytes a second pass in each direction of a connection.
    Slow(u32),
    /// Connections end in order (FIN), and new ones at once.
    Cut,
    /// Connections end with a reset (RST), and so do new ones.
    Reset,
    /// What is sent is taken, nothing is passed on, and nobody says so. New connections are taken, too. Those of now and
    /// those taken meanwhile stay so for ever, however the line becomes: nothing but a time limit ends them.
    HalfOpen,
}

/// A proxy. Dropped, it ends with all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: watch::Sender<Generation>,
    task: JoinHandle<()>,
}

/// The line as it is now, and which connections are lost.
#[derive(Clone, Copy, Debug)]
struct Generation {
    line: Line,
    /// How often it was changed.
    number: u64,
    /// Connections born below this number are half-open for ever.
    lost_below: u64,
}

impl Proxy {
    /// A proxy with a good line to `port` of this machine.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let own = listener.local_addr().expect("an address").port();
        let (line, watched) = watch::channel(Generation { line: Line::Good, number: 0, lost_below: 0 });
        let task = tokio::spawn(serve(listener, ports::loopback(port), watched));
        Self { port: own, line, task }
    }

    /// The port that stands for the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes the line so from now on.
    pub fn set(&self, line: Line) {
        self.line.send_modify(|generation| {
            generation.number += 1;
            if Line::HalfOpen == line || Line::HalfOpen == generation.line {
                generation.lost_below = generation.number;
            }
            generation.line = line;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, line: watch::Receiver<Generation>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        // Without a free file this one is refused, and the next may find one.
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(client, server, line.clone()));
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, line: watch::Receiver<Generation>) {
    let way = Way { born: line.borrow().number, line: line.clone() };
    match way.line() {
        Line::Cut => return,
        Line::Reset => return reset(&client),
        Line::HalfOpen => return swallow(&mut client).await,
        Line::Good | Line::Late(_) | Line::Slow(_) => {}
    }
    let Ok(mut upstream) = TcpStream::connect(server).await else { return reset(&client) };
    // What is small must not wait for more.
    if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
        return;
    }
    let how = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), upstream.split());
        let both =
            async { tokio::try_join!(way.carry(from_client, to_server), way.carry(from_server, to_client)) };
        tokio::select! {
            ended = both => if ended.is_ok() { Line::Cut } else { Line::Reset },
            how = broken(line, way.born) => how,
        }
    };
    // An error of one side is a reset to the other.
    if how == Line::Reset {
        reset(&client);
        reset(&upstream);
    }
}

/// Takes whatever comes, for ever.
async fn swallow(client: &mut TcpStream) {
    let mut buffer = vec![0; STEP_BYTES];
    while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    std::future::pending::<()>().await;
}

/// Waits until the line of a connection is cut or reset.
async fn broken(mut line: watch::Receiver<Generation>, born: u64) -> Line {
    loop {
        let now = *line.borrow_and_update();
        let is_lost = born < now.lost_below;
        if !is_lost && matches!(now.line, Line::Cut | Line::Reset) {
            return now.line;
        }
        if line.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn reset(socket: &TcpStream) {
    // A lingering time of zero makes the close a reset.
    drop(socket.set_zero_linger());
}

/// One connection's sight of the line.
struct Way {
    born: u64,
    line: watch::Receiver<Generation>,
}

impl Way {
    /// Carries one direction to its end. A connection that is lost has none.
    async fn carry(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> std::io::Result<()> {
        let mut buffer = vec![0; STEP_BYTES];
        loop {
            let step = match self.line() {
                Line::Slow(bytes_per_s) => (bytes_per_s as usize / 20).clamp(1, STEP_BYTES),
                Line::Good | Line::Late(_) | Line::Cut | Line::Reset | Line::HalfOpen => STEP_BYTES,
            };
            let read = self.unless_lost(from.read(&mut buffer[..step]).await).await?;
            match self.line() {
                Line::Late(by) => sleep(by).await,
                Line::Slow(bytes_per_s) => {
                    sleep(
                        Duration::from_secs(1) * u32::try_from(read).unwrap_or(u32::MAX) / bytes_per_s.max(1),
                    )
                    .await;
                }
                Line::Good | Line::Cut | Line::Reset | Line::HalfOpen => {}
            }
            if self.line() == Line::HalfOpen {
                if read == 0 {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            if read == 0 {
                // An end passes like everything else.
                return to.shutdown().await;
            }
            self.unless_lost(to.write_all(&buffer[..read]).await).await?;
        }
    }

    /// An error ends a connection, but not one that is lost.
    async fn unless_lost<T>(&self, outcome: std::io::Result<T>) -> std::io::Result<T> {
        if outcome.is_err() && self.line() == Line::HalfOpen {
            std::future::pending::<()>().await;
        }
        outcome
    }

    fn line(&self) -> Line {
        let now = *self.line.borrow();
        if self.born < now.lost_below { Line::HalfOpen } else { now.line }
    }
}
