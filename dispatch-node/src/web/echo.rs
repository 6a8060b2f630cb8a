//! A live socket that says back whatever it is told: what Autobahn's test suite knocks at (`make autobahn`). Behind the feature `echo`, and not
//! in dispatch.
//!
//! Invariant: the socket is set up, and ended, as `/live` is. Only the size of a message differs, for the suite has larger ones than a page sends.

use axum::Router;
use axum::extract::Request;
use axum::routing::get;

use shared::link::echo::{MESSAGE_BYTES_MAX, echo};
use shared::link::upgrade::upgrade;

use crate::web::live::socket;

/// `/live`, where whoever comes hears what they said.
pub fn door() -> Router {
    Router::new().route("/live", get(async |request: Request| upgrade(request, socket::limits(MESSAGE_BYTES_MAX), echo)))
}
