//! Where things lie on this machine.
//!
//! Knows: the layout below `.local/`. Never: what is in a file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::os_user::{self, Account};

/// Where servers and data lie when the clone is below a folder that only root may enter.
const OUTSIDE: &str = "/var/lib/polyfeed";
/// Space that a start needs: both servers unpacked (110 MB), write-ahead log, logs and a margin.
pub const SPACE_MIN_BYTES: u64 = 1_000_000_000;

/// The folders of one clone.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `.local` of the clone: cache, logs, secrets, records of running processes.
    pub local: PathBuf,
    /// Folder of Postgres, its binaries and data: `local`, or a folder of this clone below
    /// `/var/lib/polyfeed` where the unprivileged account may not enter `local`.
    pub shelf: PathBuf,
    /// The account that Postgres runs under; `None`: the present one.
    pub account: Option<Account>,
}

impl Paths {
    /// The places of the clone whose local folder is `local`; makes the folder.
    ///
    /// # Errors
    /// When a folder cannot be made or root finds no account for Postgres.
    pub fn at(local: &Path) -> Result<Self, Fault> {
        make(local)?;
        let local = fs::canonicalize(local)
            .map_err(|source| Fault::io(format!("could not resolve `{}`", local.display()), source))?;
        let account = os_user::for_servers()?;
        let shelf = match &account {
            Some(account) if !account.may_enter(&local) => Path::new(OUTSIDE).join(mark_of(&local)),
            _ => local.clone(),
        };
        make(&shelf)?;
        Ok(Self { local, shelf, account })
    }

    /// The places of this very workspace, for its tests.
    ///
    /// # Errors
    /// As [`Paths::at`].
    pub fn of_workspace() -> Result<Self, Fault> {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local"))
    }

    /// Whether Postgres lies outside the clone.
    pub fn is_outside(&self) -> bool {
        self.shelf != self.local
    }

    /// Downloaded wheels and the lock of those who download.
    pub fn cache(&self) -> PathBuf {
        self.local.join("cache")
    }

    /// What the servers and services print.
    pub fn logs(&self) -> PathBuf {
        self.local.join("log")
    }

    /// Passwords; only their owner may enter.
    pub fn secrets(&self) -> PathBuf {
        self.local.join("secrets")
    }

    /// Passwords of the database's logins.
    pub fn roles(&self) -> PathBuf {
        self.secrets().join("roles")
    }

    /// Who runs at present.
    pub fn run(&self) -> PathBuf {
        self.local.join("run")
    }

    /// Data of NATS.
    pub fn nats_data(&self) -> PathBuf {
        self.local.join("data/nats")
    }

    /// Data of Postgres; a folder per major version, since one cannot read another's.
    pub fn postgres_data(&self, major: u32) -> PathBuf {
        self.shelf.join(format!("data/postgres-{major}"))
    }

    /// Checks that there is room for a start.
    ///
    /// # Errors
    /// When less than `needed_bytes` are free, with the folder and both numbers.
    pub fn check_space(&self, needed_bytes: u64) -> Result<(), Fault> {
        for folder in [&self.local, &self.shelf] {
            let space = rustix::fs::statvfs(folder).map_err(|source| {
                Fault::io(
                    format!("could not ask for the free space of `{}`", folder.display()),
                    source.into(),
                )
            })?;
            let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
            if free_bytes < needed_bytes {
                return Err(Fault::new(format!(
                    "only {} MB are free on the disk of `{}` and {} MB are needed: free some space, or move the \
                     folder by --local-dir",
                    free_bytes / 1_000_000,
                    folder.display(),
                    needed_bytes / 1_000_000
                )));
            }
        }
        Ok(())
    }
}

/// Makes a folder and those above it, readable and enterable for everyone whatever the umask says:
/// the account of Postgres passes through. A folder that is there already is left as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make(folder: &Path) -> Result<(), Fault> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make(above)?;
    }
    let made = match fs::DirBuilder::new().mode(0o755).create(folder) {
        Err(_) if folder.is_dir() => return Ok(()), // Another process was quicker.
        Err(source) => Err(source),
        Ok(()) => fs::set_permissions(folder, fs::Permissions::from_mode(0o755)),
    };
    made.map_err(|source| Fault::io(format!("could not make the folder `{}`", folder.display()), source))
}

/// Twelve hexadecimal digits that stand for a path.
fn mark_of(path: &Path) -> String {
    let mut mark = hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes()));
    mark.truncate(12);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_differs_by_path_and_is_short() {
        assert_eq!(mark_of(Path::new("/a")).len(), 12);
        assert_ne!(mark_of(Path::new("/a")), mark_of(Path::new("/b")));
    }

    #[test]
    fn folder_that_only_root_may_enter_moves_postgres_outside() {
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let places = Paths::at(&closed.path().join("clone/.local")).unwrap();
        assert_eq!(places.is_outside(), places.account.is_some());
        if places.is_outside() {
            assert!(places.shelf.starts_with(OUTSIDE));
            fs::remove_dir(&places.shelf).unwrap();
        }
    }

    #[test]
    fn open_folder_keeps_everything_inside() {
        let open = tempfile::tempdir().unwrap();
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let places = Paths::at(&open.path().join(".local")).unwrap();
        assert!(!places.is_outside());
        assert!(places.postgres_data(18).ends_with("data/postgres-18"));
    }

    #[test]
    fn too_little_space_is_one_sentence_with_both_numbers() {
        let open = tempfile::tempdir().unwrap();
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let places = Paths::at(open.path()).unwrap();
        places.check_space(1).unwrap();
        let fault = places.check_space(u64::MAX).unwrap_err().to_string();
        assert!(fault.contains("MB are free") && fault.contains("free some space"), "{fault}");
    }
}
