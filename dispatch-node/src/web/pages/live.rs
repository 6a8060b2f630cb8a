//! `GET /live`: opens the live socket of a page or a program.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use gossip::link::{LimitReached, not_upgraded, upgrade};

use crate::web::error::Problem;
use crate::web::live::socket::limits;
use crate::web::live::{data_socket, page_socket};
use crate::web::state::AppState;

/// The largest message of a page, in bytes.
const MESSAGE_BYTES_MAX: usize = 8_192;

/// `GET /live`
pub(crate) async fn live(
    State(state): State<AppState>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    // A page of another site could read what a socket sends.
    if !state.access.is_same_site(request.headers()) {
        return not_upgraded(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "this comes from a page of another site",
        ));
    }
    let place = match state.places.acquire(address.ip()) {
        Ok(place) => place,
        Err(LimitReached::Full(max)) => {
            return not_upgraded(Problem::unavailable(
                "full",
                format!("{max} pages are open already"),
            ));
        }
        Err(LimitReached::FullForAddress(max)) => {
            let detail = format!("{max} pages are open from this address already");
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
            data_socket::run(socket, state.dispatch.views(), state.stop, place)
        });
    }
    let sources =
        page_socket::Sources { broadcaster: state.broadcaster, write_spans: state.write_spans };
    upgrade(request, limits, move |socket| {
        page_socket::run(socket, sources, query, state.stop, place)
    })
}
