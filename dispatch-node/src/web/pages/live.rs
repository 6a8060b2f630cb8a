//! `GET /live`: opens the live socket of a page or a program. `GET /frames`: the same messages for a
//! page whose socket is refused.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Extension, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use gossip::link::{LimitReached, not_upgraded, upgrade, upgrade_problem};
use node_api::access::policy::foreign_origin;
use node_api::access::tokens::Role;
use node_api::socket::limits;

use crate::web::error::Problem;
use crate::web::live::visitor::Visitor;
use crate::web::live::{data_socket, page_socket};
use crate::web::pages::me;
use crate::web::state::AppState;

/// The largest message from a page or program, in bytes.
const MESSAGE_BYTES_MAX: usize = 8_192;

/// `GET /live`
pub(crate) async fn live(
    State(state): State<AppState>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    Extension(role): Extension<Role>,
    request: Request,
) -> Response {
    // The same-origin policy does not apply to WebSockets: a page of another site could read the
    // data.
    if !state.guard.access.is_same_site(request.headers()) {
        let problem = foreign_origin(request.headers());
        state.guard.refusals.warn(&problem);
        return not_upgraded(problem);
    }
    if let Some(problem) = upgrade_problem(request.headers()) {
        if problem.status == StatusCode::UPGRADE_REQUIRED {
            state.guard.refusals.warn(&problem);
        }
        return not_upgraded(problem);
    }
    let permit = match state.connections.acquire(address.ip()) {
        Ok(permit) => permit,
        Err(LimitReached::Full(max)) => {
            return not_upgraded(Problem::unavailable(
                "full",
                format!("page limit reached ({max})"),
            ));
        }
        Err(LimitReached::FullForAddress(max)) => {
            let detail = format!("page limit for this address reached ({max})");
            return not_upgraded(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_from_address",
                detail,
            ));
        }
    };
    let query = query.unwrap_or_default();
    let limits = limits(MESSAGE_BYTES_MAX);
    if data_socket::is_requested(&query) {
        return upgrade(request, limits, move |socket| {
            data_socket::run(socket, state.dispatch.views(), state.stop, permit)
        });
    }
    let role = state.guard.access.tokens.are_required().then_some(role);
    let visitor = Visitor::new(state.types.cluster().clone(), me::of(request.headers()), role);
    let sources = page_socket::Sources {
        broadcaster: state.broadcaster,
        visitor,
        write_spans: state.write_spans,
    };
    upgrade(request, limits, move |socket| {
        page_socket::run(socket, sources, query, state.stop, permit)
    })
}

/// `GET /frames`
pub(crate) async fn frames(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let messages = page_socket::messages(&state.broadcaster, &query).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], messages).into_response())
}

/// `POST /frames`: accepted from the same origins as the live socket. A browser sends the origin with
/// this method only.
pub(crate) async fn check() -> StatusCode {
    StatusCode::NO_CONTENT
}
