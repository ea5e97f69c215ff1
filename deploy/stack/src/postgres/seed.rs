//! A cluster that is made once and copied for each test.
//!
//! Knows: one folder a key, made under a lock by whoever comes first. Never: what was put into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{Safety, Server, Settings};
use crate::fault::Fault;
use crate::launch::Group;
use crate::paths::{self, Paths};
use crate::secret;
use crate::wheels::PostgresPrograms;

/// Part of every key: a change of how seeds are made leaves no old one in use.
const FORM: &str = "1";
/// File of the superuser's password, beside the data.
const PASSWORD: &str = "password";

/// A cluster that nobody runs, to be copied.
#[derive(Debug)]
pub struct Seed {
    folder: PathBuf,
    password: String,
    /// Held as long as the seed is in use, so that nobody removes it meanwhile.
    _lock: fs::File,
}

impl Seed {
    /// The seed of `parts`, which are all that its content depends on; where it is missing, `fill` makes that content
    /// in a fresh server. Seeds of other parts are removed then: one `kind` has one content at a time.
    ///
    /// # Errors
    /// When the server cannot be made, or `fill` fails.
    pub async fn of<E: From<Fault>>(
        places: &Paths,
        programs: &PostgresPrograms,
        kind: &str,
        parts: &[&str],
        fill: impl AsyncFnOnce(&Server) -> Result<(), E>,
    ) -> Result<Self, E> {
        let above = places.shelf.join("seeds");
        paths::make(&above)?;
        let folder = above.join(format!("{kind}-{}", key(&programs.folder, parts)));
        let path = above.join(format!("{kind}.lock"));
        let mut lock = locked(&path, Hold::Shared).await?;
        if !folder.is_dir() {
            drop(lock);
            let alone = locked(&path, Hold::Alone).await?;
            // Another process may have been quicker.
            if !folder.is_dir() {
                remove_others(&above, kind)?;
                let fresh = above.join(format!("{kind}-unfinished"));
                paths::make(&fresh)?;
                let password = secret::generate()?;
                let mut server = Server::start(programs, settings(&fresh, password.clone())).await?;
                fill(&server).await?;
                server.stop().await;
                secret::write_private(&fresh.join(PASSWORD), &password)?;
                fs::rename(&fresh, &folder)
                    .map_err(|source| Fault::io("could not move a finished seed to its place", source))?;
            }
            drop(alone);
            lock = locked(&path, Hold::Shared).await?;
        }
        let password = fs::read_to_string(folder.join(PASSWORD))
            .map_err(|source| Fault::io("could not read the password of a seed", source))?;
        Ok(Self { folder, password, _lock: lock })
    }

    /// Copies the data into `folder`; how a server on it is set up.
    pub(super) fn planted(&self, folder: &Path) -> Result<Settings, Fault> {
        let settings = settings(folder, self.password.clone());
        // The system's own program: it keeps owners and rights, and shares blocks where the disk can.
        let copied = Command::new("cp").arg("-a").arg(self.folder.join("data")).arg(&settings.data).output();
        let copied = copied.map_err(|source| Fault::io("could not run `cp`", source))?;
        if !copied.status.success() {
            let said = String::from_utf8_lossy(&copied.stderr);
            return Err(Fault::new(format!("could not copy a seed: `{}`", said.trim())));
        }
        Ok(settings)
    }
}

/// How a server for tests in `folder` is set up.
pub(super) fn settings(folder: &Path, password: String) -> Settings {
    Settings {
        port: 0,
        data: folder.join("data"),
        log: folder.join("postgres.log"),
        password,
        safety: Safety::Disposable,
        group: Group::Shared,
    }
}

/// How a lock is held.
#[derive(Clone, Copy, Debug)]
enum Hold {
    Shared,
    Alone,
}

/// The lock in `path`, waited for aside: other work of this process goes on.
async fn locked(path: &Path, hold: Hold) -> Result<fs::File, Fault> {
    let path = path.to_owned();
    let taken = tokio::task::spawn_blocking(move || {
        let file = fs::File::create(&path)?;
        match hold {
            Hold::Shared => file.lock_shared()?,
            Hold::Alone => file.lock()?,
        }
        Ok(file)
    });
    let taken = taken.await.map_err(|_| Fault::new("the wait for the lock of the seeds ended"))?;
    taken.map_err(|source| Fault::io("could not take the lock of the seeds", source))
}

/// Removes seeds of other content, and one that was never finished.
fn remove_others(above: &Path, kind: &str) -> Result<(), Fault> {
    let failed = |source| Fault::io(format!("could not remove old seeds in `{}`", above.display()), source);
    for entry in fs::read_dir(above).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')) {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Sixteen hexadecimal digits that stand for what a seed is made of.
fn key(programs: &Path, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    let programs = programs.to_string_lossy();
    for part in [FORM, programs.as_ref()].iter().chain(parts) {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(16);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_and_its_borders_count() {
        let key = |parts: &[&str]| key(Path::new("/pg"), parts);
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(key(&["a"]), super::key(Path::new("/other"), &["a"]));
    }
}
