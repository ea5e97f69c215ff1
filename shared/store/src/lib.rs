//! The shelf: what is kept in Postgres, and how it is found again.
//!
//! Knows: SQL, tables, roles, migrations; the only room that names `tokio-postgres`.
//! Never: the bus, or when to try again: it tries once and says of which class a failure is.

pub mod row;

mod connect;
mod error;
mod future;
mod insert;
mod insert_sql;
mod migrate;
mod read;
mod retention;
mod writer_session;

pub use error::{Class, StoreError};
pub use insert::{Rows, Stored, Table};
pub use migrate::{Migrated, migrate, migrations};
pub use read::{
    Chart, ChartPrice, ChartTrade, Coverage, CoverageOrder, CoveredMarket, Cursor, GapFilter, Ladder,
    LastPrices, MarketFilter, Reader, TradeFilter,
};
pub use retention::Expired;
pub use writer_session::{SchemaVersion, WriterSession};
