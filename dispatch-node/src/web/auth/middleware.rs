//! The middleware that applies the access policy and sets the security headers on every response.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::web::auth::policy::{AccessPolicy, Refused, SIGN_IN};

/// The content security policy of the page: its own scripts and styles only, and one Trusted Types
/// policy.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types superhero";

/// Applies the access policy to a request, and sets the security headers on the response.
pub(crate) async fn apply(
    State(access): State<Arc<AccessPolicy>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match access.admit(request.method(), request.uri().path(), request.headers())
    {
        Ok(role) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        Err(Refused::SignIn) => Redirect::to(SIGN_IN).into_response(),
        Err(Refused::Problem(problem)) if problem.status == StatusCode::UNAUTHORIZED => {
            ([(header::WWW_AUTHENTICATE, "Bearer realm=\"superhero cluster\"")], problem)
                .into_response()
        }
        Err(Refused::Problem(problem)) => problem.into_response(),
    };
    let headers = response.headers_mut();
    // Pages with a policy of their own keep it.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    // Assets set their own policy; everything else shows the present state.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if access.encrypted {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}
