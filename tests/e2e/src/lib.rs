//! The whole, running: real NATS, real Postgres, real services, and the venue's stand-in.
//!
//! Knows: how to start, break and mend each part, and how to hold the database against the ledger.
//! Never: a part that is not the real one, but for the venue.

pub mod database;
pub mod eventually;
pub mod length;
pub mod manifests;
pub mod programs;
pub mod promql;
pub mod proxy;
pub mod reconciliation;
pub mod wire;
pub mod world;

pub use eventually::eventually;
pub use length::by_length;
pub use reconciliation::{Reconciliation, Sheet};
pub use world::{Settings, World};
