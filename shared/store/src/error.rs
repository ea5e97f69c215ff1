//! What can go wrong with the database, and whose fault it is.
//!
//! Knows: SQLSTATE codes and what a caller may do about them. Never: how often it was tried.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// What a caller may do about a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// A row is at fault: trying the same rows again fails again; the others can be stored.
    Data,
    /// Two writers got in each other's way: try again at once.
    RetryNow,
    /// The database is away, full, or in recovery: hold what you have and try again.
    Away,
    /// Our mistake or missing rights: no row is at fault, and only a person can help.
    Bug,
}

/// A failed operation on the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database is none. Its text is not shown: it may hold a password.
    #[error("not a usable database address")]
    Address(#[source] tokio_postgres::Error),
    /// The database could not be reached, or did not let us in.
    #[error("could not connect to the database")]
    Connect(#[source] tokio_postgres::Error),
    /// A statement failed.
    #[error("could not {doing}")]
    Statement {
        /// What was tried, as a verb and its object.
        doing: &'static str,
        /// What the database or the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// No connection of the pool was to be had.
    #[error("no connection to the database")]
    Pool(#[source] deadpool_postgres::PoolError),
    /// No answer in time; the connection is given up, and what became of the work is unknown.
    #[error("could not {doing} within {waited:?}")]
    TimedOut {
        /// What was tried.
        doing: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The database was migrated by a newer program.
    #[error(
        "the database has schema version {found}, newer than version {known} of this program; start a newer program"
    )]
    TooNew {
        /// Version of the database.
        found: i32,
        /// Newest version this program knows.
        known: i32,
    },
    /// A migration that was applied reads differently in this program.
    #[error(
        "migration {version} ({name}) of the database is not the one of this program; migrations are never changed"
    )]
    Changed {
        /// Its version.
        version: i32,
        /// Its name in this program.
        name: &'static str,
    },
    /// A row holds what this program cannot read.
    #[error("could not read column `{column}`: {why}")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// What is odd about it.
        why: String,
    },
}

// === impl StoreError ===

impl StoreError {
    /// What may be done about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Address(_) | Self::TooNew { .. } | Self::Changed { .. } | Self::Unreadable { .. } => {
                Class::Bug
            }
            Self::TimedOut { .. } => Class::Away,
            Self::Connect(source) => match class_of_driver(source) {
                // Nothing was sent yet, so no row can be at fault. Without a code and without a broken
                // network it is the login: a missing password, or encryption that was asked for.
                Class::Away if source.code().is_none() && !is_network(source) => Class::Bug,
                Class::Data => Class::Bug,
                class => class,
            },
            Self::Statement { source, .. } => class_of_driver(source),
            Self::Pool(source) => match source {
                deadpool_postgres::PoolError::Backend(source) => class_of_driver(source),
                _ => Class::Away,
            },
        }
    }

    /// Whether trying the same again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), Class::RetryNow | Class::Away)
    }

    pub(crate) fn statement(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| Self::Statement { doing, source }
    }
}

fn class_of_driver(error: &tokio_postgres::Error) -> Class {
    match error.code() {
        Some(state) => class_of_state(state),
        // Without a code the connection broke: every row was checked to be writable before.
        None => Class::Away,
    }
}

fn class_of_state(state: &SqlState) -> Class {
    let code = state.code();
    if *state == SqlState::T_R_SERIALIZATION_FAILURE || *state == SqlState::T_R_DEADLOCK_DETECTED {
        return Class::RetryNow;
    }
    if *state == SqlState::READ_ONLY_SQL_TRANSACTION || *state == SqlState::LOCK_NOT_AVAILABLE {
        return Class::Away;
    }
    match &code[..2] {
        // 54: a row that is too large for an index is a row at fault, too.
        "22" | "23" | "54" => Class::Data,
        // XX is an error inside the server; never a row's fault, and sometimes gone the next time.
        "08" | "25" | "40" | "53" | "57" | "58" | "XX" => Class::Away,
        _ => Class::Bug,
    }
}

fn is_network(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    error.is_closed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: &str) -> Class {
        class_of_state(&SqlState::from_code(code))
    }

    #[test]
    fn a_row_is_at_fault_for_data_and_integrity_errors_only() {
        for code in ["22021", "22003", "22P05", "23514", "23502", "54000"] {
            assert_eq!(class(code), Class::Data, "{code}");
        }
    }

    #[test]
    fn deadlocks_and_serialization_failures_are_tried_again_at_once() {
        assert_eq!((class("40001"), class("40P01")), (Class::RetryNow, Class::RetryNow));
    }

    #[test]
    fn a_database_that_is_away_full_or_read_only_is_waited_for() {
        for code in ["08006", "53100", "53300", "57P01", "57P03", "57014", "25006", "55P03", "58030", "XX000"]
        {
            assert_eq!(class(code), Class::Away, "{code}");
        }
    }

    #[test]
    fn missing_rights_tables_and_logins_are_for_a_person() {
        for code in ["42501", "42P01", "42601", "28P01", "28000", "3D000", "0A000", "21000"] {
            assert_eq!(class(code), Class::Bug, "{code}");
        }
    }

    #[test]
    fn a_timeout_is_transient_and_a_newer_database_is_not() {
        assert!(StoreError::TimedOut { doing: "store", waited: Duration::from_secs(10) }.is_transient());
        let newer = StoreError::TooNew { found: 9, known: 4 };
        assert_eq!(newer.class(), Class::Bug);
        assert!(newer.to_string().contains("version 9, newer than version 4"));
    }

    #[tokio::test]
    async fn nobody_listening_is_away_and_a_login_without_password_is_not_a_network_error() {
        let refused = "postgres://u@127.0.0.1:1/d".parse::<tokio_postgres::Config>().unwrap();
        let error = refused.connect(tokio_postgres::NoTls).await.err().unwrap();
        assert_eq!(StoreError::Connect(error).class(), Class::Away);
        let odd = "postgres://[".parse::<tokio_postgres::Config>().unwrap_err();
        assert_eq!(StoreError::Address(odd).class(), Class::Bug);
    }
}
