//! What stands before every route: time, length, token; and behind every answer: its headers.
//!
//! Knows: who may come in. Never: what they are shown.
//!
//! With `DASHBOARD_TOKEN` set, every route but `/api/status` wants the token. Programs send it as
//! `Authorization: Bearer <token>`. A browser cannot set headers when it opens a page or a WebSocket, so a person
//! opens `/?token=<token>` once: the answer is a redirect to `/`, so that the token stays in no address bar, with
//! a cookie that scripts cannot read and other sites cannot send (`HttpOnly; SameSite=Strict`). The cookie holds a
//! hash of the token, from which the token cannot be found. `/ws/live?token=<token>` works for programs whose
//! WebSocket library has no headers. Nothing here logs an address or a header.

use std::time::Duration;

use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::settings::Secret;
use tokio::time::timeout;

use super::App;
use super::answer::ApiError;
use super::limited_listener::ConnectionActivity;
use crate::hosts::Hosts;

/// How long a request may take in all.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// Longest path with parameters, in bytes.
const ADDRESS_MAX: usize = 8 * 1024;
/// Longest headers, in bytes, all names and values together.
const HEADERS_MAX: usize = 16 * 1024;
/// Name of the cookie.
const COOKIE: &str = "polyfeed_session";

const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'";
/// Longest name of a host that is repeated in an answer.
const HOST_MAX: usize = 100;

/// Headers of every answer. `no-store` only where the answer does not say otherwise.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

enum Entry {
    Granted,
    /// By a token in the address of the page: it is to become a cookie.
    ByAddress,
    ApiError,
}

/// Guards every route.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let visit = request.extensions().get::<ConnectInfo<ConnectionActivity>>().map(|info| info.0.clone());
    if let Some(visit) = &visit {
        visit.begin();
    }
    let policy = content_policy(&app.hosts, request.headers());
    let mut response = admit(&app, request, next).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    app.metrics.answered(response.status().as_u16());
    // A connection that became a WebSocket is no longer waited on here.
    if let Some(visit) = visit
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
    {
        visit.end();
    }
    response
}

/// What the page may load and reach: itself. Not every browser takes `'self'` for the live stream, too, so its
/// address is named beside it, where the client's word for us is one of our names and a plain port.
fn content_policy(hosts: &Hosts, headers: &HeaderMap) -> HeaderValue {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let policy = if hosts.has(host) && host.len() <= HOST_MAX && host.bytes().all(is_plain) {
        HeaderValue::try_from(format!("{CONTENT_POLICY} ws://{host} wss://{host}")).ok()
    } else {
        None
    };
    policy.unwrap_or(HeaderValue::from_static(CONTENT_POLICY))
}

async fn admit(app: &App, request: Request, next: Next) -> Response {
    let uri = request.uri();
    if uri.path_and_query().is_some_and(|text| text.as_str().len() > ADDRESS_MAX) {
        let error = format!("the address is longer than {ADDRESS_MAX} bytes");
        return ApiError::new(StatusCode::URI_TOO_LONG, error).into_response();
    }
    let headers = request.headers().iter();
    if headers.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > HEADERS_MAX {
        let error = format!("the headers are longer than {HEADERS_MAX} bytes");
        return ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, error).into_response();
    }
    if !is_meant_for_us(app, &request) {
        let error = "this dashboard does not answer to that name; DASHBOARD_HOSTS tells it its names";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, error).into_response();
    }
    if let Some(token) = &app.token {
        match entry(token, uri, request.headers()) {
            Entry::Granted => {}
            Entry::ByAddress => return welcome(token),
            Entry::ApiError => return stranger(),
        }
    }
    match timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no answer within 10 s").into_response(),
    }
}

/// Probes and scrapers come by whatever address they know, and what they read is no secret of a page.
fn is_meant_for_us(app: &App, request: &Request) -> bool {
    const FOR_MACHINES: [&str; 3] = ["/live", "/ready", "/metrics"];
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    FOR_MACHINES.contains(&request.uri().path()) || host.is_some_and(|host| app.hosts.are_meant(host))
}

fn entry(token: &Secret, uri: &Uri, headers: &HeaderMap) -> Entry {
    let path = uri.path();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    if path == "/api/status" || bearer.is_some_and(|offered| token.is(offered)) {
        return Entry::Granted;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = cookies.flat_map(|line| line.split("; ")).filter_map(|cookie| cookie.split_once('='));
    let session = session(token);
    if cookies.any(|(name, value)| name == COOKIE && session.is(value)) {
        return Entry::Granted;
    }
    match path {
        "/" if by_address(token, uri) => Entry::ByAddress,
        "/ws/live" if by_address(token, uri) => Entry::Granted,
        _ => Entry::ApiError,
    }
}

fn by_address(token: &Secret, uri: &Uri) -> bool {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    pairs.is_ok_and(|pairs| pairs.0.iter().any(|(name, value)| name == "token" && token.is(value)))
}

/// What the cookie holds: whoever learns it can look at this dashboard, but does not know the token.
fn session(token: &Secret) -> Secret {
    let key = blake3::derive_key("polyfeed dashboard session cookie, version 1", token.expose().as_bytes());
    Secret::new(blake3::Hash::from(key).to_hex().as_str())
}

fn welcome(token: &Secret) -> Response {
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", session(token).expose());
    let headers = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn stranger() -> Response {
    let error =
        "a token is needed: send `Authorization: Bearer <token>`, or open `/?token=<token>` in a browser";
    let refused = ApiError::new(StatusCode::UNAUTHORIZED, error);
    ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}
