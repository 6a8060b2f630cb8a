//! The middleware that applies the access policy and sets the security headers on every response.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::web::error::Problem;
use crate::web::extract::accept;
use crate::web::pages::forms;
use crate::web::pages::sign_in;
use crate::web::state::AppState;

/// The content security policy of the page: its own scripts and styles only, and one Trusted Types
/// policy.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types superhero";

/// Applies the access policy to a request, and sets the security headers on the response.
pub(crate) async fn apply(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = &state.access;
    let mut response = match access.admit(request.method(), request.uri().path(), request.headers())
    {
        Ok(role) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        Err(problem) => {
            if is_misconfigured(&state, &problem, request.headers()) {
                state.refusals.warn(&problem);
            }
            refused(&state, request.method(), request.uri(), request.headers(), problem)
        }
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
    if let Some(age) = access.hsts.filter(|_| access.encrypted) {
        let value = HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value.expect("the value is ASCII"));
    }
    response
}

/// Returns whether a refusal may be due to the configuration, and not only to its client.
fn is_misconfigured(state: &AppState, problem: &Problem, headers: &HeaderMap) -> bool {
    match problem.status {
        StatusCode::UNAUTHORIZED => state.access.tokens.is_invalid(headers),
        _ => problem.code != "viewer" || state.access.tokens.is_invalid(headers),
    }
}

/// Returns the response to a refused request. A browser whose user can sign in is led to do so, and
/// then back; programs and scripts receive the problem.
fn refused(
    state: &AppState,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    problem: Problem,
) -> Response {
    let can_sign_in = matches!(problem.code, "sign_in" | "viewer");
    let is_page = !accept::names(headers, "application/json")
        && (accept::names(headers, "text/html") || (uri.path() == "/" && method == Method::GET));
    if can_sign_in && is_page {
        if matches!(*method, Method::GET | Method::HEAD) {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            return Redirect::to(&sign_in::address(path)).into_response();
        }
        let back = forms::here(state, headers).href_with(None);
        let reason = if problem.code == "viewer" {
            "Viewers are read-only: sign in with the admin token"
        } else {
            "You are signed out"
        };
        return sign_in::page(problem.status, &back, Some(reason));
    }
    let challenge = (problem.status == StatusCode::UNAUTHORIZED)
        .then_some([(header::WWW_AUTHENTICATE, "Bearer realm=\"superhero cluster\"")]);
    (challenge, problem).into_response()
}
