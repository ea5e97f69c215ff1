//! The processor: from raw ticks to judged ones.
//!
//! Knows: in which order things start and stop. Never: a socket of the venue, a database.
//!
//! It holds no state between messages but bounded caches, so that any number of instances share the work.

mod answers;
pub mod config;
mod messages;
mod metrics;
mod pipeline;
mod report;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::{Bus, Gauges};
use chassis::admin::Admin;
use chassis::backoff::Backoff;
use chassis::exposition;
use chassis::future::Boxed;
use chassis::ready::{Latch, Readiness};
use chassis::tasks::Tasks;
use chassis::telemetry::Telemetry;
use polymarket::rest::Rest;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use answers::Answers;
use config::Config;
use metrics::Metrics;
use pipeline::Pipeline;
use report::Reporter;

/// Time that the tasks have to end once asked to.
const GRACE: Duration = Duration::from_secs(7);
/// Pauses between attempts to reach the bus.
const BUS_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Runs the processor until `stop`.
///
/// # Errors
/// When the admin address is taken, an address of the venue is none, the bus is too old, or a task failed.
#[inline(never)]
pub fn run(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> Boxed<'static, anyhow::Result<()>> {
    Box::pin(judge_what_comes(config, telemetry, stop))
}

async fn judge_what_comes(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    polymarket::install_tls();
    let admin = Admin::bind(config.admin).await.context("the admin address cannot be used")?;
    let calls = exposition::calls();
    let mut registry = exposition::registry("processor", env!("CARGO_PKG_VERSION"));
    let gauges = Gauges::register(&mut registry);
    let own = registry.sub_registry_with_prefix("polyfeed_processor");
    let metrics = Metrics::register(own, &calls);
    let tracer = telemetry.tracer();
    tracer.register(own);
    let witness = move |route, outcome, took| exposition::observe_call(&calls, route, outcome, took);
    let rest = Rest::with_observer(config.rest.clone(), witness)
        .context("the client for questions cannot be made")?;
    info!(admin.address = %admin.address(), "the processor starts");
    let readiness = Readiness::new();
    let bus_latch = readiness.latch("bus");
    let mut tasks = Tasks::new(stop.clone());
    let serving = admin.serve(readiness, Arc::new(registry), stop.clone());
    tasks.spawn("admin", async move { serving.await.context("serving health and metrics failed") });
    let Some(bus) = reach_bus(&config, &bus_latch, &stop).await? else {
        return tasks.join(GRACE).await;
    };
    let answers = Answers::start(&rest, config.rest.timeout, &metrics, &mut tasks);
    let reporter = Reporter::new(&config.instance, telemetry.errors(), metrics.clone(), gauges);
    tasks.spawn("report", reporter.run(bus.clone(), bus_latch, stop.clone()));
    let (upkeep, until) = (bus.clone().upkeep(), stop.clone());
    tasks.spawn("upkeep", async move {
        until.run_until_cancelled(upkeep).await;
        Ok(())
    });
    let pipeline = Pipeline { bus: bus.clone(), answers, limits: Arc::new(config.limits), metrics, tracer };
    tasks.spawn("pipeline", pipeline.run(stop));
    let outcome = tasks.join(GRACE).await;
    // The last acknowledgements sit in the client's buffer.
    bus.flush().await;
    outcome
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
        let why = chassis::logline::error_chain(&error);
        warn!("the bus is not there yet: {why}");
        latch.fail(why);
        tokio::select! {
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

#[cfg(test)]
mod testing;
