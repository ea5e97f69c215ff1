//! The schema, brought to the version of this program: forward only, under a lock, each step once.
//!
//! Knows: the migrations, in order. Never: how to go back.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Transaction};
use tracing::info;

use crate::connect::{self, Session};
use crate::error::StoreError;
use crate::future::Boxed;

/// How long all pending migrations together may take, waiting for another migrator included.
const MIGRATE_MAX: Duration = Duration::from_mins(5);

/// One lock for all programs that migrate a database: the letters `polyfeed`.
const LOCK: i64 = 0x706f_6c79_6665_6564;

struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 10] = [
    Migration { version: 1, name: "house", sql: include_str!("../migrations/0001_house.sql") },
    Migration { version: 2, name: "tables", sql: include_str!("../migrations/0002_tables.sql") },
    Migration { version: 3, name: "views", sql: include_str!("../migrations/0003_views.sql") },
    Migration { version: 4, name: "retention", sql: include_str!("../migrations/0004_retention.sql") },
    Migration { version: 5, name: "page", sql: include_str!("../migrations/0005_page.sql") },
    Migration { version: 6, name: "gap_states", sql: include_str!("../migrations/0006_gap_states.sql") },
    Migration { version: 7, name: "resolutions", sql: include_str!("../migrations/0007_resolutions.sql") },
    Migration {
        version: 8,
        name: "trades_without_side",
        sql: include_str!("../migrations/0008_trades_without_side.sql"),
    },
    Migration { version: 9, name: "book_levels", sql: include_str!("../migrations/0009_book_levels.sql") },
    Migration {
        version: 10,
        name: "reader_limits",
        sql: include_str!("../migrations/0010_reader_limits.sql"),
    },
];

/// The version this program needs.
pub(crate) const VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// What a migration did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Migrated {
    /// Version before; 0 for an empty database.
    pub from: i32,
    /// Version now.
    pub to: i32,
}

/// Brings the database at `url` to the version of this program; several callers at once do it once.
///
/// The login must be a superuser, or may create roles and own the database.
///
/// # Errors
/// When the database is away or refuses, was migrated by a newer program, or with other migrations than ours.
#[inline(never)]
pub fn migrate(url: &str) -> Boxed<'_, Result<Migrated, StoreError>> {
    Box::pin(migrate_at(url))
}

async fn migrate_at(url: &str) -> Result<Migrated, StoreError> {
    let config = connect::config(url, "polyfeed-migrate")?;
    let mut session = connect::open(&config).await?;
    let doing = "migrate the database";
    let migrated = timeout(MIGRATE_MAX, run(&mut session)).await;
    session.close().await;
    migrated.map_err(|_| StoreError::TimedOut { doing, waited: MIGRATE_MAX })?
}

/// Version of the database behind `client`; 0 when it was never migrated.
///
/// # Errors
/// When it is newer than this program, or was migrated with other migrations than ours.
pub(crate) async fn version(client: &Client) -> Result<i32, StoreError> {
    let doing = "read the schema version";
    let there = client.query_one("select to_regclass('polyfeed.migrations') is not null", &[]).await;
    if !there.map_err(StoreError::statement(doing))?.get::<_, bool>(0) {
        return Ok(0);
    }
    let applied = client.query(APPLIED, &[]).await.map_err(StoreError::statement(doing))?;
    let ours = client.query(CHECKSUMS, &[&migrations()]).await.map_err(StoreError::statement(doing))?;
    let pair = |row: tokio_postgres::Row| (row.get(0), row.get(1));
    let ours: Vec<(i32, String)> = ours.into_iter().map(pair).collect();
    compare(&applied.into_iter().map(pair).collect::<Vec<_>>(), &ours)
}

const APPLIED: &str = "select version, checksum from polyfeed.migrations order by version";

/// Postgres computes the checksums of our texts, too, so that one function decides.
const CHECKSUMS: &str = "select n::integer, encode(sha256(convert_to(t, 'UTF8')), 'hex') \
    from unnest($1::text[]) with ordinality as u (t, n) order by n";

/// The SQL of every migration, in order.
pub fn migrations() -> Vec<&'static str> {
    MIGRATIONS.iter().map(|migration| migration.sql).collect()
}

async fn run(session: &mut Session) -> Result<Migrated, StoreError> {
    let failed = StoreError::statement("migrate the database");
    // Another program may be migrating now, and a step may take longer than a batch may.
    let patience = "set lock_timeout = '240s'; set statement_timeout = '290s'";
    session.client.batch_execute(patience).await.map_err(&failed)?;
    session.client.execute("select pg_advisory_lock($1)", &[&LOCK]).await.map_err(&failed)?;
    // The lock goes with the connection, which goes when this is done.
    let from = version(&session.client).await?;
    let transaction = session.client.transaction().await.map_err(&failed)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        apply(&transaction, migration).await?;
    }
    transaction.commit().await.map_err(&failed)?;
    Ok(Migrated { from, to: VERSION })
}

async fn apply(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), StoreError> {
    let failed = StoreError::statement("apply a migration");
    info!(version = migration.version, "migrating the database: {}", migration.name);
    transaction.batch_execute(migration.sql).await.map_err(&failed)?;
    let record = "insert into polyfeed.migrations (version, name, checksum) \
        values ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&migration.version, &migration.name, &migration.sql];
    transaction.execute(record, &values).await.map_err(&failed)?;
    transaction.batch_execute("reset role").await.map_err(&failed)
}

/// The version of a database with `applied` migrations, held against ours.
fn compare(applied: &[(i32, String)], ours: &[(i32, String)]) -> Result<i32, StoreError> {
    let mut version = 0;
    for (found, checksum) in applied {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == *found) else {
            return Err(StoreError::TooNew {
                found: applied.iter().map(|(v, _)| *v).max().unwrap_or(*found),
                known: VERSION,
            });
        };
        if !ours.iter().any(|(version, ours)| version == found && ours == checksum) {
            return Err(StoreError::Changed { version: *found, name: migration.name });
        }
        version = *found;
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(versions: impl IntoIterator<Item = i32>) -> Vec<(i32, String)> {
        versions.into_iter().map(|version| (version, format!("sum of {version}"))).collect()
    }

    #[test]
    fn migrations_are_numbered_from_one_without_a_hole() {
        for (migration, expected) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, expected);
            assert!(!migration.sql.trim().is_empty());
        }
    }

    #[test]
    fn the_time_that_a_reader_has_is_documented_where_a_researcher_looks() {
        assert!(
            MIGRATIONS[0]
                .sql
                .contains("alter role polyfeed_reader in database %I set statement_timeout = ''3s''")
        );
        let reading = include_str!("../../../docs/reading.md");
        let (_, researchers) = reading.split_once("## Researchers").unwrap();
        for words in ["may take 3 s", "statement_timeout", "\\copy", "set statement_timeout = '"] {
            assert!(researchers.contains(words), "{words}");
        }
    }

    #[test]
    fn a_database_is_empty_behind_or_current() {
        let ours = listed(1..=VERSION);
        assert_eq!(compare(&[], &ours).unwrap(), 0);
        assert_eq!(compare(&listed(1..=2), &ours).unwrap(), 2);
        assert_eq!(compare(&ours, &ours).unwrap(), VERSION);
    }

    #[test]
    fn a_database_newer_than_the_program_is_refused_by_name() {
        let error = compare(&listed(1..=VERSION + 2), &listed(1..=VERSION)).unwrap_err();
        assert!(
            matches!(error, StoreError::TooNew { found, known } if found == VERSION + 2 && known == VERSION)
        );
    }

    #[test]
    fn a_changed_old_migration_is_refused_by_name() {
        let mut ours = listed(1..=VERSION);
        ours[1].1 = "another text".to_owned();
        let error = compare(&listed(1..=VERSION), &ours).unwrap_err();
        assert!(error.to_string().contains("migration 2 (tables)"), "{error}");
    }
}
