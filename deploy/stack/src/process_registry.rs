//! Who runs, written down, so that a later command finds what a killed supervisor left behind.
//!
//! Knows: `.local/run/`. Never: a process that is not written there with its start.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::launch::{self, Group, StopBy};
use crate::table;

/// A process as it was started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// What people call it.
    pub name: String,
    /// Its number, which is also its group's.
    pub pid: u32,
    /// Since when it runs, as [`table::started`] says it; tells it from a later one of that number.
    pub since: String,
    /// Whether it is asked to stop by SIGINT (Postgres) and not by SIGTERM.
    pub interrupt: bool,
}

/// What a running stack tells the other verbs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct State {
    /// `demo` or `up`.
    pub verb: String,
    /// The process that supervises.
    pub supervisor: Record,
    /// Address of the page.
    pub page: String,
    /// Address of the bus.
    pub nats_url: String,
    /// Port of Postgres on 127.0.0.1.
    pub postgres_port: u16,
    /// Folder of Postgres' programs.
    pub postgres_programs: PathBuf,
    /// Admin address of each service, by name.
    pub admin: Vec<(String, String)>,
}

/// The list of running children, kept in a file.
#[derive(Debug)]
pub struct ProcessRegistry {
    path: PathBuf,
    records: Mutex<Vec<Record>>,
}

impl Record {
    /// The record of process `pid`; `None` when it has ended already.
    pub fn of(name: &str, pid: u32, stop_by: StopBy) -> Option<Self> {
        let since = table::started(pid)?;
        Some(Self { name: name.to_owned(), pid, since, interrupt: stop_by == StopBy::Interrupt })
    }

    /// Whether that very process still runs.
    pub fn runs(&self) -> bool {
        table::runs(self.pid, &self.since)
    }
}

impl ProcessRegistry {
    /// An empty list that will be kept at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, records: Mutex::default() }
    }

    /// Notes a child.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&self, record: Record) -> Result<(), Fault> {
        self.change(|records| records.push(record))
    }

    /// Strikes out the child `pid`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn strike(&self, pid: u32) -> Result<(), Fault> {
        self.change(|records| records.retain(|record| record.pid != pid))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Record>)) -> Result<(), Fault> {
        let mut records = self.records.lock().expect("nobody panics while holding the list");
        change(&mut records);
        write(&self.path, &*records)
    }
}

/// Writes `value` as JSON to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Fault> {
    let fresh = path.with_extension("new");
    serde_json::to_vec_pretty(value)
        .map_err(std::io::Error::other)
        .and_then(|text| fs::write(&fresh, text))
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|source| Fault::io(format!("could not write `{}`", path.display()), source))
}

/// Reads what [`write()`] wrote; `None` when it is absent or not readable as such.
pub fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Ends every process noted at `path` that still runs, the last started first, and removes the file.
/// Returns their names.
pub async fn end_leftovers(path: &Path, grace: Duration) -> Vec<String> {
    let records: Vec<Record> = read(path).unwrap_or_default();
    let mut ended = Vec::new();
    for record in records.iter().rev().filter(|record| record.runs()) {
        let mut family = table::children(record.pid);
        family.push((record.pid, record.since.clone()));
        let stop_by = if record.interrupt { StopBy::Interrupt } else { StopBy::Terminate };
        launch::send(record.pid, Group::Shared, stop_by.signal());
        if !launch::until_gone(&family, grace).await && record.runs() {
            launch::send(record.pid, Group::Own, Signal::KILL);
            launch::until_gone(&family, grace).await;
        }
        ended.push(record.name.clone());
    }
    drop(fs::remove_file(path));
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, pid: u32, since: &str) -> Record {
        Record { name: name.to_owned(), pid, since: since.to_owned(), interrupt: false }
    }

    #[test]
    fn book_keeps_what_was_added_and_not_struck_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("children.json");
        let book = ProcessRegistry::new(path.clone());
        book.add(record("feed", 7, "x")).unwrap();
        book.add(record("writer", 8, "y")).unwrap();
        book.strike(7).unwrap();
        assert_eq!(read::<Vec<Record>>(&path), Some(vec![record("writer", 8, "y")]));
        assert_eq!(read::<State>(&path), None);
        assert_eq!(read::<State>(&folder.path().join("absent")), None);
    }

    #[tokio::test]
    async fn process_with_the_number_but_another_start_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("children.json");
        let myself = std::process::id();
        write(&path, &vec![record("feed", myself, "another start")]).unwrap();
        assert!(end_leftovers(&path, Duration::from_secs(1)).await.is_empty());
        assert!(!path.exists());
        assert!(Record::of("me", myself, StopBy::Terminate).unwrap().runs());
    }
}
