//! `stack secrets`: the passwords of a deployment, made where they are absent, one folder for each who needs some.
//!
//! Knows: which folder holds what. Never: who mounts it.
//!
//! Password files are the truth; whatever follows from them (hashes, addresses) is written anew when it does not
//! fit. Each folder is meant for one consumer alone, so that its files may be readable by whatever account that has.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Progress};
use crate::nats_logins::{LOGINS, Logins};
use crate::plan::{DATABASE, MIGRATOR_ROLE, READER_ROLE, WRITER_ROLE};
use crate::secret::fit;
use crate::tls::{self, Tls, Validity};
use crate::{paths, secret};

/// Who uses the bus, and so gets its authority's certificate.
const CLIENTS: [&str; 5] = ["feed", "processor", "writer", "dashboard", "viewer"];
/// The database's logins: name of the password, role, and whose folder gets the address.
const DATABASE_LOGINS: [(&str, &str, &str); 3] = [
    ("migrator", MIGRATOR_ROLE, "migrate"),
    ("writer", WRITER_ROLE, "writer"),
    ("reader", READER_ROLE, "dashboard"),
];

/// What is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// Folder of the folders.
    pub dir: PathBuf,
    /// Host and port in the addresses of the database.
    pub postgres: String,
    /// Host names of the bus in its certificate; empty: no TLS.
    pub tls_names: Vec<String>,
    /// Where the server of the bus finds its folder.
    pub mounted_at: String,
}

/// Reads the words behind `secrets`; `None` with faults.
pub fn parse(words: &[&str], faults: &mut Vec<String>) -> Option<Wish> {
    let mut wish = Wish {
        dir: PathBuf::new(),
        postgres: "postgres:5432".to_owned(),
        tls_names: Vec::new(),
        mounted_at: "/run/secrets".to_owned(),
    };
    let before = faults.len();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (*word, None),
        };
        if !["--dir", "--postgres-host", "--tls", "--mounted-at"].contains(&flag) {
            faults.push(format!("`secrets` takes no `{word}`"));
            continue;
        }
        let Some(value) = value.or_else(|| rest.next().copied()).filter(|value| !value.is_empty()) else {
            faults.push(format!("{flag} needs a value"));
            continue;
        };
        match flag {
            "--dir" => wish.dir = PathBuf::from(value),
            "--postgres-host" if value.contains(':') => value.clone_into(&mut wish.postgres),
            "--postgres-host" => wish.postgres = format!("{value}:5432"),
            "--mounted-at" => value.clone_into(&mut wish.mounted_at),
            _ if value == "off" => wish.tls_names.clear(),
            _ => wish.tls_names = value.split(',').map(|name| name.trim().to_owned()).collect(),
        }
    }
    if wish.dir.as_os_str().is_empty() && faults.len() == before {
        faults.push("`secrets` needs --dir, the folder to write into".to_owned());
    }
    (faults.len() == before).then_some(wish)
}

/// Writes what is absent.
///
/// # Errors
/// When a folder or file can neither be read nor written.
pub fn write(wish: &Wish, say: Progress<'_>) -> Result<(), Fault> {
    let folder = |name: &str| -> Result<PathBuf, Fault> {
        let path = wish.dir.join(name);
        paths::make(&path)?;
        Ok(path)
    };
    let bus = folder("nats")?;
    let logins = Logins::new(|login| {
        // The operator's two stay with the server: no service mounts its folder.
        if CLIENTS.contains(&login) {
            kept(&folder(login)?.join("nats-password"))
        } else {
            kept(&bus.join(format!("{login}-password")))
        }
    })?;
    logins.write(&bus)?;
    write_tls(wish, &bus)?;
    let database = folder("postgres")?;
    kept(&database.join("admin"))?;
    for (name, role, consumer) in DATABASE_LOGINS {
        let password = kept(&database.join(name))?;
        let url = format!("postgres://{role}:{password}@{}/{DATABASE}", wish.postgres);
        fit(&folder(consumer)?.join("database-url"), &url)?;
    }
    say(&format!(
        "the secrets in `{}` are complete: {} logins of the bus{}, {} of the database",
        wish.dir.display(),
        LOGINS.len(),
        if wish.tls_names.is_empty() { "" } else { " with TLS" },
        DATABASE_LOGINS.len() + 1
    ));
    Ok(())
}

/// The part of nats-server's configuration that is about TLS; empty without. Certificates that are there are kept.
fn write_tls(wish: &Wish, bus: &Path) -> Result<(), Fault> {
    let configuration = bus.join("tls.conf");
    if wish.tls_names.is_empty() {
        return fit(&configuration, "# TLS is off.\n");
    }
    let [certificate, key, authority] =
        [tls::CERTIFICATE, tls::KEY, tls::AUTHORITY].map(|name| bus.join(name));
    if ![&certificate, &key, &authority].iter().all(|path| path.is_file()) {
        let made = Tls::new(&wish.tls_names, Validity::Years)?;
        fit(&authority, &made.authority)?;
        fit(&certificate, &made.certificate)?;
        fit(&key, &made.key)?;
    }
    let text = fs::read_to_string(&authority)
        .map_err(|source| Fault::io(format!("could not read `{}`", authority.display()), source))?;
    for client in CLIENTS {
        fit(&wish.dir.join(client).join("nats-ca.pem"), &text)?;
    }
    fit(&configuration, &configuration_of(&wish.mounted_at))
}

/// What nats-server is told of TLS; its certificate lies in `folder`.
pub fn configuration_of(folder: &str) -> String {
    format!(
        "# Nobody is let in without TLS.\ntls {{\n  cert_file: \"{folder}/{}\"\n  \
         key_file: \"{folder}/{}\"\n  timeout: 5\n}}\n",
        tls::CERTIFICATE,
        tls::KEY
    )
}

/// The password in `path`; made when absent or empty.
fn kept(path: &Path) -> Result<String, Fault> {
    let there = fs::read_to_string(path).unwrap_or_default();
    if !there.trim().is_empty() {
        return Ok(there.trim().to_owned());
    }
    let password = secret::generate()?;
    fit(path, &password)?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn wish(dir: &Path, more: &[&str]) -> Wish {
        let dir = dir.display().to_string();
        let mut faults = Vec::new();
        let words: Vec<&str> = ["--dir", &dir].into_iter().chain(more.iter().copied()).collect();
        parse(&words, &mut faults).unwrap_or_else(|| panic!("{faults:?}"))
    }

    fn all(dir: &Path) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for folder in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o222, 0, "{:?}", file.path());
                let name = file.path().strip_prefix(dir).unwrap().display().to_string();
                files.insert(name, fs::read_to_string(file.path()).unwrap());
            }
        }
        files
    }

    #[test]
    fn each_consumer_gets_its_own_and_a_second_run_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(&wish(dir.path(), &[]), &|_| {}).unwrap();
        let files = all(dir.path());
        let writer = &files["postgres/writer"];
        let url = format!("postgres://polyfeed_writer:{writer}@postgres:5432/polyfeed");
        assert_eq!(files["writer/database-url"], url);
        assert!(files["migrate/database-url"].starts_with("postgres://polyfeed_migrator:"));
        assert!(files["dashboard/database-url"].starts_with("postgres://polyfeed_reader:"));
        let mut passwords: Vec<&String> = files.values().filter(|text| text.len() == 32).collect();
        passwords.sort();
        passwords.dedup();
        assert_eq!(passwords.len(), LOGINS.len() + 4, "each password is another");
        assert_eq!(files["nats/tls.conf"], "# TLS is off.\n");
        assert!(!files.keys().any(|name| name.contains(".pem")));
        write(&wish(dir.path(), &[]), &|_| {}).unwrap();
        assert_eq!(all(dir.path()), files);
    }

    #[test]
    fn a_lost_folder_is_filled_again_and_the_hashes_follow() {
        let dir = tempfile::tempdir().unwrap();
        write(&wish(dir.path(), &["--postgres-host=db"]), &|_| {}).unwrap();
        let before = all(dir.path());
        fs::remove_dir_all(dir.path().join("feed")).unwrap();
        write(&wish(dir.path(), &["--postgres-host", "db:5433"]), &|_| {}).unwrap();
        let after = all(dir.path());
        assert_ne!(after["feed/nats-password"], before["feed/nats-password"]);
        assert_ne!(after["nats/passwords.conf"], before["nats/passwords.conf"]);
        assert!(before["writer/database-url"].ends_with("@db:5432/polyfeed"));
        assert!(after["writer/database-url"].ends_with("@db:5433/polyfeed"));
        assert_eq!(after["postgres/writer"], before["postgres/writer"]);
    }

    #[test]
    fn tls_adds_certificates_once_and_every_client_gets_the_authority() {
        let dir = tempfile::tempdir().unwrap();
        let with_tls = wish(dir.path(), &["--tls", "nats,localhost,127.0.0.1"]);
        write(&with_tls, &|_| {}).unwrap();
        let files = all(dir.path());
        for client in CLIENTS {
            assert_eq!(files[&format!("{client}/nats-ca.pem")], files["nats/ca.pem"]);
        }
        assert!(files["nats/tls.conf"].contains("cert_file: \"/run/secrets/server.pem\""));
        write(&with_tls, &|_| {}).unwrap();
        assert_eq!(all(dir.path()), files);
        write(&wish(dir.path(), &["--tls=off"]), &|_| {}).unwrap();
        assert_eq!(all(dir.path())["nats/tls.conf"], "# TLS is off.\n");
    }

    #[test]
    fn wrong_words_are_faults() {
        for words in [&["--dir"][..], &[], &["--dir", "/x", "more"], &["--dir", "/x", "--tls"]] {
            let mut faults = Vec::new();
            assert_eq!(parse(words, &mut faults), None);
            assert_eq!(faults.len(), 1, "{words:?}: {faults:?}");
        }
    }
}
