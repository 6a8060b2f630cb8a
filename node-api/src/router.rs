//! The router of a node without pages: the types and services, and their description.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::get;
use axum::{Router, middleware};
use utoipa_axum::router::OpenApiRouter;

use gossip::link::{unknown_path, wrong_method};

use crate::access::cors;
use crate::access::guard::{self, Guard};
use crate::body::BODY_BYTES_MAX;
use crate::description;
use crate::services;
use crate::types::{self, Types};

/// The start of the description.
const GENERAL: &str = "The library's types and services at one node of the cluster. Every node serves them, and \
    answers with what it holds itself; gossip carries a write to the others. Errors are problem \
    documents (RFC 9457): `type` is a stable identifier, `detail` says what was wrong and what was \
    not done. The calls on heroes and faults are dispatch's.";

/// Returns the routes that every node serves: those of the types and of the services.
#[must_use]
pub fn routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S>
where
    Types: FromRef<S>,
{
    types::routes().merge(services::routes())
}

/// Returns the service of a node without pages.
pub fn router(types: Types, guard: Guard) -> Router {
    let general = description::beginning(GENERAL, &[]);
    let calls = OpenApiRouter::with_openapi(general).nest("/api/v1", routes());
    let (api, described) = calls.split_for_parts();
    let described = description::written(&described);
    Router::new()
        .route("/api/openapi.json", get(move || description::openapi(described)))
        .merge(api)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(types)
        .layer(middleware::from_fn_with_state(guard.clone(), guard::apply))
        // Outside of the access policy: preflights carry no token, and refusals must be readable.
        .layer(middleware::from_fn_with_state(Arc::clone(&guard.access), cors::apply))
}
