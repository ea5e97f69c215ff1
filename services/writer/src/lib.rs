//! The writer: from the bus into Postgres, exactly once in effect.
//!
//! Knows: the order in which its rooms start and stop. Never: a venue, a verdict.
//!
//! A message is acknowledged after the COMMIT of its row and never before; keys make a second delivery harmless.

pub mod batch;
pub mod bisect;
pub mod breaker;
pub mod config;
pub mod decode;
pub mod heartbeat;
pub mod housekeeping;
pub mod intake;
pub mod metrics;
pub mod pump;
pub mod sink;
pub mod writer_stats;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bus::Bus;
use chassis::admin::{self, Admin};
use chassis::backoff::Backoff;
use chassis::future::Boxed;
use chassis::tasks::Tasks;
use chassis::telemetry::Telemetry;
use chassis::trace::Tracer;
use chassis::{exposition, logline};
use store::WriterSession;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Command, Config};
use crate::intake::Intake;
use crate::pump::Pump;
use crate::sink::Sink;
use crate::writer_stats::WriterStats;

/// What the program does, for its help.
pub const ABOUT: &str = "Stores judged ticks, markets, gaps and dead letters in Postgres.";

/// How long the end may take: a transaction under way, its acknowledgements, a flush.
const GRACE: Duration = Duration::from_secs(8);
/// First and longest pause while the bus cannot be reached for the first time.
const BUS_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Does what `config` commands: stores until `stop`, or one of the short commands.
///
/// # Errors
/// When the operator's door cannot be bound, a task panics, or a command fails.
#[inline(never)]
pub fn run(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> Boxed<'static, anyhow::Result<()>> {
    Box::pin(carry_out(config, telemetry, stop))
}

async fn carry_out(config: Config, telemetry: Telemetry, stop: CancellationToken) -> anyhow::Result<()> {
    match config.command {
        Command::Run => serve(config, telemetry, stop).await,
        Command::Migrate => migrate(&config).await,
        Command::Healthcheck if admin::healthcheck(config.admin).await => Ok(()),
        Command::Healthcheck => bail!("the writer at {} is not ready", config.admin),
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let url = config.database.migrate_url.as_ref().unwrap_or(&config.database.url);
    let migrated = store::migrate(url.expose()).await?;
    info!(from = migrated.from, to = migrated.to, "the schema of the database is up to date");
    Ok(())
}

async fn serve(config: Config, telemetry: Telemetry, stop: CancellationToken) -> anyhow::Result<()> {
    let mut registry = exposition::registry("writer", env!("CARGO_PKG_VERSION"));
    let stats = WriterStats::new(&mut registry);
    telemetry.tracer().register(registry.sub_registry_with_prefix("polyfeed_writer"));
    let admin = Admin::bind(config.admin).await?;
    info!(admin.address = %admin.address(), "the writer starts");
    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("admin", admin.serve(stats.readiness(), Arc::new(registry), stop.clone()));
    tasks.spawn("writer", work(config, stats, telemetry, stop));
    tasks.join(GRACE).await
}

async fn work(
    config: Config,
    stats: WriterStats,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Some(bus) = connect(&config, &stats, &stop).await else {
        return Ok(());
    };
    let tracer = telemetry.tracer();
    let telling =
        heartbeat::run(bus.clone(), stats.clone(), telemetry, config.instance.clone(), stop.clone());
    let storing = Box::pin(store_until(&config, bus.clone(), stats, tracer, stop.clone()));
    let upkeep = async {
        stop.run_until_cancelled(bus.clone().upkeep()).await;
        Ok(())
    };
    let worked = tokio::try_join!(telling, storing, upkeep);
    // The last acknowledgements are in the client's buffer.
    bus.flush().await;
    worked.map(drop)
}

async fn store_until(
    config: &Config,
    bus: Bus,
    stats: WriterStats,
    tracer: Tracer,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let shelf = || WriterSession::new(config.database.url.expose(), &config.instance).context("DATABASE_URL");
    let mut first = shelf()?;
    if !housekeeping::prepare(&mut first, &config.database, &stats, &stop).await {
        return Ok(());
    }
    let sink = Sink::new(first, bus.clone(), stats.clone(), tracer, stop.clone());
    let pump = Pump::new(Intake::new(&bus), sink, stats, config.batch);
    let retaining = housekeeping::retain(shelf()?, config.database.retention_days, stop.clone());
    tokio::try_join!(pump.run(stop), retaining).map(drop)
}

/// The bus, as soon as it can be reached; none when `stop` came first.
async fn connect(config: &Config, stats: &WriterStats, stop: &CancellationToken) -> Option<Bus> {
    let mut backoff = Backoff::new(BUS_PAUSE.0, BUS_PAUSE.1);
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            connected = Bus::connect(&config.bus) => match connected {
                Ok(bus) => {
                    stats.bus_is(Ok(()));
                    return Some(bus);
                }
                Err(error) => {
                    let why = logline::error_chain(&error);
                    if backoff.attempts() == 0 {
                        warn!("the bus cannot be reached yet: {why}");
                    }
                    stats.bus_is(Err(why));
                }
            },
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
        }
    }
}
