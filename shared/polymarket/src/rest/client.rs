//! One HTTP call: its turn, its time limit, its answer as text.
//!
//! Knows: status codes, bytes, seconds. Never: what an answer means.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{ACCEPT, AGE, CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect};
use tokio::time::Instant;

use super::error::RestError;
use crate::link::{self, Link};

/// The longest answer that is read. The longest seen is a catalogue page of 160 kB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes read of an answer that is an error: enough to say what the venue said.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// Called after every call: route, outcome in a word, how long it took, waiting for its turn included.
pub(super) type CallObserver = Box<dyn Fn(&'static str, &'static str, Duration) + Send + Sync>;

/// What came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: String,
    /// For how long a cache has had it: `Age`.
    pub(super) age: Duration,
}

/// An HTTP client that keeps to a rate.
pub(super) struct Client {
    http: reqwest::Client,
    limiter: DefaultDirectRateLimiter,
    timeout: Duration,
    calls: AtomicU64,
    observer: CallObserver,
}

impl Client {
    /// A client that goes the way out of this process.
    pub(super) fn new(
        urls: &[&str],
        rate_per_s: NonZeroU32,
        timeout: Duration,
        observer: CallObserver,
    ) -> Result<Self, RestError> {
        Self::over(link::of_process()?, urls, rate_per_s, timeout, observer)
    }

    fn over(
        link: &Link,
        urls: &[&str],
        rate_per_s: NonZeroU32,
        timeout: Duration,
        observer: CallObserver,
    ) -> Result<Self, RestError> {
        for url in urls {
            let is_usable =
                Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_usable {
                return Err(RestError::Address((*url).to_owned()));
            }
        }
        // No cookies, no redirect: an answer comes from the configured address or not at all. Proxies are those of the
        // sockets, not what the library reads from the environment.
        let mut http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("polyfeed/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeout)
            .tls_backend_preconfigured(link.tls().as_ref().clone());
        for proxy in link.rest_proxies().map_err(RestError::Setup)? {
            http = http.proxy(proxy);
        }
        let http = http.build().map_err(RestError::Setup)?;
        Ok(Self {
            http,
            limiter: RateLimiter::direct(Quota::per_second(rate_per_s)),
            timeout,
            calls: AtomicU64::new(0),
            observer,
        })
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) async fn get(
        &self,
        base: &str,
        route: &'static str,
        query: &[(&str, String)],
    ) -> Result<String, RestError> {
        self.ask(base, route, query).await.map(|answer| answer.body)
    }

    /// As [`Client::get`], with the age of the answer.
    pub(super) async fn ask(
        &self,
        base: &str,
        route: &'static str,
        query: &[(&str, String)],
    ) -> Result<Answer, RestError> {
        self.call(route, self.http.get(address(base, route)).query(query)).await
    }

    pub(super) async fn post(
        &self,
        base: &str,
        route: &'static str,
        body: String,
    ) -> Result<String, RestError> {
        self.call(
            route,
            self.http.post(address(base, route)).header(CONTENT_TYPE, "application/json").body(body),
        )
        .await
        .map(|answer| answer.body)
    }

    async fn call(&self, route: &'static str, request: RequestBuilder) -> Result<Answer, RestError> {
        let whole = async {
            self.limiter.until_ready().await;
            self.calls.fetch_add(1, Ordering::Relaxed);
            let request = request.header(ACCEPT, "application/json");
            let answer = request.send().await.map_err(|source| RestError::Unreachable { route, source })?;
            read(route, answer).await
        };
        let late = RestError::TimedOut { route, waited: self.timeout };
        let begun = Instant::now();
        let answer = tokio::time::timeout(self.timeout, whole).await.unwrap_or(Err(late));
        let outcome = answer.as_ref().err().map_or("answered", RestError::word);
        (self.observer)(route, outcome, begun.elapsed());
        answer
    }
}

fn address(base: &str, route: &str) -> String {
    format!("{}{route}", base.trim_end_matches('/'))
}

async fn read(route: &'static str, mut answer: Response) -> Result<Answer, RestError> {
    let status = answer.status();
    // Any other success would be an answer to another question: no content, or a part of it.
    if status != StatusCode::OK {
        let header =
            |name| answer.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
        let (retry_after, date) = (header(RETRY_AFTER), header(DATE));
        let body = body(route, &mut answer, ERROR_BYTES_MAX).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&body);
        return Err(RestError::refused(
            route,
            status.as_u16(),
            (retry_after.as_deref(), date.as_deref()),
            &said,
        ));
    }
    let age = answer.headers().get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    let age = Duration::from_secs(age.unwrap_or(0));
    let body = body(route, &mut answer, BODY_BYTES_MAX).await?;
    match String::from_utf8(body) {
        Ok(body) => Ok(Answer { body, age }),
        Err(error) => Err(RestError::not_json(route, &String::from_utf8_lossy(error.as_bytes()))),
    }
}

/// The body, piece by piece, so that an endless one ends at the limit.
async fn body(route: &'static str, answer: &mut Response, bytes_max: usize) -> Result<Vec<u8>, RestError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|source| RestError::Unreachable { route, source })? {
        if body.len() + piece.len() > bytes_max {
            return Err(RestError::TooLarge { route, bytes_max });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

// === impl Client ===

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::tests::{Company, VENUE};

    #[tokio::test]
    async fn where_only_a_proxy_leads_out_calls_go_through_it() {
        let ask = async |company: &Company| {
            let (url, rate) = (format!("https://{VENUE}"), NonZeroU32::MIN);
            let observer = Box::new(|_, _, _| {});
            let client =
                Client::over(&company.link, &[&url], rate, Duration::from_secs(5), observer).unwrap();
            client.get(&url, "/time", &[]).await
        };
        let company = Company::new(200, true).await;
        assert_eq!(ask(&company).await.unwrap(), "{}");
        let asked = company.asked.lock().unwrap().concat();
        assert!(asked.starts_with("CONNECT venue.example:443 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("\r\nproxy-authorization: basic "), "{asked}");
        assert!(asked.contains("bWU6c0BjcmV0"), "{asked}");
        let error = ask(&Company::new(200, false).await).await.unwrap_err();
        assert!(matches!(error, RestError::Unreachable { .. }), "nobody vouches for it: {error:?}");
    }
}
