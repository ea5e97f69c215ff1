//! Connections to the venue: which market is on which socket, and from a frame to a tick.

pub(crate) mod assignments;
pub(crate) mod book_keeper;
pub(crate) mod connect_limiter;
pub(crate) mod connection_state;
pub(crate) mod last_trades;
pub(crate) mod occurrence;
pub(crate) mod overruled;
pub(crate) mod pending_snapshots;
pub(crate) mod prober;
pub(crate) mod recent_events;
pub(crate) mod snapshot_requests;
pub(crate) mod socket;
pub(crate) mod subscription_manager;
pub(crate) mod tick_publisher;
