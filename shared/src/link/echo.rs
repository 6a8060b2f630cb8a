//! A door that says back whatever it is told: what Autobahn's test suite knocks at (`make autobahn`). Behind the feature `echo`, in no node.
//!
//! Invariant: the door is the one of `/cluster`, from the request to the socket. Only the size of a message differs, for the suite has larger
//! ones than a node reads.

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::link::farewell::{close_code, farewell};
use crate::link::listener::{self, Incoming};
use crate::link::upgrade::Socket;

#[cfg(not(debug_assertions))]
compile_error!("the feature `echo` is for tests, and not to be released");

/// The largest message that the suite sends, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many may knock at once; the suite knocks once at a time.
const DOOR_MAX: usize = 8;

/// `/cluster`, where whoever comes hears what they said.
pub fn door() -> Router {
    let (door, mut peers) = mpsc::channel(DOOR_MAX);
    tokio::spawn(async move {
        while let Some(Incoming { socket, .. }) = peers.recv().await {
            tokio::spawn(echo(socket));
        }
    });
    listener::cluster_door(door, MESSAGE_BYTES_MAX)
}

/// Says back what is said, and ends as a node's sockets do.
pub async fn echo(mut socket: Socket) {
    let close = loop {
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
    farewell(&mut socket, close.as_ref().map(|(code, reason)| (*code, reason.as_str()))).await;
}
