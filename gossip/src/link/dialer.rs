//! The tasks that dial the peers, each while there is no link to its own, with growing, jittered
//! pauses between attempts. Each attempt resolves the peer's name again and tries all its addresses, since a name
//! may refer to several hosts, and its addresses may change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, warn};

use crate::id::NodeName;
use crate::link::connection::{self, Ran, Reports};
use crate::link::freeze::freezable;
use crate::link::handshake::Identity;
use crate::link::log_limit::{Due, LogLimit, without_digits};
use crate::link::outcome::{ConnectionEvent, End};
use crate::link::tls::{self, Expected, Stream, Tls};
use crate::machine::LinkDown;
use crate::message::Application;

/// The timeout for resolving a name, and for connecting to one address, TLS and WebSocket
/// handshakes included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;
/// The time that the node with the greater name waits for the other one to dial.
const PRECEDENCE: Duration = Duration::from_millis(200);
/// The maximum pause after the first failure.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The maximum pause after many failures.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
const CONNECTION_REFUSED: io::ErrorKind = io::ErrorKind::ConnectionRefused;

/// The dialers of one incarnation, one for each peer with a known address.
pub(super) struct Dialers<A: Application> {
    identity: Identity,
    tls: Option<Tls>,
    reports: Reports<A>,
    linked: watch::Receiver<BTreeSet<NodeName>>,
    frozen: watch::Receiver<bool>,
    /// The addresses that are dialled, with the signal that ends the dialer. All end with their
    /// driver.
    running: BTreeMap<NodeName, (Vec<String>, DropGuard)>,
}

impl<A: Application> Dialers<A> {
    pub(super) fn new(
        identity: Identity,
        tls: Option<Tls>,
        reports: Reports<A>,
        linked: watch::Receiver<BTreeSet<NodeName>>,
        frozen: watch::Receiver<bool>,
    ) -> Self {
        Self { identity, tls, reports, linked, frozen, running: BTreeMap::new() }
    }

    /// Dials the peers, each at its addresses in turn.
    pub(super) fn dial(
        &mut self,
        tasks: &TaskTracker,
        addresses: &BTreeMap<NodeName, Vec<String>>,
    ) {
        for (peer, addresses) in addresses {
            if self.running.get(peer).is_some_and(|(dialled, _)| dialled == addresses) {
                continue;
            }
            let ended = CancellationToken::new();
            let dialer = Dialer {
                peer: *peer,
                addresses: addresses.clone(),
                identity: self.identity.clone(),
                tls: self.tls.clone(),
                reports: self.reports.clone(),
            };
            let dialing = keep_dialing(dialer, self.linked.clone(), ended.clone());
            tasks.spawn(freezable(self.frozen.clone(), dialing).in_current_span());
            self.running.insert(*peer, (addresses.clone(), ended.drop_guard()));
        }
    }

    /// Ends the dialers of the peers that are not wanted any more. A link that one has made stays: over
    /// it, the peer learns that it was forgotten.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(NodeName) -> bool) {
        self.running.retain(|peer, _| is_wanted(*peer));
    }
}

/// The configuration for dialling one peer.
struct Dialer<A: Application> {
    peer: NodeName,
    /// The addresses, as HOST:PORT.
    addresses: Vec<String>,
    identity: Identity,
    tls: Option<Tls>,
    reports: Reports<A>,
}

/// Dials whenever the peer is not in `linked`, until the driver ends, or, between two links, until
/// `ended` is cancelled.
async fn keep_dialing<A: Application>(
    dialer: Dialer<A>,
    mut linked: watch::Receiver<BTreeSet<NodeName>>,
    ended: CancellationToken,
) {
    let (me, peer, events) = (dialer.identity.me.node, dialer.peer, &dialer.reports.events);
    let mut retry = Retry { pause: BACKOFF_MIN, logged: LogLimit::default() };
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            unlinked = linked.wait_for(|linked| !linked.contains(&peer)) => {
                if unlinked.is_err() {
                    return;
                }
            }
        }
        // Both ends may dial, and one link is enough. The lesser name dials at once, the greater
        // one only if no link was made in time.
        if me > peer {
            let by_peer = linked.wait_for(|linked| linked.contains(&peer));
            match timeout(PRECEDENCE, by_peer).await {
                Ok(Ok(_)) => continue,
                // The driver has ended.
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        }
        let mut tried = Tried::Nothing;
        for address in &dialer.addresses {
            let Some(next) = dialer.try_address(address, &linked, &mut retry).await else { return };
            tried = tried.max(next);
            if tried == Tried::Linked {
                break;
            }
        }
        let cause = tried.cause();
        if events.send(ConnectionEvent::NotReached { peer, cause }).await.is_err() {
            return;
        }
        // Jittered, so that nodes which lost their links together do not dial in step.
        let pause = rand::rng().random_range(BACKOFF_MIN / 2..=retry.pause);
        retry.pause = (retry.pause * 2).min(BACKOFF_MAX);
        tokio::select! {
            () = events.closed() => return,
            () = ended.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// The state shared by the attempts to reach one peer.
struct Retry {
    /// The maximum pause before the next attempt.
    pause: Duration,
    /// The causes logged recently.
    logged: LogLimit<String>,
}

impl Retry {
    /// Logs the reason for a failed attempt, unless its cause was logged recently.
    fn log(&self, peer: NodeName, address: &str, cause: String, reason: &str) {
        if let Some(Due { unlogged }) = self.logged.due(cause, Instant::now()) {
            warn!(%peer, %address, unlogged, "cannot link: {reason}");
        }
    }
}

impl<A: Application> Dialer<A> {
    /// Resolves an address and tries what it refers to. `None` if the driver has ended: a dialer ends
    /// with it, since it would make links for an incarnation that has ended.
    async fn try_address(
        &self,
        address: &str,
        linked: &watch::Receiver<BTreeSet<NodeName>>,
        retry: &mut Retry,
    ) -> Option<Tried> {
        let looked_up = tokio::select! {
            () = self.reports.events.closed() => return None,
            looked_up = timeout(CONNECT_TIMEOUT, lookup_host(address)) => looked_up,
        };
        match looked_up {
            Ok(Ok(addresses)) => self.try_each(address, addresses, linked, retry).await,
            Ok(Err(error)) => {
                let error = error.to_string();
                retry.log(self.peer, address, without_digits(&error), &error);
                Some(Tried::NotReached)
            }
            Err(_) => {
                let error = "name resolution timed out";
                retry.log(self.peer, address, error.to_owned(), error);
                Some(Tried::TimedOut)
            }
        }
    }

    /// Tries the addresses in turn, and runs the first link until it ends. `None` if the driver has
    /// ended.
    async fn try_each(
        &self,
        name: &str,
        addresses: impl Iterator<Item = SocketAddr>,
        linked: &watch::Receiver<BTreeSet<NodeName>>,
        retry: &mut Retry,
    ) -> Option<Tried> {
        let Self { peer, identity, reports, .. } = self;
        let mut tried = Tried::Nothing;
        for address in addresses.take(ADDRESSES_MAX) {
            // The peer may have dialled in the meantime.
            if linked.borrow().contains(peer) {
                break;
            }
            let dialled = tokio::select! {
                () = reports.events.closed() => return None,
                dialled = timeout(CONNECT_TIMEOUT, self.dial(name, address)) => dialled,
            };
            let address = address.to_string();
            let socket = match dialled {
                Ok(Ok(socket)) => socket,
                // The only cause that shows that the process is stopped. It is not logged: nodes
                // start and stop in any order.
                Ok(Err(DialError::Connect(error))) if error.kind() == CONNECTION_REFUSED => {
                    tried = tried.max(Tried::Refused);
                    continue;
                }
                Ok(Err(error)) => {
                    let is_reached = !matches!(error, DialError::Connect(_));
                    let error = error.to_string();
                    retry.log(*peer, &address, without_digits(&error), &error);
                    tried = tried.max(if is_reached { Tried::Failed } else { Tried::NotReached });
                    continue;
                }
                Err(_) => {
                    tried = tried.max(Tried::TimedOut);
                    continue;
                }
            };
            let end = End::Dialer(*peer);
            let ran = connection::run(socket, end, identity, &address, reports, None).await;
            let Ran { ended, was_link } = ran;
            if was_link {
                debug!(%peer, "link ended: {ended}");
                retry.pause = BACKOFF_MIN;
                return Some(Tried::Linked);
            }
            // It will probably be repeated, so it does not reset the pause, and the peer may be at
            // another address.
            if ended.is_refusal() {
                retry.log(*peer, &address, ended.repeated(), &ended.to_string());
            } else {
                debug!(%peer, %address, "not linked: {ended}");
            }
            tried = tried.max(Tried::Failed);
        }
        Some(tried)
    }

    async fn dial(
        &self,
        name: &str,
        address: SocketAddr,
    ) -> Result<WebSocketStream<Stream>, DialError> {
        let expected = Expected::Node(self.peer);
        open(self.tls.as_ref(), expected, name, address, self.identity.frame_bytes_max).await
    }
}

/// Opens a WebSocket to a node at `address`, which has the name `name`, HOST:PORT.
pub(super) async fn open(
    tls: Option<&Tls>,
    expected: Expected,
    name: &str,
    address: SocketAddr,
    frame_bytes_max: usize,
) -> Result<WebSocketStream<Stream>, DialError> {
    let stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let stream = tls::connect(tls, expected, stream).await.map_err(DialError::Tls)?;
    let url = format!("{scheme}://{name}/cluster");
    let limits = connection::limits(frame_bytes_max);
    let (socket, _) = client_async_with_config(url, stream, Some(limits)).await?;
    Ok(socket)
}

/// The result of trying addresses of a peer; of several, the greatest counts. Only if nothing else
/// happened at another address does a refused connection show that the process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tried {
    /// No address was tried.
    Nothing,
    /// The network did not reach the address, or its name has none.
    NotReached,
    /// Nothing listens there.
    Refused,
    /// Nothing answered in time.
    TimedOut,
    /// Something listens there, and no link was made.
    Failed,
    /// There was a link, which has ended.
    Linked,
}

impl Tried {
    /// Returns the cause of the missing link.
    fn cause(self) -> LinkDown {
        match self {
            Self::Nothing | Self::TimedOut => LinkDown::TimedOut,
            Self::Refused => LinkDown::Refused,
            Self::NotReached | Self::Failed | Self::Linked => LinkDown::Lost,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Connect(io::Error),
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("WebSocket handshake failed: {0}")]
    Handshake(#[from] tokio_tungstenite::tungstenite::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refused_connections_show_that_a_process_is_stopped() {
        let cause = |tried: &[Tried]| tried.iter().max().map(|tried| tried.cause());
        assert_eq!(cause(&[Tried::Refused, Tried::Refused]), Some(LinkDown::Refused));
        // An address of a family that this machine cannot reach says nothing.
        assert_eq!(cause(&[Tried::Refused, Tried::NotReached]), Some(LinkDown::Refused));
        assert_eq!(cause(&[Tried::TimedOut, Tried::Refused]), Some(LinkDown::TimedOut));
        assert_eq!(cause(&[Tried::Failed, Tried::Refused]), Some(LinkDown::Lost));
    }
}
