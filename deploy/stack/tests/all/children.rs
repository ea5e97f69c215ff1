//! Supervised children: real processes (shell scripts) that end, hang and leave others behind.
//!
//! Knows: scripts, signals and records. Never: one of our services.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use stack::launch::{Group, LOOK_EVERY, Launch, StopBy};
use stack::process_registry::{self, ProcessRegistry, Record};
use stack::supervise::{Child, News, Supervisor};
use stack::{log, table};
use tokio::time::{sleep, timeout};

fn script(folder: &Path, name: &str, body: &str) -> Launch {
    Launch {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), body.to_owned()],
        env: vec![("COLOUR".to_owned(), "green".to_owned())],
        folder: Some(folder.to_owned()),
        account: None,
        log: log::path(folder, name),
        stop_by: StopBy::Terminate,
        group: Group::Own,
    }
}

fn supervisor(folder: &Path) -> Supervisor {
    Supervisor::new(ProcessRegistry::new(folder.join("children.json")))
}

async fn next(supervisor: &mut Supervisor) -> News {
    timeout(Duration::from_secs(20), supervisor.news()).await.expect("news in time")
}

async fn until_logged(path: &Path, line: &str) {
    let logged = async {
        while !log::last_lines(path, 100).iter().any(|one| one == line) {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(Duration::from_secs(20), logged).await.expect("the line in time");
}

const PATIENT: &str = "echo up; while :; do sleep 0.05; done";

#[tokio::test]
async fn child_that_was_killed_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    supervisor.start(Child { launch: script(folder.path(), "feed", PATIENT), stage: 1 }).unwrap();
    let News::Started { name, pid } = next(&mut supervisor).await else { panic!("started first") };
    assert_eq!(name, "feed");
    stack::launch::send(pid, Group::Own, rustix::process::Signal::KILL);
    let News::Ended { how, again_in, .. } = next(&mut supervisor).await else { panic!("then ended") };
    assert!(how.contains('9') && again_in == stack::backoff::WAIT_MIN, "{how} {again_in:?}");
    let News::Started { pid: again, .. } = next(&mut supervisor).await else { panic!("then started") };
    assert_ne!(pid, again);
    supervisor.stop(Duration::from_secs(5)).await;
    assert!(table::started(again).is_none());
    let left: Vec<Record> = process_registry::read(&folder.path().join("children.json")).unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn crash_loop_is_reported_by_name_with_the_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    let failing = script(folder.path(), "writer", "echo \"no $COLOUR database\" >&2; exit 3");
    supervisor.start(Child { launch: failing, stage: 1 }).unwrap();
    let mut exits = 0;
    loop {
        match next(&mut supervisor).await {
            News::Started { .. } => {}
            News::Ended { .. } => exits += 1,
            News::CrashLoop { name, how, last_line } => {
                assert_eq!((name.as_str(), last_line.as_str()), ("writer", "no green database"));
                assert!(how.contains('3'), "{how}");
                break;
            }
        }
    }
    assert_eq!(exits, 4, "the fifth exit makes the loop");
    supervisor.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn program_that_is_not_there_is_told_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    let mut launch = script(folder.path(), "feed", "");
    launch.program = "/no/such/program".into();
    supervisor.start(Child { launch, stage: 1 }).unwrap();
    let News::Ended { how, .. } = next(&mut supervisor).await else { panic!("told") };
    assert!(how.contains("could not start feed"), "{how}");
    supervisor.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn higher_stages_are_gone_before_lower_ones_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    for (name, stage) in [("server", 0), ("feed", 2), ("writer", 1)] {
        let body = format!("trap 'echo {name} >> order; exit 0' TERM; {PATIENT}");
        supervisor.start(Child { launch: script(folder.path(), name, &body), stage }).unwrap();
        until_logged(&log::path(folder.path(), name), "up").await;
    }
    supervisor.stop(Duration::from_secs(9)).await;
    assert_eq!(fs::read_to_string(folder.path().join("order")).unwrap(), "feed\nwriter\nserver\n");
}

#[tokio::test]
async fn child_that_will_not_stop_is_killed_with_its_own_children_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    let body = format!("trap '' TERM; sleep 1000 & echo $! > grandchild; {PATIENT}");
    supervisor.start(Child { launch: script(folder.path(), "deaf", &body), stage: 1 }).unwrap();
    until_logged(&log::path(folder.path(), "deaf"), "up").await;
    let grandchild = fs::read_to_string(folder.path().join("grandchild")).unwrap().trim().parse().unwrap();
    assert!(table::started(grandchild).is_some());
    let began = Instant::now();
    supervisor.stop(Duration::from_millis(500)).await;
    assert!(began.elapsed() >= Duration::from_millis(450));
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(table::started(grandchild).is_none());
}

#[tokio::test]
async fn second_stop_kills_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(folder.path());
    let body = format!("trap '' TERM; {PATIENT}");
    supervisor.start(Child { launch: script(folder.path(), "deaf", &body), stage: 1 }).unwrap();
    until_logged(&log::path(folder.path(), "deaf"), "up").await;
    let began = Instant::now();
    assert!(timeout(Duration::from_millis(100), supervisor.stop(Duration::from_mins(1))).await.is_err());
    supervisor.stop(Duration::ZERO).await;
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_a_killed_supervisor_left_behind_is_ended_by_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("children.json");
    let mut patient = script(folder.path(), "patient", PATIENT).spawn().unwrap();
    let mut deaf = script(folder.path(), "deaf", &format!("trap '' TERM; {PATIENT}")).spawn().unwrap();
    until_logged(&log::path(folder.path(), "patient"), "up").await;
    until_logged(&log::path(folder.path(), "deaf"), "up").await;
    let records = [("patient", patient.pid()), ("deaf", deaf.pid())]
        .map(|(name, pid)| Record::of(name, pid, StopBy::Terminate).unwrap());
    process_registry::write(&path, &records).unwrap();
    let ended = process_registry::end_leftovers(&path, Duration::from_millis(300)).await;
    assert_eq!(ended, ["deaf", "patient"]);
    assert!(patient.ended().is_some() && deaf.ended().is_some());
    assert!(process_registry::end_leftovers(&path, Duration::from_millis(300)).await.is_empty());
}

#[tokio::test]
async fn dropped_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let process = script(folder.path(), "patient", PATIENT).spawn().unwrap();
    let pid = process.pid();
    drop(process);
    assert!(table::started(pid).is_none());
}
