//! An echo server at `/cluster`, for the Autobahn WebSocket test suite (`make autobahn`). Only with
//! the feature `echo`, and not part of any node.
//!
//! Invariant: requests take the same path as those of nodes, from the HTTP request to the socket.
//! Only the message size limit differs, since the suite sends larger messages than a node accepts.

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
compile_error!("the feature `echo` is for tests only, and not allowed in release builds");

/// The size of the largest message of the suite, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The maximum number of waiting peers. The suite connects one at a time.
const PEERS_MAX: usize = 8;

/// Returns a route that serves `/cluster` as an echo.
pub fn route() -> Router {
    let (incoming, mut peers) = mpsc::channel(PEERS_MAX);
    tokio::spawn(async move {
        while let Some(Incoming { socket, .. }) = peers.recv().await {
            tokio::spawn(echo(socket));
        }
    });
    listener::cluster_route(incoming, MESSAGE_BYTES_MAX, Arc::new(NoTelemetry))
}

/// Echoes every message, and closes the socket as a node does.
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
