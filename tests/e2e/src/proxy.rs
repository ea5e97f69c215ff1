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
    /// Everything passes this much later, in each direction.
    Late(Duration),
    /// So many bytes a second pass in each direction of a connection.
    Slow(u32),
    /// Connections end in order (FIN), and new ones are refused.
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
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(client, server, line.clone()));
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, line: watch::Receiver<Generation>) {
    let born = *line.borrow();
    match born.line {
        Line::Cut => return,
        Line::Reset => return reset(&client),
        Line::Good | Line::Late(_) | Line::Slow(_) | Line::HalfOpen => {}
    }
    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
    // What is small must not wait for more.
    if client.set_nodelay(true).and_then(|()| upstream.set_nodelay(true)).is_err() {
        return;
    }
    let mut ending = line.clone();
    let way = Way { born: born.number, line };
    let how = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), upstream.split());
        let both =
            async { tokio::join!(way.carry(from_client, to_server), way.carry(from_server, to_client)) };
        tokio::select! {
            _ = both => return,
            how = broken(&mut ending, born.number) => how,
        }
    };
    if how == Line::Reset {
        reset(&client);
        reset(&upstream);
    }
}

/// Waits until the line of a connection is cut or reset.
async fn broken(line: &mut watch::Receiver<Generation>, born: u64) -> Line {
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
    async fn carry(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
        let mut buffer = vec![0; STEP_BYTES];
        loop {
            let step = match self.line() {
                Line::Slow(bytes_per_s) => (bytes_per_s as usize / 20).clamp(1, STEP_BYTES),
                _ => STEP_BYTES,
            };
            let Ok(read) = from.read(&mut buffer[..step]).await else { return };
            if read == 0 {
                // An end passes like everything else.
                if self.line() != Line::HalfOpen {
                    drop(to.shutdown().await);
                    return;
                }
                std::future::pending::<()>().await;
            }
            match self.line() {
                Line::HalfOpen => continue,
                Line::Late(by) => sleep(by).await,
                Line::Slow(bytes_per_s) => {
                    sleep(Duration::from_secs_f64(read as f64 / f64::from(bytes_per_s.max(1)))).await;
                }
                Line::Good | Line::Cut | Line::Reset => {}
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    fn line(&self) -> Line {
        let now = *self.line.borrow();
        if self.born < now.lost_below { Line::HalfOpen } else { now.line }
    }
}
