//! What a person may type, and what it means.
//!
//! Knows: verbs, flags, variables and their defaults. Never: how a verb is carried out.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::plan::Kind;
use crate::settings;

/// Printed for `--help`.
pub const HELP: &str = "\
stack: NATS, Postgres and the services on this machine, without containers

  stack demo             run everything with venue-sim in place of the venue
  stack up               run everything with the real venue
  stack down             end what `demo` or `up` runs, from another terminal
  stack status           say what runs
  stack logs [NAME] [-f] print the end of the logs; -f goes on printing
  stack psql [--admin] [ARGS]  SQL in the running database: as reader, or as superuser
  stack fetch            fetch the servers and end
  stack secrets --dir D  make what is absent of a deployment's passwords, in a folder for each service
  stack settings DIR [NAME=VALUE]...  keep settings in a folder, once (for containers)

  --bin-dir DIR     programs of the services      default: where this program lies
  --local-dir DIR   cache, data, logs, secrets    default: .local
  --log-level WORD  error, info or debug          default: info

  With `secrets`: --postgres-host HOST[:PORT]  in the addresses of the database  default: postgres:5432
                  --tls NAMES|off     certificates of the bus for these hosts    default: off
                  --mounted-at DIR    where nats-server finds D/nats             default: /run/secrets

  DASHBOARD_ADDR    address of the page           default: 127.0.0.1:8080
  NATS_PORT, POSTGRES_PORT, VENUE_SIM_PORT        default: 4222, 5432, 9200, or a free port
                    when that one is taken; 0 picks a free one
  SIM_SCENARIO      what venue-sim plays          default: demo
  BUS_DURABILITY    standard (on disk within 250 ms) or strict (before each acknowledgement)
  All other variables reach the services as they are, such as FEED_UNIVERSE or RUST_LOG.

Exit codes: 0 stopped as asked, 64 wrong usage, 1 could not go on.
";

/// How much is told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Faults only.
    Error,
    /// Progress, and children that end.
    Info,
    /// Each start too.
    Debug,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Print [`HELP`].
    Help,
    /// Run everything in the foreground.
    Run(Kind),
    /// End what runs.
    Down,
    /// Progress what runs.
    Status,
    /// Print logs.
    Logs {
        /// Of which child; `None`: all.
        name: Option<String>,
        /// Whether to go on printing, and how much of the past.
        follow: Follow,
    },
    /// SQL.
    Psql {
        /// As whom.
        who: DbRole,
        /// Handed to psql.
        args: Vec<String>,
    },
    /// Fetch the servers.
    Fetch,
    /// Make the passwords of a deployment.
    Secrets(crate::secrets::Wish),
    /// Keep settings in a folder.
    Settings {
        /// Where.
        folder: PathBuf,
        /// Which; empty: whatever was chosen first.
        chosen: BTreeMap<String, String>,
    },
}

/// Whether printing goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Follow {
    /// The end only.
    No,
    /// The end, then whatever comes.
    Yes,
}

/// Who asks the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DbRole {
    /// May read the views.
    Reader,
    /// May do everything.
    Admin,
}

/// All that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// What is to be done.
    pub verb: Verb,
    /// Programs of the services; `None`: where this program lies.
    pub bin_dir: Option<PathBuf>,
    /// Cache, data, logs, secrets.
    pub local_dir: PathBuf,
    /// How much is told.
    pub level: Level,
    /// Where things shall listen.
    pub wishes: ListenOptions,
}

/// Where things shall listen, as far as the user has said so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenOptions {
    /// `DASHBOARD_ADDR`.
    pub page: SocketAddr,
    /// `NATS_PORT`.
    pub nats: Option<u16>,
    /// `POSTGRES_PORT`.
    pub postgres: Option<u16>,
    /// `VENUE_SIM_PORT`.
    pub sim: Option<u16>,
    /// `SIM_SCENARIO`, or the one made for a demo; `None` when `SIM_REPLAY` names a recording instead.
    pub scenario: Option<String>,
    /// `BUS_DURABILITY=strict`.
    pub durability: crate::nats::Durability,
}

/// Reads arguments (without the program's name) and variables. Tells every mistake at once.
///
/// # Errors
/// The mistakes, one sentence each.
pub fn parse(arguments: &[String], variables: &BTreeMap<String, String>) -> Result<Command, Vec<String>> {
    let mut faults = Vec::new();
    let (options, words) = options(arguments, &mut faults);
    let level = match options.get("--log-level").map_or("info", String::as_str) {
        "error" => Level::Error,
        "info" => Level::Info,
        "debug" => Level::Debug,
        other => {
            faults.push(format!("--log-level is error, info or debug, not `{other}`"));
            Level::Info
        }
    };
    let wishes = wishes(variables, &mut faults);
    let verb = verb(&words, &mut faults);
    match (wishes, verb) {
        (Some(wishes), Some(verb)) if faults.is_empty() => Ok(Command {
            verb,
            bin_dir: options.get("--bin-dir").map(PathBuf::from),
            local_dir: options.get("--local-dir").map_or_else(|| PathBuf::from(".local"), PathBuf::from),
            level,
            wishes,
        }),
        _ => Err(faults),
    }
}

/// Parts our own flags from the rest. From the first word for psql on, nothing is ours.
fn options<'a>(
    arguments: &'a [String],
    faults: &mut Vec<String>,
) -> (BTreeMap<&'a str, String>, Vec<&'a str>) {
    const FLAGS: [&str; 3] = ["--bin-dir", "--local-dir", "--log-level"];
    let mut options = BTreeMap::new();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let psqls = words.first() == Some(&"psql") && words.len() > 1;
        if psqls || !FLAGS.contains(&flag) {
            words.push(argument);
        } else if let Some(value) = value.or_else(|| rest.next().cloned()) {
            options.insert(flag, value);
        } else {
            faults.push(format!("{flag} needs a value"));
        }
    }
    (options, words)
}

fn verb(words: &[&str], faults: &mut Vec<String>) -> Option<Verb> {
    let (first, rest) = words.split_first().unwrap_or((&"--help", &[]));
    if *first != "psql" && rest.iter().any(|word| ["--help", "-h"].contains(word)) {
        return Some(Verb::Help);
    }
    let verb = match *first {
        "demo" => Verb::Run(Kind::Demo),
        "up" => Verb::Run(Kind::Up),
        "down" => Verb::Down,
        "status" => Verb::Status,
        "fetch" => Verb::Fetch,
        "help" | "--help" | "-h" => Verb::Help,
        "logs" => {
            let follow = if rest.iter().any(|word| FOLLOW.contains(word)) { Follow::Yes } else { Follow::No };
            let names: Vec<&&str> = rest.iter().filter(|word| !FOLLOW.contains(word)).collect();
            if names.len() > 1 || names.iter().any(|name| name.starts_with('-') || name.contains('/')) {
                faults.push("`logs` takes one name and -f".to_owned());
            }
            return Some(Verb::Logs { name: names.first().map(|name| (**name).to_owned()), follow });
        }
        "settings" => return chosen(rest, faults),
        "psql" => {
            let admin = rest.first() == Some(&"--admin");
            let args = rest.iter().skip(usize::from(admin)).map(|word| (*word).to_owned()).collect();
            return Some(Verb::Psql { who: if admin { DbRole::Admin } else { DbRole::Reader }, args });
        }
        "secrets" => return crate::secrets::parse(rest, faults).map(Verb::Secrets),
        other => {
            faults.push(format!("there is no verb `{other}`; `stack --help` lists them"));
            return None;
        }
    };
    if let Some(word) = rest.first() {
        faults.push(format!("`{first}` takes no `{word}`"));
    }
    Some(verb)
}

fn chosen(words: &[&str], faults: &mut Vec<String>) -> Option<Verb> {
    let Some((folder, pairs)) = words.split_first() else {
        faults.push("`settings` needs a folder".to_owned());
        return None;
    };
    let mut chosen = BTreeMap::new();
    for word in pairs {
        match word.split_once('=') {
            Some((name, value)) if settings::is_name(name) => {
                chosen.insert(name.to_owned(), value.to_owned());
            }
            _ => faults.push(format!("`settings` wants NAME=VALUE, not `{word}`")),
        }
    }
    Some(Verb::Settings { folder: PathBuf::from(folder), chosen })
}

const FOLLOW: [&str; 2] = ["-f", "--follow"];

fn wishes(variables: &BTreeMap<String, String>, faults: &mut Vec<String>) -> Option<ListenOptions> {
    let given = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut port = |name: &str| {
        let text = given(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            faults.push(format!("{name} is a port from 0 to 65535, not `{text}`"));
        }
        parsed
    };
    let (nats, postgres, sim) = (port("NATS_PORT"), port("POSTGRES_PORT"), port("VENUE_SIM_PORT"));
    let durability = match given("BUS_DURABILITY") {
        None | Some("standard") => crate::nats::Durability::Standard,
        Some("strict") => crate::nats::Durability::Strict,
        Some(other) => {
            faults.push(format!("BUS_DURABILITY is standard or strict, not `{other}`"));
            crate::nats::Durability::Standard
        }
    };
    let scenario = match given("SIM_REPLAY") {
        Some(_) => None,
        None => Some(given("SIM_SCENARIO").unwrap_or("demo").to_owned()),
    };
    let text = given("DASHBOARD_ADDR").unwrap_or("127.0.0.1:8080");
    // Names such as `localhost` are understood too; the first address counts.
    let page = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    if page.is_none() {
        faults.push(format!("DASHBOARD_ADDR is an address and a port such as 127.0.0.1:8080, not `{text}`"));
    }
    Some(ListenOptions { page: page?, nats, postgres, sim, scenario, durability })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::Durability;

    fn typed(line: &str, variables: &[(&str, &str)]) -> Result<Command, Vec<String>> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        parse(&words, &pairs.collect())
    }

    #[test]
    fn verbs_and_flags_are_understood() {
        let command = typed("--bin-dir /b demo --local-dir=/l --log-level debug", &[]).unwrap();
        assert_eq!(command.verb, Verb::Run(Kind::Demo));
        assert_eq!((command.bin_dir, command.local_dir), (Some("/b".into()), "/l".into()));
        assert_eq!((command.level, command.wishes.page.port()), (Level::Debug, 8080));
        for (line, verb) in [
            ("up", Verb::Run(Kind::Up)),
            ("down", Verb::Down),
            ("status", Verb::Status),
            ("fetch", Verb::Fetch),
            ("", Verb::Help),
            ("demo --help", Verb::Help),
            ("logs feed -f", Verb::Logs { name: Some("feed".to_owned()), follow: Follow::Yes }),
            ("logs", Verb::Logs { name: None, follow: Follow::No }),
            ("settings /s", Verb::Settings { folder: "/s".into(), chosen: BTreeMap::new() }),
            (
                "settings /s A_B=c=d",
                Verb::Settings {
                    folder: "/s".into(),
                    chosen: BTreeMap::from([("A_B".to_owned(), "c=d".to_owned())]),
                },
            ),
        ] {
            assert_eq!(typed(line, &[]).unwrap().verb, verb, "{line}");
        }
    }

    #[test]
    fn what_follows_psql_is_psqls() {
        assert_eq!(typed("psql --local-dir /l -l", &[]).unwrap().local_dir, PathBuf::from("/l"));
        let command = typed("--local-dir /l psql --admin -c --help --local-dir", &[]).unwrap();
        let args = ["-c", "--help", "--local-dir"].map(str::to_owned).to_vec();
        assert_eq!(command.verb, Verb::Psql { who: DbRole::Admin, args });
        assert_eq!(typed("psql", &[]).unwrap().verb, Verb::Psql { who: DbRole::Reader, args: Vec::new() });
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let variables = [
            ("NATS_PORT", "70000"),
            ("POSTGRES_PORT", "x"),
            ("DASHBOARD_ADDR", "8080"),
            ("BUS_DURABILITY", "maybe"),
        ];
        let faults = typed("demo more --log-level loud --bin-dir", &variables).unwrap_err();
        assert_eq!(faults.len(), 7, "{faults:?}");
        assert!(typed("dance", &[]).unwrap_err()[0].contains("no verb `dance`"));
        assert!(typed("logs ../x", &[]).is_err());
        assert!(typed("logs a b", &[]).is_err());
        assert!(typed("settings", &[]).is_err());
        assert_eq!(typed("settings /s ../x=1 A", &[]).unwrap_err().len(), 2);
    }

    #[test]
    fn wishes_come_from_variables_and_blank_ones_count_as_absent() {
        let variables = [
            ("NATS_PORT", "65535"),
            ("VENUE_SIM_PORT", "0"),
            ("DASHBOARD_ADDR", " "),
            ("BUS_DURABILITY", "strict"),
        ];
        let wishes = typed("demo", &variables).unwrap().wishes;
        assert_eq!((wishes.nats, wishes.postgres, wishes.sim), (Some(65_535), None, Some(0)));
        assert_eq!((wishes.page.port(), wishes.durability), (8080, Durability::Strict));
        assert_eq!(wishes.scenario.as_deref(), Some("demo"));
        assert_eq!(
            typed("demo", &[("SIM_SCENARIO", "calm")]).unwrap().wishes.scenario.as_deref(),
            Some("calm")
        );
        assert_eq!(typed("demo", &[("SIM_REPLAY", "/tape")]).unwrap().wishes.scenario, None);
    }
}
