//! The database of a world: its logins, its tables, a client.
//!
//! Knows: how a deployment makes them. Never: what is stored.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use stack::fault::Fault;
use stack::paths::Paths;
use stack::postgres;
use stack::postgres::seed::Seed;
use stack::wheels::{self, PostgresPrograms};
use tokio_postgres::{Client, NoTls};

use crate::programs::{START_WITHIN, binary, launch};

/// Password of its logins: the database listens on loopback and lives as long as one test.
pub(crate) const PASSWORD: &str = "a-password-for-one-test";

/// A server with the logins and tables of a deployment: a copy of one that was made once for these migrations.
pub(crate) async fn migrated(places: &Paths, programs: &PostgresPrograms) -> postgres::Server {
    let today = today();
    let program = program_mark();
    let mut parts = vec![postgres::client::ROLES, PASSWORD, &today, &program];
    parts.extend(store::migrations());
    let seed = Seed::of(places, programs, "migrated", &parts, async |server| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        server.create_database("polyfeed").await?;
        migrate(server, folder.path()).await;
        Ok::<(), Fault>(())
    });
    let seed = seed.await.expect("a database to copy");
    postgres::Server::of_seed(programs, &seed).await.expect("postgres starts")
}

/// A server whose database a superuser migrated, with `password` for both logins: a copy of one that was made once.
///
/// # Panics
/// When it cannot be made: a test without it proves nothing.
pub async fn migrated_by_a_superuser(password: &str) -> postgres::Server {
    let places = Paths::of_workspace().expect("a place for the servers");
    let programs = wheels::postgres(&places, &|line: &str| eprintln!("{line}")).await.expect("postgres");
    let today = today();
    let mut parts = vec![password, &today];
    parts.extend(store::migrations());
    let seed = Seed::of(&places, &programs, "superuser", &parts, async |server| {
        server.create_database("polyfeed").await?;
        store::migrate(&server.admin_url("polyfeed")).await.expect("the migrations run");
        for role in ["polyfeed_writer", "polyfeed_reader"] {
            server.psql("polyfeed", &format!("alter role {role} password '{password}'")).await?;
        }
        Ok::<(), Fault>(())
    });
    let seed = seed.await.expect("a database to copy");
    postgres::Server::of_seed(&programs, &seed).await.expect("postgres starts")
}

/// When the program that migrates was built, and its size: what else it does while migrating may have changed.
fn program_mark() -> String {
    let file = std::fs::metadata(binary("writer")).expect("the writer was built");
    let built = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {}", built.as_nanos(), file.len())
}

/// The day, since tables are made for it and the next: a seed of yesterday is another one.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() / 86_400).to_string()
}

/// Makes the logins and the tables of `postgres`, as a deployment does.
async fn migrate(postgres: &postgres::Server, folder: &Path) {
    let secrets = folder.join("roles");
    std::fs::create_dir(&secrets).expect("a folder");
    for name in ["migrator", "writer", "reader"] {
        std::fs::write(secrets.join(name), PASSWORD).expect("a password");
    }
    postgres.make_roles("polyfeed", &secrets).await.expect("the logins of the database");
    let env = vec![("MIGRATE_DATABASE_URL", postgres.url("polyfeed_migrator", PASSWORD, "polyfeed"))];
    let mut launch = launch("migrate", "writer", env, folder);
    launch.args = vec!["migrate".to_owned()];
    let mut process = launch.spawn().expect("the migration starts");
    let status = tokio::time::timeout(START_WITHIN, process.wait()).await.expect("the migration ends");
    let log = stack::log::last_lines(&launch.log, 20).join("\n");
    assert!(status.is_some_and(|status| status.success()), "the migration failed:\n{log}");
}

/// A client that may do everything.
pub(crate) async fn client(postgres: &postgres::Server) -> Client {
    let url = postgres.admin_url("polyfeed");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the database answers");
    tokio::spawn(async move {
        // It ends with the client, or with the server that a test restarts.
        let _ended = connection.await;
    });
    client
}
