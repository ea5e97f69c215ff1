//! SQL through Postgres' own `psql`.
//!
//! Knows: how psql is told server, login and password. Never: what the SQL means.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::fault::Fault;

/// Makes the logins of the project's database.
pub const ROLES: &str = include_str!("../../../postgres/roles.sh");
/// Administrative statements are short; a migration runs elsewhere.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// A login at a server of this machine.
#[derive(Clone, Debug)]
pub struct Login {
    /// Folder that holds `psql`.
    pub programs: PathBuf,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Database.
    pub database: String,
}

impl Login {
    /// The program `psql`.
    pub fn program(&self) -> PathBuf {
        self.programs.join("psql")
    }

    /// The variables that tell psql where to go; the password never stands among the arguments,
    /// which everyone on the machine can read.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &self.port.to_string()),
            ("PGUSER", &self.user),
            ("PGPASSWORD", &self.password),
            ("PGDATABASE", &self.database),
            ("PGCONNECT_TIMEOUT", "5"),
            ("PGSSLMODE", "disable"),
            ("PGOPTIONS", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Makes the logins of the project's database, with the passwords of the files `migrator`, `writer` and `reader`
    /// in `secrets`, and gives it to the first: `deploy/postgres/roles.sh`, as a container runs it.
    ///
    /// # Errors
    /// When the script fails, with its first line.
    pub async fn make_roles(&self, secrets: &Path) -> Result<(), Fault> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders)
            .map_err(|_| Fault::new("the folder of Postgres' programs has a colon in its name"))?;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ROLES, "roles.sh"]).env("PATH", path).env("POLYFEED_SECRETS", secrets);
        shell.env("POSTGRES_USER", &self.user).env("POSTGRES_DB", &self.database);
        self.ask(shell, "").await.map(drop)
    }

    /// Runs `sql`, which may hold several statements, and returns what psql prints: one row a line,
    /// columns parted by `|`. Stops at the first error.
    ///
    /// # Errors
    /// When psql cannot be run or answers with an error, whose first line is in the text.
    pub async fn run(&self, sql: &str) -> Result<String, Fault> {
        let mut psql = Command::new(self.program());
        psql.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        self.ask(psql, sql).await
    }

    async fn ask(&self, mut command: Command, sql: &str) -> Result<String, Fault> {
        let failed = |why: &str| Fault::new(format!("Postgres refused a statement: {why}"));
        let asked = async {
            let mut psql = command
                .envs(self.variables())
                .current_dir(Path::new("/"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let mut input = psql.stdin.take().ok_or_else(|| std::io::Error::other("psql has no input"))?;
            let sql = sql.to_owned();
            let feeder = async move { input.write_all(sql.as_bytes()).await };
            let (fed, answer) = tokio::join!(feeder, psql.wait_with_output());
            // A psql that cannot connect ends without reading: its own words say more than our pipe.
            drop(fed);
            answer
        };
        let answer = timeout(ANSWER_WAIT, asked)
            .await
            .map_err(|_| failed("no answer within a minute"))?
            .map_err(|source| Fault::io("could not run psql", source))?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr);
            return Err(failed(said.lines().next().unwrap_or("no word")));
        }
        Ok(String::from_utf8_lossy(&answer.stdout).trim_end().to_owned())
    }
}

/// `name` as an identifier in SQL.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a literal in SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
