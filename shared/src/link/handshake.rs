//! How two ends of a connection come to know each other, before anything else is read.
//!
//! ```text
//! dialer                                listener
//!   | -- Hello{node, nonce} -------------> |
//!   | <------------- Hello{node, nonce} -- |
//!   | -- Proof of the cookie ------------> |   over both hellos: for this connection, and nobody else's
//!   |                                      |   asks its driver whether this node may link now
//!   | <---- Welcome{proof of the cookie} - |
//! ```
//!
//! Invariants: the cookie itself is never sent. The dialer proves first, so a stranger who dials gets nothing that it could guess the
//! cookie by. The listener welcomes after its driver admitted the peer, so a refused peer never believes itself linked. Where there are
//! certificates, each end's is one for the name in its hello.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::id::{NodeName, Origin};
use crate::link::connection::{Admitted, End, Ended, Event};
use crate::link::secret::{Purpose, Secret};
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::wire::{Hello, Proof, Welcome, WireError};

/// How long a peer may take to introduce itself.
pub(super) const HELLO_PATIENCE: Duration = Duration::from_secs(5);

/// Who we are, to peers.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) me: Origin,
    pub(super) secret: Secret,
    /// Whether this life has joined.
    pub(super) joined: watch::Receiver<bool>,
    /// The largest frame that is read or sent, in bytes.
    pub(super) frame_bytes_max: usize,
}

impl Identity {
    /// The bytes of a hello that has never been said before.
    fn hello(&self) -> Vec<u8> {
        Hello { node: self.me, joined: *self.joined.borrow(), nonce: rand::random() }.encode()
    }
}

/// Introduces both ends to each other, and the peer to this one's driver.
pub(super) async fn introduce<S>(
    socket: &mut WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    events: &mpsc::Sender<Event>,
) -> Result<Admitted, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    match &end {
        End::Dialer(expected) => {
            let (peer, welcome) = within(call(socket, *expected, identity)).await?;
            if let Some(alive) = welcome.alive_elsewhere {
                let name = identity.me.node;
                events.send(Event::AliveElsewhere { peer: peer.node.node, alive }).await.map_err(|_| Ended::OwnEnd)?;
                return Err(Ended::RefusedByPeer(LinkRefusal::AliveElsewhere { name, alive }.to_string()));
            }
            ask_driver(peer, end, address, events).await?.map_err(Ended::Refused)
        }
        End::Listener(certificate) => {
            let (peer, proof) = within(answer(socket, identity, certificate.as_ref())).await?;
            let decided = ask_driver(peer, end, address, events).await?;
            // Who carries a name that is taken should know, and know it from a member.
            let alive_elsewhere = match &decided {
                Err(LinkRefusal::AliveElsewhere { alive, .. }) => Some(*alive),
                Err(refusal) => return Err(refusal.clone().into()),
                Ok(_) => None,
            };
            let said = socket.send(Message::binary(Welcome { proof, alive_elsewhere }.encode())).await;
            let admitted = decided?;
            if let Err(error) = said {
                let _ = events.send(Event::Ended { connection: admitted.connection, cause: LinkDown::Lost }).await;
                return Err(error.into());
            }
            Ok(admitted)
        }
    }
}

/// The dialer's part.
async fn call<S>(socket: &mut WebSocketStream<S>, expected: NodeName, identity: &Identity) -> Result<(Hello, Welcome), Ended>
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
    socket.send(Message::binary(identity.secret.prove(Purpose::Dialling, &occasion).to_vec())).await?;
    let welcome = Welcome::decode(&read(socket).await?)?;
    if identity.secret.is_proved(Purpose::Listening, &occasion, &welcome.proof) { Ok((peer, welcome)) } else { Err(Ended::Cookie) }
}

/// The listener's part, up to its own proof.
async fn answer<S>(socket: &mut WebSocketStream<S>, identity: &Identity, certificate: Option<&Certificate>) -> Result<(Hello, Proof), Ended>
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
    if !identity.secret.is_proved(Purpose::Dialling, &occasion, &read(socket).await?) {
        return Err(Ended::Cookie);
    }
    Ok((peer, identity.secret.prove(Purpose::Listening, &occasion)))
}

async fn within<T>(part: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
    timeout(HELLO_PATIENCE, part).await.map_err(|_| Ended::NoHello)?
}

/// Whether the driver links to this peer.
async fn ask_driver(peer: Hello, end: End, address: &str, events: &mpsc::Sender<Event>) -> Result<Result<Admitted, LinkRefusal>, Ended> {
    let (decision, decided) = oneshot::channel();
    let introduced = Event::Introduced { peer: peer.node, joined: peer.joined, end, address: address.to_owned(), decision };
    events.send(introduced).await.map_err(|_| Ended::OwnEnd)?;
    decided.await.map_err(|_| Ended::OwnEnd)
}

/// The next message; one of the handshake is always binary.
async fn read<S>(socket: &mut WebSocketStream<S>) -> Result<Bytes, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(_) | Message::Frame(_))) => return Err(WireError::NotHello.into()),
            Some(Ok(Message::Close(Some(close)))) => return Err(Ended::RefusedByPeer(close.reason.to_string())),
            Some(Ok(Message::Close(None))) | None => return Err(Ended::Closed),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
