//! The short verbs, which look at a running stack from another terminal.
//!
//! Knows: what a running stack wrote down about itself. Never: how it was started.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::cli::{self, Command, DbRole, Follow, HELP, Level, Verb};
use crate::fault::{Fault, Progress};
use crate::launch::{self, Group};
use crate::log::{self, Follower};
use crate::paths::Paths;
use crate::plan::{DATABASE, READER_ROLE};
use crate::postgres::client::Login;
use crate::process_registry::{self, Record, State};
use crate::run::{self, CHILDREN, LEFTOVER_GRACE, LOCK, STATE};
use crate::{http, secret, secrets, settings, wheels};

/// Lines of the past that `logs` prints of each child.
const LOG_LINES: usize = 50;
/// How often followed logs are looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// A supervisor needs at most 10 s to stop everything.
const DOWN_WAIT: Duration = Duration::from_secs(12);

/// Exit code for wrong usage.
const USAGE: u8 = 64;
/// Exit code when it could not go on.
const FAILED: u8 = 1;

/// Carries out what was typed; returns the exit code. `say` prints one line.
pub async fn carry_out(arguments: &[String], variables: &BTreeMap<String, String>, say: Progress<'_>) -> u8 {
    let command = match cli::parse(arguments, variables) {
        Ok(command) => command,
        Err(faults) => {
            for fault in faults {
                say(&format!("stack: {fault}"));
            }
            return USAGE;
        }
    };
    match dispatch(&command, say).await {
        Ok(code) => code,
        Err(fault) => {
            say(&format!("stack: {}", fault.chain()));
            FAILED
        }
    }
}

async fn dispatch(command: &Command, say: Progress<'_>) -> Result<u8, Fault> {
    if command.verb == Verb::Help {
        say(HELP);
        return Ok(0);
    }
    if let Verb::Secrets(wish) = &command.verb {
        return secrets::write(wish, say).map(|()| 0);
    }
    if let Verb::Settings { folder, chosen } = &command.verb {
        settings::keep(folder, chosen, say)?;
        return Ok(0);
    }
    let places = Paths::at(&command.local_dir)?;
    match &command.verb {
        Verb::Help | Verb::Secrets(_) | Verb::Settings { .. } => {}
        Verb::Run(kind) => {
            let bin_dir = match &command.bin_dir {
                Some(folder) => folder.clone(),
                None => own_folder()?,
            };
            let options = run::Options {
                kind: *kind,
                places,
                bin_dir,
                wishes: command.wishes.clone(),
                level: command.level,
            };
            let silent = |_: &str| {};
            let say: Progress<'_> = if command.level == Level::Error { &silent } else { say };
            run::run(&options, say).await?;
        }
        Verb::Fetch => {
            say(&wheels::nats(&places, say).await?.display().to_string());
            say(&wheels::postgres(&places, say).await?.folder.display().to_string());
        }
        Verb::Down => down(&places, say).await?,
        Verb::Status => return Ok(status(&places, say).await),
        Verb::Logs { name, follow } => logs(&places.logs(), name.as_deref(), *follow, say).await?,
        Verb::Psql { who, args } => return Err(psql(&places, *who, args)),
    }
    Ok(0)
}

fn own_folder() -> Result<std::path::PathBuf, Fault> {
    let program =
        std::env::current_exe().map_err(|source| Fault::io("could not find this program", source))?;
    program
        .parent()
        .map(Path::to_owned)
        .ok_or_else(|| Fault::new("this program lies in no folder: name one by --bin-dir"))
}

/// Asks the running supervisor to stop, waits for it, and ends what an earlier one left behind.
async fn down(places: &Paths, say: Progress<'_>) -> Result<(), Fault> {
    let run = places.run();
    let state: Option<State> = process_registry::read(&run.join(STATE));
    let supervisor = state.map(|state| state.supervisor).filter(Record::runs);
    if let Some(supervisor) = &supervisor {
        launch::send(supervisor.pid, Group::Shared, Signal::TERM);
        let family = [(supervisor.pid, supervisor.since.clone())];
        if !launch::until_gone(&family, DOWN_WAIT).await {
            launch::send(supervisor.pid, Group::Shared, Signal::KILL);
            launch::until_gone(&family, DOWN_WAIT).await;
        }
    } else if is_locked(&run.join(LOCK)) {
        let why = "a run is just starting or stopping here: wait a moment, or press Ctrl-C in its terminal";
        return Err(Fault::new(why));
    }
    let left = process_registry::end_leftovers(&run.join(CHILDREN), LEFTOVER_GRACE).await;
    for name in &left {
        say(&format!("ended {name}"));
    }
    let nothing = supervisor.is_none() && left.is_empty();
    say(if nothing { "nothing was running" } else { "everything is stopped; the data is kept" });
    Ok(())
}

fn is_locked(path: &Path) -> bool {
    fs::File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// Says what runs; the exit code is 0 only when a supervisor does.
async fn status(places: &Paths, say: Progress<'_>) -> u8 {
    let run = places.run();
    let state: Option<State> = process_registry::read(&run.join(STATE));
    let Some(state) = state.filter(|state| state.supervisor.runs()) else {
        say("nothing is running; `./just demo` starts it");
        return FAILED;
    };
    say(&format!(
        "`{}` is running: page {}, NATS {}, Postgres port {}",
        state.verb, state.page, state.nats_url, state.postgres_port
    ));
    let children: Vec<Record> = process_registry::read(&run.join(CHILDREN)).unwrap_or_default();
    for child in children {
        let admin = state.admin.iter().find(|(name, _)| *name == child.name);
        let admin = admin.and_then(|(_, address)| address.parse().ok());
        let health = match admin.or_else(|| page_address(&state.page).filter(|_| child.name == "dashboard")) {
            Some(address) => match http::get(address, "/ready").await {
                Some((200, _)) => format!("ready, health on {address}"),
                Some((401, _)) => {
                    format!("runs, and shows its health to whoever has its token, on {address}")
                }
                Some((code, _)) => format!("not ready ({code}), health on {address}"),
                None => format!("does not answer on {address}"),
            },
            None => "runs".to_owned(),
        };
        say(&format!(
            "  {:<12} process {:<8} {}",
            child.name,
            child.pid,
            if child.runs() { &health } else { "ended" }
        ));
    }
    say(&whole(&state.page).await);
    0
}

/// What the dashboard says of the whole: services that are ready have not said a word to each other yet.
async fn whole(page: &str) -> String {
    let answer = match page_address(page) {
        Some(address) => http::get(address, "/api/status").await,
        None => None,
    };
    match answer.as_ref().and_then(|(_, status)| verdict(status)) {
        Some("trustworthy") => "all together: trustworthy".to_owned(),
        Some(word) => format!("all together: {word}; why: {page}/api/status"),
        None => "all together: the dashboard does not answer".to_owned(),
    }
}

/// Where a page is, by the address that people are told.
fn page_address(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("http://")?.trim_end_matches('/').replace("localhost", "127.0.0.1").parse().ok()
}

/// The verdict in an answer of `/api/status`, of which the end may lack.
fn verdict(status: &str) -> Option<&str> {
    status.split_once(r#""verdict":""#)?.1.split_once('"').map(|(word, _)| word)
}

async fn logs(folder: &Path, name: Option<&str>, follow: Follow, say: Progress<'_>) -> Result<(), Fault> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => names_in(folder),
    };
    let known = |name: &String| log::path(folder, name).is_file();
    if !names.iter().all(known) || names.is_empty() {
        let there = names_in(folder).join(", ");
        let there = if there.is_empty() { "none yet".to_owned() } else { there };
        return Err(Fault::new(format!("there is no such log in `{}`; there: {there}", folder.display())));
    }
    let line_of = |name: &str, line: &str| match names.len() {
        1 => line.to_owned(),
        _ => format!("{name}: {line}"),
    };
    let mut followers = Vec::new();
    for name in &names {
        let path = log::path(folder, name);
        followers.push((name, Follower::at_end(path.clone())));
        for line in log::last_lines(&path, LOG_LINES) {
            say(&line_of(name, &line));
        }
    }
    if follow == Follow::No {
        return Ok(());
    }
    loop {
        for (name, follower) in &mut followers {
            for line in follower.added() {
                say(&line_of(name, &line));
            }
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned);
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.ok()?)).collect();
    names.sort();
    names
}

/// Becomes `psql`; comes back only with a fault.
fn psql(places: &Paths, who: DbRole, args: &[String]) -> Fault {
    let state: Option<State> = process_registry::read(&places.run().join(STATE));
    let Some(state) = state.filter(|state| state.supervisor.runs()) else {
        return Fault::new("the database is not running: start it with `./just demo` or `./just up` first");
    };
    let (user, folder, file) = match who {
        DbRole::Reader => (READER_ROLE, places.roles(), "reader"),
        DbRole::Admin => ("postgres", places.secrets(), "postgres"),
    };
    let password = match secret::kept(&folder, file) {
        Ok(password) => password,
        Err(fault) => return fault,
    };
    let login = Login {
        programs: state.postgres_programs,
        port: state.postgres_port,
        user: user.to_owned(),
        password,
        database: DATABASE.to_owned(),
    };
    let source = std::process::Command::new(login.program()).args(args).envs(login.variables()).exec();
    Fault::io("could not start psql", source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_the_address_that_people_are_told() {
        for (url, address) in [
            ("http://localhost:8080", Some("127.0.0.1:8080")),
            ("http://192.0.2.7:80/", Some("192.0.2.7:80")),
            ("http://[::1]:8080", Some("[::1]:8080")),
            ("elsewhere", None),
        ] {
            assert_eq!(page_address(url), address.map(|address| address.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn the_verdict_is_read_from_an_answer_whose_end_lacks() {
        let status = r#"{"healthy":false,"details":{"at":"2026-11-28T22:16:39Z","verdict":"starting","verdict_since":"2026"#;
        assert_eq!(verdict(status), Some("starting"));
        assert_eq!(verdict(r#"{"error":"no"}"#), None);
    }

    #[tokio::test]
    async fn a_dashboard_that_does_not_answer_is_said_to_be_so() {
        assert_eq!(whole("http://127.0.0.1:1").await, "all together: the dashboard does not answer");
    }
}
