//! The OpenAPI 3.1 description, and the page that serves it interactively.
//!
//! Invariant: the described calls are generated from the handlers, with their routes. Only the
//! parts common to all calls, and the probes that every node serves, are written by hand.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use utoipa::openapi::OpenApi;

use node_api::description;
pub(crate) use node_api::description::{openapi, written};

/// Allows only the page's own files. As strict as the main page's policy except for trusted types:
/// Swagger UI sets HTML without them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// The tags of dispatch's own calls, with their meanings.
const TAGS: [(&str, &str); 6] = [
    ("heroes", "all heroes, and their locations"),
    ("cities", "the heroes of each city, and ways to crash, stop and restart it"),
    ("cluster", "nodes, agreement, events and lost writes"),
    ("faults", "injected failures of links, processes and clocks"),
    ("gossip", "the pace of gossip, and single exchanges"),
    ("scenarios", "scripted faults and operations with expected results"),
];

/// Returns the description before any calls are added.
pub(crate) fn beginning() -> OpenApi {
    description::beginning(GENERAL, &TAGS)
}

const GENERAL: &str = "The operations of the page, for programs. Errors are problem documents \
    (RFC 9457): `type` is a stable identifier, `detail` says what was wrong and what was not done. \
    An unknown path is answered with 404 `unknown_path`, an unsupported method with 405 \
    `wrong_method` and `Allow`. Malformed HTTP, too many headers and too long addresses are \
    answered without a body (400, 431, 414). A body has at most 64 KiB. The live sockets are not \
    described here, but in docs/api.md.";

/// Handles `GET /api`.
pub(crate) async fn page() -> Response {
    (
        [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)],
        Html(include_str!("../../../../templates/api.html")),
    )
        .into_response()
}
