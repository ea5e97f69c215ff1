//! One connection to Postgres that never hangs for long.
//!
//! Knows: addresses, time limits, the task that drives a connection. Never: a table.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls};
use tracing::{debug, warn};

use crate::error::StoreError;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long a connection is idle before it is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// How long sent bytes may go unacknowledged: a network that swallows packets is noticed after this.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);
/// How long a whole call may take. Kept by us: a stopped server keeps no limit of its own.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(10);
/// How long the end of a connection may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// What the server is asked to give up by itself, should we have given up on it: a little under [`CALL_MAX`].
const LIMITS: &str = "set lock_timeout = '5s'; set idle_in_transaction_session_timeout = '30s'; \
    set statement_timeout = '9s'; set timezone = 'UTC'";

/// Settings without which an acknowledged row can be lost.
const DURABILITY: &str = "select name from unnest(array['synchronous_commit', 'fsync', 'full_page_writes']) as name \
    where current_setting(name) = 'off'";

/// An open connection and the task that drives it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    driver: Driver,
}

/// The task behind a connection. It ends with it: what was given up on must not linger.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

/// Reads an address and adds our time limits to it.
pub(crate) fn config(url: &str, name: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(StoreError::Address)?;
    config
        .connect_timeout(CONNECT_MAX)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX);
    if config.get_application_name().is_none() {
        config.application_name(name);
    }
    Ok(config)
}

/// Connects; one attempt within [`CALL_MAX`].
pub(crate) async fn open(config: &Config) -> Result<Session, StoreError> {
    let doing = "connect to the database";
    let connected = timeout(CALL_MAX, config.connect(NoTls)).await;
    let (client, connection) = connected
        .map_err(|_| StoreError::TimedOut { doing, waited: CALL_MAX })?
        .map_err(StoreError::Connect)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever uses the connection learns of it, too, and decides what it means.
            debug!(error = &error as &dyn std::error::Error, "a connection to the database broke");
        }
    });
    let session = Session { client, driver: Driver(driver) };
    let prepared = timeout(CALL_MAX, session.client.batch_execute(LIMITS)).await;
    prepared
        .map_err(|_| StoreError::TimedOut { doing, waited: CALL_MAX })?
        .map_err(StoreError::statement("set the limits of a connection"))?;
    Ok(session)
}

// === impl Session ===

impl Session {
    /// Warns of settings without which an acknowledged row can be lost.
    pub(crate) async fn warn_of_weak_durability(&self) -> Result<(), StoreError> {
        let doing = "read the settings of the database";
        let rows = self.client.query(DURABILITY, &[]).await.map_err(StoreError::statement(doing))?;
        for row in rows {
            let setting: &str = row.get(0);
            warn!(
                setting,
                "the database runs with `{setting}` off: a crash of it can lose acknowledged rows"
            );
        }
        Ok(())
    }

    /// Ends the connection and waits for its driver.
    pub(crate) async fn close(self) {
        let Self { client, mut driver } = self;
        drop(client);
        if timeout(CLOSE_MAX, &mut driver.0).await.is_err() {
            debug!("a connection to the database did not end in time and is cut");
        }
    }
}

// === impl Driver ===

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_our_limits_and_keeps_its_own_name() {
        let ours = config("postgres://u:p@h/d", "polyfeed-writer").unwrap();
        assert_eq!(ours.get_connect_timeout(), Some(&CONNECT_MAX));
        assert_eq!(ours.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED_MAX));
        assert_eq!(ours.get_application_name(), Some("polyfeed-writer"));
        let theirs = config("postgres://h/d?application_name=mine", "polyfeed-writer").unwrap();
        assert_eq!(theirs.get_application_name(), Some("mine"));
    }

    #[test]
    fn an_odd_address_is_refused_without_being_shown() {
        let error = config("postgres://user:hunter2@[", "x").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
