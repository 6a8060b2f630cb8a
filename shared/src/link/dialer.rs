//! Keeps trying to have a link to one peer: dials while there is none, with a growing, jittered pause between attempts.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rand::RngExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async_with_config;
use tracing::{debug, warn};

use crate::id::NodeName;
use crate::link::connection::{self, End, Event, Identity};
use crate::machine::LinkDown;

/// How long connecting may take, the WebSocket handshake included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How long the greater of two names leaves dialling to the lesser.
const PRECEDENCE: Duration = Duration::from_millis(200);
/// The pause after the first failure, at most.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The pause after many failures, at most.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Dials `peer` at `address` whenever it is not among `linked`, until its driver is gone.
pub(super) async fn keep_dialling(
    peer: NodeName,
    address: String,
    identity: Identity,
    mut linked: watch::Receiver<BTreeSet<NodeName>>,
    events: mpsc::Sender<Event>,
) {
    let mut backoff = BACKOFF_MIN;
    let mut said = String::new();
    while linked.wait_for(|linked| !linked.contains(&peer)).await.is_ok() {
        // Where both know each other, one link is enough: the lesser name dials at once, the greater when nothing came of it.
        if identity.me.node > peer && timeout(PRECEDENCE, linked.wait_for(|linked| linked.contains(&peer))).await.is_ok() {
            continue;
        }
        // A driver that is gone takes its dialers along: they would introduce a life that has ended.
        let dialled = tokio::select! {
            () = events.closed() => return,
            dialled = timeout(CONNECT_PATIENCE, dial(&address)) => dialled,
        };
        let cause = match dialled {
            Ok(Ok(socket)) => {
                let ended = connection::run(socket, End::Dialer(peer), &identity, &address, &events, None).await;
                if ended.is_refusal() {
                    say_once(&mut said, peer, &address, &ended.to_string());
                } else {
                    debug!(%peer, "link ended: {ended}");
                    backoff = BACKOFF_MIN;
                    said.clear();
                }
                LinkDown::Lost
            }
            Ok(Err(DialError::Connect(error))) if error.kind() == io::ErrorKind::ConnectionRefused => LinkDown::Refused,
            Ok(Err(error)) => {
                say_once(&mut said, peer, &address, &error.to_string());
                LinkDown::Lost
            }
            Err(_) => LinkDown::Silent,
        };
        if events.send(Event::NotReached { peer, cause }).await.is_err() {
            return;
        }
        let pause = rand::rng().random_range(BACKOFF_MIN / 2..=backoff);
        backoff = (backoff * 2).min(BACKOFF_MAX);
        tokio::select! {
            () = events.closed() => return,
            () = sleep(pause) => {}
        }
    }
}

/// Says why there is no link, once for each reason and not once for each attempt.
fn say_once(said: &mut String, peer: NodeName, address: &str, reason: &str) {
    if said != reason {
        warn!(%peer, %address, "no link: {reason}");
        reason.clone_into(said);
    }
}

#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("{0}")]
    Connect(io::Error),
    #[error("the WebSocket handshake failed: {0}")]
    Handshake(#[from] tokio_tungstenite::tungstenite::Error),
}

async fn dial(address: &str) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, DialError> {
    let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    let (socket, _) = client_async_with_config(format!("ws://{address}/cluster"), stream, Some(connection::limits())).await?;
    Ok(socket)
}
