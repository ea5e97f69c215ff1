//! The writer's hand on the database: one connection, opened when needed, given up when in doubt.
//!
//! Knows: when a connection can still be trusted. Never: when to try again.

use std::fmt;

use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::Config;
use tracing::info;

use crate::connect::{self, CALL_MAX, Session};
use crate::error::{Class, StoreError};
use crate::future::Boxed;
use crate::insert::{self, Rows, Statements, Stored};
use crate::migrate;
use crate::retention::{self, Expired};

/// One writer's access to the tables. Every call connects if it must, tries once and takes at most about 20 s.
pub struct WriterSession {
    config: Config,
    writer: String,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    session: Session,
    statements: Statements,
}

/// Whether the schema of the database is the one this program needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SchemaVersion {
    /// It is.
    Fits,
    /// It is older, or empty (version 0): somebody has to migrate it.
    Behind {
        /// Version of the database.
        found: i32,
        /// Version that is needed.
        needed: i32,
        /// Whether this login may do it.
        may_migrate: bool,
    },
}

const MAY_MIGRATE: &str = "select rolsuper or (rolcreaterole and has_database_privilege(current_database(), 'CREATE')) \
    from pg_catalog.pg_roles where rolname = current_user";

// === impl WriterSession ===

impl WriterSession {
    /// Access to the database at `url` for the writer of this name; nothing is opened yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(url: &str, writer: &str) -> Result<Self, StoreError> {
        let config = connect::config(url, "polyfeed-writer")?;
        Ok(Self { config, writer: writer.to_owned(), open: None })
    }

    /// Stores a batch in one transaction: when this returns, all of it is there, or none.
    ///
    /// # Errors
    /// By [`StoreError::class`]. After a time limit or a broken connection it is unknown whether the batch was
    /// stored: storing it again is harmless.
    #[inline(never)]
    pub fn store<'a>(&'a mut self, rows: &'a Rows<'_>) -> Boxed<'a, Result<Stored, StoreError>> {
        Box::pin(self.store_all(rows))
    }

    async fn store_all(&mut self, rows: &Rows<'_>) -> Result<Stored, StoreError> {
        let mut open = self.opened().await?;
        let stored = insert::store(&mut open.session, &mut open.statements, &self.writer, rows);
        let stored = timeout(CALL_MAX, stored).await;
        self.keep_or_drop(open, stored, "store a batch")
    }

    /// Whether the schema is the one this program needs.
    ///
    /// # Errors
    /// When the database is away, newer than this program, or migrated with other migrations.
    #[inline(never)]
    pub fn fit(&mut self) -> Boxed<'_, Result<SchemaVersion, StoreError>> {
        Box::pin(self.read_fit())
    }

    async fn read_fit(&mut self) -> Result<SchemaVersion, StoreError> {
        let open = self.opened().await?;
        let fit = timeout(CALL_MAX, fit(&open.session)).await;
        self.keep_or_drop(open, fit, "read the schema version")
    }

    /// Makes the partitions of today, of two days ahead, and of those of the last `days` that rows have come for.
    /// Returns how many were made.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    #[inline(never)]
    pub fn make_partitions(&mut self, days: u16) -> Boxed<'_, Result<u64, StoreError>> {
        Box::pin(self.make_days(days))
    }

    async fn make_days(&mut self, days: u16) -> Result<u64, StoreError> {
        let open = self.opened().await?;
        let made = timeout(CALL_MAX, retention::make(&open.session, days)).await;
        self.keep_or_drop(open, made, "make partitions")
    }

    /// Drops the days that ended more than `days` days before today, and what is as old beside them.
    ///
    /// # Errors
    /// By [`StoreError::class`].
    #[inline(never)]
    pub fn drop_expired(&mut self, days: u16) -> Boxed<'_, Result<Expired, StoreError>> {
        Box::pin(self.drop_days(days))
    }

    async fn drop_days(&mut self, days: u16) -> Result<Expired, StoreError> {
        let open = self.opened().await?;
        let expired = timeout(CALL_MAX, retention::expire(&open.session, days)).await;
        self.keep_or_drop(open, expired, "drop expired partitions")
    }

    /// Ends the connection, if one is open.
    pub async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.session.close().await;
        }
    }

    /// The connection, taken out: a call that is dropped half-way leaves none behind to be used again.
    async fn opened(&mut self) -> Result<Open, StoreError> {
        if let Some(open) = self.open.take()
            && !open.session.client.is_closed()
        {
            return Ok(open);
        }
        let session = connect::open(&self.config).await?;
        info!("connected to the database");
        session.warn_of_weak_durability().await?;
        Ok(Open { session, statements: Statements::default() })
    }

    fn keep_or_drop<T>(
        &mut self,
        open: Open,
        outcome: Result<Result<T, StoreError>, Elapsed>,
        doing: &'static str,
    ) -> Result<T, StoreError> {
        let outcome = outcome.unwrap_or(Err(StoreError::TimedOut { doing, waited: CALL_MAX }));
        let is_trusted = match &outcome {
            Ok(_) => true,
            Err(error) => matches!(error.class(), Class::Data | Class::RetryNow),
        };
        if is_trusted {
            self.open = Some(open);
        }
        outcome
    }
}

impl fmt::Debug for WriterSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WriterSession").field("writer", &self.writer).finish_non_exhaustive()
    }
}

async fn fit(session: &Session) -> Result<SchemaVersion, StoreError> {
    let found = migrate::version(&session.client).await?;
    if found == migrate::VERSION {
        return Ok(SchemaVersion::Fits);
    }
    let may = session.client.query_one(MAY_MIGRATE, &[]).await;
    let may_migrate = may.map_err(StoreError::statement("read our rights"))?.get(0);
    Ok(SchemaVersion::Behind { found, needed: migrate::VERSION, may_migrate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_is_not_there_is_away_and_nothing_is_kept_open() {
        let mut shelf = WriterSession::new("postgres://u@127.0.0.1:1/d", "writer-1").unwrap();
        let error = shelf.store(&Rows::of(&[])).await.unwrap_err();
        assert_eq!(error.class(), Class::Away);
        assert!(shelf.fit().await.is_err());
        shelf.close().await;
        assert_eq!(format!("{shelf:?}"), "WriterSession { writer: \"writer-1\", .. }");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        assert!(WriterSession::new("nonsense", "writer-1").is_err());
    }
}
