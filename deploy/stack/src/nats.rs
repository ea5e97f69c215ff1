//! A nats-server with JetStream on this machine.
//!
//! Knows: its configuration file, its greeting and its health page. Never: a stream or a subject.

pub mod cluster;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::fault::Fault;
use crate::http;
use crate::launch::{Group, LOOK_EVERY, Launch, Process, StopBy, send};
use crate::nats_logins::{CONFIGURATION_FILE, Logins};
use crate::tls::Tls;
use crate::{log, paths, ports, secrets};

/// Start-up, with the recovery of a full store on a slow disk.
pub const START_WAIT: Duration = Duration::from_mins(1);
/// A stop in order flushes open files; it takes milliseconds.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// One look at the greeting.
const GREETING_WAIT: Duration = Duration::from_secs(1);
/// The greeting is one line of less than a kilobyte, sent at once.
const GREETING_BYTES: usize = 4096;
/// A picked port may be taken by another process before the server binds it.
const PICKS_MAX: u32 = 5;
/// What JetStream may keep on disk unless told otherwise: fits a laptop.
pub const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// When an acknowledged message is on the disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Within 250 ms.
    #[default]
    Standard,
    /// Before the acknowledgement.
    Strict,
}

/// Who is let in.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody on this machine: for figures and for tests of other things.
    Open,
    /// The logins of `deploy/nats/accounts.conf`, each with its rights.
    Accounts(Logins),
    /// The same, and only by TLS.
    Encrypted(Logins, Tls),
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port for clients on 127.0.0.1; 0 picks one.
    pub port: u16,
    /// Folder of the configuration file and of JetStream's store.
    pub data: PathBuf,
    /// File for what it prints.
    pub log: PathBuf,
    /// When an acknowledged message is on the disk.
    pub durability: Durability,
    /// Most bytes JetStream may keep on disk.
    pub file_max_bytes: u64,
    /// Process group it joins.
    pub group: Group,
    /// Who is let in.
    pub access: Access,
}

/// A prepared server: how to launch it and where it will answer.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How to start it.
    pub launch: Launch,
    /// Port for clients.
    pub port: u16,
    /// Port of its health page.
    pub monitor_port: u16,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    prepared: Prepared,
    process: Process,
}

impl Settings {
    /// Standard settings for a server with its files in `data`.
    pub fn in_folder(data: &Path) -> Self {
        Self {
            port: 0,
            data: data.to_owned(),
            log: data.join("nats.log"),
            durability: Durability::Standard,
            file_max_bytes: FILE_MAX_BYTES,
            group: Group::Shared,
            access: Access::Open,
        }
    }
}

/// Writes the configuration file of a server and says how to launch it.
///
/// # Errors
/// When the folder or file cannot be written, or no port is free.
pub fn prepare(program: &Path, settings: &Settings) -> Result<Prepared, Fault> {
    paths::make(&settings.data)?;
    let port = if settings.port == 0 { ports::free()? } else { settings.port };
    let mut monitor_port = ports::free()?;
    while monitor_port == port {
        monitor_port = ports::free()?;
    }
    write_access(settings)?;
    let file = settings.data.join("nats.conf");
    fs::write(&file, configuration(settings, port, monitor_port))
        .map_err(|source| Fault::io(format!("could not write `{}`", file.display()), source))?;
    let launch = Launch {
        name: "nats".to_owned(),
        program: program.to_owned(),
        args: vec!["--config".to_owned(), file.display().to_string()],
        env: Vec::new(),
        folder: None,
        account: None,
        log: settings.log.clone(),
        stop_by: StopBy::Terminate,
        group: settings.group,
    };
    Ok(Prepared { launch, port, monitor_port })
}

/// Writes what the configuration includes.
fn write_access(settings: &Settings) -> Result<(), Fault> {
    match &settings.access {
        Access::Open => Ok(()),
        Access::Accounts(logins) => logins.write(&settings.data),
        Access::Encrypted(logins, tls) => {
            logins.write(&settings.data)?;
            tls.write(&settings.data)
        }
    }
}

/// Only loopback listens; limits as in the security checklist.
fn configuration(settings: &Settings, port: u16, monitor_port: u16) -> String {
    let sync_interval = match settings.durability {
        Durability::Standard => "\"250ms\"",
        Durability::Strict => "always",
    };
    let store = settings.data.join("jetstream");
    let store = store.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let access = match &settings.access {
        Access::Open => String::new(),
        Access::Accounts(_) => format!("include ./{CONFIGURATION_FILE}\n"),
        Access::Encrypted(..) => {
            let tls = secrets::configuration_of(&settings.data.display().to_string());
            format!("include ./{CONFIGURATION_FILE}\n{tls}")
        }
    };
    format!(
        "# Written by `stack` at every start; changes here are lost.\n\
         server_name: \"{}\"\n\
         host: \"127.0.0.1\"\n\
         port: {port}\n\
         http: \"127.0.0.1:{monitor_port}\"\n\
         max_connections: 256\n\
         max_pending: 64MB\n\
         write_deadline: \"5s\"\n\
         ping_interval: \"20s\"\n\
         ping_max: 2\n\
         jetstream {{\n\
         \x20 store_dir: \"{store}\"\n\
         \x20 max_mem: 64MB\n\
         \x20 max_file: {}\n\
         \x20 sync_interval: {sync_interval}\n\
         }}\n\
         {access}",
        name_of(port, monitor_port),
        settings.file_max_bytes
    )
}

/// A name that no other server of this machine has, since nobody shares its health page.
fn name_of(port: u16, monitor_port: u16) -> String {
    format!("polyfeed-{port}-{monitor_port}")
}

// === impl Prepared ===

impl Prepared {
    /// Address for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Whether it greets clients and calls itself healthy, JetStream included.
    pub async fn answers(&self) -> bool {
        let greets = async {
            let mut socket = TcpStream::connect(ports::loopback(self.port)).await.ok()?;
            let mut greeting = vec![0; GREETING_BYTES];
            let read = socket.read(&mut greeting).await.ok()?;
            let greeting = String::from_utf8_lossy(&greeting[..read]).into_owned();
            // Not just any server's: another may hold the port, and ours is about to end.
            let ours = format!("\"server_name\":\"{}\"", name_of(self.port, self.monitor_port));
            Some(greeting.starts_with("INFO ") && greeting.contains(&ours))
        };
        if timeout(GREETING_WAIT, greets).await.ok().flatten() != Some(true) {
            return false;
        }
        http::get(ports::loopback(self.monitor_port), "/healthz")
            .await
            .is_some_and(|(status, _)| status == 200)
    }
}

// === impl Server ===

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time; the last line of its log is in the text.
    pub async fn start(program: &Path, settings: Settings) -> Result<Self, Fault> {
        let mut pick = 1;
        loop {
            let prepared = prepare(program, &settings)?;
            match launch(&prepared).await {
                Ok(process) => return Ok(Self { prepared, process }),
                Err(fault) => {
                    let taken = fault.sentence.contains("address already in use");
                    if !taken || settings.port != 0 || pick == PICKS_MAX {
                        return Err(fault);
                    }
                    pick += 1;
                }
            }
        }
    }

    /// Address for clients; the same after every restart.
    pub fn url(&self) -> String {
        self.prepared.url()
    }

    /// Port for clients.
    pub fn port(&self) -> u16 {
        self.prepared.port
    }

    /// Port of its monitoring pages.
    pub fn monitor_port(&self) -> u16 {
        self.prepared.monitor_port
    }

    /// Number of its process; of the last one when it does not run.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it in order and waits for its end.
    pub async fn stop(&mut self) {
        self.process.stop(STOP_GRACE).await;
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Tells it to read its configuration again.
    pub fn reload(&self) {
        send(self.pid(), Group::Shared, Signal::HUP);
    }

    /// Halts it without ending it; [`Server::thaw`] lets it go on.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    /// Lets a halted server go on.
    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// Starts it again on the same port and data; stops it first if it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> Result<(), Fault> {
        self.stop().await;
        self.process = launch(&self.prepared).await?;
        Ok(())
    }
}

async fn launch(prepared: &Prepared) -> Result<Process, Fault> {
    let mut process = prepared.launch.spawn()?;
    let deadline = Instant::now() + START_WAIT;
    loop {
        if prepared.answers().await {
            return Ok(process);
        }
        let ended = process.ended().is_some();
        if ended || Instant::now() >= deadline {
            let how = if ended { "ended while starting" } else { "does not answer" };
            return Err(Fault::new(format!(
                "nats-server {how}; its last line: `{}` (more in `{}`)",
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
    fn configuration_listens_on_loopback_only_and_states_the_durability() {
        let mut settings = Settings::in_folder(Path::new("/x/\"y"));
        let standard = configuration(&settings, 4222, 8222);
        assert!(standard.contains("host: \"127.0.0.1\"\nport: 4222\nhttp: \"127.0.0.1:8222\"\n"));
        assert!(standard.contains("sync_interval: \"250ms\""), "{standard}");
        assert!(standard.contains("store_dir: \"/x/\\\"y/jetstream\""), "{standard}");
        settings.durability = Durability::Strict;
        assert!(configuration(&settings, 4222, 8222).contains("sync_interval: always"));
        assert!(!standard.contains("include"));
        settings.access = Access::Accounts(Logins::fresh().unwrap());
        assert!(configuration(&settings, 4222, 8222).ends_with("}\ninclude ./accounts.conf\n"));
    }
}
