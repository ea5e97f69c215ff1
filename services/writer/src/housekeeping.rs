//! What is done beside storing: the schema before it begins, old days now and then.
//!
//! Knows: when to try again. Never: what a partition is.

use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::logline;
use store::{SchemaVersion, StoreError, WriterSession};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::DatabaseConfig;
use crate::writer_stats::WriterStats;

/// First and longest pause while the database is away or behind.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often days are made and dropped. They are made two days ahead, so that many failures in a row do no harm.
const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// How soon after a failure.
const RETENTION_AGAIN: Duration = Duration::from_mins(1);

/// Waits until the database is there with the schema we need, bringing it there where our login may.
/// Answers whether it is so; it is not when `stop` came first.
pub async fn prepare(
    shelf: &mut WriterSession,
    config: &DatabaseConfig,
    stats: &WriterStats,
    stop: &CancellationToken,
) -> bool {
    let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
    loop {
        match brought_up(shelf, config).await {
            Ok(None) => return true,
            Ok(Some(why)) => {
                if stats.database_refuses(&why) {
                    error!("cannot store yet: {why}");
                }
            }
            Err(failure) => {
                let why = logline::error_chain(&failure);
                if backoff.attempts() == 0 {
                    warn!("the database is not usable yet: {why}");
                }
                if failure.is_transient() {
                    stats.database_is_away(&why);
                } else if stats.database_refuses(&why) {
                    error!("the database rejects housekeeping: {why}");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(backoff.next(fastrand::u64(..))) => {}
        }
    }
}

/// Makes and drops days, now and every hour, until `stop`.
///
/// # Errors
/// Never; a failure is told and tried again.
pub async fn retain(mut shelf: WriterSession, days: u16, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let pause = match tidy(&mut shelf, days).await {
            Ok(()) => RETENTION_EVERY,
            Err(failure) => {
                warn!(
                    "could not make or drop partitions, trying again in a minute: {}",
                    logline::error_chain(&failure)
                );
                RETENTION_AGAIN
            }
        };
        // An idle connection would only be one more to lose.
        shelf.close().await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// Migrates where that is needed and allowed. Answers why storing cannot begin, if it cannot.
async fn brought_up(
    shelf: &mut WriterSession,
    config: &DatabaseConfig,
) -> Result<Option<String>, StoreError> {
    let (found, needed, may_migrate) = match (shelf.fit().await, &config.migrate_url) {
        (Ok(SchemaVersion::Fits), _) => return Ok(None),
        (Ok(SchemaVersion::Behind { found, needed, may_migrate }), _) => (found, needed, may_migrate),
        // The storing login is itself made by the first migration.
        (Err(failure), Some(_)) if !failure.is_transient() => (0, 0, false),
        (Err(failure), _) => return Err(failure),
    };
    let url = match &config.migrate_url {
        Some(url) => url,
        None if may_migrate => &config.url,
        None => {
            let remedy = "run `writer migrate`, or set MIGRATE_DATABASE_URL";
            return Ok(Some(format!("the schema has version {found} and must have {needed}: {remedy}")));
        }
    };
    let migrated = store::migrate(url.expose()).await?;
    info!(from = migrated.from, to = migrated.to, "the schema of the database is up to date");
    Ok(match shelf.fit().await? {
        SchemaVersion::Fits => None,
        SchemaVersion::Behind { .. } => {
            Some("MIGRATE_DATABASE_URL and DATABASE_URL name two databases".to_owned())
        }
    })
}

async fn tidy(shelf: &mut WriterSession, days: u16) -> Result<(), StoreError> {
    let made = shelf.make_partitions(days).await?;
    let expired = shelf.drop_expired(days).await?;
    if made + expired.partitions + expired.rows > 0 {
        info!(made, dropped = expired.partitions, rows = expired.rows, "made and dropped day partitions");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chassis::settings::Secret;
    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test]
    async fn a_database_that_is_away_is_a_problem_with_a_name_until_the_stop() {
        let url = "postgres://u@127.0.0.1:1/d";
        let config = DatabaseConfig { url: Secret::new(url), migrate_url: None, retention_days: 7 };
        let (stats, stop) = (WriterStats::new(&mut Registry::default()), CancellationToken::new());
        let mut shelf = WriterSession::new(url, "writer-1").unwrap();
        let watch = async {
            while !stats.readiness().problems().iter().any(|problem| problem.contains("could not connect")) {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ready, ()) = tokio::join!(prepare(&mut shelf, &config, &stats, &stop), watch);
        assert!(!ready);
        retain(shelf, 7, stop).await.unwrap();
    }
}
