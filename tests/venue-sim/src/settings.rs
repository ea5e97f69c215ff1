//! The command line and environment of the program.
//!
//! Knows: flags, variables, defaults, ranges; every fault is told in one run. Never: what they bring about.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::replay::Rebase;
use crate::scenario::Scenario;
use crate::{Manners, Options, Source};

/// Flag, variable, default, and what it says.
const KNOWN: &[(&str, &str, &str, &str)] = &[
    ("addr", "SIM_ADDR", "127.0.0.1:9200", "address to listen on; port 0 takes a free one"),
    ("scenario", "SIM_SCENARIO", "calm", "name of a scenario, or path of a scenario file"),
    ("markets", "SIM_MARKETS", "the scenario's", "ordinary markets, 1 to 36000"),
    ("rate", "SIM_RATE", "the scenario's", "ticks a second, 1 to 50000"),
    ("seed", "SIM_SEED", "the scenario's", "seed of everything drawn"),
    ("duration-s", "SIM_DURATION_S", "the scenario's", "length of the run in seconds; 0 has no end"),
    (
        "strict",
        "SIM_STRICT",
        "no",
        "yes: a socket without PING and one that repeats its first message are closed with 1008, an upgrade without a User-Agent gets 403",
    ),
    ("ping-timeout-s", "SIM_PING_TIMEOUT_S", "30", "how long strict sockets may do without PING, in seconds"),
    (
        "ports",
        "SIM_PORTS",
        "none",
        "first of four ports at which WebSocket, CLOB, Gamma and Data API have roots of their own; 0 takes free ones",
    ),
    (
        "settlement-ms",
        "SIM_SETTLEMENT_MS",
        "2000",
        "from a match to its row at the Data API, in milliseconds",
    ),
    (
        "trades-cache-s",
        "SIM_TRADES_CACHE_S",
        "300",
        "the same address of trades is answered from a cache for so long, in seconds, with its Age; 0: never",
    ),
    ("ledger", "SIM_LEDGER", "none", "file that gets the ledger at the end, one JSON object a line"),
    (
        "universe",
        "SIM_UNIVERSE",
        "none",
        "file of Gamma's markets (.jsonl, .jsonl.gz) instead of invented ordinary ones",
    ),
    ("replay", "SIM_REPLAY", "none", "file of recorded frames to play instead of a scenario"),
    ("speed", "SIM_SPEED", "1", "how many times as fast a recording is played, 1 to 1000"),
    ("rebase", "SIM_REBASE", "now", "timestamps of a recording: now shifts them, none keeps them"),
];

/// What the program is to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Show the help.
    Help(String),
    /// Ask a running simulator whether it answers.
    Healthcheck(SocketAddr),
    /// Run a simulator.
    Run {
        /// How.
        options: Box<Options>,
        /// File for the ledger.
        ledger: Option<PathBuf>,
    },
}

/// Reads flags (`--name value` or `--name=value`), then variables, then defaults.
///
/// # Errors
/// All faults, one sentence each.
pub fn read(
    arguments: impl IntoIterator<Item = String>,
    variables: &BTreeMap<String, String>,
) -> Result<Command, Vec<String>> {
    let mut faults = Vec::new();
    let mut given: HashMap<&str, String> = HashMap::new();
    let mut arguments = arguments.into_iter().peekable();
    let healthcheck = arguments.next_if(|word| word == "healthcheck").is_some();
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(Command::Help(help()));
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        match KNOWN.iter().find(|(flag, ..)| name.strip_prefix("--") == Some(flag)) {
            None => faults.push(format!("`{name}` is no flag; see --help")),
            Some((flag, ..)) => match value.or_else(|| arguments.next()) {
                Some(value) => drop(given.insert(flag, value)),
                None => faults.push(format!("--{flag} needs a value")),
            },
        }
    }
    for (flag, variable, ..) in KNOWN {
        if let Some(value) = variables.get(*variable).filter(|value| !value.is_empty()) {
            given.entry(flag).or_insert_with(|| value.clone());
        }
    }
    let mut given = Given { given, faults };
    let command = if healthcheck { given.address().map(Command::Healthcheck) } else { given.command() };
    match command {
        Some(command) if given.faults.is_empty() => Ok(command),
        _ => Err(given.faults),
    }
}

/// What was given, and what is wrong with it.
#[derive(Debug)]
struct Given {
    given: HashMap<&'static str, String>,
    faults: Vec<String>,
}

impl Given {
    fn command(&mut self) -> Option<Command> {
        let source = self.source();
        let address = self.address();
        let ping_s = self.parsed("ping-timeout-s", "1 to 86400", |seconds| (1..=86_400).contains(seconds));
        let settlement_ms = self.parsed("settlement-ms", "0 to 600000", |ms| (0..=600_000).contains(ms));
        let cache_s = self.parsed("trades-cache-s", "0 to 86400", |seconds| (0..=86_400).contains(seconds));
        let manners = match self.given.get("strict").map(String::as_str) {
            None | Some("no") => Manners::Lenient,
            Some("yes") => Manners::Strict,
            Some(other) => {
                self.faults.push(format!("--strict must be yes or no, not `{other}`"));
                Manners::Lenient
            }
        };
        let roots_from = self.parsed("ports", "0 to 65532", |port: &u16| *port <= 65_532);
        let defaults = Options::of(Scenario::named("calm").ok()?);
        let options = Options {
            address: address?,
            source: source?,
            ping_timeout: ping_s.map_or(defaults.ping_timeout, Duration::from_secs),
            settlement_delay: settlement_ms.map_or(defaults.settlement_delay, Duration::from_millis),
            trades_cached_for: cache_s.map_or(defaults.trades_cached_for, Duration::from_secs),
            universe: self.given.get("universe").map(PathBuf::from),
            manners,
            roots_from,
            ..defaults
        };
        Some(Command::Run { options: Box::new(options), ledger: self.given.get("ledger").map(PathBuf::from) })
    }

    /// Where to listen; none after a fault.
    fn address(&mut self) -> Option<SocketAddr> {
        if self.given.contains_key("addr") {
            self.parsed("addr", "an address such as 127.0.0.1:9200", |_| true)
        } else {
            Some(SocketAddr::from(([127, 0, 0, 1], 9200)))
        }
    }

    fn source(&mut self) -> Option<Source> {
        let speed = self.parsed("speed", "1 to 1000", |speed| (1..=1000).contains(speed)).unwrap_or(1);
        let rebase = match self.given.get("rebase").map(String::as_str) {
            None | Some("now") => Rebase::Now,
            Some("none") => Rebase::None,
            Some(other) => {
                self.faults.push(format!("--rebase must be now or none, not `{other}`"));
                Rebase::Now
            }
        };
        if let Some(path) = self.given.get("replay") {
            return Some(Source::Recording { path: PathBuf::from(path), speed, rebase });
        }
        let name = self.given.get("scenario").map_or("calm", String::as_str);
        let mut scenario = match Scenario::named(name) {
            Ok(scenario) => scenario,
            Err(error) => {
                self.faults.push(chain(&error));
                return None;
            }
        };
        let number = "a whole number";
        scenario.markets = self.parsed("markets", number, |_| true).unwrap_or(scenario.markets);
        scenario.rate_per_s = self.parsed("rate", number, |_| true).unwrap_or(scenario.rate_per_s);
        scenario.seed = self.parsed("seed", number, |_| true).unwrap_or(scenario.seed);
        if let Some(seconds) = self.parsed("duration-s", number, |_: &u32| true) {
            scenario.duration_s = (seconds > 0).then_some(seconds);
        }
        match scenario.checked() {
            Ok(scenario) => Some(Source::Scenario(scenario)),
            Err(error) => {
                self.faults.push(chain(&error));
                None
            }
        }
    }

    fn parsed<T: FromStr>(&mut self, flag: &str, what: &str, fits: impl Fn(&T) -> bool) -> Option<T> {
        let text = self.given.get(flag)?;
        let value = text.parse().ok().filter(fits);
        if value.is_none() {
            self.faults.push(format!("--{flag} must be {what}, not `{text}`"));
        }
        value
    }
}

/// An error and its sources in one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn help() -> String {
    let mut text = String::from(
        "venue-sim: a stand-in for the venue, WebSocket and REST on one port\n\nUsage: venue-sim [healthcheck] [--flag value]…\n\n\
         `healthcheck` ends with 0 if the simulator at SIM_ADDR answers, else with 1.\n\n",
    );
    for (flag, variable, default, says) in KNOWN {
        writeln!(text, "  --{flag:<15} {says} (default: {default}; {variable})")
            .expect("writing to a String cannot fail");
    }
    text.push_str("\nScenarios that come with the program:\n");
    for name in crate::scenario::names() {
        if let Ok(scenario) = Scenario::named(name) {
            writeln!(text, "  {name:<15} {}", scenario.about).expect("writing to a String cannot fail");
        }
    }
    text.push_str(
        "\nRoutes of its own: GET /sim/status, GET /sim/ledger?from=N, POST /sim/begin, POST /sim/end, POST /sim/drop[?how=abort], \
         POST /sim/{freeze,thaw,announce,resolve,expire,move,tick-size,rest} (see its README)\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, Vec<String>> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(arguments.iter().map(|argument| (*argument).to_owned()), &variables)
    }

    fn options(arguments: &[&str], variables: &[(&str, &str)]) -> Options {
        match read_all(arguments, variables) {
            Ok(Command::Run { options, .. }) => *options,
            other => panic!("{other:?}"),
        }
    }

    fn scenario(options: Options) -> Scenario {
        match options.source {
            Source::Scenario(scenario) => scenario,
            Source::Recording { .. } => panic!("a scenario was asked for"),
        }
    }

    #[test]
    fn a_flag_outweighs_its_variable_and_both_the_default() {
        let variables = [("SIM_ADDR", "127.0.0.1:7001"), ("SIM_RATE", "9")];
        let given = options(&["--addr=127.0.0.1:7002", "--markets", "3"], &variables);
        assert_eq!(given.address.port(), 7002);
        assert_eq!((scenario(given.clone()).rate_per_s, scenario(given).markets), (9, 3));
        assert_eq!(options(&[], &[]).address.port(), 9200);
    }

    #[test]
    fn a_health_check_needs_an_address_alone() {
        let asked = read_all(&["healthcheck"], &[("SIM_ADDR", "0.0.0.0:7001")]);
        assert!(matches!(asked, Ok(Command::Healthcheck(address)) if address.port() == 7001), "{asked:?}");
        assert!(read_all(&["healthcheck", "--addr", "x"], &[]).is_err());
    }

    #[test]
    fn manners_and_roots_are_as_they_were_asked_for() {
        let given = options(&["--strict", "yes", "--ports=9300"], &[]);
        assert_eq!((given.manners, given.roots_from), (Manners::Strict, Some(9_300)));
        let given = options(&[], &[]);
        assert_eq!((given.manners, given.roots_from), (Manners::Lenient, None));
        let faults = read_all(&["--strict", "perhaps", "--ports", "65533"], &[]).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn duration_zero_has_no_end() {
        let given = options(&["--scenario", "garbage", "--duration-s", "5"], &[]);
        assert_eq!(scenario(given).duration_s, Some(5));
        assert_eq!(scenario(options(&["--duration-s", "0"], &[])).duration_s, None);
    }

    #[test]
    fn all_faults_are_told_in_one_run() {
        let faults = read_all(
            &[
                "--addr",
                "nowhere",
                "--markets",
                "0",
                "--speed",
                "0",
                "--rebase",
                "later",
                "--wings",
                "--ledger",
            ],
            &[("SIM_PING_TIMEOUT_S", "soon")],
        );
        let faults = faults.unwrap_err().join("\n");
        for part in [
            "--addr must",
            "markets must be 1",
            "--speed",
            "--rebase",
            "--wings",
            "--ledger needs",
            "--ping-timeout-s",
        ] {
            assert!(faults.contains(part), "{faults}\nlacks {part}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_refused_with_the_known_names() {
        let faults = read_all(&["--scenario", "storm"], &[]).unwrap_err();
        assert!(faults[0].contains("calm, stale-trades"), "{faults:?}");
    }

    #[test]
    fn a_recording_takes_speed_and_rebase() {
        let given = options(&["--replay", "x.jsonl", "--speed", "10", "--rebase", "none"], &[]);
        let Source::Recording { path, speed, rebase } = given.source else {
            panic!("a recording was asked for")
        };
        assert_eq!((path, speed, rebase), (PathBuf::from("x.jsonl"), 10, Rebase::None));
    }

    #[test]
    fn real_markets_come_from_a_flag_or_its_variable() {
        assert_eq!(options(&[], &[]).universe, None);
        let given = options(&["--universe", "a.jsonl"], &[("SIM_UNIVERSE", "b.jsonl")]);
        assert_eq!(given.universe, Some(PathBuf::from("a.jsonl")));
    }

    #[test]
    fn help_names_every_flag_variable_and_scenario() {
        let Ok(Command::Help(text)) = read_all(&["--help"], &[]) else { panic!("help was asked for") };
        for (flag, variable, ..) in KNOWN {
            assert!(text.contains(flag) && text.contains(variable), "{text}");
        }
        assert!(crate::scenario::names().iter().all(|name| text.contains(name)));
    }
}
