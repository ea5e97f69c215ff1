//! Which services make a demo or the real thing, and what each is told.
//!
//! Knows: names, order and environment of the services. Never: how a process is started or watched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::launch::{Group, Launch, StopBy};
use crate::nats_logins::Logins;
use crate::supervise::Child;
use crate::{log, postgres};

/// The database of the project.
pub const DATABASE: &str = "polyfeed";
/// Login of the writer.
pub const WRITER_ROLE: &str = "polyfeed_writer";
/// Login that makes and changes the tables: may create roles and owns the database, no superuser.
pub const MIGRATOR_ROLE: &str = "polyfeed_migrator";
/// Login of the dashboard and of `./just psql`.
pub const READER_ROLE: &str = "polyfeed_reader";

/// Servers: stopped last.
pub const STAGE_SERVERS: u8 = 0;
const STAGE_WRITER: u8 = 1;
const STAGE_PROCESSORS: u8 = 2;
const STAGE_DASHBOARD: u8 = 3;
/// The source of everything is stopped first, so that those behind it run dry.
const STAGE_FEED: u8 = 4;

/// What is to be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// With `venue-sim` in place of the venue.
    Demo,
    /// With the real venue.
    Up,
}

/// Where everything listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Port of NATS.
    pub nats: u16,
    /// Port of Postgres.
    pub postgres: u16,
    /// Port of the stand-in for the venue.
    pub sim: u16,
    /// What it plays; `None` leaves that to its own variables.
    pub scenario: Option<String>,
    /// Address the dashboard binds.
    pub page: SocketAddr,
    /// Admin port of each service, in the order of [`ADMIN_NAMES`].
    pub admin: [u16; 4],
}

/// The services that serve `/live`, `/ready` and `/metrics` on a port of their own.
pub const ADMIN_NAMES: [&str; 4] = ["feed", "processor-1", "writer", "processor-2"];
/// Their usual ports.
pub const ADMIN_PORTS: [u16; 4] = [9101, 9102, 9103, 9104];

/// The passwords of the run.
#[derive(Clone)]
pub struct Passwords {
    /// Of the superuser `postgres`.
    pub admin: String,
    /// Of [`MIGRATOR_ROLE`].
    pub migrator: String,
    /// Of [`WRITER_ROLE`].
    pub writer: String,
    /// Of [`READER_ROLE`].
    pub reader: String,
    /// Of the bus.
    pub bus: Logins,
}

/// Where programs and logs lie.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Programs of the services.
    pub programs: PathBuf,
    /// Their logs.
    pub logs: PathBuf,
}

/// The services of `kind`, in the order in which they are started.
pub fn services(kind: Kind, addresses: &Addresses, passwords: &Passwords, folders: &Folders) -> Vec<Child> {
    let plan = Plan { kind, addresses, passwords, folders };
    let mut children = Vec::new();
    if kind == Kind::Demo {
        let mut env = vec![pair("SIM_ADDR", format!("127.0.0.1:{}", addresses.sim))];
        env.extend(addresses.scenario.iter().map(|scenario| pair("SIM_SCENARIO", scenario)));
        children.push(plan.child("venue-sim", "venue-sim", STAGE_WRITER, env));
    }
    let database = |role: &str, password: &str| {
        pair("DATABASE_URL", postgres::url(addresses.postgres, role, password, DATABASE))
    };
    let writer = vec![database(WRITER_ROLE, &passwords.writer), plan.admin(2)];
    children.push(plan.child("writer", "writer", STAGE_WRITER, writer));
    children.push(plan.child("processor-1", "processor", STAGE_PROCESSORS, vec![plan.admin(1)]));
    children.push(plan.child("processor-2", "processor", STAGE_PROCESSORS, vec![plan.admin(3)]));
    let dashboard = vec![
        database(READER_ROLE, &passwords.reader),
        pair("DASHBOARD_ADDR", addresses.page.to_string()),
        pair("ADMIN_ADDR", "127.0.0.1:0"),
    ];
    children.push(plan.child("dashboard", "dashboard", STAGE_DASHBOARD, dashboard));
    let mut feed = vec![plan.admin(0)];
    if plan.kind == Kind::Demo {
        // The stand-in settles after 2 s, so that its gaps heal before one's eyes.
        feed.push(pair("FEED_SETTLEMENT_S", "5"));
    }
    children.push(plan.child("feed", "feed", STAGE_FEED, feed));
    children
}

/// The program that makes or changes the tables and ends.
pub fn migration(addresses: &Addresses, passwords: &Passwords, folders: &Folders) -> Launch {
    let url = postgres::url(addresses.postgres, MIGRATOR_ROLE, &passwords.migrator, DATABASE);
    let env = vec![pair("MIGRATE_DATABASE_URL", url), pair("LOG_FORMAT", "json")];
    let mut launch = launch("migrate", "writer", env, folders);
    launch.args = vec!["migrate".to_owned()];
    launch
}

/// Where a browser on this machine finds the page that is bound to `page`.
pub fn reachable(page: SocketAddr) -> SocketAddr {
    let host = match page.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, page.port())
}

/// The page's address as it is printed.
pub fn page_url(page: SocketAddr) -> String {
    let at = reachable(page);
    if at.ip().is_loopback() { format!("http://localhost:{}", at.port()) } else { format!("http://{at}") }
}

struct Plan<'a> {
    kind: Kind,
    addresses: &'a Addresses,
    passwords: &'a Passwords,
    folders: &'a Folders,
}

impl Plan<'_> {
    fn child(&self, name: &str, program: &str, stage: u8, mut env: Vec<(String, String)>) -> Child {
        env.push(pair("NATS_URL", format!("nats://127.0.0.1:{}", self.addresses.nats)));
        if program != "venue-sim" {
            env.push(pair("NATS_USER", program));
            env.push(pair("NATS_PASSWORD", self.passwords.bus.password(program)));
        }
        env.push(pair("LOG_FORMAT", "json"));
        if self.kind == Kind::Demo {
            let sim = self.addresses.sim;
            env.push(pair("POLYMARKET_WS_URL", format!("ws://127.0.0.1:{sim}/ws/market")));
            for (variable, path) in [("CLOB", "clob"), ("GAMMA", "gamma"), ("DATA", "data")] {
                env.push(pair(
                    &format!("POLYMARKET_{variable}_URL"),
                    format!("http://127.0.0.1:{sim}/{path}"),
                ));
            }
        }
        Child { launch: launch(name, program, env, self.folders), stage }
    }

    fn admin(&self, at: usize) -> (String, String) {
        pair("ADMIN_ADDR", format!("127.0.0.1:{}", self.addresses.admin[at]))
    }
}

fn launch(name: &str, program: &str, env: Vec<(String, String)>, folders: &Folders) -> Launch {
    Launch {
        name: name.to_owned(),
        program: folders.programs.join(program),
        args: Vec::new(),
        env,
        folder: None,
        account: None,
        log: log::path(&folders.logs, name),
        stop_by: StopBy::Terminate,
        group: Group::Own,
    }
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The programs that `kind` needs, by name; those missing in `folder`.
pub fn missing_programs(kind: Kind, folder: &Path) -> Vec<&'static str> {
    let mut names = vec!["writer", "processor", "dashboard", "feed"];
    if kind == Kind::Demo {
        names.push("venue-sim");
    }
    names.retain(|name| !folder.join(name).is_file());
    names
}

// === impl Passwords ===

impl std::fmt::Debug for Passwords {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Passwords(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(kind: Kind) -> Vec<Child> {
        let addresses = Addresses {
            nats: 4222,
            postgres: 5432,
            sim: 9200,
            scenario: Some("demo".to_owned()),
            page: "127.0.0.1:8080".parse().unwrap(),
            admin: ADMIN_PORTS,
        };
        let word = |text: &str| text.to_owned();
        let passwords = Passwords {
            admin: word("a"),
            migrator: word("m"),
            writer: word("w"),
            reader: word("r"),
            bus: Logins::new(|login| Ok(format!("bus-{login}"))).unwrap(),
        };
        let folders = Folders { programs: "/bin".into(), logs: "/log".into() };
        assert_eq!(migration(&addresses, &passwords, &folders).args, ["migrate"]);
        assert!(!format!("{passwords:?}").contains("\"w\""));
        services(kind, &addresses, &passwords, &folders)
    }

    fn variable<'a>(children: &'a [Child], child: &str, name: &str) -> Option<&'a str> {
        let launch = &children.iter().find(|one| one.launch.name == child).unwrap().launch;
        launch.env.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn demo_has_the_stand_in_and_points_every_service_at_it() {
        let demo = children(Kind::Demo);
        let names: Vec<&str> = demo.iter().map(|child| child.launch.name.as_str()).collect();
        assert_eq!(names, ["venue-sim", "writer", "processor-1", "processor-2", "dashboard", "feed"]);
        assert_eq!(variable(&demo, "feed", "POLYMARKET_WS_URL"), Some("ws://127.0.0.1:9200/ws/market"));
        assert_eq!(variable(&demo, "processor-2", "POLYMARKET_CLOB_URL"), Some("http://127.0.0.1:9200/clob"));
        assert_eq!(variable(&demo, "feed", "FEED_SETTLEMENT_S"), Some("5"));
        assert_eq!(variable(&demo, "venue-sim", "SIM_ADDR"), Some("127.0.0.1:9200"));
        assert_eq!(variable(&demo, "venue-sim", "SIM_SCENARIO"), Some("demo"));
    }

    #[test]
    fn real_thing_leaves_the_addresses_of_the_venue_alone() {
        let up = children(Kind::Up);
        assert_eq!(up.len(), 5);
        assert_eq!(variable(&up, "feed", "POLYMARKET_WS_URL"), None);
        assert_eq!(variable(&up, "feed", "NATS_URL"), Some("nats://127.0.0.1:4222"));
    }

    #[test]
    fn writer_and_dashboard_get_logins_of_their_own_and_others_none() {
        let up = children(Kind::Up);
        let writer = "postgres://polyfeed_writer:w@127.0.0.1:5432/polyfeed";
        assert_eq!(variable(&up, "writer", "DATABASE_URL"), Some(writer));
        let reader = "postgres://polyfeed_reader:r@127.0.0.1:5432/polyfeed";
        assert_eq!(variable(&up, "dashboard", "DATABASE_URL"), Some(reader));
        assert_eq!(variable(&up, "feed", "DATABASE_URL"), None);
        assert_eq!(variable(&up, "processor-2", "NATS_USER"), Some("processor"));
        assert_eq!(variable(&up, "processor-2", "NATS_PASSWORD"), Some("bus-processor"));
        assert_eq!(variable(&up, "processor-1", "ADMIN_ADDR"), Some("127.0.0.1:9102"));
    }

    #[test]
    fn feed_is_stopped_first_and_servers_last() {
        let stages: Vec<u8> = children(Kind::Up).iter().map(|child| child.stage).collect();
        assert_eq!(stages.iter().max(), stages.last());
        assert!(stages.iter().all(|stage| *stage > STAGE_SERVERS));
    }

    #[test]
    fn page_bound_to_every_address_is_reached_by_loopback() {
        for (bound, printed) in [
            ("127.0.0.1:8080", "http://localhost:8080"),
            ("0.0.0.0:81", "http://localhost:81"),
            ("[::]:82", "http://localhost:82"),
            ("192.0.2.7:83", "http://192.0.2.7:83"),
        ] {
            assert_eq!(page_url(bound.parse().unwrap()), printed);
        }
    }

    #[test]
    fn missing_programs_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("feed"), "").unwrap();
        assert_eq!(missing_programs(Kind::Up, folder.path()), ["writer", "processor", "dashboard"]);
    }
}
