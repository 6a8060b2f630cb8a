//! A live socket that echoes every message, for the Autobahn test suite (`make autobahn`). Only
//! compiled with the feature `echo`, and not part of dispatch.
//!
//! Invariant: the socket is configured and closed like `/live`. Only the message size differs,
//! since the suite sends larger messages than a page.

use axum::Router;
use axum::extract::Request;
use axum::routing::get;

use gossip::link::echo::{MESSAGE_BYTES_MAX, echo};
use gossip::link::upgrade;
use node_api::socket;

/// Returns the route that serves `/live` as an echo.
pub fn route() -> Router {
    Router::new().route(
        "/live",
        get(async |request: Request| upgrade(request, socket::limits(MESSAGE_BYTES_MAX), echo)),
    )
}
