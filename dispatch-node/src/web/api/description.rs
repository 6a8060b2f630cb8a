//! The OpenAPI 3.1 description, and the page that serves it interactively.
//!
//! Invariant: the described calls are generated from the handlers, with their routes. Only the
//! parts common to all calls, and the probes that every node serves, are written by hand.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// Allows only the page's own files. As strict as the main page's policy except for trusted types:
/// Swagger UI sets HTML without them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Returns the description before any calls are added.
pub(crate) fn beginning() -> OpenApi {
    let general = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Superhero Cluster",
            "version": "1",
            "description": GENERAL,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "tags": [
            { "name": "heroes", "description": "all heroes, and their locations" },
            {
                "name": "cities",
                "description": "the heroes of each city, and ways to crash, stop and restart it",
            },
            { "name": "cluster", "description": "nodes, agreement, events and lost writes" },
            { "name": "faults", "description": "injected failures of links, processes and clocks" },
            { "name": "gossip", "description": "the pace of gossip, and single exchanges" },
            {
                "name": "scenarios",
                "description": "scripted faults and operations with expected results",
            },
            {
                "name": "probes",
                "description": "health, readiness and metrics; served by every node",
            },
        ],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Required only if dispatch was started with token files.",
                },
            },
            "schemas": { "Problem": problem() },
        },
        "paths": {
            "/healthz": {
                "get": probe("healthz", "Liveness", json!({ "200": text("the node is running") })),
            },
            "/readyz": { "get": probe("readyz", "Readiness", json!({
                "200": text("the node has joined the cluster"),
                "503": text("the node has not joined yet"),
            })) },
            "/metrics": { "get": probe("metrics", "Metrics in the Prometheus text format", json!({
                "200": text("the metrics"),
            })) },
        },
    });
    serde_json::from_value(general).expect("a description of OpenAPI")
}

const GENERAL: &str = "The operations of the page, for programs. Errors are problem documents \
    (RFC 9457): `type` is a stable identifier, `detail` says what was wrong and what was not done. \
    An unknown path is answered with 404 `unknown_path`, an unsupported method with 405 \
    `wrong_method` and `Allow`. Malformed HTTP, too many headers and too long addresses are \
    answered without a body (400, 431, 414). A body has at most 64 KiB. The live socket is not \
    described here, but in docs/api.md.";

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "description": "A stable identifier for programs." },
            "title": { "type": "string", "description": "The name of the HTTP status." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": {
                "type": "string",
                "description": "A message for people: what was wrong, and what was not done.",
            },
        },
    })
}

fn probe(name: &str, summary: &str, responses: Value) -> Value {
    json!({
        "tags": ["probes"],
        "operationId": name,
        "summary": summary,
        "responses": responses,
        "security": [{}],
    })
}

fn text(description: &str) -> Value {
    json!({
        "description": description,
        "content": { "text/plain": { "schema": { "type": "string" } } },
    })
}

/// Returns the description as JSON.
pub(crate) fn written(description: &OpenApi) -> Bytes {
    description.to_json().expect("an OpenAPI document serializes to JSON").into()
}

/// Handles `GET /api/openapi.json`.
pub(crate) async fn openapi(written: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], written).into_response()
}

/// Handles `GET /api`.
pub(crate) async fn page() -> Response {
    (
        [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)],
        Html(include_str!("../../../../templates/api.html")),
    )
        .into_response()
}
