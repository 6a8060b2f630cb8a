//! Request bodies, read within limits on size and time, and parsed as JSON or as a form.

use std::fmt::Display;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use tokio::time::timeout;

use crate::error::Problem;

/// The time limit for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A JSON body, or the default value if there is no body.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        JsonBody::from_request(request, state).await.map(|JsonBody(parsed)| Self(parsed))
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parsed, body) = parsed(request, state, "a JSON body is required, at least {}").await?;
        // Serde accepts an array for a struct; the API does not.
        match body.trim_ascii_start().first() {
            Some(b'{') => Ok(Self(parsed)),
            Some(_) | None => Err(Problem::not_allowed(
                "invalid_field",
                "expected a JSON object; nothing was changed",
            )),
        }
    }
}

/// A JSON body of any kind, which need not be an object.
#[derive(Debug)]
pub struct AnyJsonBody(pub Value);

impl<S: Send + Sync> FromRequest<S> for AnyJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (value, _) = parsed(request, state, "a JSON body is required").await?;
        Ok(Self(value))
    }
}

/// Reads and parses a JSON body. Returns the bytes too. `required` is the rule that a request without
/// a body violates.
async fn parsed<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
    required: &str,
) -> Result<(T, Bytes), Problem> {
    let required =
        || Problem::malformed("body_required", format!("{required}; nothing was changed"));
    // Judged by the headers, before any of the body is kept.
    if request.body().is_end_stream() {
        return Err(required());
    }
    if !is_of_type(request.headers(), "application/json") {
        let has_type = request.headers().contains_key(header::CONTENT_TYPE);
        let got = if has_type { "another type" } else { "missing" };
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            format!("Content-Type must be application/json, but is {got}; nothing was changed"),
        ));
    }
    let body = bytes(request, state).await?;
    if body.is_empty() {
        return Err(required());
    }
    let parsed = serde_json::from_slice(&body).map_err(|error| match error.classify() {
        Category::Data => Problem::not_allowed("invalid_field", unchanged(&error)),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::malformed("invalid_json", unchanged(&error))
        }
    })?;
    Ok((parsed, body))
}

/// The fields of an HTML form: names and values.
#[derive(Debug)]
pub struct FormBody(Vec<(String, String)>);

impl FormBody {
    /// Returns the value of the field, unless it is absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, value)| field == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Judged by the headers, before any of the body is kept.
        if request.body().is_end_stream() {
            return Ok(Self(Vec::new()));
        }
        if !is_of_type(request.headers(), "application/x-www-form-urlencoded") {
            let detail = "Content-Type must be application/x-www-form-urlencoded";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_form", detail));
        }
        let body = bytes(request, state).await?;
        serde_urlencoded::from_bytes(&body)
            .map(Self)
            .map_err(|error| Problem::malformed("invalid_form", unchanged(&error)))
    }
}

/// Reads the body within the limits of time and size.
async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    // A declared size over the limit is refused before any of the body is read.
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
    let read = read.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body did not arrive in time; nothing was changed",
        )
    })?;
    read.map_err(|rejection: BytesRejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::malformed(
            "invalid_body",
            "the body could not be read completely; nothing was changed",
        ),
    })
}

fn unchanged(error: &impl Display) -> String {
    format!("{error}; nothing was changed")
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body exceeds {BODY_BYTES_MAX} bytes; nothing was changed"),
    )
}

/// Returns whether the request has this media type, ignoring parameters.
fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let given =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}
