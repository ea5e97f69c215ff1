//! The unprivileged account under which Postgres runs when root types the command.
//!
//! Knows: users of this machine and what they may enter. Never: a password.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fault::Fault;

/// Accounts that may be used, the best first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user and its group, by number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Name of the user.
    pub name: String,
    /// Number of the user; never 0.
    pub user_id: u32,
    /// Number of the user's own group.
    pub group_id: u32,
}

/// The account that must be used for Postgres, which refuses to run as root: `None` when the
/// person at the keyboard is not root and so is good enough.
///
/// # Errors
/// When root runs this and the machine has neither a user `postgres` nor `nobody`.
pub fn for_servers() -> Result<Option<Account>, Fault> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")
        .map_err(|source| Fault::io("could not read /etc/passwd", source))?;
    CANDIDATES.iter().find_map(|name| find(&users, name)).map(Some).ok_or_else(|| {
        Fault::new(
            "Postgres refuses to run as root and this machine has no user `postgres` or `nobody`: \
             add one (`useradd --system postgres`), or run this command as an ordinary user",
        )
    })
}

impl Account {
    /// Whether this account may enter `folder`, which depends on every folder above it.
    pub fn may_enter(&self, folder: &Path) -> bool {
        use std::os::unix::process::CommandExt;
        Command::new("/bin/sh")
            .args(["-c", "cd -- \"$1\"", "sh"])
            .arg(folder)
            .uid(self.user_id)
            .gid(self.group_id)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Finds `name` in the text of `/etc/passwd`. Root under another name is not taken.
fn find(users: &str, name: &str) -> Option<Account> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[0] == name)?;
    let user_id = fields.get(2)?.parse().ok()?;
    let group_id = fields.get(3)?.parse().ok()?;
    (user_id != 0).then(|| Account { name: name.to_owned(), user_id, group_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_by_name_and_root_is_never_taken() {
        let users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nfake:x:0:0:::\n\nbad:x\n";
        let nobody = find(users, "nobody").unwrap();
        assert_eq!((nobody.user_id, nobody.group_id), (65_534, 65_533));
        assert_eq!(find(users, "fake"), None);
        assert_eq!(find(users, "bad"), None);
        assert_eq!(find(users, "postgres"), None);
    }

    #[test]
    fn closed_folder_is_seen_as_closed() {
        let Some(account) = for_servers().unwrap() else {
            return; // Not root: there is no other account to ask for.
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        assert!(!account.may_enter(folder.path()));
        assert!(account.may_enter(Path::new("/")));
    }
}
