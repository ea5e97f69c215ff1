//! A PostgreSQL on this machine, under an unprivileged account even when root runs it.
//!
//! Knows: its cluster, settings, start and stop. Never: a schema or a table.

pub mod client;
pub mod cluster;
pub mod handshake;
pub mod seed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::client::Login;
use crate::fault::Fault;
use crate::launch::{Group, LOOK_EVERY, Launch, Process, StopBy};
use crate::os_user::{self, Account};
use crate::wheels::PostgresPrograms;
use crate::{log, paths, ports, secret, table};

/// Start-up; after a crash it first replays up to a gigabyte of its log.
pub const START_WAIT: Duration = Duration::from_mins(2);
/// A fast stop writes a checkpoint.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// A picked port may be taken by another process before the server binds it.
const PICKS_MAX: u32 = 5;

/// Whether data outlives the machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Safety {
    /// As Postgres is meant to be run.
    Durable,
    /// No fsync, for tests: survives `kill -9`, not a loss of power.
    Disposable,
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port on 127.0.0.1; 0 picks one.
    pub port: u16,
    /// Folder of the data; made when absent. The account must be able to enter the folder above it.
    pub data: PathBuf,
    /// File for what it prints.
    pub log: PathBuf,
    /// Password of the superuser `postgres`; set when the data is made.
    pub password: String,
    /// Whether data outlives the machine.
    pub safety: Safety,
    /// Process group it joins.
    pub group: Group,
}

/// A prepared server: how to launch it and where it will answer.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How to start it.
    pub launch: Launch,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Folder of the data.
    pub data: PathBuf,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    programs: PostgresPrograms,
    settings: Settings,
    prepared: Prepared,
    process: Option<Process>,
    /// Removed with the server; only of one that was started as disposable.
    folder: Option<PathBuf>,
}

/// Makes the data when absent and says how to launch the server.
///
/// # Errors
/// When the data cannot be made, root finds no account for it, or no port is free.
pub async fn prepare(programs: &PostgresPrograms, settings: &Settings) -> Result<Prepared, Fault> {
    let account = os_user::for_servers()?;
    cluster::make(programs, &settings.data, account.as_ref(), &settings.password, settings.safety).await?;
    let port = if settings.port == 0 { ports::free()? } else { settings.port };
    let launch = launch_of(programs, settings, account, port);
    Ok(Prepared { launch, port, data: settings.data.clone() })
}

fn launch_of(
    programs: &PostgresPrograms,
    settings: &Settings,
    account: Option<Account>,
    port: u16,
) -> Launch {
    let mut args = vec!["-D".to_owned(), settings.data.display().to_string()];
    for setting in server_settings(port, settings.safety) {
        args.push("-c".to_owned());
        args.push(setting);
    }
    Launch {
        name: "postgres".to_owned(),
        program: programs.folder.join("postgres"),
        args,
        env: vec![("LC_ALL".to_owned(), "C".to_owned())],
        folder: Some(settings.data.clone()),
        account,
        log: settings.log.clone(),
        stop_by: StopBy::Interrupt,
        group: settings.group,
    }
}

/// Given on the command line at each start, so that they live in one place and not in the data.
fn server_settings(port: u16, safety: Safety) -> Vec<String> {
    let mut settings: Vec<String> = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "password_encryption=scram-sha-256",
        "max_connections=64",
        "shared_buffers=128MB",
        "max_wal_size=1GB",
        "wal_compression=on",
        "jit=off",
        "timezone=UTC",
        "log_timezone=UTC",
        "idle_in_transaction_session_timeout=30s",
        // A refused row must not print its values into the log.
        "log_error_verbosity=terse",
        "log_parameter_max_length_on_error=0",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.push(format!("port={port}"));
    if safety == Safety::Disposable {
        // `synchronous_commit` stays on: without it a killed server forgets what it has committed.
        settings.push("fsync=off".to_owned());
        settings.push("full_page_writes=off".to_owned());
    }
    settings
}

// === impl Prepared ===

impl Prepared {
    /// Whether it takes clients: this very server, and not another that holds its port.
    pub async fn answers(&self) -> bool {
        let file = self.data.join("postmaster.pid");
        let ours = fs::read_to_string(file).is_ok_and(|text| is_alive(&text, self.port));
        ours && handshake::takes_clients(self.port).await
    }
}

/// Reads `postmaster.pid`: its first line is the process, its fourth the port.
fn is_alive(pid_file: &str, port: u16) -> bool {
    let lines: Vec<&str> = pid_file.lines().map(str::trim).collect();
    let pid = lines.first().and_then(|line| line.parse().ok());
    lines.get(3) == Some(&port.to_string().as_str()) && pid.is_some_and(|pid| table::started(pid).is_some())
}

// === impl Server ===

impl Server {
    /// Starts a server and waits until it takes clients. Data that is there is used as it is.
    ///
    /// # Errors
    /// When it cannot be prepared or does not take clients in time; the last line of its log is in the text.
    pub async fn start(programs: &PostgresPrograms, settings: Settings) -> Result<Self, Fault> {
        let mut pick = 1;
        loop {
            let prepared = prepare(programs, &settings).await?;
            match launch(&prepared).await {
                Ok(process) => {
                    let (programs, process) = (programs.clone(), Some(process));
                    return Ok(Self { programs, settings, prepared, process, folder: None });
                }
                Err(fault) => {
                    let taken =
                        log::last_lines(&settings.log, 10).iter().any(|line| line.contains("already in use"));
                    if !taken || settings.port != 0 || pick == PICKS_MAX {
                        return Err(fault);
                    }
                    pick += 1;
                }
            }
        }
    }

    /// Starts a server for a test, with fresh data in a folder of its own that goes with it.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn disposable(programs: &PostgresPrograms) -> Result<Self, Fault> {
        let folder = fresh_folder()?;
        let settings = seed::settings(&folder, secret::generate()?);
        Self::start_in(programs, folder, settings).await
    }

    /// The same with a copy of the data of `seed`.
    ///
    /// # Errors
    /// As [`Server::start`], and when the data cannot be copied.
    pub async fn of_seed(programs: &PostgresPrograms, seed: &seed::Seed) -> Result<Self, Fault> {
        let folder = fresh_folder()?;
        match seed.planted(&folder) {
            Ok(settings) => Self::start_in(programs, folder, settings).await,
            Err(fault) => {
                drop(fs::remove_dir_all(&folder));
                Err(fault)
            }
        }
    }

    async fn start_in(
        programs: &PostgresPrograms,
        folder: PathBuf,
        settings: Settings,
    ) -> Result<Self, Fault> {
        match Self::start(programs, settings).await {
            Ok(mut server) => {
                server.folder = Some(folder);
                Ok(server)
            }
            Err(fault) => {
                drop(fs::remove_dir_all(&folder));
                Err(fault)
            }
        }
    }

    /// Address of `database` for `user`.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        url(self.prepared.port, user, password, database)
    }

    /// Address of `database` for the superuser.
    pub fn admin_url(&self, database: &str) -> String {
        self.url("postgres", &self.settings.password, database)
    }

    /// Port on 127.0.0.1; the same after every restart.
    pub fn port(&self) -> u16 {
        self.prepared.port
    }

    /// File of what it prints.
    pub fn log(&self) -> &Path {
        &self.prepared.launch.log
    }

    /// Number of its process; 0 when it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// When there is one of that name, or the server does not answer.
    pub async fn create_database(&self, name: &str) -> Result<(), Fault> {
        self.psql("postgres", &format!("create database {};", client::identifier(name))).await.map(drop)
    }

    /// Makes the logins of the project in `database`; see [`Login::make_roles`].
    ///
    /// # Errors
    /// As [`Login::make_roles`].
    pub async fn make_roles(&self, database: &str, secrets: &Path) -> Result<(), Fault> {
        self.superuser(database).make_roles(secrets).await
    }

    /// Runs `sql` in `database` as the superuser; see [`Login::run`].
    ///
    /// # Errors
    /// As [`Login::run`].
    pub async fn psql(&self, database: &str, sql: &str) -> Result<String, Fault> {
        self.superuser(database).run(sql).await
    }

    fn superuser(&self, database: &str) -> Login {
        Login {
            programs: self.programs.folder.clone(),
            port: self.prepared.port,
            user: "postgres".to_owned(),
            password: self.settings.password.clone(),
            database: database.to_owned(),
        }
    }

    /// Stops it in order: clients are cut off, everything is written.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP_GRACE).await;
        }
    }

    /// Halts it (SIGSTOP): connections stay open, nothing answers.
    pub fn freeze(&mut self) {
        if let Some(process) = &mut self.process {
            process.freeze();
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        if let Some(process) = &mut self.process {
            process.thaw();
        }
    }

    /// Kills it (SIGKILL) and waits until its children are gone too.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Starts it again on the same port and data; stops it first if it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> Result<(), Fault> {
        self.stop().await;
        self.process = Some(launch(&self.prepared).await?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process first: it writes into the folder until its end.
        drop(self.process.take());
        if let Some(folder) = self.folder.take() {
            drop(fs::remove_dir_all(folder));
        }
    }
}

fn fresh_folder() -> Result<PathBuf, Fault> {
    let name = format!("polyfeed-postgres-{}-{:08x}", std::process::id(), fastrand::u32(..));
    let folder = std::env::temp_dir().join(name);
    paths::make(&folder)?;
    Ok(folder)
}

/// Address of `database` on `port` of this machine.
pub fn url(port: u16, user: &str, password: &str, database: &str) -> String {
    format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")
}

async fn launch(prepared: &Prepared) -> Result<Process, Fault> {
    let mut process = prepared.launch.spawn()?;
    let deadline = Instant::now() + START_WAIT;
    loop {
        let ended = process.ended().is_some();
        if !ended && prepared.answers().await {
            return Ok(process);
        }
        if ended || Instant::now() >= deadline {
            let how = if ended { "ended while starting" } else { "does not take clients" };
            return Err(Fault::new(format!(
                "Postgres {how}; its last line: `{}` (more in `{}`)",
                log::last_line(&prepared.launch.log),
                prepared.launch.log.display()
            )));
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disposable_servers_skip_fsync_and_none_skips_commit() {
        let durable = server_settings(5432, Safety::Durable);
        let disposable = server_settings(5432, Safety::Disposable);
        assert!(durable.contains(&"port=5432".to_owned()));
        assert!(!durable.iter().any(|setting| setting.starts_with("fsync")));
        assert!(disposable.contains(&"fsync=off".to_owned()));
        assert!(!disposable.iter().any(|setting| setting.starts_with("synchronous_commit")));
    }

    #[test]
    fn pid_file_counts_only_with_a_living_process_and_the_port() {
        let file = |pid: u32| format!("{pid}\n/data\n1790000000\n5432\n\n127.0.0.1\n 1 2\nready   \n");
        assert!(is_alive(&file(std::process::id()), 5432));
        assert!(!is_alive(&file(std::process::id()), 5433));
        assert!(!is_alive(&file(u32::MAX), 5432));
        assert!(!is_alive("", 5432));
    }

    #[test]
    fn address_names_login_port_and_database() {
        assert_eq!(url(5432, "u", "p", "d"), "postgres://u:p@127.0.0.1:5432/d");
    }
}
