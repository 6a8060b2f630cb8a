//! Keeps trying to have a link to one peer: dials while there is none, with a growing, jittered pause between attempts. The peer's name is looked up
//! at each attempt, and each of its addresses is tried: behind one name there may be others, or those who were there before.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::{debug, warn};

use crate::id::NodeName;
use crate::link::connection::{self, End, Event};
use crate::link::handshake::Identity;
use crate::link::tls::{self, Stream, Tls};
use crate::machine::LinkDown;

/// How long connecting to one address may take, the WebSocket handshake included; and how long looking them up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 16;
/// How long the greater of two names leaves dialling to the lesser.
const PRECEDENCE: Duration = Duration::from_millis(200);
/// The pause after the first failure, at most.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The pause after many failures, at most.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Who is to be dialled, and how.
pub(super) struct Dialler {
    pub(super) peer: NodeName,
    /// HOST:PORT.
    pub(super) address: String,
    pub(super) identity: Identity,
    pub(super) tls: Option<Tls>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Dials whenever the peer is not among `linked`, until the driver is gone.
pub(super) async fn keep_dialling(dialler: Dialler, mut linked: watch::Receiver<BTreeSet<NodeName>>) {
    let Dialler { peer, address, identity, events, .. } = &dialler;
    let peer = *peer;
    let mut backoff = BACKOFF_MIN;
    let mut said = String::new();
    while linked.wait_for(|linked| !linked.contains(&peer)).await.is_ok() {
        // Where both know each other, one link is enough: the lesser name dials at once, the greater when nothing came of it.
        if identity.me.node > peer && timeout(PRECEDENCE, linked.wait_for(|linked| linked.contains(&peer))).await.is_ok() {
            continue;
        }
        // A driver that is gone takes its dialers along: they would introduce a life that has ended.
        let looked_up = tokio::select! {
            () = events.closed() => return,
            looked_up = timeout(CONNECT_PATIENCE, lookup_host(address)) => looked_up,
        };
        let mut cause = LinkDown::Silent;
        match looked_up {
            Ok(Ok(addresses)) => {
                for address in addresses.take(ADDRESSES_MAX) {
                    // It may have dialled us meanwhile.
                    if linked.borrow().contains(&peer) {
                        break;
                    }
                    let dialled = tokio::select! {
                        () = events.closed() => return,
                        dialled = timeout(CONNECT_PATIENCE, dialler.dial(address)) => dialled,
                    };
                    let socket = match dialled {
                        Ok(Ok(socket)) => socket,
                        Ok(Err(DialError::Connect(error))) if error.kind() == io::ErrorKind::ConnectionRefused => {
                            cause = LinkDown::Refused;
                            continue;
                        }
                        Ok(Err(error)) => {
                            say_once(&mut said, peer, &address.to_string(), &error.to_string());
                            cause = LinkDown::Lost;
                            continue;
                        }
                        Err(_) => {
                            cause = LinkDown::Silent;
                            continue;
                        }
                    };
                    let ended = connection::run(socket, End::Dialer(peer), identity, &address.to_string(), events, None).await;
                    cause = LinkDown::Lost;
                    if ended.is_refusal() {
                        say_once(&mut said, peer, &address.to_string(), &ended.to_string());
                    } else {
                        debug!(%peer, "link ended: {ended}");
                        backoff = BACKOFF_MIN;
                        said.clear();
                        break;
                    }
                }
            }
            Ok(Err(error)) => {
                say_once(&mut said, peer, address, &error.to_string());
                cause = LinkDown::Lost;
            }
            Err(_) => say_once(&mut said, peer, address, "its name cannot be looked up in time"),
        }
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

impl Dialler {
    async fn dial(&self, address: SocketAddr) -> Result<WebSocketStream<Stream>, DialError> {
        let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
        stream.set_nodelay(true).map_err(DialError::Connect)?;
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let stream = tls::connect(self.tls.as_ref(), self.peer, stream).await.map_err(DialError::Tls)?;
        let (socket, _) = client_async_with_config(
            format!("{scheme}://{}/cluster", self.address),
            stream,
            Some(connection::limits(self.identity.frame_bytes_max)),
        )
        .await?;
        Ok(socket)
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
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("the WebSocket handshake failed: {0}")]
    Handshake(#[from] tokio_tungstenite::tungstenite::Error),
}
