//! The logins of the bus: their names, their passwords, and the hashes that nats-server reads.
//!
//! Knows: `deploy/nats/accounts.conf` as a text. Never: what a login may do there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::fault::Fault;
use crate::secret;

/// Who may do what: read by nats-server, which finds [`HASHES_FILE`] beside it.
pub const CONFIGURATION: &str = include_str!("../../nats/accounts.conf");
/// Name under which nats-server is given [`CONFIGURATION`].
pub const CONFIGURATION_FILE: &str = "accounts.conf";
/// Name of the file of hashes.
pub const HASHES_FILE: &str = "passwords.conf";

/// Every login of [`CONFIGURATION`].
pub const LOGINS: [&str; 7] = ["feed", "processor", "writer", "dashboard", "viewer", "admin", "sys"];

/// Cost of a hash: some 15 ms of the server at each login. Passwords are 128 random bits, beyond guessing at any
/// cost; a higher one would only slow down the reconnection of everybody after a restart of the server.
const COST: u32 = 8;
/// bcrypt's salt.
const SALT_BYTES: usize = 16;

/// A password for each of [`LOGINS`].
#[derive(Clone, Eq, PartialEq)]
pub struct Logins(BTreeMap<String, String>);

impl Logins {
    /// The passwords that `password_of` gives.
    ///
    /// # Errors
    /// The first fault of `password_of`.
    pub fn new(mut password_of: impl FnMut(&str) -> Result<String, Fault>) -> Result<Self, Fault> {
        let pair = |login: &&str| Ok(((*login).to_owned(), password_of(login)?));
        LOGINS.iter().map(pair).collect::<Result<_, Fault>>().map(Self)
    }

    /// Fresh passwords.
    ///
    /// # Errors
    /// When the machine has no `/dev/urandom`.
    pub fn fresh() -> Result<Self, Fault> {
        Self::new(|_| secret::generate())
    }

    /// Those kept in `folder`, one file each, made when absent.
    ///
    /// # Errors
    /// When the folder or a file can neither be read nor written.
    pub fn kept(folder: &Path) -> Result<Self, Fault> {
        Self::new(|login| secret::kept(folder, &file_of(login)))
    }

    /// Password of one of [`LOGINS`].
    ///
    /// # Panics
    /// When there is no such login.
    pub fn password(&self, login: &str) -> &str {
        self.0.get(login).unwrap_or_else(|| panic!("`{login}` is one of the logins"))
    }

    /// Writes [`CONFIGURATION`] and the hashes into `folder`. Hashes there that fit are kept: hashing takes time.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join(HASHES_FILE);
        let there = fs::read_to_string(&path).unwrap_or_default();
        if !self.fit(&there) {
            secret::fit(&path, &self.hashes()?)?;
        }
        secret::fit(&folder.join(CONFIGURATION_FILE), CONFIGURATION)
    }

    fn fit(&self, hashes: &str) -> bool {
        let hash_of = |variable: &str| {
            let (_, rest) = hashes.split_once(&format!("{variable}: \""))?;
            rest.split_once('"').map(|(hash, _)| hash)
        };
        let fits = |(login, password): (&String, &String)| {
            hash_of(&variable_of(login)).is_some_and(|hash| bcrypt::verify(password, hash).unwrap_or(false))
        };
        self.0.iter().all(fits)
    }

    fn hashes(&self) -> Result<String, Fault> {
        let mut text = "# Written by `stack`: bcrypt hashes of the passwords of accounts.conf.\n".to_owned();
        for (login, password) in &self.0 {
            let salt = secret::random::<SALT_BYTES>()?;
            let hash = bcrypt::hash_with_salt(password, COST, salt)
                .map_err(|source| Fault::new(format!("could not hash a password: {source}")))?;
            text.extend([&variable_of(login), ": \"", &hash.to_string(), "\"\n"]);
        }
        Ok(text)
    }
}

/// File of a login's password in a folder that holds several.
pub fn file_of(login: &str) -> String {
    format!("nats-{login}")
}

fn variable_of(login: &str) -> String {
    format!("{}_PASSWORD", login.to_uppercase())
}

// === impl Logins ===

impl std::fmt::Debug for Logins {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Logins(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_has_its_line_and_no_password_stands_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let logins = Logins::fresh().unwrap();
        logins.write(folder.path()).unwrap();
        let hashes = fs::read_to_string(folder.path().join(HASHES_FILE)).unwrap();
        for login in LOGINS {
            assert!(hashes.contains(&format!("{}: \"$2", variable_of(login))), "{hashes}");
            assert!(CONFIGURATION.contains(&format!("user: {login}, password: ${}", variable_of(login))));
            assert!(!hashes.contains(logins.password(login)));
        }
        assert_eq!(CONFIGURATION.matches("user: ").count(), LOGINS.len());
        assert!(!format!("{logins:?}").contains(logins.password("feed")));
    }

    #[test]
    fn hashes_stay_until_a_password_changes() {
        let folder = tempfile::tempdir().unwrap();
        let read = || fs::read_to_string(folder.path().join(HASHES_FILE)).unwrap();
        let logins = Logins::fresh().unwrap();
        logins.write(folder.path()).unwrap();
        let first = read();
        logins.write(folder.path()).unwrap();
        assert_eq!(read(), first);
        let mut other = logins.clone();
        other.0.insert("feed".to_owned(), secret::generate().unwrap());
        other.write(folder.path()).unwrap();
        assert!(!logins.fit(&read()) && other.fit(&read()));
    }
}
