//! The mutual authentication at the start of a connection, before anything else is read.
//!
//! ```text
//! dialer                                listener
//!   | -- Hello{node, nonce} -------------> |
//!   | <------------- Hello{node, nonce} -- |
//!   | -- Proof of the cookie ------------> |   over both hellos: valid for this connection only
//!   |                                      |   asks its driver whether this node may link now
//!   | <---- Welcome{proof of the cookie} - |
//! ```
//!
//! Invariants: the cookie itself is never sent. The dialer proves first, so an unauthenticated
//! dialer gets nothing to guess the cookie by. The listener welcomes after its driver has admitted
//! the peer, so a refused peer never takes itself for linked. Where there are certificates, each
//! end's names the node in its hello.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::id::{NodeName, Origin};
use crate::link::outcome::{Admitted, ConnectionEvent, End, Ended};
use crate::link::secret::{Purpose, Secret};
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::Application;
use crate::wire::{Hello, Proof, Welcome, WireError};

/// The time that a peer may take to introduce itself.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The identity that this node shows to peers.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) me: Origin,
    pub(super) secret: Secret,
    /// Whether this incarnation has joined.
    pub(super) joined: watch::Receiver<bool>,
    /// The largest frame that is read or sent, in bytes.
    pub(super) frame_bytes_max: usize,
}

impl Identity {
    /// Returns the bytes of a new hello.
    fn hello(&self) -> Vec<u8> {
        Hello { node: self.me, joined: *self.joined.borrow(), nonce: rand::random() }.encode()
    }
}

/// Authenticates both ends, and asks this one's driver to admit the peer.
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
            let (peer, welcome) = within(call(socket, *expected, identity)).await?;
            if let Some(alive) = welcome.running_elsewhere {
                let name = identity.me.node;
                events
                    .send(ConnectionEvent::RunningElsewhere { peer: peer.node.node, alive })
                    .await
                    .map_err(|_| Ended::OwnEnd)?;
                return Err(Ended::RefusedByPeer(
                    LinkRefusal::RunningElsewhere { name, alive }.to_string(),
                ));
            }
            ask_driver(peer, end, address, events).await?.map_err(Ended::Refused)
        }
        End::Listener(certificate) => {
            let (peer, proof) = within(answer(socket, identity, certificate.as_ref())).await?;
            let decided = ask_driver(peer, end, address, events).await?;
            // A peer whose name is taken learns so from an authenticated member.
            let running_elsewhere = match &decided {
                Err(LinkRefusal::RunningElsewhere { alive, .. }) => Some(*alive),
                Err(refusal) => return Err(refusal.clone().into()),
                Ok(_) => None,
            };
            let said =
                socket.send(Message::binary(Welcome { proof, running_elsewhere }.encode())).await;
            let admitted = decided?;
            if let Err(error) = said {
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

/// The dialer's side.
async fn call<S>(
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
    let peer = Hello::decode(&theirs)?;
    if peer.node.node != expected {
        return Err(Ended::AnotherName(peer.node.node));
    }
    let occasion: [&[u8]; 2] = [&ours, &theirs];
    socket
        .send(Message::binary(identity.secret.prove(Purpose::DIALLING, &occasion).to_vec()))
        .await?;
    let welcome = Welcome::decode(&read(socket).await?)?;
    if identity.secret.is_proved(Purpose::LISTENING, &occasion, &welcome.proof) {
        Ok((peer, welcome))
    } else {
        Err(Ended::Cookie)
    }
}

/// The listener's side, up to its own proof.
async fn answer<S>(
    socket: &mut WebSocketStream<S>,
    identity: &Identity,
    certificate: Option<&Certificate>,
) -> Result<(Hello, Proof), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let theirs = read(socket).await?;
    let peer = Hello::decode(&theirs)?;
    if certificate.is_some_and(|certificate| !certificate.is_for(peer.node.node)) {
        return Err(Ended::AnothersCertificate(peer.node.node));
    }
    let ours = identity.hello();
    socket.send(Message::binary(ours.clone())).await?;
    let occasion: [&[u8]; 2] = [&theirs, &ours];
    if !identity.secret.is_proved(Purpose::DIALLING, &occasion, &read(socket).await?) {
        return Err(Ended::Cookie);
    }
    Ok((peer, identity.secret.prove(Purpose::LISTENING, &occasion)))
}

async fn within<T>(part: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    timeout(HELLO_TIMEOUT, part).await.map_err(|_| Ended::NoHello)?
}

/// Returns the driver's decision about this peer.
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
        end,
        address: address.to_owned(),
        decision,
    };
    events.send(introduced).await.map_err(|_| Ended::OwnEnd)?;
    decided.await.map_err(|_| Ended::OwnEnd)
}

/// Reads the next message of the handshake, which is always binary.
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
                return Err(Ended::RefusedByPeer(close.reason.to_string()));
            }
            Some(Ok(Message::Close(None))) | None => return Err(Ended::Closed),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
