//! The services of this build on the official images of NATS and Postgres, a pair for each test.
//!
//! Knows: what the images are told. Never: a server of this machine.

use std::path::Path;
use std::time::Duration;

use containers::engine;
use e2e::eventually;
use e2e::programs::binary;
use e2e::reconciliation::reconcile;
use stack::launch::{Group, Launch, Process, StopBy};
use stack::log::last_lines;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio_postgres::{Client, NoTls};
use venue_sim::scenario::Scenario;
use venue_sim::{Begin, Options, Simulator};

/// The database listens on loopback and lives as long as the test.
const PASSWORD: &str = "a-password-for-one-test";
/// Longest wait for everything to be stored.
const STORED_WITHIN: Duration = Duration::from_mins(2);

/// A running service, or its end.
struct Service {
    launch: Launch,
    process: Process,
}

fn start(name: &str, arguments: &[&str], env: &[(&str, String)], folder: &Path) -> Service {
    let launch = Launch {
        name: name.to_owned(),
        program: binary(name),
        args: arguments.iter().map(|word| (*word).to_owned()).collect(),
        env: env.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        folder: None,
        account: None,
        log: folder.join(format!("{name}.log")),
        stop_by: StopBy::Terminate,
        group: Group::Shared,
    };
    let process = launch.spawn().expect("the service starts");
    Service { launch, process }
}

async fn nats() -> ContainerAsync<GenericImage> {
    GenericImage::new("nats", "2.12-alpine")
        .with_exposed_port(4222.tcp())
        .with_wait_for(WaitFor::message_on_stderr("Server is ready"))
        .with_cmd(["--jetstream", "--store_dir", "/tmp/js"])
        .start()
        .await
        .expect("the image of NATS starts")
}

async fn postgres() -> ContainerAsync<GenericImage> {
    // The first `ready` is that of the server which only sets the database up.
    GenericImage::new("postgres", "18-alpine")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stdout("database system is ready to accept connections"))
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", PASSWORD)
        .with_env_var("POSTGRES_DB", "polyfeed")
        .with_cmd(["-c", "fsync=off"])
        .start()
        .await
        .expect("the image of Postgres starts")
}

async fn port(container: &ContainerAsync<GenericImage>, inside: u16) -> u16 {
    container.get_host_port_ipv4(inside).await.expect("a published port")
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database answers");
    tokio::spawn(async move {
        // It ends with the client, or with the container.
        let _ended = connection.await;
    });
    client
}

#[tokio::test]
async fn a_journey_over_the_official_images_is_conserved() {
    if !engine::answers() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (nats, postgres) = tokio::join!(nats(), postgres());
    let at = format!("127.0.0.1:{}/polyfeed", port(&postgres, 5432).await);
    let url = |login: &str| format!("postgres://{login}:{PASSWORD}@{at}");
    let migration = [("MIGRATE_DATABASE_URL", url("postgres"))];
    let mut migrating = start("writer", &["migrate"], &migration, folder.path());
    let ended = migrating.process.wait().await;
    assert!(ended.is_some_and(|status| status.success()), "{:?}", last_lines(&migrating.launch.log, 20));
    let database = client(&url("postgres")).await;
    let password = format!("alter role polyfeed_writer password '{PASSWORD}'");
    database.batch_execute(&password).await.expect("a password for the writer");

    let mut scenario = Scenario::named("stale-trades").expect("one of the simulator's scenarios");
    scenario.duration_s = Some(10);
    let sim =
        Simulator::start(Options { begin: Begin::WhenTold, ..Options::of(scenario) }).await.expect("a venue");
    let urls = sim.urls();
    let bus = ("NATS_URL", format!("nats://127.0.0.1:{}", port(&nats, 4222).await));
    let admin = ("ADMIN_ADDR", "127.0.0.1:0".to_owned());
    let rest = [("POLYMARKET_CLOB_URL", urls.clob), ("POLYMARKET_DATA_URL", urls.data)];
    let mut feed = vec![
        ("POLYMARKET_WS_URL", urls.ws),
        ("POLYMARKET_GAMMA_URL", urls.gamma),
        ("FEED_UNIVERSE", "all".to_owned()),
        // The ledger knows of no book that the venue did not send.
        ("FEED_BOOK_EVERY_S", "0".to_owned()),
    ];
    feed.extend(rest.iter().cloned());
    let writer = [("DATABASE_URL", url("polyfeed_writer"))];
    let services: Vec<Service> = [("feed", &feed[..]), ("processor", &rest), ("writer", &writer)]
        .into_iter()
        .map(|(name, own)| start(name, &[], &[own, &[bus.clone(), admin.clone()]].concat(), folder.path()))
        .collect();
    let logs = || {
        let ends = services.iter().map(|service| last_lines(&service.launch.log, 8).join("\n"));
        ends.collect::<Vec<_>>().join("\n---\n")
    };
    eventually("the feed has subscribed", STORED_WITHIN, async || {
        if sim.status().tokens_subscribed > 0 { Ok(()) } else { Err(logs()) }
    })
    .await;
    sim.begin();
    sim.finished().await.expect("the venue could write all it had to say");
    eventually("everything sent is stored once, and nothing else", STORED_WITHIN, async || {
        let account = reconcile(&sim.ledger(), &sim.poisoned(), &database).await;
        account.balanced().map_err(|word| format!("{word}\n{}", logs()))?;
        if account.matched > 0 { Ok(()) } else { Err("nothing was compared".to_owned()) }
    })
    .await;
}
