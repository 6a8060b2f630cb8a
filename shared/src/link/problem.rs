//! What went wrong, for whoever asked: problem documents (RFC 9457). Each says what was wrong and what was not done.
//!
//! Invariant: every refusal of a node that has a body at all is one of these.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How much of what somebody sent is repeated to them, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable word for programs.
    #[serde(rename = "type")]
    pub code: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// For people: what was wrong and what was not done.
    pub detail: String,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with this status.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, title: status.canonical_reason().unwrap_or("Problem"), status, detail: detail.into() }
    }

    /// The request cannot be understood.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request is understood and asks for something that is not allowed.
    #[must_use]
    pub fn not_allowed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// There was such a thing once.
    #[must_use]
    pub fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, detail)
    }

    /// It cannot be done as things are.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Whoever is needed for it does not answer.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// More is asked at once than can be queued.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", "too many requests are waiting; nothing was changed")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Answers where there is nothing.
pub async fn unknown_path(uri: Uri) -> Problem {
    let path = shortened(uri.path(), SHOWN_CHARS_MAX);
    Problem::not_found("unknown_path", format!("there is nothing at {path}"))
}

/// Answers where there is something, and not by that method. The router adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let (method, path) = (shortened(method.as_str(), SHOWN_CHARS_MAX), shortened(uri.path(), SHOWN_CHARS_MAX));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", format!("{path} does not answer to {method}"))
}

/// As much of what somebody sent as is worth repeating to them.
#[must_use]
pub fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
