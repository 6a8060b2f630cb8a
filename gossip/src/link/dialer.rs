//! The task that dials one peer while there is no link to it, with a growing, jittered pause
//! between attempts. Each attempt resolves the peer's name again and tries each of its addresses,
//! since a name may stand for several hosts, or for others than before.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::{debug, warn};

use crate::id::NodeName;
use crate::link::connection::{self, Reports};
use crate::link::handshake::Identity;
use crate::link::outcome::{ConnectionEvent, End};
use crate::link::tls::{self, Stream, Tls};
use crate::machine::LinkDown;
use crate::message::Application;

/// The time to resolve a name, and to connect to one address with the WebSocket handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;
/// The time for which the greater of two names leaves dialling to the lesser.
const PRECEDENCE: Duration = Duration::from_millis(200);
/// The longest pause after the first failure.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest pause after many failures.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
const CONNECTION_REFUSED: io::ErrorKind = io::ErrorKind::ConnectionRefused;

/// A peer to dial, and the means to do it.
pub(super) struct Dialer<A: Application> {
    pub(super) peer: NodeName,
    /// HOST:PORT.
    pub(super) address: String,
    pub(super) identity: Identity,
    pub(super) tls: Option<Tls>,
    pub(super) reports: Reports<A>,
}

/// Dials whenever the peer is not among `linked`, until the driver is gone.
pub(super) async fn keep_dialing<A: Application>(
    dialer: Dialer<A>,
    mut linked: watch::Receiver<BTreeSet<NodeName>>,
) {
    let (me, peer, events) = (dialer.identity.me.node, dialer.peer, &dialer.reports.events);
    let mut retry = Retry { pause: BACKOFF_MIN, logged: String::new() };
    while linked.wait_for(|linked| !linked.contains(&peer)).await.is_ok() {
        // One link is enough where both ends dial: the lesser name dials at once, the greater only
        // if that has led to nothing.
        if me > peer {
            let by_peer = linked.wait_for(|linked| linked.contains(&peer));
            if timeout(PRECEDENCE, by_peer).await.is_ok() {
                continue;
            }
        }
        // The dialer ends with its driver: it would introduce an incarnation that has ended.
        let looked_up = tokio::select! {
            () = events.closed() => return,
            looked_up = timeout(CONNECT_TIMEOUT, lookup_host(&dialer.address)) => looked_up,
        };
        let cause = match looked_up {
            Ok(Ok(addresses)) => dialer.try_each(addresses, &linked, &mut retry).await,
            Ok(Err(error)) => {
                retry.log_once(peer, &dialer.address, &error.to_string());
                Some(LinkDown::Lost)
            }
            Err(_) => {
                retry.log_once(peer, &dialer.address, "its name was not resolved in time");
                Some(LinkDown::Silent)
            }
        };
        let Some(cause) = cause else { return };
        if events.send(ConnectionEvent::NotReached { peer, cause }).await.is_err() {
            return;
        }
        let pause = rand::rng().random_range(BACKOFF_MIN / 2..=retry.pause);
        retry.pause = (retry.pause * 2).min(BACKOFF_MAX);
        tokio::select! {
            () = events.closed() => return,
            () = sleep(pause) => {}
        }
    }
}

/// The state that attempts to reach one peer share.
struct Retry {
    /// The longest pause before the next attempt.
    pause: Duration,
    /// The reason that was logged last.
    logged: String,
}

impl Retry {
    /// Logs why there is no link, once for each reason and not once for each attempt.
    fn log_once(&mut self, peer: NodeName, address: &str, reason: &str) {
        if self.logged != reason {
            warn!(%peer, %address, "no link: {reason}");
            reason.clone_into(&mut self.logged);
        }
    }
}

impl<A: Application> Dialer<A> {
    /// Tries the addresses in turn, and runs the first link that is made to its end. Returns why
    /// there is no link now; `None` where the driver is gone.
    async fn try_each(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
        linked: &watch::Receiver<BTreeSet<NodeName>>,
        retry: &mut Retry,
    ) -> Option<LinkDown> {
        let Self { peer, identity, reports, .. } = self;
        let mut cause = LinkDown::Silent;
        for address in addresses.take(ADDRESSES_MAX) {
            // The peer may have dialled meanwhile.
            if linked.borrow().contains(peer) {
                break;
            }
            let dialled = tokio::select! {
                () = reports.events.closed() => return None,
                dialled = timeout(CONNECT_TIMEOUT, self.dial(address)) => dialled,
            };
            let address = address.to_string();
            let socket = match dialled {
                Ok(Ok(socket)) => socket,
                Ok(Err(DialError::Connect(error))) if error.kind() == CONNECTION_REFUSED => {
                    cause = LinkDown::Refused;
                    continue;
                }
                Ok(Err(error)) => {
                    retry.log_once(*peer, &address, &error.to_string());
                    cause = LinkDown::Lost;
                    continue;
                }
                Err(_) => {
                    cause = LinkDown::Silent;
                    continue;
                }
            };
            let end = End::Dialer(*peer);
            let ended = connection::run(socket, end, identity, &address, reports, None).await;
            cause = LinkDown::Lost;
            if ended.is_refusal() {
                retry.log_once(*peer, &address, &ended.to_string());
            } else {
                debug!(%peer, "link ended: {ended}");
                *retry = Retry { pause: BACKOFF_MIN, logged: String::new() };
                break;
            }
        }
        Some(cause)
    }

    async fn dial(&self, address: SocketAddr) -> Result<WebSocketStream<Stream>, DialError> {
        let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
        stream.set_nodelay(true).map_err(DialError::Connect)?;
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let stream =
            tls::connect(self.tls.as_ref(), self.peer, stream).await.map_err(DialError::Tls)?;
        let (socket, _) = client_async_with_config(
            format!("{scheme}://{}/cluster", self.address),
            stream,
            Some(connection::limits(self.identity.frame_bytes_max)),
        )
        .await?;
        Ok(socket)
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
