//! The settings of the writer.
//!
//! Knows: names, units, ranges, defaults. Never: the environment itself.

use std::net::SocketAddr;

use chassis::instance;
use chassis::settings::{EarlyExit, Secret, Settings};
use contract::stats::Service;
use store::WriterSession;

use crate::batch::BatchLimits;

/// Longest time that rows wait for company, in milliseconds: half of what the bus waits before it delivers again.
const FLUSH_MS_MAX: u64 = 5_000;

/// Bytes of payloads in one batch: some hundred whole books. Two batches are in memory at most.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the process is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Store what comes, until stopped.
    Run,
    /// `migrate`: bring the schema up to date, and end.
    Migrate,
    /// `healthcheck`: ask a running writer whether it is ready, and end.
    Healthcheck,
}

/// Everything the writer can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first word of the command line.
    pub command: Command,
    /// `INSTANCE`: name among siblings; made up by default.
    pub instance: String,
    /// Where the bus is.
    pub bus: bus::Config,
    /// Where the database is.
    pub database: DatabaseConfig,
    /// `WRITER_BATCH_ROWS`, rows, default 5000; `WRITER_FLUSH_MS`, milliseconds, default 200.
    pub batch: BatchLimits,
    /// `ADMIN_ADDR`, default 127.0.0.1:9103.
    pub admin: SocketAddr,
}

/// Where the database is, and how long it keeps what it gets.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: the login that stores. Required, but for `healthcheck` and where `migrate` has its own.
    pub url: Secret,
    /// `MIGRATE_DATABASE_URL`: the login that may change the schema, if it is another one.
    pub migrate_url: Option<Secret>,
    /// `RETENTION_DAYS`, days, default 7.
    pub retention_days: u16,
}

// === impl Config ===

impl Config {
    /// Reads everything, then fails: one run shows every mistake.
    ///
    /// # Errors
    /// What is wrong, or the text that was asked for.
    pub fn read(mut vars: Settings) -> Result<Self, EarlyExit> {
        let command = match vars.command(&COMMANDS).as_deref() {
            Some("migrate") => Command::Migrate,
            Some("healthcheck") => Command::Healthcheck,
            _ => Command::Run,
        };
        let instance = instance::name("writer");
        let bus = bus::Config::read(&mut vars, Service::Writer, &instance);
        let database = DatabaseConfig::read(&mut vars, command);
        let batch = BatchLimits {
            rows: usize::try_from(vars.integer(
                "WRITER_BATCH_ROWS",
                5_000,
                1..=10_000,
                "rows",
                "Most rows stored in one transaction.",
            ))
            .unwrap_or(usize::MAX),
            bytes: BATCH_BYTES_MAX,
            flush: vars.milliseconds(
                "WRITER_FLUSH_MS",
                200,
                1..=FLUSH_MS_MAX,
                "How long a row waits for company at most.",
            ),
        };
        let admin =
            vars.address("ADMIN_ADDR", "127.0.0.1:9103", "Where /live, /ready and /metrics are served.");
        vars.finish()?;
        Ok(Self { command, instance, bus, database, batch, admin })
    }
}

const COMMANDS: [(&str, &str); 2] = [
    ("migrate", "bring the schema of the database up to date, and end"),
    ("healthcheck", "end with 0 if the writer at ADMIN_ADDR is ready, else with 1"),
];

// === impl DatabaseConfig ===

impl DatabaseConfig {
    fn read(vars: &mut Settings, command: Command) -> Self {
        let url = vars.secret("DATABASE_URL", "Address of the database, with the login that stores.");
        let migrate_url = vars.secret(
            "MIGRATE_DATABASE_URL",
            "Address of the database, with a login that may change the schema; the writer then migrates at its start.",
        );
        let days = vars.integer("RETENTION_DAYS", 7, 1..=3_650, "days", "How long ticks are kept.");
        let is_needed = match command {
            Command::Run => true,
            Command::Migrate => migrate_url.is_none(),
            Command::Healthcheck => false,
        };
        if url.is_none() && is_needed {
            vars.fault("DATABASE_URL", "is required and not set (nor is `DATABASE_URL_FILE`)");
        }
        for (name, url) in [("DATABASE_URL", &url), ("MIGRATE_DATABASE_URL", &migrate_url)] {
            if url.as_ref().is_some_and(|url| WriterSession::new(url.expose(), "").is_err()) {
                vars.fault(name, "must be an address such as postgres://user:password@host:5432/database");
            }
        }
        Self {
            url: url.unwrap_or_default(),
            migrate_url,
            retention_days: u16::try_from(days).unwrap_or(u16::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://writer:hunter2@db/polyfeed");

    fn read(map: &[(&'static str, &'static str)], arguments: &[&str]) -> Result<Config, EarlyExit> {
        Config::read(Settings::of_map("writer", "stores", map.iter().copied(), arguments))
    }

    fn faults(map: &[(&'static str, &'static str)]) -> String {
        read(map, &[]).unwrap_err().to_string()
    }

    #[test]
    fn with_a_database_alone_the_defaults_of_the_contract_hold() {
        let config = read(&[DATABASE], &[]).unwrap();
        assert_eq!(config.command, Command::Run);
        assert_eq!((config.batch.rows, config.batch.flush), (5_000, Duration::from_millis(200)));
        assert_eq!(config.database.retention_days, 7);
        assert_eq!(config.admin.to_string(), "127.0.0.1:9103");
        assert_eq!(config.bus.url, "nats://127.0.0.1:4222");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn every_mistake_is_shown_in_one_run() {
        let told = faults(&[("WRITER_BATCH_ROWS", "10001"), ("WRITER_FLUSH_MS", "0"), ("NATS_USER", "u")]);
        for name in ["DATABASE_URL", "WRITER_BATCH_ROWS", "WRITER_FLUSH_MS", "NATS_USER"] {
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
    }

    #[test]
    fn a_batch_has_one_to_ten_thousand_rows() {
        for (rows, good) in [("0", false), ("1", true), ("10000", true), ("10001", false)] {
            assert_eq!(read(&[DATABASE, ("WRITER_BATCH_ROWS", rows)], &[]).is_ok(), good, "{rows}");
        }
    }

    #[test]
    fn an_odd_database_address_is_a_fault_that_does_not_show_it() {
        let told = faults(&[("DATABASE_URL", "hunter2")]);
        assert!(told.contains("`DATABASE_URL` must be an address"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_health_check_needs_no_database_and_migrating_needs_one_of_two() {
        assert_eq!(read(&[], &["healthcheck"]).unwrap().command, Command::Healthcheck);
        assert!(read(&[], &["migrate"]).is_err());
        let own = read(&[("MIGRATE_DATABASE_URL", "postgres://owner@db/polyfeed")], &["migrate"]).unwrap();
        assert_eq!(own.command, Command::Migrate);
    }
}
