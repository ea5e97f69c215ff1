//! Parts are killed and restarted under load, and nothing acknowledged is lost or doubled.
//!
//! Knows: what may break. Never: a loss that no gap tells of.

use std::time::{Duration, Instant};

use e2e::proxy::Line;
use e2e::{Settings, World, by_length, eventually};
use venue_sim::ledger::{Entry, Kind};

/// Ticks a second while parts break.
const RATE: u32 = 1_000;
/// Kills of each kind: by default, and at full length.
const KILLS: (u32, u32) = (5, 12);
/// Rows that are stored between a start and the next kill.
const BETWEEN_ROWS: std::ops::Range<u64> = 1..1_000;

/// The line to the database while services are killed.
const LATE: Line = Line::Late(Duration::from_millis(30));

async fn under_load(processors: usize, writers: usize) -> World {
    loaded(processors, writers, false).await
}

async fn loaded(processors: usize, writers: usize, proxied: bool) -> World {
    let mut settings = Settings::scenario("calm").sized(40, RATE, None);
    (settings.processors, settings.writers, settings.proxied) = (processors, writers, proxied);
    let world = World::start(settings).await;
    world.sim.begin();
    world.flowing().await;
    world
}

/// Waits until ticks flow and the page says that all is well, and says how long that took.
async fn healed(world: &World, what: &str) {
    let began = Instant::now();
    world.flowing().await;
    let flowing_after = began.elapsed();
    world.all_healthy().await;
    eprintln!("{what}: ticks stored again after {flowing_after:?}, all healthy after {:?}", began.elapsed());
}

async fn settled(world: World) {
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.finish().await;
}

/// Waits until so many more rows are stored than now.
async fn stored_since(world: &World, rows: u64) {
    let wanted = world.stored().await + rows;
    eventually("more is stored", Duration::from_mins(1), async || {
        let now = world.stored().await;
        if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted}\n{}", world.logs())) }
    })
    .await;
}

async fn killed_again_and_again(name: &str) {
    let mut world = loaded(2, 1, true).await;
    // A transaction that takes long: nearly every kill meets one that is neither stored nor given up.
    world.proxies.as_ref().expect("a world with proxies").postgres.set(LATE);
    let mut random = fastrand::Rng::with_seed(20_261_129);
    for _ in 0..by_length(KILLS.0, KILLS.1) {
        world.kill(name).await;
        world.bring_up(name);
        stored_since(&world, random.u64(BETWEEN_ROWS)).await;
    }
    world.proxies.as_ref().expect("a world with proxies").postgres.set(Line::Good);
    world.all_healthy().await;
    settled(world).await;
}

#[tokio::test]
async fn a_processor_killed_again_and_again_loses_nothing() {
    killed_again_and_again("processor-1").await;
}

#[tokio::test]
async fn the_writer_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    killed_again_and_again("writer-1").await;
}

#[tokio::test]
async fn the_dashboard_killed_again_and_again_disturbs_nobody() {
    killed_again_and_again("dashboard").await;
}

#[tokio::test]
async fn the_feed_killed_again_and_again_loses_only_what_lies_in_recorded_gaps() {
    killed_again_and_again("feed").await;
}

#[tokio::test]
async fn a_feed_killed_just_after_the_first_start_loses_nothing() {
    let mut world = under_load(1, 1).await;
    world.kill("feed").await;
    let missed = |entry: &Entry| entry.kind == Kind::Trade && !entry.delivered;
    eventually("trades come while nobody listens", Duration::from_secs(30), async || {
        let missed = world.ledger().iter().filter(|entry| missed(entry)).count();
        if missed > 3 { Ok(()) } else { Err(format!("{missed}")) }
    })
    .await;
    world.bring_up("feed");
    world.all_gaps_healed().await;
    settled(world).await;
}

#[tokio::test]
async fn nats_restarted_under_load_loses_nothing() {
    let mut world = under_load(2, 1).await;
    world.nats.kill().await;
    world.nats.restart().await.expect("nats-server starts again");
    healed(&world, "nats killed").await;
    world.nats.stop().await;
    world.nats.restart().await.expect("nats-server starts again");
    healed(&world, "nats stopped").await;
    settled(world).await;
}

#[tokio::test]
async fn postgres_restarted_under_load_loses_nothing() {
    let mut world = under_load(2, 1).await;
    world.postgres.kill().await;
    world.postgres.restart().await.expect("postgres starts again");
    world.reconnect().await;
    healed(&world, "postgres killed").await;
    settled(world).await;
}

#[tokio::test]
async fn streams_that_hold_a_part_of_what_comes_lose_nothing() {
    let mut settings = Settings::scenario("calm").sized(40, 2 * RATE, Some(by_length(20, 30)));
    settings.env.push(("BUS_MAX_MB", "16".to_owned()));
    let world = World::start(settings).await;
    world.play().await;
    world.finish().await;
}

#[tokio::test]
async fn services_end_in_order_when_asked_to() {
    let mut world = under_load(1, 1).await;
    for name in ["feed", "processor-1", "writer-1", "dashboard"] {
        assert_eq!(world.stop(name).await, Some(0), "{name}: {}", world.logs());
    }
}
