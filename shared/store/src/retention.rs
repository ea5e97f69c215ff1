//! Day partitions: made ahead, dropped when they have expired.
//!
//! Knows: the two functions a writer may call. Never: a clock; days are the database's, in UTC.

use crate::connect::Session;
use crate::error::StoreError;

/// Days for which partitions are made ahead: a writer that is down over a weekend finds its days made.
const DAYS_AHEAD: i32 = 2;

/// What had expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expired {
    /// Day partitions dropped.
    pub partitions: u64,
    /// Rows deleted beside them: dead letters, healed gaps, rows that belonged to no day.
    pub rows: u64,
}

/// Makes today's partitions, those of the next days, and those of the `days` before today that rows have come for.
/// Returns how many were made.
pub(crate) async fn make(session: &Session, days: u16) -> Result<u64, StoreError> {
    let sql = "select polyfeed.make_partitions($1, $2)";
    let made = session.client.query_one(sql, &[&i32::from(days), &DAYS_AHEAD]).await;
    let made: i32 = made.map_err(StoreError::statement("make partitions"))?.get(0);
    Ok(u64::try_from(made).unwrap_or(0))
}

/// Drops what ended more than `days` days before today.
pub(crate) async fn expire(session: &Session, days: u16) -> Result<Expired, StoreError> {
    let sql = "select partitions, rows from polyfeed.drop_expired($1)";
    let dropped = session.client.query_one(sql, &[&i32::from(days)]).await;
    let dropped = dropped.map_err(StoreError::statement("drop expired partitions"))?;
    let (partitions, rows): (i32, i64) = (dropped.get(0), dropped.get(1));
    Ok(Expired { partitions: u64::try_from(partitions).unwrap_or(0), rows: u64::try_from(rows).unwrap_or(0) })
}
