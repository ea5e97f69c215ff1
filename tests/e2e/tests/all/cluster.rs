//! A bus of three nodes, one of which is killed under load.
//!
//! Knows: who leads which stream. Never: a loss, since what was acknowledged has a majority.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Settings, World, by_length, eventually};
use serde_json::{Value, json};

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
    let led: &[&str] = by_length(&["TICKS_RAW"], &["TICKS_RAW", "TICKS_JUDGED", "MARKETS"]);
    for stream in led.iter().copied() {
        let node = world.leader_of(stream).await;
        world.node(node).kill().await;
        let killed = Instant::now();
        told_since_is_stored(&world).await;
        eprintln!("{stream} lost its leader: what came after it is stored after {:?}", killed.elapsed());
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

/// Waits until something is stored that the feed received after now.
async fn told_since_is_stored(world: &World) {
    let now = &world.query("select now()").await[0][0];
    let sql = format!("select count(*) from api.prices where received_at > '{now}'");
    eventually("what came since is stored", Duration::from_mins(1), async || {
        let count = world.query(&sql).await[0][0].clone();
        if count == "0" { Err(world.logs()) } else { Ok(()) }
    })
    .await;
}

#[test]
fn the_override_makes_three_nodes_of_the_bus_and_every_service_knows_them() {
    let has_compose = Command::new("docker").args(["compose", "version"]).output();
    if !has_compose.is_ok_and(|output| output.status.success()) {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "docker compose could not be had");
        eprintln!("\n!!! deploy/nats/cluster.yaml is NOT checked: there is no docker compose\n");
        return;
    }
    let output = Command::new("docker")
        .args(["compose", "-f", "compose.yaml", "-f", "deploy/nats/cluster.yaml"])
        .args(["--profile", "demo", "config", "--format", "json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("docker compose starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let merged: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let services = merged["services"].as_object().expect("services");
    let mut data = BTreeSet::new();
    for node in ["nats", "nats-2", "nats-3"] {
        let service = &services[node];
        let command = service["command"].as_array().expect("a command");
        assert_eq!(command[1], "/etc/nats/cluster.conf", "{node}");
        assert_eq!(
            (&service["read_only"], &service["user"]),
            (&json!(true), &json!("65532:65532")),
            "{node}"
        );
        assert_eq!(service["depends_on"]["routes"]["condition"], "service_completed_successfully", "{node}");
        data.insert((command[3].to_string(), service["volumes"][0]["source"].to_string()));
    }
    assert_eq!(data.len(), 3, "a name and a volume for each node: {data:?}");
    let bus = "nats://nats:4222,nats://nats-2:4222,nats://nats-3:4222";
    for name in ["feed", "processor", "writer", "dashboard"] {
        let service = &services[name];
        assert_eq!(
            (&service["environment"]["NATS_URL"], &service["environment"]["BUS_REPLICAS"]),
            (&json!(bus), &json!("3"))
        );
        for node in ["nats", "nats-2", "nats-3"] {
            assert_eq!(
                service["depends_on"][node]["condition"], "service_healthy",
                "{name} waits for {node}"
            );
        }
    }
}
