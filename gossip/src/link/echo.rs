//! An echo at `/cluster`, for a test suite of WebSockets (`make autobahn`). Behind the feature
//! `echo`, in no node.
//!
//! Invariant: the route is the one of nodes, from the request to the socket. Only the size of a
//! message differs, since the suite has larger ones than a node reads.

use std::sync::Arc;

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::link::close::{close, close_code};
use crate::link::listener::{self, Incoming};
use crate::link::telemetry::NoTelemetry;
use crate::link::upgrade::Socket;

#[cfg(not(debug_assertions))]
compile_error!("the feature `echo` is for tests, and not to be released");

/// The largest message that the suite sends, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most peers that may wait. The suite connects one at a time.
const PEERS_MAX: usize = 8;

/// Returns `/cluster` as an echo.
pub fn route() -> Router {
    let (incoming, mut peers) = mpsc::channel(PEERS_MAX);
    tokio::spawn(async move {
        while let Some(Incoming { socket, .. }) = peers.recv().await {
            tokio::spawn(echo(socket));
        }
    });
    listener::cluster_route(incoming, MESSAGE_BYTES_MAX, Arc::new(NoTelemetry))
}

/// Echoes every message, and closes as a node's sockets do.
pub async fn echo(mut socket: Socket) {
    let reason = loop {
        match socket.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => break None,
            Some(Err(error)) => break close_code(&error).map(|code| (code, error.to_string())),
        }
    };
    close(&mut socket, reason.as_ref().map(|(code, reason)| (*code, reason.as_str()))).await;
}
