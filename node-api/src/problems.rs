//! The problems of the calls that every node has: the list of them, and their descriptions.
//!
//! Invariant: a description names only problems in [`COMMON`] or in the list of its own node, and
//! lists those of one status in one response.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Response};

/// A problem: its status, type and meaning.
pub type Known = (u16, &'static str, &'static str);

/// The problems of every node.
#[rustfmt::skip]
pub const COMMON: &[Known] = &[
    (400, "body_required", "a body is required"),
    (400, "invalid_body", "the body could not be read completely"),
    (400, "invalid_host", "the request does not name one valid host"),
    (400, "invalid_idempotency_key", "the key is too long, or not visible ASCII"),
    (400, "invalid_json", "the body is not JSON"),
    (400, "invalid_path", "the path is not valid text"),
    (400, "invalid_query", "a parameter is out of its range, not of its form, or given twice"),
    (401, "sign_in", "a token is required"),
    (403, "foreign_origin", "the request comes from a page of another site"),
    (403, "viewer", "viewers are read-only; the admin token is required"),
    (408, "too_slow", "the body did not arrive within 10 s"),
    (413, "too_large", "the body has more than 64 KiB, or a value in it more than 4 KiB"),
    (415, "not_json", "Content-Type must be application/json"),
    (421, "foreign_host", "the requested host is not this one"),
    (422, "idempotency_key_reused", "this key was used for a different request"),
    (422, "invalid_field", "a field is missing, unknown, or of another type"),
    (422, "invalid_name", "a name must have 1 to 100 characters, one of them visible, and no control characters"),
    (422, "out_of_range", "an amount is out of its range"),
    (429, "limited", "the limit is reached; the problem also has the fields of a decision"),
    (429, "overloaded", "the request queue is full"),
    (503, "joining", "the node has just started, and has not caught up"),
    (503, "no_place", "connection limit reached (--max-connections)"),
    (503, "outcome_unknown", "no reply in time: outcome unknown, but nothing is executed later"),
];

/// The problems that every call can return.
pub const ANY: &[&str] =
    &["invalid_host", "sign_in", "foreign_host", "overloaded", "no_place", "outcome_unknown"];
/// The problems that every call that changes something can return.
pub const CHANGE: &[&str] =
    &["foreign_origin", "viewer", "invalid_idempotency_key", "idempotency_key_reused", "limited"];
/// The problems that every call with a body can return.
pub const BODY: &[&str] = &[
    "body_required",
    "invalid_body",
    "invalid_json",
    "too_slow",
    "too_large",
    "not_json",
    "invalid_field",
];

/// Defines types that describe the problems of each kind of call. The first argument is the list of
/// the problems in addition to [`COMMON`].
#[macro_export]
macro_rules! refusals {
    ($own:expr => $($name:ident: $($codes:expr),*;)*) => {$(
        /// The problems that a call of this kind can return.
        pub(crate) enum $name {}

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                $crate::problems::merged($own, &[$crate::problems::ANY, $($codes),*])
            }
        }
    )*};
}

/// Returns the descriptions of the responses with these problems, which are in `own` or
/// [`COMMON`]. One that is in both with different statuses is named with that of `own`, such as
/// `504:outcome_unknown`.
///
/// # Panics
/// If a problem is in neither.
#[must_use]
pub fn merged(own: &[Known], families: &[&[&str]]) -> BTreeMap<String, RefOr<Response>> {
    let codes: Vec<&str> = families.concat();
    let mut statuses: BTreeMap<u16, Vec<(&str, &str)>> = BTreeMap::new();
    for code in codes {
        let (status, known, meaning) = COMMON
            .iter()
            .chain(own)
            .find(|(status, known, _)| {
                let with_status = code.split_once(':');
                with_status.map_or(*known == code, |given| given == (&status.to_string(), known))
            })
            .expect("every listed problem is in a list of problems");
        statuses.entry(*status).or_default().push((known, meaning));
    }
    statuses
        .into_iter()
        .map(|(status, problems)| (status.to_string(), response(status, &problems)))
        .collect()
}

/// Returns the description of a response that contains one of these problems.
fn response(status: u16, problems: &[(&str, &str)]) -> RefOr<Response> {
    let codes: Vec<&str> = problems.iter().map(|(code, _)| *code).collect();
    let meanings: Vec<String> =
        problems.iter().map(|(code, meaning)| format!("`{code}`: {meaning}")).collect();
    let schema = json!({ "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "type": "object", "properties": {
            "type": { "type": "string", "enum": codes },
            "status": { "type": "integer", "enum": [status] },
        } },
    ] });
    let header = |description: &str, schema: Value| {
        json!({
            "description": description,
            "required": true,
            "schema": schema,
        })
    };
    let headers = match status {
        401 => {
            let scheme = header("the authentication scheme", json!({ "type": "string" }));
            json!({ "WWW-Authenticate": scheme })
        }
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            json!({ "Retry-After": header("the seconds after which to retry", seconds) })
        }
        _ => json!({}),
    };
    let response = json!({
        "description": meanings.join("; "),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema } },
    });
    RefOr::T(serde_json::from_value(response).expect("a valid OpenAPI response"))
}
