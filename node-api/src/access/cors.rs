//! Cross-origin requests of the pages that `--allow-origin` names (the CORS protocol). All other
//! origins get no header of the protocol, so browsers keep responses from their pages.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, Cors};
use tower_service::Service as _;

use crate::access::policy::AccessPolicy;

/// The time for which a browser may store the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// The header with the policy for requests outside of the protocol.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers preflights of allowed origins, and lets their pages read every response, problems too.
pub async fn apply(
    State(access): State<Arc<AccessPolicy>>,
    request: Request,
    mut next: Next,
) -> Response {
    let is_allowed = access.is_allowed_origin(request.headers());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    // The library answers every OPTIONS request as a preflight.
    let mut response = if is_allowed && (is_preflight || request.method() != Method::OPTIONS) {
        readable(next).call(request).await.unwrap_or_else(|never| match never {})
    } else {
        next.call(request).await.unwrap_or_else(|never| match never {})
    };
    let headers = response.headers_mut();
    if is_allowed {
        // Also for requests that a page sends without the protocol, such as beacons.
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    } else if access.allows_origins() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// Returns the service for a page of an allowed origin. Credentials are allowed, because such a page
/// may send changes with the session of its user, and must then be able to read the outcome.
fn readable(next: Next) -> Cors<Next> {
    Cors::new(next)
        .allow_origin(AllowOrigin::mirror_request())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::ALLOW,
            header::CONTENT_DISPOSITION,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("x-trace-id"),
        ])
        .max_age(PREFLIGHT_AGE)
}
