//! A stand-in for the venue: its WebSocket and REST on one port, driven by a scenario, with a ledger of
//! everything sent and what must become of it.
//!
//! Knows: the venue's public protocol, written from its reference. Never: a type or a crate of this project,
//! so that two sides cannot agree on one mistake.

#![expect(clippy::similar_names, reason = "side and size are the venue's own words")]

mod admission;
mod book;
mod cdn;
mod clob;
mod clock;
pub mod controls;
mod data;
mod digest;
pub mod expect;
mod fills;
mod frame;
mod gamma;
mod garbage;
mod generator;
mod hash;
pub mod healthcheck;
mod hub;
mod initial_markets;
mod inject;
pub mod ledger;
mod market;
mod names;
mod oddities;
mod opening;
mod remote;
pub mod replay;
mod resolutions;
pub mod rest;
pub mod scenario;
mod server;
pub mod settings;
mod shared;
mod snapshot;
mod socket;
pub mod status;
mod stream;
pub mod units;
pub mod universe;
mod venue;
mod window;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fills::Fills;
use crate::ledger::{BOUNDED_LIMIT, ENDLESS_LIMIT, Entry, Ledger};
use crate::replay::{Rebase, Recording, ReplayError};
use crate::rest::RestMode;
use crate::scenario::{Cut, Scenario, Service};
use crate::server::Root;
use crate::shared::{Limits, Phase, Shared};
use crate::status::Status;
use crate::universe::UniverseError;
use crate::venue::Venue;
use crate::wire::Wires;

/// How long queued frames may take to be written once nothing more is generated.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long sockets may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at the queues.
const LOOK: Duration = Duration::from_millis(5);

/// What to simulate, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one. Default 127.0.0.1:0.
    pub address: SocketAddr,
    /// What is sent.
    pub source: Source,
    /// What is done about what the venue's documentation forbids. Default lenient, as the venue was seen to be.
    pub manners: Manners,
    /// A socket without a text PING for so long is closed, if manners are strict. Default 30 s.
    pub ping_timeout: Duration,
    /// From a match to its row at the Data API. Default 2 s.
    pub settlement_delay: Duration,
    /// Frames queued for one socket; a slower one is ended. Default 16,384 (some 12 MB).
    pub queue_frames: usize,
    /// A socket with more tokens than this gets no opening books any more. Default 500.
    pub books_max: usize,
    /// The same address of trades is answered from a cache for so long, with its `Age`. Default 300 s, as at the venue.
    pub trades_cached_for: Duration,
    /// When the first tick is generated.
    pub begin: Begin,
    /// Entries the ledger keeps. Default: 200,000 of a scenario without end, else 5,000,000.
    pub ledger_limit: Option<usize>,
    /// First of four ports at which WebSocket, CLOB, Gamma and Data API each have a root of their own, besides
    /// their prefixes at `address`; 0 takes free ones. Default none.
    pub roots_from: Option<u16>,
    /// File of Gamma's markets, one a line, `.jsonl` or `.jsonl.gz`: the ordinary markets of a scenario.
    /// Default: they are invented.
    pub universe: Option<PathBuf>,
}

/// Where the frames come from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a simulator has one")]
pub enum Source {
    /// A scenario.
    Scenario(Scenario),
    /// A file of recorded frames.
    Recording {
        /// The file.
        path: PathBuf,
        /// How many times as fast as it was recorded.
        speed: u32,
        /// What happens to its timestamps.
        rebase: Rebase,
    },
}

/// When the first tick is generated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// As soon as a subscriber has got its opening books (or by [`Simulator::begin`]).
    AtFirstBooks,
    /// Only by [`Simulator::begin`].
    WhenTold,
}

/// How the venue takes what its documentation forbids and was seen to pass (protocol reference 7, findings 7, 14,
/// 29).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manners {
    /// A socket without PING stays, a first message that is repeated is answered, an upgrade needs no User-Agent.
    #[default]
    Lenient,
    /// The first two are closed with 1008, the last one gets 403.
    Strict,
}

/// Where the services of a simulator are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Urls {
    /// The market channel.
    pub ws: String,
    /// Base of the CLOB's REST.
    pub clob: String,
    /// Base of Gamma.
    pub gamma: String,
    /// Base of the Data API, v1 and v2.
    pub data: String,
}

/// A simulator that could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// As asked for.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The recording cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The file of markets cannot be used.
    #[error(transparent)]
    Universe(#[from] UniverseError),
}

/// Frames that were not written in time.
#[derive(Debug, thiserror::Error)]
#[error("{frames} frames were still queued {DRAIN_LIMIT:?} after the last one was generated")]
pub struct StillQueued {
    /// How many.
    pub frames: usize,
}

/// A running stand-in. Its tasks end with [`Simulator::shutdown`]; dropped without it they are told to.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    roots: Vec<SocketAddr>,
    servers: Vec<JoinHandle<()>>,
    generator: JoinHandle<()>,
}

impl Options {
    /// The defaults with this scenario.
    pub fn of(scenario: Scenario) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            source: Source::Scenario(scenario),
            manners: Manners::Lenient,
            ping_timeout: Duration::from_secs(30),
            settlement_delay: Duration::from_secs(2),
            queue_frames: 16_384,
            books_max: 500,
            trades_cached_for: cdn::KEPT_FOR,
            begin: Begin::AtFirstBooks,
            ledger_limit: None,
            roots_from: None,
            universe: None,
        }
    }
}

impl Simulator {
    /// Listens, and generates once it may begin.
    ///
    /// # Errors
    /// When the address cannot be listened on, or a recording or a file of markets cannot be read.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (listener, address) = listen(options.address).await?;
        let mut roots = Vec::new();
        for (root, above) in [Root::Ws, Root::Clob, Root::Gamma, Root::Data].into_iter().zip(0..) {
            if let Some(from) = options.roots_from {
                let port = if from == 0 { 0 } else { from.saturating_add(above) };
                roots.push((root, listen(SocketAddr::new(options.address.ip(), port)).await?));
            }
        }
        let settlement_ms = u64::try_from(options.settlement_delay.as_millis()).unwrap_or(u64::MAX);
        let (fills, now_ms) = (Fills::new(settlement_ms), clock::now_ms());
        let limits = Limits {
            manners: options.manners,
            ping_timeout: options.ping_timeout,
            queue_frames: options.queue_frames.max(1),
            books_max: options.books_max,
            trades_cached_for: options.trades_cached_for,
        };
        let at_first_books = options.begin == Begin::AtFirstBooks;
        let ledger = |endless: bool| {
            let limit = if endless { ENDLESS_LIMIT } else { BOUNDED_LIMIT };
            Arc::new(Ledger::new(options.ledger_limit.unwrap_or(limit)))
        };
        let (shared, generator) = match options.source {
            Source::Scenario(scenario) => {
                let ledger = ledger(scenario.duration_s.is_none());
                let rows = options.universe.as_deref().map(universe::read).transpose()?;
                let venue = Venue::of_scenario(&scenario, rows, fills, Arc::clone(&ledger), now_ms);
                let shared = Arc::new(Shared::new(venue, ledger, limits, scenario.rate_per_s));
                shared.door.limit(scenario.connects_per_s);
                if scenario.v1_gone {
                    shared.desk.retire_v1();
                }
                let generator = tokio::spawn(generator::run(scenario, Arc::clone(&shared), at_first_books));
                (shared, generator)
            }
            Source::Recording { path, speed, rebase } => {
                let recording = Recording::open(&path)?;
                let ledger = ledger(false);
                let venue = Venue::of_markets(recording.markets(now_ms), fills, Arc::clone(&ledger));
                let shared = Arc::new(Shared::new(venue, ledger, limits, 0));
                let playing = replay::run(recording, speed, rebase, Arc::clone(&shared), at_first_books);
                (shared, tokio::spawn(playing))
            }
        };
        let mut servers = vec![serve(listener, server::router(Arc::clone(&shared)), &shared)];
        let mut addresses = Vec::new();
        for (root, (listener, address)) in roots {
            servers.push(serve(listener, server::root(root, Arc::clone(&shared)), &shared));
            addresses.push(address);
        }
        Ok(Self { shared, address, roots: addresses, servers, generator })
    }

    /// Where the services are.
    pub fn urls(&self) -> Urls {
        let address = self.address;
        Urls {
            ws: format!("ws://{address}/ws/market"),
            clob: format!("http://{address}/clob"),
            gamma: format!("http://{address}/gamma"),
            data: format!("http://{address}/data"),
        }
    }

    /// Where the services have roots of their own.
    pub fn roots(&self) -> Option<Urls> {
        let [ws, clob, gamma, data] = self.roots[..] else { return None };
        Some(Urls {
            ws: format!("ws://{ws}/ws/market"),
            clob: format!("http://{clob}"),
            gamma: format!("http://{gamma}"),
            data: format!("http://{data}"),
        })
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ticks are generated from now on.
    pub fn begin(&self) {
        self.shared.begun.send_replace(true);
    }

    /// Everything kept of what was sent, in order.
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.ledger.entries(0, usize::MAX)
    }

    /// Figures of this moment.
    pub fn status(&self) -> Status {
        Status::of(&self.shared)
    }

    /// How often each REST route was asked.
    pub fn rest_calls(&self) -> BTreeMap<&'static str, u64> {
        self.shared.desk.calls()
    }

    /// From now on a REST service behaves like this.
    pub fn set_rest(&self, service: Service, mode: RestMode) {
        self.shared.desk.set(service, mode);
    }

    /// From now on so many ticks a second are generated; a recording keeps its own pace.
    pub fn set_rate(&self, ticks_per_s: u32) {
        self.shared.rate.store(ticks_per_s, Ordering::Relaxed);
    }

    /// Stops (or resumes) all data while sockets stay open and PING is answered. What happens meanwhile is
    /// lost to the sockets; its trades can be asked for at REST.
    pub fn freeze(&self, frozen: Flow) {
        self.shared.venue().frozen = frozen == Flow::Frozen;
    }

    /// Resumes all data, but for so long no opening book comes; those of subscriptions made meanwhile never do.
    pub fn thaw_without_books(&self, no_books_for: Duration) {
        let ms = u64::try_from(no_books_for.as_millis()).unwrap_or(u64::MAX);
        self.shared.venue().thaw(clock::now_ms().saturating_add(ms));
    }

    /// Ends all sockets and waits until they have, 5 s at most.
    pub async fn drop_connections(&self, cut: Cut) {
        let ids = self.shared.end_sockets(cut);
        let mut alive = self.shared.alive.subscribe();
        let gone = alive.wait_for(|alive| ids.iter().all(|id| !alive.contains(id)));
        // A socket that has not ended by then is cut; the caller only needs it to be on its way.
        let _ = timeout(END_LIMIT, gone).await;
    }

    /// Generates no more, and waits until all that was generated is written.
    ///
    /// # Errors
    /// When frames are still queued after 10 s.
    pub async fn stop_generating(&self) -> Result<(), StillQueued> {
        self.shared.halt.cancel();
        self.finished().await
    }

    /// Waits for the end of the run (without end: until it is stopped) and until all of it is written.
    ///
    /// # Errors
    /// When frames are still queued 10 s after the end.
    pub async fn finished(&self) -> Result<(), StillQueued> {
        let mut phase = self.shared.phase.subscribe();
        // The sender lives as long as this handle, so the wait ends only with the run.
        let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
        let drained = async {
            while self.shared.queued() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let in_time = timeout(DRAIN_LIMIT, drained).await;
        in_time.map_err(|_| StillQueued { frames: self.shared.queued() })
    }

    /// Ends everything: generator, sockets, server, each within 5 s.
    pub async fn shutdown(mut self) {
        self.shared.halt.cancel();
        self.drop_connections(Cut::Close).await;
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let _ = timeout(END_LIMIT, self.shared.tasks.wait()).await;
        for task in self.servers.iter_mut().chain([&mut self.generator]) {
            if timeout(END_LIMIT, &mut *task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// A listener and where it listens.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves routes until everything must end.
fn serve(listener: TcpListener, routes: Router, shared: &Shared) -> JoinHandle<()> {
    let wires = Wires { listener, unclean: Arc::clone(&shared.venue().unclean) };
    let stop = shared.stop.clone();
    tokio::spawn(async move {
        // It ends only when it is told to: an accepted connection that fails is its own affair.
        let _ = axum::serve(wires, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
    })
}

/// Whether data flows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// It does.
    Flowing,
    /// Sockets are open and answer PING, but nothing else is sent.
    Frozen,
}

// === impl Drop ===

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}
