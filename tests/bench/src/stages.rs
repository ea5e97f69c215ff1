//! Our stages, each fed from a full stream.
//!
//! Knows: how to start a service and when its stream is empty. Never: what it does with a tick.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bus::{Bus, Config, Limits, SharedConsumer};
use stack::launch::{Group, Launch, Process, StopBy};
use stack::postgres::Server;

use crate::limits::per_second;

/// Between two looks at a backlog: each is a question to the server.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const PASSWORD: &str = "a-password-for-one-bench";

/// The stages, not running yet.
#[derive(Debug)]
pub(crate) struct Stages {
    bus: Bus,
    nats_url: String,
    database_url: String,
    reader_url: String,
    folder: PathBuf,
}

impl Stages {
    /// Declares the streams and makes the tables.
    pub(crate) async fn prepare(nats_url: &str, postgres: &Server, folder: &Path) -> anyhow::Result<Self> {
        let config = Config {
            url: nats_url.to_owned(),
            user: None,
            password: None,
            creds: None,
            ca_file: None,
            service: None,
            name: "bench".to_owned(),
            limits: Limits::default(),
        };
        let stages = Self {
            bus: Bus::connect(&config).await?,
            nats_url: nats_url.to_owned(),
            database_url: postgres.url("polyfeed_writer", PASSWORD, "polyfeed"),
            reader_url: postgres.url("polyfeed_reader", PASSWORD, "polyfeed"),
            folder: folder.to_owned(),
        };
        let mut launch = stages.launch("writer", "migrate")?;
        launch.args = vec!["migrate".to_owned()];
        launch.env.push(("MIGRATE_DATABASE_URL".to_owned(), postgres.admin_url("polyfeed")));
        let ended = launch.spawn()?.wait().await;
        ensure!(
            ended.is_some_and(|status| status.success()),
            "the migration failed, see {}",
            launch.log.display()
        );
        for role in ["polyfeed_writer", "polyfeed_reader"] {
            postgres.psql("polyfeed", &format!("alter role {role} password '{PASSWORD}'")).await?;
        }
        Ok(stages)
    }

    /// The connection on which the bus is measured.
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// `count` processors empty the raw stream; ticks per second.
    pub(crate) async fn processors(&self, count: usize, ticks: usize) -> anyhow::Result<u64> {
        let names: Vec<String> = (0..count).map(|number| format!("processor-{number}")).collect();
        self.drained("processor", &names, SharedConsumer::Raw, ticks).await
    }

    /// One writer empties the judged stream; ticks per second.
    pub(crate) async fn writer(&self, ticks: usize) -> anyhow::Result<u64> {
        self.drained("writer", &["writer-0".to_owned()], SharedConsumer::Judged, ticks).await
    }

    /// A writer, to be started.
    pub(crate) fn one_writer(&self) -> anyhow::Result<Launch> {
        self.launch("writer", "writer-0")
    }

    /// A dashboard that serves on `port`.
    pub(crate) fn dashboard(&self, port: u16) -> anyhow::Result<Launch> {
        let mut launch = self.launch("dashboard", "dashboard-0")?;
        launch.env.push(("DATABASE_URL".to_owned(), self.reader_url.clone()));
        launch.env.push(("DASHBOARD_ADDR".to_owned(), format!("127.0.0.1:{port}")));
        Ok(launch)
    }

    async fn drained(
        &self,
        program: &str,
        names: &[String],
        work: SharedConsumer,
        ticks: usize,
    ) -> anyhow::Result<u64> {
        let launches: Vec<Launch> =
            names.iter().map(|name| self.launch(program, name)).collect::<anyhow::Result<_>>()?;
        let mut running: Vec<Process> = Vec::new();
        for launch in &launches {
            running.push(launch.spawn()?);
        }
        // From the first tick taken on: what a process needs to start is not the stage's speed.
        let began = loop {
            let backlog = self.bus.backlog(work).await?;
            if backlog.pending < ticks as u64 {
                break Instant::now();
            }
            self.all_alive(&mut running)?;
            tokio::time::sleep(LOOK_EVERY).await;
        };
        loop {
            let backlog = self.bus.backlog(work).await?;
            if backlog.pending == 0 && backlog.unacknowledged == 0 {
                break;
            }
            self.all_alive(&mut running)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let took = began.elapsed();
        for process in &mut running {
            process.stop(STOP_WITHIN).await;
        }
        Ok(per_second(ticks, took))
    }

    fn all_alive(&self, running: &mut [Process]) -> anyhow::Result<()> {
        let all = running.iter_mut().all(|process| process.ended().is_none());
        ensure!(all, "a service ended early, see the logs in {}", self.folder.display());
        Ok(())
    }

    fn launch(&self, program: &str, name: &str) -> anyhow::Result<Launch> {
        let beside = std::env::current_exe()?.parent().map(|folder| folder.join(program));
        let program = beside.filter(|path| path.is_file());
        let program =
            program.context("the services are not built beside this program: run `./just bench`")?;
        let mut env = vec![("NATS_URL", self.nats_url.clone()), ("ADMIN_ADDR", "127.0.0.1:0".to_owned())];
        if name.starts_with("writer") {
            env.push(("DATABASE_URL", self.database_url.clone()));
        }
        Ok(Launch {
            name: name.to_owned(),
            program,
            args: Vec::new(),
            env: env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            folder: None,
            account: None,
            log: self.folder.join(format!("{name}.log")),
            stop_by: StopBy::Terminate,
            group: Group::Shared,
        })
    }
}
