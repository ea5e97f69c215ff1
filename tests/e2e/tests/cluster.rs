//! A bus of three nodes, one of which is killed under load.
//!
//! Knows: who leads which stream. Never: a loss, since what was acknowledged has a majority.

use std::time::Instant;

use e2e::{Settings, World};

/// Ticks a second: three servers, Postgres and five services share the machine.
const RATE: u32 = 300;

#[tokio::test]
async fn a_node_killed_under_load_costs_nothing_whatever_it_led() {
    let mut settings = Settings::scenario("calm").sized(40, RATE, None);
    (settings.processors, settings.clustered) = (2, true);
    let mut world = World::start(settings).await;
    world.copies_are_current().await;
    world.sim.begin();
    world.flowing().await;
    for stream in ["TICKS_RAW", "TICKS_JUDGED", "MARKETS"] {
        let node = world.leader_of(stream).await;
        world.node(node).kill().await;
        let killed = Instant::now();
        world.flowing().await;
        eprintln!("{stream} lost its leader: ticks stored again after {:?}", killed.elapsed());
        let heir = world.leader_of(stream).await;
        assert_ne!(heir, node, "{stream} is led by a dead node");
        world.all_healthy().await;

        world.node(node).restart().await.expect("the node starts again");
        world.copies_are_current().await;
        eprintln!("node {node} has caught up {:?} after its end", killed.elapsed());
    }
    world.all_healthy().await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    let account = world.finish().await;
    assert_eq!(account.in_gaps, 0, "the feed lost nothing, so that no gap may excuse it");
}
