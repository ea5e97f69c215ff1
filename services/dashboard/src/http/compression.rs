//! Answers in JSON, compressed for whoever wants them so.
//!
//! Knows: sizes and encodings. Never: what an answer says.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// An answer that is not longer travels as it is.
const PLAIN_MAX: usize = 1_024;
/// Longest answer there is: none of ours comes near.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Compresses answers in JSON that are worth it.
pub(crate) async fn pack(request: Request, next: Next) -> Response {
    let wanted = is_wanted(request.headers());
    let response = next.run(request).await;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !wanted || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Response::from_parts(parts, body);
    }
    // Our answers are whole texts in memory: nothing is waited for, and nothing can fail.
    let Ok(text) = to_bytes(body, ANSWER_MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    match gzip(&text).filter(|_| text.len() > PLAIN_MAX) {
        Some(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, packed.into())
        }
        None => Response::from_parts(parts, text.into()),
    }
}

/// Whether a client takes gzip.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|word| {
        let (name, weight) = word.split_once(';').unwrap_or((word, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// Fast rather than small: it is made anew for each answer.
fn gzip(text: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    encoder.write_all(text).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_whoever_names_it_and_does_not_refuse_it() {
        let wanted = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            is_wanted(&headers)
        };
        for text in ["gzip", "br, GZIP;q=0.5", "gzip, deflate, br"] {
            assert!(wanted(text), "{text}");
        }
        for text in ["", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip"] {
            assert!(!wanted(text), "{text}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
