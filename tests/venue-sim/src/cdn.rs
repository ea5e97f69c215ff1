//! The cache before the Data API: the same address asked twice may be answered with the same old page.
//!
//! Knows: addresses, bodies, their age (protocol reference 7, finding 2). Never: what stands in a body.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How long the venue lets an answer be kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_mins(5);
/// Answers kept at the most.
const KEPT_MAX: usize = 1_000;
/// The largest answer: a page of 10,000 rows.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The kept answers, by address with its question.
#[derive(Debug, Default)]
pub(crate) struct Cdn {
    kept_for: Duration,
    answers: Mutex<HashMap<String, (Instant, Bytes)>>,
}

impl Cdn {
    pub(crate) fn new(kept_for: Duration) -> Self {
        Self { kept_for, answers: Mutex::default() }
    }

    fn kept(&self, address: &str, now: Instant) -> Option<(Duration, Bytes)> {
        let (at, body) = self.answers().get(address).cloned()?;
        let age = now.duration_since(at);
        (age < self.kept_for).then_some((age, body))
    }

    fn keep(&self, address: String, body: Bytes, now: Instant) {
        let mut answers = self.answers();
        if answers.len() >= KEPT_MAX {
            answers.retain(|_, (at, _)| now.duration_since(*at) < self.kept_for);
        }
        if answers.len() < KEPT_MAX {
            answers.insert(address, (now, body));
        }
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, (Instant, Bytes)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers from what is kept, else from behind it; only what was good is kept.
pub(crate) async fn through(cdn: &Cdn, request: Request, next: Next) -> Response {
    let address = request.uri().to_string();
    if let Some((age, body)) = cdn.kept(&address, Instant::now()) {
        return answer(age, body);
    }
    let fresh = next.run(request).await;
    if fresh.status() != StatusCode::OK || cdn.kept_for.is_zero() {
        return fresh;
    }
    match to_bytes(fresh.into_body(), BODY_BYTES_MAX).await {
        Ok(body) => {
            cdn.keep(address, body.clone(), Instant::now());
            answer(Duration::ZERO, body)
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn answer(age: Duration, body: Bytes) -> Response {
    let mut answer = Response::new(Body::from(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    if age.as_secs() > 0 {
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_its_time_and_memory_is_bounded() {
        let (cdn, now) = (Cdn::new(KEPT_FOR), Instant::now());
        cdn.keep("/a".to_owned(), Bytes::from_static(b"1"), now);
        let later = now + Duration::from_secs(299);
        assert_eq!(cdn.kept("/a", later), Some((Duration::from_secs(299), Bytes::from_static(b"1"))));
        assert_eq!(cdn.kept("/a", now + KEPT_FOR), None);
        assert_eq!(cdn.kept("/b", now), None);
        for number in 0..2 * KEPT_MAX {
            cdn.keep(number.to_string(), Bytes::new(), now);
        }
        assert_eq!(cdn.answers().len(), KEPT_MAX);
    }
}
