//! What the API says of itself: OpenAPI 3.1, and a page on which to try it.
//!
//! Invariant: the calls in it are made from the handlers, with their routes. By hand are only what all calls share, and the probes, which
//! every node has.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// The page's own files and no others. As strict as that of the main page but for trusted types: Swagger UI makes HTML without them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the description begins with, before there are any calls in it.
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
            { "name": "heroes", "description": "who there is, and where" },
            { "name": "cities", "description": "what each holds, and how to break it" },
            { "name": "cluster", "description": "whether all agree, and what happened" },
            { "name": "trouble", "description": "faults, caused on purpose" },
            { "name": "gossip", "description": "its pace, and single exchanges" },
            { "name": "scenarios", "description": "trouble with a plot" },
            { "name": "probes", "description": "what orchestrators ask; every node has them" },
        ],
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "Needed only where dispatch was started with tokens." },
            },
            "schemas": { "Problem": problem() },
        },
        "paths": {
            "/healthz": { "get": probe("healthz", "Is it alive?", json!({ "200": text("it is") })) },
            "/readyz": { "get": probe("readyz", "May it be used?", json!({ "200": text("it has joined"), "503": text("it has not joined yet") })) },
            "/metrics": { "get": probe("metrics", "What it counts, as Prometheus reads it", json!({ "200": text("the metrics") })) },
        },
    });
    serde_json::from_value(general).expect("a description of OpenAPI")
}

const GENERAL: &str = "What the page does, for programs. Errors are problem documents (RFC 9457): `type` is a stable word, `detail` says what was \
    wrong and what was not done. A path that is not there is answered with 404 `unknown_path`, a method that it does not have with 405 \
    `wrong_method` and `Allow`. What is no HTTP, or has more headers or a longer address than is read, is answered without a body (400, 431, \
    414). A body has at most 64 KiB. The live socket is no HTTP, and is described in docs/api.md.";

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "description": "A stable word for programs." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "For people: what was wrong, and what was not done." },
        },
    })
}

fn probe(name: &str, summary: &str, responses: Value) -> Value {
    json!({ "tags": ["probes"], "operationId": name, "summary": summary, "responses": responses, "security": [{}] })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "content": { "text/plain": { "schema": { "type": "string" } } } })
}

/// The description as it is served.
pub(crate) fn written(description: &OpenApi) -> Bytes {
    description.to_json().expect("it is made of strings and numbers").into()
}

/// `GET /api/openapi.json`
pub(crate) async fn openapi(written: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], written).into_response()
}

/// `GET /api`
pub(crate) async fn page() -> Response {
    (
        [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)],
        Html(include_str!("../../../../templates/api.html")),
    )
        .into_response()
}
