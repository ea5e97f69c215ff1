//! The compose stack as a project of its own: its containers, volumes, networks and ports.
//!
//! Knows: `compose.yaml` and what the test lays over it. Never: another project; a container after its end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::eventually;
use e2e::reconciliation::{Reconciliation, reconcile};
use serde_json::Value;
use stack::ports;
use tokio_postgres::{Client, NoTls};
use venue_sim::ledger::Entry;

use crate::{engine, http};

/// Longest wait for everything to be healthy: the machine may be building beside it.
const HEALTHY_WITHIN: Duration = Duration::from_mins(3);
/// Longest wait for everything sent to be stored.
const STORED_WITHIN: Duration = Duration::from_secs(90);
/// Entries of the ledger in one answer.
const LEDGER_PAGE: usize = 20_000;
/// The stack as a user starts it, its ports published, and what the test needs of it.
const FILES: [&str; 3] = ["compose.yaml", "deploy/containers/ports.yaml", "tests/containers/world.yaml"];

/// A running project. Dropped, nothing of it is left.
#[derive(Debug)]
pub struct Project {
    name: String,
    page: u16,
    sim: u16,
    postgres: u16,
    nats: u16,
}

impl Project {
    /// A project that is not started yet, with free ports.
    ///
    /// # Panics
    /// When there are no free ports.
    pub fn new(name: &str) -> Self {
        let free = || ports::free().expect("a free port");
        let name = format!("polyfeed-{name}-{}", std::process::id());
        Self { name, page: free(), sim: free(), postgres: free(), nats: free() }
    }

    /// Runs `docker compose` on it.
    ///
    /// # Errors
    /// When that fails, with what it said.
    pub fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("docker")
            .arg("compose")
            .args(["--profile", "demo", "--project-name", &self.name, "--project-directory"])
            .arg(root())
            .args(FILES.iter().flat_map(|file| ["--file".into(), root().join(file).into_os_string()]))
            .args(arguments)
            .env("DASHBOARD_PORT", self.page.to_string())
            .env("VENUE_SIM_PORT", self.sim.to_string())
            .env("POSTGRES_PORT", self.postgres.to_string())
            .env("NATS_PORT", self.nats.to_string())
            .output()
            .context("`docker` cannot be started")?;
        engine::told(arguments, &output)
    }

    /// Starts everything and waits until it is healthy.
    ///
    /// # Panics
    /// When it does not become healthy, with the ends of the logs.
    pub fn up(&self) {
        if let Err(error) = self.compose(&["up", "--detach", "--wait"]) {
            panic!("not up and healthy: {error:#}\n{}", self.logs());
        }
    }

    /// Names of its containers, ended ones included.
    ///
    /// # Panics
    /// When the engine does not answer.
    pub fn containers(&self) -> Vec<String> {
        self.labelled(&["ps", "--all", "--format", "{{.Names}}"])
    }

    /// Containers of one service.
    ///
    /// # Panics
    /// When the engine does not answer.
    pub fn of_service(&self, service: &str) -> Vec<String> {
        let label = format!("label=com.docker.compose.service={service}");
        self.labelled(&["ps", "--filter", &label, "--format", "{{.Names}}"])
    }

    /// Everything that bears its label: containers, volumes, networks.
    ///
    /// # Panics
    /// When the engine does not answer.
    pub fn remains(&self) -> Vec<String> {
        let mut all = self.containers();
        all.extend(self.labelled(&["volume", "ls", "--format", "{{.Name}}"]));
        all.extend(self.labelled(&["network", "ls", "--format", "{{.Name}}"]));
        all
    }

    fn labelled(&self, arguments: &[&str]) -> Vec<String> {
        let label = format!("label=com.docker.compose.project={}", self.name);
        let all: Vec<&str> = arguments.iter().copied().chain(["--filter", &label]).collect();
        let text = engine::docker(&all).expect("the engine answers");
        text.lines().map(str::to_owned).collect()
    }

    /// Kills the process of a container; waits until the engine has started it anew and all is well again.
    ///
    /// # Panics
    /// When it does not come back.
    pub async fn crash(&self, container: &str) {
        let restarts = || engine::inspect(container).map(|all| all["RestartCount"].as_u64().unwrap_or(0));
        let before = restarts().expect("a running container");
        engine::crash(container).expect("its process can be killed");
        eventually(&format!("{container} is started anew"), HEALTHY_WITHIN, async || match restarts() {
            Ok(now) if now > before => Ok(()),
            now => Err(format!("{now:?} restarts after {before}")),
        })
        .await;
        self.all_healthy().await;
    }

    /// Waits until each container is healthy, and the page says that all is well.
    ///
    /// # Panics
    /// When that does not happen, with the ends of the logs.
    pub async fn all_healthy(&self) {
        eventually("everything is healthy", HEALTHY_WITHIN, async || {
            let ill: Vec<String> = self
                .labelled(&["ps", "--all", "--format", "{{.Names}}: {{.Status}}"])
                .into_iter()
                .filter(|line| !line.contains("(healthy)") && !line.contains("Exited (0)"))
                .collect();
            if !ill.is_empty() {
                return Err(format!("{ill:?}\n{}", self.logs()));
            }
            match self.status().await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", self.logs())),
            }
        })
        .await;
    }

    /// What the page says of the whole.
    ///
    /// # Errors
    /// When it does not answer with JSON.
    pub async fn status(&self) -> anyhow::Result<(u16, Value)> {
        let (code, body) = http::ask(self.page, "GET", "/api/status").await?;
        Ok((code, serde_json::from_str(&body)?))
    }

    /// Asks the page.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn page(&self, path: &str) -> anyhow::Result<(u16, String)> {
        http::ask(self.page, "GET", path).await
    }

    /// Lets the venue end, and waits until everything it generated is written to a socket.
    ///
    /// # Panics
    /// When frames stay queued.
    pub async fn end_of_the_venue(&self) {
        http::ask(self.sim, "POST", "/sim/end").await.expect("the simulator answers");
        eventually("all that was generated is written", STORED_WITHIN, async || {
            let (_, body) =
                http::ask(self.sim, "GET", "/sim/status").await.map_err(|error| error.to_string())?;
            let status: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
            let is_over = status["phase"] == "over" && status["frames_queued"] == 0;
            if is_over { Ok(()) } else { Err(format!("{status}")) }
        })
        .await;
    }

    /// The database, as the reader.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn database(&self) -> Client {
        let volume = format!("{}_secrets-dashboard", self.name);
        let url = engine::file_in(&volume, "database-url").expect("the reader's address");
        let url = url.replace("@postgres:5432", &format!("@127.0.0.1:{}", self.postgres));
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the database answers");
        tokio::spawn(async move {
            // It ends with the client, or with the server that a test kills.
            let _ended = connection.await;
        });
        // A reader may take three seconds as a rule; whole tables are read here.
        client.batch_execute("set statement_timeout = '60s'").await.expect("a longer limit");
        client
    }

    /// Waits until the database and the simulator's ledger agree.
    ///
    /// # Panics
    /// When they still differ after a minute and a half.
    pub async fn conserved(&self) -> Reconciliation {
        let database = self.database().await;
        let mut last = Reconciliation::default();
        eventually("everything sent is stored once, and nothing else", STORED_WITHIN, async || {
            last = reconcile(&self.ledger().await, &[], &database).await;
            last.balanced().map_err(|word| format!("{word}\n{}", self.logs()))
        })
        .await;
        assert!(last.matched > 0, "nothing was compared");
        last
    }

    async fn ledger(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let from = entries.last().map_or(0, |entry| entry.sequence + 1);
            let path = format!("/sim/ledger?from={from}&limit={LEDGER_PAGE}");
            let (_, text) = http::ask(self.sim, "GET", &path).await.expect("the simulator answers");
            let before = entries.len();
            entries.extend(text.lines().map(|line| serde_json::from_str::<Entry>(line).expect("an entry")));
            if entries.len() == before {
                return entries;
            }
        }
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let states = self.compose(&["ps", "--all"]).unwrap_or_else(|error| format!("{error:#}"));
        let logs = self.compose(&["logs", "--tail", "8"]).unwrap_or_else(|error| format!("{error:#}"));
        format!("{states}\n{logs}")
    }

    /// Ends everything, its volumes included.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn down(&self) -> anyhow::Result<()> {
        self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "20"]).map(drop)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("the project {} could not be ended: {error:#}", self.name);
        }
    }
}

/// The root of the repository.
///
/// # Panics
/// When this crate lies elsewhere.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}
