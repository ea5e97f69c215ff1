//! The page: the files that Vite built, part of the program, or a plain page where nothing was built.
//!
//! Knows: their bytes, types, how long a browser may keep them. Never: what they show.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::{answer, compression};

/// A file of the page.
struct Asset {
    /// Where it is served.
    path: &'static str,
    bytes: &'static [u8],
    /// The same, compressed; none where that is no shorter.
    gzip: Option<&'static [u8]>,
}

/// By path, made by `build.rs`.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What a browser may keep of what has one name for ever: nothing without asking again, since a new program may
/// have a new page.
const CACHE: &str = "no-cache";
/// Files below `/assets/` have a hash of their content in their names.
const CACHE_HASHED: &str = "public, max-age=31536000, immutable";

/// `/` and everything beside it that is a file of the page.
pub(crate) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return answer::wrong_method().await.into_response();
    }
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == uri.path()) else {
        return answer::nowhere().into_response();
    };
    let cache = if asset.path.starts_with("/assets/") { CACHE_HASHED } else { CACHE };
    let about = [
        (header::CONTENT_TYPE, kind_of(asset.path)),
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
    ];
    match asset.gzip.filter(|_| compression::is_wanted(&headers)) {
        Some(gzip) => {
            let mut response = (StatusCode::OK, about, gzip).into_response();
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        None => (StatusCode::OK, about, asset.bytes).into_response(),
    }
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, kind)| kind) {
        None | Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page() {
        assert!(ASSETS.iter().any(|asset| asset.path == "/" && !asset.bytes.is_empty()));
    }

    #[test]
    fn every_file_has_a_type() {
        for asset in ASSETS {
            assert_ne!(kind_of(asset.path), "application/octet-stream", "{}", asset.path);
        }
    }
}
