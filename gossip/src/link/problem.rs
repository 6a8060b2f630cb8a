//! Problem documents (RFC 9457): the reason why a request failed, and its effect.
//!
//! Invariant: every error response with a body is a problem document.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The maximum number of characters of a request that an error repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The problem type: a stable identifier for programs.
    #[serde(rename = "type")]
    pub code: &'static str,
    /// The standard text of the status.
    title: &'static str,
    /// The status of the response.
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// The reason and the effect, for people.
    pub detail: String,
    /// The node that holds what was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// Returns a problem with this status.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            title: status.canonical_reason().unwrap_or("Problem"),
            status,
            detail: detail.into(),
            owner: None,
        }
    }

    /// Returns the problem with the node that holds what was requested.
    #[must_use]
    pub fn owned_by(self, owner: &str) -> Self {
        Self { owner: Some(owner.to_owned()), ..self }
    }

    /// Returns a problem for a request that cannot be parsed.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Returns a problem for a request that is well-formed but not allowed.
    #[must_use]
    pub fn not_allowed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// Returns a problem for a resource that does not exist.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Returns a problem for a resource that no longer exists.
    #[must_use]
    pub fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, detail)
    }

    /// Returns a problem for a conflict with the current state.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Returns a problem for a required node that is unreachable.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// Returns the problem for a full request queue.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "overloaded",
            "the request queue is full; nothing was changed",
        )
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

/// Responds to an unknown path.
pub async fn unknown_path(uri: Uri) -> Problem {
    let path = shortened(uri.path(), SHOWN_CHARS_MAX);
    Problem::not_found("unknown_path", format!("unknown path {path}"))
}

/// Responds to a method that the path does not support. The router adds the header `Allow`.
pub async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let (method, path) =
        (shortened(method.as_str(), SHOWN_CHARS_MAX), shortened(uri.path(), SHOWN_CHARS_MAX));
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!("{path} does not support {method}"),
    )
}

/// Returns the first `chars` characters of `text`.
#[must_use]
pub fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
