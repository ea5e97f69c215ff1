//! The desk of the REST services: how each behaves, and what was asked.
//!
//! Knows: modes, counts, bodies of errors. Never: a market.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::scenario::{FaultMode, Service};

/// A hanging answer is given up after this; every client's own limit is shorter.
const HANG: Duration = Duration::from_mins(2);
/// From an answer to the moment that its `Retry-After` names, before it is cut to a second.
const RETRY_AFTER_MS: u64 = 2_000;

/// How a REST service behaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RestMode {
    /// As it should.
    #[default]
    Up,
    /// 503 at once.
    Down,
    /// 429 with `Retry-After: 1`.
    Limited,
    /// 429 with `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`, two seconds ahead at most.
    LimitedByDate,
    /// 400 `context canceled`.
    Canceled,
    /// 403 and an HTML page with `error code: 1010`.
    Blocked,
    /// The right answer, so much later.
    Slow(Duration),
    /// No answer.
    Hang,
}

impl From<FaultMode> for RestMode {
    fn from(mode: FaultMode) -> Self {
        match mode {
            FaultMode::Down => Self::Down,
            FaultMode::Limited => Self::Limited,
            FaultMode::LimitedByDate => Self::LimitedByDate,
            FaultMode::Canceled => Self::Canceled,
            FaultMode::Blocked => Self::Blocked,
            FaultMode::Hang => Self::Hang,
            FaultMode::Slow(ms) => Self::Slow(Duration::from_millis(ms)),
        }
    }
}

/// Modes and counts of all services.
#[derive(Debug, Default)]
pub(crate) struct RestServices {
    modes: Mutex<[RestMode; 3]>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    v1_retired: AtomicBool,
}

impl RestServices {
    /// From now on a service behaves like this.
    pub(crate) fn set(&self, service: Service, mode: RestMode) {
        lock(&self.modes)[place(service)] = mode;
    }

    /// From now on the Data API has no v1 any more.
    pub(crate) fn retire_v1(&self) {
        self.v1_retired.store(true, Ordering::Relaxed);
    }

    /// Whether the Data API's v1 ended.
    pub(crate) fn v1_is_retired(&self) -> bool {
        self.v1_retired.load(Ordering::Relaxed)
    }

    /// How often each route was asked, refused ones included.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.calls).clone()
    }

    /// Counts a call and lets it through, or answers it as the service's mode wants it.
    pub(crate) async fn admit(
        &self,
        service: Service,
        route: &'static str,
        stop: &CancellationToken,
    ) -> Result<(), Response> {
        *lock(&self.calls).entry(route).or_default() += 1;
        let mode = lock(&self.modes)[place(service)];
        match mode {
            RestMode::Up => Ok(()),
            RestMode::Down => Err(unavailable()),
            RestMode::Limited => Err(limited("1")),
            RestMode::LimitedByDate => Err(limited(&clock::http_date(clock::now_ms() + RETRY_AFTER_MS))),
            RestMode::Canceled => Err(refusal(StatusCode::BAD_REQUEST, "context canceled")),
            RestMode::Blocked => Err(blocked()),
            RestMode::Slow(delay) => {
                pause(delay, stop).await;
                Ok(())
            }
            RestMode::Hang => Err(hang(stop).await),
        }
    }
}

fn limited(retry_after: &str) -> Response {
    let body = "{\"error\":\"too many requests\"}";
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry_after)], body).into_response()
}

/// The page that the venue's front door shows to clients it does not want.
pub(crate) fn blocked() -> Response {
    let page =
        "<!DOCTYPE html><html><head><title>Access denied</title></head><body>error code: 1010</body></html>";
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response()
}

/// Never answers while a client may wait; 503 afterwards.
pub(crate) async fn hang(stop: &CancellationToken) -> Response {
    pause(HANG, stop).await;
    unavailable()
}

/// A JSON body with status 200.
pub(crate) fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A JSON body `{"error":"…"}` with this status.
pub(crate) fn refusal(status: StatusCode, error: &str) -> Response {
    let body = serde_json::json!({ "error": error }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// How v2 of the Data API refuses a question, with the parameter that is wrong with it.
pub(crate) fn invalid_request(parameter: &str, error: &str) -> Response {
    let body = serde_json::json!({
        "error": error, "code": "invalid_request", "retryable": false,
        "trace_id": "00000000000000000000000000000000", "parameter": parameter,
    });
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The answer of a service that is down.
pub(crate) fn unavailable() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "service unavailable")
}

/// The values of a query parameter: repeated ones and comma lists alike.
pub(crate) fn values<'a>(query: &'a [(String, String)], names: &[&str]) -> Vec<&'a str> {
    let matching = query.iter().filter(|(name, _)| names.contains(&name.as_str()));
    matching.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
}

/// The last value of a query parameter, whole.
pub(crate) fn value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

async fn pause(delay: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(delay) => {}
    }
}

fn place(service: Service) -> usize {
    match service {
        Service::Clob => 0,
        Service::Gamma => 1,
        Service::Data => 2,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_counted_whatever_the_mode() {
        let (desk, stop) = (RestServices::default(), CancellationToken::new());
        assert!(desk.admit(Service::Clob, "/book", &stop).await.is_ok());
        desk.set(Service::Clob, RestMode::Down);
        let refused = desk.admit(Service::Clob, "/book", &stop).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        desk.set(Service::Clob, RestMode::Limited);
        let limited = desk.admit(Service::Clob, "/book", &stop).await.unwrap_err();
        assert_eq!(
            (limited.status(), limited.headers()["retry-after"].to_str().unwrap()),
            (429.try_into().unwrap(), "1")
        );
        for (mode, status, header, part) in [
            (RestMode::LimitedByDate, 429, "retry-after", " GMT"),
            (RestMode::Canceled, 400, "content-type", "application/json"),
            (RestMode::Blocked, 403, "content-type", "text/html"),
        ] {
            desk.set(Service::Clob, mode);
            let refused = desk.admit(Service::Clob, "/book", &stop).await.unwrap_err();
            assert_eq!(refused.status(), status);
            assert!(refused.headers()[header].to_str().unwrap().contains(part), "{mode:?}");
        }
        assert!(desk.admit(Service::Data, "/trades", &stop).await.is_ok());
        assert_eq!(desk.calls(), BTreeMap::from([("/book", 6), ("/trades", 1)]));
    }

    #[tokio::test]
    async fn a_hanging_service_lets_go_when_the_simulator_stops() {
        let (desk, stop) = (RestServices::default(), CancellationToken::new());
        desk.set(Service::Gamma, RestMode::Hang);
        stop.cancel();
        assert!(desk.admit(Service::Gamma, "/markets", &stop).await.is_err());
    }

    #[test]
    fn repeated_parameters_and_comma_lists_are_the_same() {
        let query = [("a".to_owned(), "1,2".to_owned()), ("a".to_owned(), "3".to_owned())];
        assert_eq!(values(&query, &["a"]), ["1", "2", "3"]);
        assert_eq!(value(&query, "a"), Some("3"));
    }
}
