//! The middleware that applies the access policy and sets the security headers on every response.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use gossip::link::network;
use node_api::access::guard;
use node_api::access::policy::{SIGN_IN, SIGN_OUT};
use node_api::services::limits;

use crate::web::error::Problem;
use crate::web::extract::accept;
use crate::web::pages::forms;
use crate::web::pages::sign_in;
use crate::web::state::AppState;

/// Applies the access policy to a request, and sets the security headers on the response.
pub(crate) async fn apply(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = state.guard.admit(request.method(), request.uri().path(), request.headers());
    let mut response = match admitted {
        Ok(role) => match too_many(&state, sender_of_command(&request)).await {
            Some(refused) => refused,
            None => {
                request.extensions_mut().insert(role);
                next.run(request).await
            }
        },
        Err(problem) => {
            refused(&state, request.method(), request.uri(), request.headers(), problem)
        }
    };
    state.guard.protect(response.headers_mut(), &state.others.content_security_policy);
    response
}

/// Returns the address of a command, as it is counted; `None` of other requests.
fn sender_of_command(request: &Request) -> Option<String> {
    let is_command = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_command || matches!(request.uri().path(), SIGN_IN | SIGN_OUT) {
        return None;
    }
    let ConnectInfo(address) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(network(address.ip()).to_string())
}

/// Counts a command. Returns the response if its sender has sent too many.
async fn too_many(state: &AppState, sender: Option<String>) -> Option<Response> {
    let counted = state.commands.as_ref()?.count(&sender?).await;
    counted.err().map(|verdict| limits::refused(&verdict))
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
    guard::refused(problem)
}
