//! A folder of Postgres data: made once, by the account that will use it.
//!
//! Knows: initdb and who owns the folder. Never: a running server.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Safety;
use crate::fault::Fault;
use crate::os_user::Account;
use crate::{paths, secret, wheels};

/// initdb takes a second or two, ten on a slow disk.
const INITDB_WAIT: Duration = Duration::from_mins(2);

/// Makes the cluster in `data` unless it is there; its superuser is `postgres` with `password`.
///
/// # Errors
/// When the account cannot reach the folder, or initdb fails, with its last line.
pub async fn make(
    programs: &wheels::PostgresPrograms,
    data: &Path,
    account: Option<&Account>,
    password: &str,
    safety: Safety,
) -> Result<(), Fault> {
    if data.join("PG_VERSION").is_file() {
        return Ok(());
    }
    let above = data.parent().unwrap_or(Path::new("/"));
    paths::make(above)?;
    if let Some(account) = account
        && !account.may_enter(above)
    {
        return Err(Fault::new(format!(
            "the user `{}`, under which Postgres runs, may not enter `{}`: choose another folder",
            account.name,
            above.display()
        )));
    }
    // Made beside its place and renamed, so that an initdb that was killed leaves no half cluster.
    let fresh = data.with_extension("unfinished");
    drop(fs::remove_dir_all(&fresh));
    own_folder(&fresh, account)?;
    let password_file = data.with_extension("password");
    secret::write_private(&password_file, password)?;
    give(&password_file, account)?;
    let made = initdb(programs, &fresh, &password_file, account, safety).await;
    drop(fs::remove_file(&password_file));
    made?;
    fs::rename(&fresh, data).map_err(|source| {
        Fault::io(format!("could not move the new database to `{}`", data.display()), source)
    })
}

/// Makes a folder that only `account` may enter.
///
/// # Errors
/// When it cannot be made or given.
pub fn own_folder(folder: &Path, account: Option<&Account>) -> Result<(), Fault> {
    let made = fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)));
    made.map_err(|source| Fault::io(format!("could not make `{}`", folder.display()), source))?;
    give(folder, account)
}

fn give(path: &Path, account: Option<&Account>) -> Result<(), Fault> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.user_id), Some(account.group_id)).map_err(|source| {
        Fault::io(format!("could not give `{}` to `{}`", path.display(), account.name), source)
    })
}

async fn initdb(
    programs: &wheels::PostgresPrograms,
    folder: &Path,
    password_file: &Path,
    account: Option<&Account>,
    safety: Safety,
) -> Result<(), Fault> {
    let mut command = Command::new(programs.folder.join("initdb"));
    command
        .args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
        ])
        .arg("--pwfile")
        .arg(password_file)
        .arg("--pgdata")
        .arg(folder)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if safety == Safety::Disposable {
        command.arg("--no-sync");
    }
    if let Some(account) = account {
        command.uid(account.user_id).gid(account.group_id);
    }
    let failed = "could not make the database (initdb)";
    let answer = timeout(INITDB_WAIT, command.output())
        .await
        .map_err(|_| Fault::new(format!("{failed} within two minutes: is the disk very slow or full?")))?
        .map_err(|source| Fault::io(failed, source))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let last = said.lines().rev().find(|line| line.contains("error") || line.contains("FATAL"));
    Err(Fault::new(format!("{failed}: `{}`", last.or(said.lines().last()).unwrap_or("no word").trim())))
}
