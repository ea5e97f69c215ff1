//! The dashboard's doors: routes, and the socket they are served on.
//!
//! Knows: which path leads where. Never: what is answered there.

pub(crate) mod answer;
pub(crate) mod compression;
mod guard;
mod history;
mod history_routes;
mod limited_listener;
mod live_routes;
mod page;
mod query_params;
mod response_cache;
mod shares;
mod socket;
#[cfg(test)]
mod tests;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use chassis::ready::Readiness;
use chassis::settings::Secret;
use prometheus_client::registry::Registry;
use store::{CoverageOrder, Reader};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hosts::Hosts;
use crate::metrics::Metrics;
use crate::shared_state::SharedState;
use crate::token_table::TokenTable;
use limited_listener::{ConnectionActivity, LimitedListener};
pub(crate) use response_cache::Recent;
pub(crate) use shares::Shares;

/// Live streams at once.
pub(crate) const CLIENTS_MAX: usize = 200;
/// How long open requests may take after a stop.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// What every route can reach; a clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) board: SharedState,
    /// The table of tokens.
    pub(crate) listing: TokenTable,
    pub(crate) reader: Reader,
    /// What `/api/coverage` said a moment ago, by hours, order, limit and offset.
    pub(crate) grids: Recent<(usize, CoverageOrder, usize, usize)>,
    pub(crate) durability: &'static str,
    pub(crate) token: Option<Arc<Secret>>,
    /// The names it answers to.
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) readiness: Readiness,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    /// A place for each live stream.
    pub(crate) places: Arc<Semaphore>,
    /// What of them each address holds.
    pub(crate) shares: Shares,
    /// The live streams, to be awaited at the end.
    pub(crate) streams: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A bound but not yet served door.
#[derive(Debug)]
pub(crate) struct Http {
    door: LimitedListener,
    address: SocketAddr,
}

/// Connections at once, and whether the dashboard at `address` answers 200 to `/ready`.
pub(crate) use limited_listener::{CONNECTIONS_MAX, is_ready};

// === impl Http ===

impl Http {
    /// Binds `address`; port 0 picks a free one. Each address that comes may hold `per_address` connections.
    ///
    /// # Errors
    /// When the address is taken, not ours or not allowed: in one sentence with the remedy.
    pub(crate) async fn bind(address: SocketAddr, per_address: usize) -> anyhow::Result<Self> {
        let remedy = || {
            format!(
                "the dashboard cannot listen on {address}: stop what already listens there, or set DASHBOARD_ADDR \
                 to another address (port 0 picks a free one)"
            )
        };
        let door = LimitedListener::bind(address, per_address).await.with_context(remedy)?;
        let address = door.address().with_context(remedy)?;
        Ok(Self { door, address })
    }

    /// Where the door is, with the port that was picked.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the stop, then lets open requests and live streams end.
    ///
    /// # Errors
    /// When the listening socket fails.
    pub(crate) async fn serve(self, app: App) -> anyhow::Result<()> {
        let (stop, streams) = (app.stop.clone(), app.streams.clone());
        let door = self.door.counting(app.metrics.clone());
        let service = router(app).into_make_service_with_connect_info::<ConnectionActivity>();
        let serving = axum::serve(door, service).with_graceful_shutdown(stop.clone().cancelled_owned());
        let all = async {
            let served = serving.await;
            streams.close();
            streams.wait().await;
            served
        };
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::select! {
            served = all => served.context("serving the page failed"),
            () = too_long => Ok(()),
        }
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/api/status", get(live_routes::status))
        .route("/api/metrics", get(live_routes::metrics))
        .route("/api/events", get(live_routes::events))
        .route("/api/trades", get(history::trades))
        .route("/api/markets", get(history::markets))
        .route("/api/gaps", get(history::gaps))
        .route("/api/tokens", get(tokens::tokens))
        .route("/api/tokens/{token_id}", get(tokens::token))
        .route("/api/tokens/{token_id}/book", get(history_routes::book))
        .route("/api/tokens/{token_id}/chart", get(history_routes::chart))
        .route("/api/coverage", get(history_routes::coverage))
        .route("/api/sockets", get(live_routes::sockets))
        .route("/api/flow", get(live_routes::flow))
        .route("/api/series", get(live_routes::series))
        .route("/api/latency", get(live_routes::latency))
        .route("/api/openapi.json", get(live_routes::openapi))
        .route("/ws/live", get(socket::live))
        .route("/metrics", get(live_routes::instruments))
        .route("/live", get(live_routes::live))
        .route("/ready", get(live_routes::ready))
        .fallback(page::file)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn(compression::pack))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
