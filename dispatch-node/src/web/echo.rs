//! A live socket that echoes every message, for the Autobahn test suite (`make autobahn`). Behind
//! the feature `echo`, and not in dispatch.
//!
//! Invariant: the socket is set up and closed as `/live` is. Only the message size differs, since
//! the suite sends larger messages than a page.

use axum::Router;
use axum::extract::Request;
use axum::routing::get;

use gossip::link::echo::{MESSAGE_BYTES_MAX, echo};
use gossip::link::upgrade;

use crate::web::live::socket;

/// Serves `/live` as an echo.
pub fn door() -> Router {
    Router::new().route(
        "/live",
        get(async |request: Request| upgrade(request, socket::limits(MESSAGE_BYTES_MAX), echo)),
    )
}
