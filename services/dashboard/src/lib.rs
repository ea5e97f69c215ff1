//! The dashboard: from bus and store to the browser.
//!
//! Knows: in which order things start and stop. Never: a tick of its own; it only shows what others say.

pub mod config;
mod follow;
mod freshness;
mod heartbeat;
pub mod hosts;
mod http;
mod live;
mod metrics;
mod shared_state;
mod state;
mod token_table;
mod view;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use chassis::future::Boxed;
use chassis::ready::Readiness;
use chassis::tasks::Tasks;
use chassis::telemetry::Telemetry;
use chassis::{clock, exposition};
use contract::time::Timestamp;
use store::Reader;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use config::Config;
use follow::Follower;
use heartbeat::Pulse;
use http::{App, Http, Recent, Shares};
use live::Hub;
use metrics::Metrics;
use shared_state::SharedState;
use token_table::TokenTable;

/// Time that the tasks have to end once asked to.
const GRACE: Duration = Duration::from_secs(7);

/// Whether the dashboard that these settings describe answers that it is ready.
pub async fn is_ready(config: &Config) -> bool {
    http::is_ready(config.address, config.token.as_ref()).await
}

/// Runs the dashboard until `stop`. Bus and database may come later, go and come back.
///
/// # Errors
/// When its address is taken, the database's is none, or a task failed.
#[inline(never)]
pub fn run(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> Boxed<'static, anyhow::Result<()>> {
    Box::pin(show(config, telemetry, stop))
}

async fn show(config: Config, telemetry: Telemetry, stop: CancellationToken) -> anyhow::Result<()> {
    let http = Http::bind(config.address, config.connections_per_address).await?;
    let reader = Reader::connect(config.database.expose()).context("DATABASE_URL cannot be used")?;
    let started_at = Timestamp::from(clock::now());
    let readiness = Readiness::new();
    let mut registry = exposition::registry("dashboard", env!("CARGO_PKG_VERSION"));
    let own = registry.sub_registry_with_prefix("polyfeed_dashboard");
    let metrics = Metrics::register(own);
    metrics.bus_durability.get_or_create(&[("mode", config.durability)]).set(1);
    let tracer = telemetry.tracer();
    tracer.register(own);
    let hub = Hub::new(started_at);
    let board = SharedState::new(hub.clone(), started_at);
    let reached = Arc::new(OnceLock::new());
    let pulse = Pulse {
        instance: config.instance,
        durability: config.durability,
        started_at,
        errors: telemetry.errors(),
        board: board.clone(),
        metrics: metrics.clone(),
        bus_latch: readiness.latch("bus"),
        database_latch: readiness.latch("database"),
        reached: reached.clone(),
    };
    let follower = Follower {
        bus: config.bus,
        reader: reader.clone(),
        board: board.clone(),
        metrics: metrics.clone(),
        tracer,
        reached: reached.clone(),
        read_up_to: Arc::default(),
        stop: stop.clone(),
    };
    let app = App {
        board,
        listing: TokenTable::default(),
        reader: reader.clone(),
        grids: Recent::default(),
        durability: config.durability,
        token: config.token.map(Arc::new),
        hosts: Arc::new(config.hosts),
        readiness,
        registry: Arc::new(registry),
        metrics,
        places: Arc::new(Semaphore::new(http::CLIENTS_MAX)),
        shares: Shares::new(config.streams_per_address),
        streams: TaskTracker::new(),
        stop: stop.clone(),
    };
    info!(address = %http.address(), "the page is served on http://{}", http.address());
    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("http", http.serve(app));
    tasks.spawn("hub", hub.run(stop.clone()));
    tasks.spawn("pulse", pulse.run(stop));
    tasks.spawn("database", follower.clone().follow_database());
    tasks.spawn("bus", follower.follow_bus());
    let outcome = tasks.join(GRACE).await;
    reader.close();
    if let Some(bus) = reached.get() {
        bus.flush().await;
    }
    outcome
}
