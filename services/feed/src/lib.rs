//! The feed: from the venue to the bus.
//!
//! Knows: which markets, which sockets, in which order things start and stop. Never: a verdict, a database.

mod board;
pub mod config;
mod desk;
mod gaps;
mod memory;
mod metrics;
mod ordinals;
mod relay;
mod report;
pub mod shard;
mod socket;
pub mod universe;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use chassis::admin::Admin;
use chassis::backoff::Backoff;
use chassis::ready::{Latch, Readiness};
use chassis::tasks::Tasks;
use chassis::telemetry::Telemetry;
use contract::ids::ConditionId;
use contract::market::Market;
use polymarket::rest::Rest;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use board::Board;
use config::Config;
use desk::Desk;
use gaps::Gaps;
use memory::Before;
use metrics::Metrics;
use relay::Relay;
use report::Reporter;
use socket::Socket;

/// Time that the tasks have to end once asked to.
const GRACE: Duration = Duration::from_secs(7);
/// Pauses between attempts to reach the bus.
const BUS_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Runs the feed until `stop`.
///
/// # Errors
/// When the admin address is taken, the bus is too old, or a task failed.
pub async fn run(config: Config, telemetry: Telemetry, stop: CancellationToken) -> anyhow::Result<()> {
    polymarket::install_tls();
    let admin = Admin::bind(config.admin).await.context("the admin address cannot be used")?;
    let readiness = Readiness::new();
    let (bus_latch, venue_latch) = (readiness.latch("bus"), readiness.latch("venue"));
    let mut registry = Registry::with_prefix("polyfeed_feed");
    let metrics = Metrics::register(&mut registry);
    let mut tasks = Tasks::new(stop.clone());
    let serving = admin.serve(readiness.clone(), Arc::new(registry), stop.clone());
    tasks.spawn("admin", async move { serving.await.context("serving health and metrics failed") });
    let board = Board::default();
    let relay = Relay::new(config.buffer_bytes);
    let rest = Rest::new(config.rest.clone()).context("the client for the catalogue cannot be made")?;

    if let Some(bus) = reach_bus(&config, &bus_latch, &stop).await? {
        // The end of the relay waits for the sockets, so that what they read last is published too.
        let relay_stop = CancellationToken::new();
        tasks.spawn("relay", relay.clone().run(bus.clone(), relay_stop.clone()));
        let reporter = Reporter::new(&config, telemetry.errors(), board.clone(), relay.clone(), metrics);
        tasks.spawn("report", reporter.run(bus.clone(), [bus_latch, venue_latch], stop.clone()));
        let following = follow(config, rest, bus.clone(), board, relay, stop.clone());
        tasks.spawn("follow", async move {
            let outcome = following.await;
            relay_stop.cancel();
            outcome
        });
        let outcome = tasks.join(GRACE).await;
        bus.flush().await;
        return outcome;
    }
    tasks.join(GRACE).await
}

/// Connects to the bus, however long that takes; none when asked to stop before.
async fn reach_bus(config: &Config, latch: &Latch, stop: &CancellationToken) -> anyhow::Result<Option<Bus>> {
    let mut backoff = Backoff::new(BUS_RETRY.0, BUS_RETRY.1);
    loop {
        let error = tokio::select! {
            connected = Bus::connect(&config.bus) => match connected {
                Ok(bus) => {
                    latch.set(true);
                    return Ok(Some(bus));
                }
                Err(error) => error,
            },
            () = stop.cancelled() => return Ok(None),
        };
        if !error.is_transient() {
            return Err(error).context("the bus cannot be used");
        }
        let why = chassis::logline::chain(&error);
        warn!("the bus is not there yet: {why}");
        latch.fail(why);
        tokio::select! {
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Chooses the markets and keeps their sockets until `stop`.
async fn follow(
    config: Config,
    rest: Rest,
    bus: Bus,
    board: Board,
    relay: Relay,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(markets) = universe::choose(&rest, &config.universe, config.shard, &board, &stop).await else {
        return Ok(());
    };
    let Some(before) = recall(&bus, &config, &stop).await else { return Ok(()) };
    let plan = shard::plan(&markets, config.tokens_per_socket, config.sockets_max);
    let placed: HashSet<&ConditionId> =
        plan.sockets.iter().flatten().map(|watched| &watched.market).collect();
    let followed: Vec<&Market> =
        markets.iter().filter(|market| placed.contains(&market.condition_id)).collect();
    let tokens = followed.iter().map(|market| market.tokens.len()).sum();
    board.planned(followed.len(), tokens, plan.sockets.len(), plan.left_out);
    for market in &followed {
        relay.tell(universe::market_message(market));
    }
    let names: Vec<ConditionId> = followed.iter().map(|market| market.condition_id.clone()).collect();
    let mut tasks = Tasks::new(stop.clone());
    for (number, watched) in plan.sockets.into_iter().enumerate() {
        let left_open = watched.iter().filter_map(|watched| before.gap_of(&watched.market, config.shard));
        let mut open = Vec::new();
        for (gap, is_new) in left_open {
            if is_new {
                relay.tell(socket::gap_message(&gap));
            }
            open.push(gap);
        }
        let socket = Socket {
            number,
            instance: config.instance.clone(),
            settings: config.sockets.clone(),
            desk: Desk::new(watched),
            gaps: Gaps::new(&config.shard.to_string(), open),
            relay: relay.clone(),
            board: board.clone(),
        };
        tasks.spawn(format!("socket {number}"), socket.run(stop.clone()));
    }
    tasks.spawn("memory", memory::keep(bus, relay, config.shard, names, stop));
    tasks.join(GRACE).await
}

/// What the last feed left behind; asked until the bus answers, since without it a gap might stay untold.
async fn recall(bus: &Bus, config: &Config, stop: &CancellationToken) -> Option<Before> {
    let mut backoff = Backoff::new(BUS_RETRY.0, BUS_RETRY.1);
    loop {
        let recalled = tokio::select! {
            recalled = Before::recall(bus, config.shard) => recalled,
            () = stop.cancelled() => return None,
        };
        match recalled {
            Ok(before) => return Some(before),
            Err(error) => {
                warn!("what the last feed left cannot be read yet: {}", chassis::logline::chain(&error));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
            () = stop.cancelled() => return None,
        }
    }
}
