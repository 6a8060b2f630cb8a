//! Mutual authentication at the start of a connection, before any other message is read.
//!
//! ```text
//! dialer                                listener
//!   | -- Hello{node, nonce} -------------> |
//!   | <------------- Hello{node, nonce} -- |
//!   | -- Proof of the cookie ------------> |   over both hellos: valid for this connection only
//!   |                                      |   its driver admits or refuses the peer
//!   | <---- Welcome{proof of the cookie} - |
//! ```
//!
//! Invariants: the cookie itself is never sent. The dialer proves first, so an unauthenticated
//! dialer gets no material for guessing the cookie offline. The listener sends its welcome after
//! its driver has admitted the peer, so a refused peer never considers itself linked. With TLS, the
//! certificate of each end names the node in its hello.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::outcome::{Admitted, ConnectionEvent, End, Ended};
use crate::link::secret::{Purpose, Secret};
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::Application;
use crate::wire::{Hello, Proof, Welcome, WireError};

/// The time limit for the peer's part of the handshake.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The identity and credentials of this node.
#[derive(Clone)]
pub(super) struct Identity {
    /// The name of the cluster.
    pub(super) cluster: NodeName,
    pub(super) me: Origin,
    pub(super) secret: Secret,
    /// True once this incarnation has joined.
    pub(super) joined: watch::Receiver<bool>,
    /// The address to advertise, if this is a further node.
    pub(super) advertised: Option<String>,
    /// The size limit of received and sent frames, in bytes.
    pub(super) frame_bytes_max: usize,
}

impl Identity {
    /// Returns an encoded hello with a fresh nonce.
    fn hello(&self) -> Vec<u8> {
        let Self { cluster, me, ref joined, ref advertised, .. } = *self;
        let (joined, advertised) = (*joined.borrow(), advertised.clone());
        Hello { cluster, node: me, joined, advertised, nonce: rand::random() }.encode()
    }
}

/// Decodes the hello of a peer, which must belong to this cluster. A refusal does not tell its name.
fn of_cluster(cluster: NodeName, hello: &[u8]) -> Result<Hello, Ended> {
    let hello = Hello::decode(hello)?;
    if hello.cluster == cluster { Ok(hello) } else { Err(Ended::AnotherCluster(hello.cluster)) }
}

/// Authenticates both ends, and asks this end's driver to admit the peer.
pub(super) async fn introduce<A, S>(
    socket: &mut WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    events: &mpsc::Sender<ConnectionEvent<A>>,
) -> Result<Admitted<A>, Ended>
where
    A: Application,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    match &end {
        End::Dialer(expected) => {
            let (peer, welcome) = within(dial(socket, *expected, identity)).await?;
            if let Some(incarnation) = welcome.running_elsewhere {
                let name = identity.me.node;
                events
                    .send(ConnectionEvent::RunningElsewhere { peer: peer.node.node, incarnation })
                    .await
                    .map_err(|_| Ended::OwnEnd)?;
                let refusal = LinkRefusal::RunningElsewhere { name, running: incarnation };
                return Err(Ended::RefusedByPeer { code: 4004, reason: refusal.to_string() });
            }
            ask_driver(peer, end, address, events).await?.map_err(Ended::Refused)
        }
        End::Listener(certificate) => {
            let (peer, proof) = within(listen(socket, identity, certificate.as_ref())).await?;
            let decided = ask_driver(peer, end, address, events).await?;
            // Only this refusal is sent in the welcome, which carries the listener's proof: a node
            // halts on it, so it must come from an authenticated member.
            let running_elsewhere = match &decided {
                Err(LinkRefusal::RunningElsewhere { running, .. }) => Some(*running),
                Err(refusal) => return Err(refusal.clone().into()),
                Ok(_) => None,
            };
            let sent =
                socket.send(Message::binary(Welcome { proof, running_elsewhere }.encode())).await;
            let admitted = decided?;
            if let Err(error) = sent {
                // An error means that the driver has ended, and needs no report.
                let _ = events
                    .send(ConnectionEvent::Ended {
                        connection: admitted.connection,
                        cause: LinkDown::Lost,
                    })
                    .await;
                return Err(error.into());
            }
            Ok(admitted)
        }
    }
}

/// Starts a handshake as the node `me`, and returns the name that the other end tells. It must belong
/// to the same cluster.
pub(super) async fn ask_name<S>(
    socket: &mut WebSocketStream<S>,
    cluster: NodeName,
    me: NodeName,
) -> Result<NodeName, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // The incarnation does not matter, since the handshake goes no further.
    let me = Origin { node: me, incarnation: Incarnation::at(0) };
    let ours = Hello { cluster, node: me, joined: false, advertised: None, nonce: rand::random() };
    socket.send(Message::binary(ours.encode())).await?;
    let peer = of_cluster(cluster, &read(socket).await?)?;
    Ok(peer.node.node)
}

/// Runs the dialer's side of the handshake.
async fn dial<S>(
    socket: &mut WebSocketStream<S>,
    expected: NodeName,
    identity: &Identity,
) -> Result<(Hello, Welcome), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let ours = identity.hello();
    socket.send(Message::binary(ours.clone())).await?;
    let theirs = read(socket).await?;
    let peer = of_cluster(identity.cluster, &theirs)?;
    if peer.node.node != expected {
        return Err(Ended::AnotherName(peer.node.node));
    }
    let context: [&[u8]; 2] = [&ours, &theirs];
    socket
        .send(Message::binary(identity.secret.prove(Purpose::DIALLING, &context).to_vec()))
        .await?;
    let welcome = Welcome::decode(&read(socket).await?)?;
    if identity.secret.is_proved(Purpose::LISTENING, &context, &welcome.proof) {
        Ok((peer, welcome))
    } else {
        Err(Ended::Cookie)
    }
}

/// Runs the listener's side of the handshake, up to its own proof.
async fn listen<S>(
    socket: &mut WebSocketStream<S>,
    identity: &Identity,
    certificate: Option<&Certificate>,
) -> Result<(Hello, Proof), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let theirs = read(socket).await?;
    let peer = of_cluster(identity.cluster, &theirs)?;
    if certificate.is_some_and(|certificate| !certificate.is_for(peer.node.node)) {
        return Err(Ended::AnothersCertificate(peer.node.node));
    }
    if let Some(certificate) = certificate {
        certificate.verify().map_err(Ended::Certificate)?;
    }
    let ours = identity.hello();
    socket.send(Message::binary(ours.clone())).await?;
    let context: [&[u8]; 2] = [&theirs, &ours];
    if !identity.secret.is_proved(Purpose::DIALLING, &context, &read(socket).await?) {
        return Err(Ended::Cookie);
    }
    Ok((peer, identity.secret.prove(Purpose::LISTENING, &context)))
}

async fn within<T>(part: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    timeout(HELLO_TIMEOUT, part).await.map_err(|_| Ended::NoHello)?
}

/// Returns the driver's decision on this peer.
async fn ask_driver<A: Application>(
    peer: Hello,
    end: End,
    address: &str,
    events: &mpsc::Sender<ConnectionEvent<A>>,
) -> Result<Result<Admitted<A>, LinkRefusal>, Ended> {
    let (decision, decided) = oneshot::channel();
    let introduced = ConnectionEvent::Introduced {
        peer: peer.node,
        joined: peer.joined,
        advertised: peer.advertised,
        end,
        address: address.to_owned(),
        decision,
    };
    events.send(introduced).await.map_err(|_| Ended::OwnEnd)?;
    decided.await.map_err(|_| Ended::OwnEnd)
}

/// Reads the next handshake message, which must be binary.
async fn read<S>(socket: &mut WebSocketStream<S>) -> Result<Bytes, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                return Err(WireError::NotHello.into());
            }
            Some(Ok(Message::Close(Some(close)))) => {
                let (code, reason) = (close.code.into(), close.reason.to_string());
                return Err(Ended::RefusedByPeer { code, reason });
            }
            Some(Ok(Message::Close(None))) | None => return Err(Ended::Closed),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
