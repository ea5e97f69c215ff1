//! The operator's door: `/live`, `/ready` and `/metrics` on `ADMIN_ADDR`.
//!
//! Knows: HTTP, latches, a registry of metrics. Never: what a metric means.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::exposition;
use crate::future::Boxed;
use crate::ready::Readiness;

/// How long open requests may take after a stop: answers are made in memory, so only a dead client takes longer.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// How long a health check waits in all: shorter than the 3 s that container engines commonly give it.
const HEALTHCHECK_MAX: Duration = Duration::from_secs(2);

/// A bound but not yet served operator's door.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// The operator's door could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address} (ADMIN_ADDR)")]
pub struct AdminError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

#[derive(Clone)]
struct Shown {
    readiness: Readiness,
    metrics: Arc<Registry>,
}

/// Whether the process whose operator's door is at `address` answers 200 to `/ready` within two seconds.
///
/// An unspecified address (`0.0.0.0`, `::`) is asked on loopback.
pub async fn healthcheck(address: SocketAddr) -> bool {
    matches!(timeout(HEALTHCHECK_MAX, status_line(reachable(address))).await, Ok(Ok(line)) if is_200(&line))
}

// === impl Admin ===

impl Admin {
    /// Binds `address`; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// When the address is taken, not ours or not allowed.
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        let told = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        Ok(Self { listener, address })
    }

    /// Where the door is, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then lets open requests end for a second.
    ///
    /// # Errors
    ///
    /// When the listening socket fails.
    #[inline(never)]
    pub fn serve(
        self,
        readiness: Readiness,
        metrics: Arc<Registry>,
        stop: CancellationToken,
    ) -> Boxed<'static, anyhow::Result<()>> {
        Box::pin(self.answer(readiness, metrics, stop))
    }

    async fn answer(
        self,
        readiness: Readiness,
        metrics: Arc<Registry>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let router = Router::new()
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(show_metrics))
            .with_state(Shown { readiness, metrics });
        let serving =
            axum::serve(self.listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let too_long = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = too_long => Ok(()),
        }
    }
}

async fn ready(State(shown): State<Shown>) -> Response {
    // Decided from the one list that is shown, so that the code and the body cannot disagree.
    let problems = shown.readiness.problems();
    let ready = problems.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({ "ready": ready, "problems": problems }))).into_response()
}

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match exposition::answer(&shown.metrics, accept) {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

async fn status_line(address: SocketAddr) -> io::Result<[u8; STATUS_BYTES]> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; STATUS_BYTES];
    stream.read_exact(&mut line).await?;
    Ok(line)
}

/// Bytes of an answer up to its status code: `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

fn is_200(line: &[u8; STATUS_BYTES]) -> bool {
    line.starts_with(b"HTTP/1.") && line.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::task::JoinHandle;

    use super::*;

    struct Running {
        address: SocketAddr,
        readiness: Readiness,
        stop: CancellationToken,
        task: JoinHandle<anyhow::Result<()>>,
    }

    impl Running {
        async fn start() -> Self {
            let counter = Counter::<u64>::default();
            counter.inc_by(7);
            let mut metrics = Registry::default();
            metrics.register("ticks", "Ticks seen", counter);
            let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let (address, readiness, stop) = (admin.address(), Readiness::new(), CancellationToken::new());
            let task = tokio::spawn(admin.serve(readiness.clone(), Arc::new(metrics), stop.clone()));
            Self { address, readiness, stop, task }
        }

        async fn get(&self, path: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }

        async fn end(self) {
            self.stop.cancel();
            timeout(Duration::from_secs(30), self.task).await.expect("it ends").unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_live_process_answers_200_and_an_unknown_path_404() {
        let running = Running::start().await;
        assert!(running.get("/live").await.starts_with("HTTP/1.1 200"));
        assert!(running.get("/nowhere").await.starts_with("HTTP/1.1 404"));
        running.end().await;
    }

    #[tokio::test]
    async fn ready_follows_the_latches_and_names_the_problems() {
        let running = Running::start().await;
        let bus = running.readiness.latch("bus");
        let answer = running.get("/ready").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.ends_with(r#"{"problems":["bus: not ready yet"],"ready":false}"#), "{answer}");
        assert!(!healthcheck(running.address).await);
        bus.set(true);
        let answer = running.get("/ready").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(r#"{"problems":[],"ready":true}"#), "{answer}");
        assert!(healthcheck(running.address).await);
        running.end().await;
    }

    #[tokio::test]
    async fn metrics_are_classic_text_for_whoever_asks_for_nothing_else() {
        let running = Running::start().await;
        let answer = running.get("/metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("\n# TYPE ticks_total counter\nticks_total 7\n"), "{answer}");
        running.end().await;
    }

    #[tokio::test]
    async fn a_taken_address_is_named_with_its_variable() {
        let first = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = Admin::bind(first.address()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("could not listen on {} (ADMIN_ADDR)", first.address()));
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_request_does_not_hold_up_the_stop() {
        let running = Running::start().await;
        let mut client = TcpStream::connect(running.address).await.unwrap();
        client.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
        // An answer to a later client shows that the server has taken this one up.
        running.get("/live").await;
        running.end().await;
    }

    #[tokio::test]
    async fn nobody_listening_is_not_healthy() {
        let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = admin.address();
        drop(admin);
        assert!(!healthcheck(address).await);
    }

    #[test]
    fn an_unspecified_address_is_asked_on_loopback() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9101"), "127.0.0.1:9101");
        assert_eq!(asked("[::]:9101"), "[::1]:9101");
        assert_eq!(asked("10.0.0.7:9101"), "10.0.0.7:9101");
    }
}
