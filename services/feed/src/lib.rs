//! The feed: from the venue to the bus.
//!
//! Knows: which markets, which sockets, in which order things start and stop. Never: a verdict, a database.

pub mod config;
mod control;
pub mod shard;

/// What is missing, and how it is backfilled.
mod gaps;
/// The queue in front of the bus.
mod publish;
/// Connections to the venue: from a frame to a tick.
mod session;
/// Which markets are followed.
pub mod universe;

// What the feed reports of itself.
mod feed_stats;
mod metrics;
mod report;
mod venue_clock;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use book::Budget;
use bus::{Bus, Gauges, SharedConsumer, Source, Start};
use chassis::admin::Admin;
use chassis::backoff::Backoff;
use chassis::exposition;
use chassis::future::Boxed;
use chassis::ready::{Latch, Readiness};
use chassis::tasks::Tasks;
use chassis::telemetry::Telemetry;
use contract::codec::decode;
use contract::tick::Trade;
use polymarket::rest::Rest;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use config::Config;
use control::ControlChannels;
use feed_stats::FeedStats;
use gaps::Gaps;
use gaps::backfill::Backfill;
use gaps::checkpoint::{self, PreviousRun};
use gaps::fills::Fills;
use gaps::stream_watch::StreamWatch;
use metrics::{Metrics, Skew};
use publish::dead_letters::DeadLetterLimiter;
use publish::queue::PublishQueue;
use report::{Reporter, Sources};
use session::connect_limiter::ConnectRateLimiter;
use session::overruled;
use session::prober::{self, Prober};
use session::snapshot_requests::SnapshotRequests;
use session::subscription_manager::SubscriptionManager;
use session::tick_publisher::TickPublisher;
use universe::Universe;

/// Time that the tasks have to end once asked to.
const GRACE: Duration = Duration::from_secs(7);
/// Pauses between attempts to reach the bus.
const BUS_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Runs the feed until `stop`.
///
/// # Errors
/// When the admin address is taken, the bus is too old, or a task failed.
#[inline(never)]
pub fn run(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> Boxed<'static, anyhow::Result<()>> {
    Box::pin(follow_the_venue(config, telemetry, stop))
}

async fn follow_the_venue(
    config: Config,
    telemetry: Telemetry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    polymarket::install_tls();
    let admin = Admin::bind(config.admin).await.context("the admin address cannot be used")?;
    info!(admin.address = %admin.address(), "the feed starts");
    let readiness = Readiness::new();
    let (bus_latch, venue_latch) = (readiness.latch("bus"), readiness.latch("venue"));
    let mut registry = exposition::registry("feed", env!("CARGO_PKG_VERSION"));
    let gauges = Gauges::register(&mut registry);
    let own = registry.sub_registry_with_prefix("polyfeed_feed");
    let (queue, calls) = (PublishQueue::new(config.buffer_bytes), exposition::calls());
    let (metrics, skew) = (Metrics::register(own, &queue, &calls), Skew::register(own));
    let tracer = telemetry.tracer();
    tracer.register(own);
    let mut tasks = Tasks::new(stop.clone());
    let serving = admin.serve(readiness.clone(), Arc::new(registry), stop.clone());
    tasks.spawn("admin", async move { serving.await.context("serving health and metrics failed") });
    let stats = FeedStats::default();
    let witness = move |route, outcome, took| exposition::observe_call(&calls, route, outcome, took);
    let rest = Rest::with_observer(config.rest.clone(), witness)
        .context("the client for the venue's REST cannot be made")?;
    let gaps = Gaps::new(&config.shard.to_string(), config.settlement, queue.clone());
    let fills = Fills::new(config.settlement);
    let letters = DeadLetterLimiter::default();
    let publisher = TickPublisher {
        queue: queue.clone(),
        gaps: gaps.clone(),
        fills: fills.clone(),
        letters: letters.clone(),
        skew,
        tracer,
    };

    if let Some(bus) = reach_bus(&config, &bus_latch, &stop).await? {
        // The end of the queue waits for the sockets, so that what they read last is published too.
        let relay_stop = CancellationToken::new();
        tasks.spawn("publish queue", queue.clone().run(bus.clone(), relay_stop.clone()));
        let (upkeep, until) = (bus.clone().upkeep(), stop.clone());
        tasks.spawn("upkeep", async move {
            until.run_until_cancelled(upkeep).await;
            Ok(())
        });
        let sources = Sources { queue, gaps, fills, letters, rest: rest.clone() };
        let reporter = Reporter::new(&config, telemetry.errors(), stats.clone(), sources, (metrics, gauges));
        tasks.spawn("report", reporter.run(bus.clone(), [bus_latch, venue_latch], stop.clone()));
        let following = follow(Arc::new(config), rest, bus.clone(), stats, publisher, stop.clone());
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
        let why = chassis::logline::error_chain(&error);
        warn!("the bus is not there yet: {why}");
        latch.fail(why);
        tokio::select! {
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Follows the markets until `stop`: catalogue, slots, sockets, recovery.
async fn follow(
    config: Arc<Config>,
    rest: Rest,
    bus: Bus,
    stats: FeedStats,
    publisher: TickPublisher,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if !recall(&bus, &config, &publisher, &stop).await {
        return Ok(());
    }
    let (events, event_queue) = mpsc::channel(control::EVENTS_MAX);
    let (market_events, market_event_queue) = mpsc::channel(universe::EVENTS_MAX);
    let (suspects, suspected) = mpsc::channel(prober::GROUPS_MAX);
    let (names, followed) = watch::channel(Arc::default());
    let limiter = ConnectRateLimiter::new(config.connects_per_s);
    let kept = publisher.clone();
    let queue = publisher.queue.clone();
    let mut tasks = Tasks::new(stop.clone());
    let universe = Universe::new(
        rest.clone(),
        config.universe.clone(),
        config.shard,
        (publisher.queue.clone(), publisher.gaps.clone()),
        stats.clone(),
        events.clone(),
    );
    let streams = StreamWatch {
        bus: bus.clone(),
        queue: queue.clone(),
        gaps: publisher.gaps.clone(),
        unstored: queue.unstored(),
        followed: followed.clone(),
        markets: universe.publish_again(),
    };
    tasks.spawn("streams", streams.run(stop.clone()));
    tasks.spawn("universe", universe.run(market_event_queue, stop.clone()));
    let prober = Prober::new(&config.sockets.url, limiter.clone(), events.clone());
    tasks.spawn("prober", prober.run(suspected, stop.clone()));
    let recovery = Backfill::new(
        rest.clone(),
        publisher.gaps.clone(),
        publisher.fills.clone(),
        queue.clone(),
        stats.clone(),
        &config.instance,
        config.settlement,
    );
    tasks.spawn("recovery", recovery.run(stop.clone()));
    let (snapshots, fetcher) = SnapshotRequests::new(rest.clone(), events.clone());
    tasks.spawn("snapshots", fetcher.run(stop.clone()));
    tasks.spawn("overruled", overruled::listen(bus.clone(), config.shard, events.clone(), stop.clone()));
    tasks.spawn("venue clock", venue_clock::watch(rest, stats.clone(), stop.clone()));
    tasks.spawn(
        "memory",
        checkpoint::keep(
            bus,
            (kept.queue, kept.fills),
            stats.clone(),
            (config.shard, config.settlement),
            followed,
            stop.clone(),
        ),
    );
    let budget = Arc::new(Mutex::new(Budget::new(config.hash_levels_per_s)));
    let channels = ControlChannels { prober: suspects, universe: market_events, followed: names };
    let manager =
        SubscriptionManager::new(config, stats, publisher, budget, (limiter, snapshots), channels, events);
    tasks.spawn("subscriptions", manager.run(event_queue, stop));
    tasks.join(GRACE).await
}

/// Takes over what the last feed left; asked until the bus answers, since without it a gap might stay untold and a
/// fill be published twice. False when asked to stop before.
async fn recall(bus: &Bus, config: &Config, publisher: &TickPublisher, stop: &CancellationToken) -> bool {
    let mut backoff = Backoff::new(BUS_RETRY.0, BUS_RETRY.1);
    loop {
        let recalled = tokio::select! {
            recalled = recalled(bus, config, publisher) => recalled,
            () = stop.cancelled() => return false,
        };
        match recalled {
            Ok(before) => {
                before.hand_on(&publisher.gaps, config.shard, chassis::clock::now().into());
                return true;
            }
            Err(error) => {
                warn!(
                    "what the last feed left cannot be read yet: {}",
                    chassis::logline::error_chain(&error)
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
            () = stop.cancelled() => return false,
        }
    }
}

/// What the last feed left, its newest fills recorded.
async fn recalled(
    bus: &Bus,
    config: &Config,
    publisher: &TickPublisher,
) -> Result<PreviousRun, bus::BusError> {
    let before = PreviousRun::recall(bus, config.shard).await?;
    if let Some(since) = before.since(config.settlement) {
        let trades = bus.stored(Source::RawTrades, Start::Moment(since)).await?;
        info!(trades = trades.len(), %since, "read {} trades that the bus has already", trades.len());
        // What a stream that was lost held is not remembered: its fills are known from its successor's beginning on.
        let created_at = bus.identity(SharedConsumer::Raw).await?.created_at();
        publisher.fills.forget(before.fills_known_since(created_at).map_or(since, |known| known.max(since)));
        let trades = trades.iter().filter_map(|seen| decode::<Trade>(&seen.payload).ok());
        trades
            .filter(|trade| config.shard.holds(&trade.condition_id))
            .for_each(|trade| publisher.fills.seed(&trade));
    }
    Ok(before)
}
