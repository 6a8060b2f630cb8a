//! The OpenAPI 3.1 description of a node's API: the parts common to all calls, and the probes. The
//! calls are generated from their handlers.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// The tags of the types, with their meanings.
const TYPES: [(&str, &str); 11] = [
    ("counters", "counters that add up what all nodes have added"),
    ("sets", "sets in which an add wins over a concurrent removal"),
    ("tables", "keys with JSON values, of which the last write wins"),
    ("rooms", "chat rooms that show the newest messages of all nodes"),
    ("presence", "who is tracked at which node"),
    ("names", "names with one owner"),
    ("members", "the nodes of the cluster, as this one sees them"),
    ("calls", "handlers that a node executes for another"),
    ("limits", "how often something may happen in the whole cluster"),
    ("cache", "values that the owners of their keys hold for a while"),
    ("tracked", "the most frequent events of the last minute"),
];

/// Returns the description before any calls are added. `tags` are those of the node's own calls,
/// with their meanings.
///
/// # Panics
/// If the description is not a valid one.
#[must_use]
pub fn beginning(general: &str, tags: &[(&str, &str)]) -> OpenApi {
    let probes = ("probes", "health, readiness and metrics; served by every node");
    let tags: Vec<Value> = tags
        .iter()
        .chain(&TYPES)
        .chain([&probes])
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
    let description = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Superhero Cluster",
            "version": "1",
            "description": general,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "tags": tags,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Required only if the node was started with token files.",
                },
            },
            "schemas": { "Problem": problem() },
        },
        "paths": probe_paths(),
    });
    serde_json::from_value(description).expect("a description of OpenAPI")
}

fn probe_paths() -> Value {
    json!({
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
    })
}

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
///
/// # Panics
/// Never: a description is serializable.
#[must_use]
pub fn written(description: &OpenApi) -> Bytes {
    description.to_json().expect("an OpenAPI document serializes to JSON").into()
}

/// Handles `GET /api/openapi.json`.
pub async fn openapi(written: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], written).into_response()
}
