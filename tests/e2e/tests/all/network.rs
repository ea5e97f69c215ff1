//! A network that breaks without a word: frozen servers, half-open connections, lines that are late, slow, cut or reset.
//!
//! Knows: proxies, SIGSTOP. Never: a loss that no gap records.

use std::time::Duration;

use e2e::proxy::Line;
use e2e::{Settings, World, eventually};

/// Ticks a second: these tests wait for time limits, and run beside others.
const RATE: u32 = 150;
/// Longest wait for `/api/status` to name what is away: limits of 5 to 10 s, and a busy machine.
const NAMED_WITHIN: Duration = Duration::from_secs(40);
async fn under_load(proxied: bool) -> World {
    let mut settings = Settings::scenario("calm").sized(20, RATE, None);
    settings.proxied = proxied;
    settings.env.push(("FEED_SILENCE_MAX_S", "4".to_owned()));
    let world = World::start(settings).await;
    world.sim.begin();
    world.flowing().await;
    world
}

/// Waits until the page says that not all is well, and names `what`.
async fn named(world: &World, what: &str) {
    eventually("the page names what is away", NAMED_WITHIN, async || {
        let (code, status) = world.get("/api/status").await.map_err(|error| format!("{error:#}"))?;
        let problems = status["details"]["problems"].to_string();
        if code == 503 && problems.contains(what) { Ok(()) } else { Err(format!("{code} {status:#}")) }
    })
    .await;
}

/// Everything is well again, ticks are stored, and in the end nothing is missing that no gap records.
async fn mended_and_conserved(world: World) {
    world.all_healthy().await;
    world.flowing().await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.all_healthy().await;
    world.finish().await;
}

#[tokio::test]
async fn half_open_connections_to_the_bus_are_left_and_nothing_is_lost() {
    let world = under_load(true).await;
    let line = &world.proxies.as_ref().expect("a world with proxies").nats;
    line.set(Line::HalfOpen);
    named(&world, "bus").await;
    line.set(Line::Good);
    mended_and_conserved(world).await;
}

#[tokio::test]
async fn half_open_connections_to_the_database_are_left_and_nothing_is_lost() {
    let world = under_load(true).await;
    let line = &world.proxies.as_ref().expect("a world with proxies").postgres;
    line.set(Line::HalfOpen);
    named(&world, "database").await;
    line.set(Line::Good);
    mended_and_conserved(world).await;
}

#[tokio::test]
async fn half_open_sockets_to_the_venue_are_left_and_what_they_missed_lies_in_gaps() {
    let world = under_load(true).await;
    let line = &world.proxies.as_ref().expect("a world with proxies").venue;
    line.set(Line::HalfOpen);
    eventually("the silence is a gap", NAMED_WITHIN, async || {
        let gaps = world.query("select count(*) from api.gaps where cause = 'silence'").await;
        if gaps[0][0] == "0" { Err("none yet") } else { Ok(()) }
    })
    .await;
    line.set(Line::Good);
    world.all_healthy().await;
    world.all_gaps_healed().await;
    mended_and_conserved(world).await;
}

#[tokio::test]
async fn a_frozen_bus_is_named_and_thawed_nothing_is_lost() {
    let mut world = under_load(false).await;
    world.nats.freeze();
    named(&world, "bus").await;
    world.nats.thaw();
    mended_and_conserved(world).await;
}

#[tokio::test]
async fn a_frozen_database_is_named_and_thawed_nothing_is_lost() {
    let mut world = under_load(false).await;
    world.postgres.freeze();
    named(&world, "database").await;
    world.postgres.thaw();
    mended_and_conserved(world).await;
}

#[tokio::test]
async fn lines_that_are_late_slow_reset_or_cut_lose_nothing() {
    let world = under_load(true).await;
    let proxies = world.proxies.as_ref().expect("a world with proxies");
    let set = |line| [&proxies.nats, &proxies.postgres, &proxies.venue].map(|proxy| proxy.set(line));
    for bad in [Line::Late(Duration::from_millis(100)), Line::Slow(200_000)] {
        set(bad);
        // Twice: what is stored first may have been on its way before.
        world.flowing().await;
        world.flowing().await;
    }
    for gone in [Line::Reset, Line::Cut] {
        set(gone);
        named(&world, "bus").await;
        set(Line::Good);
        world.flowing().await;
    }
    mended_and_conserved(world).await;
}
