//! How an answer and a refusal look.
//!
//! Knows: status codes and JSON. Never: why.

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::time::Timestamp;
use serde::Serialize;

use crate::shared_state::SharedState;
use crate::view::{self, Refusal};

/// A request that is not answered, and why.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
}

/// An answer in JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, answer: &T) -> Response {
    text(status, view::json(answer))
}

/// An answer that is JSON already.
pub(crate) fn text(status: StatusCode, json: impl Into<Bytes>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json.into()).into_response()
}

/// Any path that leads nowhere.
pub(crate) fn nowhere() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing here; /api/openapi.json lists what there is")
}

/// Any method but GET and HEAD.
pub(crate) async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here")
}

/// An answer from the database, with the moment before which everything received is in it; null while that is not known.
#[derive(Debug, Serialize)]
struct Dated<'a, T: Serialize> {
    #[serde(flatten)]
    body: &'a T,
    stored_until: Option<Timestamp>,
}

/// 200 with what is stored, and up to when that is everything.
pub(crate) fn stored<T: Serialize>(board: &SharedState, body: &T) -> Response {
    let stored_until = board.with(|fold| fold.stored_until);
    json(StatusCode::OK, &Dated { body, stored_until })
}

// === impl ApiError ===

impl ApiError {
    /// A refusal in words.
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// A bad parameter.
    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json(self.status, &Refusal { error: self.error })
    }
}
