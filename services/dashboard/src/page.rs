//! The page: three files, part of the program.
//!
//! Knows: their bytes and types. Never: what they show.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// What a browser may keep: nothing without asking again, since a new program may have a new page.
const CACHE: &str = "no-cache";

/// `/`.
pub(crate) async fn index() -> Response {
    file("text/html; charset=utf-8", include_str!("../web/index.html"))
}

/// `/style.css`.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", include_str!("../web/style.css"))
}

/// `/page.js`.
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../web/page.js"))
}

/// `/draw.js`.
pub(crate) async fn drawing() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../web/draw.js"))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE)], text).into_response()
}
