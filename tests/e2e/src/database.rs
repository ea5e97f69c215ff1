//! The database of a world: its logins, its tables, a client.
//!
//! Knows: how a deployment makes them. Never: what is stored.

use std::path::Path;

use stack::postgres;
use tokio_postgres::{Client, NoTls};

use crate::world::{START_WITHIN, launch};

/// Password of its logins: the database listens on loopback and lives as long as one test.
pub(crate) const PASSWORD: &str = "a-password-for-one-test";

/// Makes the logins and the tables of `postgres`, as a deployment does.
pub(crate) async fn migrate(postgres: &postgres::Server, folder: &Path) {
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
