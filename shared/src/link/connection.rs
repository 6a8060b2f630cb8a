//! One WebSocket to one peer, from hello to close.
//!
//! The dialer says hello first; the listener answers with its own hello only after its driver admitted the peer, so a refused
//! peer never believes itself linked; one whose name is alive elsewhere gets a hello that says so. Both ends ping every second; three seconds of silence end the link.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::id::{Incarnation, NodeName, Origin};
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::Frame;
use crate::wire::{self, FRAME_BYTES_MAX, Hello, WireError};

/// How long a peer may take to say hello.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// How often each end shows that it lives.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing at all may be heard, or one message may take to be sent, before the link is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How many frames may wait to be sent; a peer that lets more wait is cut off and starts again.
pub(super) const OUTGOING_MAX: usize = 1_024;
/// The longest reason that fits into a WebSocket close frame, in bytes.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// The WebSocket limits of every link.
pub(super) fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX))
}

/// Who we are, to peers.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) me: Origin,
    pub(super) cookie: Arc<str>,
    /// Whether this life has joined.
    pub(super) joined: watch::Receiver<bool>,
}

impl Identity {
    fn hello(&self, alive_elsewhere: Option<Incarnation>) -> Message {
        let joined = *self.joined.borrow();
        Message::binary(Hello { node: self.me, cookie: self.cookie.to_string(), joined, alive_elsewhere }.encode())
    }
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It dialled, and expects this peer.
    Dialer(NodeName),
    /// It was dialled.
    Listener,
}

/// What connections tell their driver.
pub(super) enum Event {
    /// A peer introduced itself. The driver decides, and answers with the queue of frames for it.
    Introduced { peer: Origin, joined: bool, end: End, address: String, decision: oneshot::Sender<Result<Admitted, LinkRefusal>> },
    /// A frame arrived on an admitted connection.
    Frame { connection: u64, frame: Frame },
    /// An admitted connection ended.
    Ended { connection: u64, cause: LinkDown },
    /// A peer would not link, since this life of our own name is alive.
    AliveElsewhere { peer: NodeName, alive: Incarnation },
    /// Dialling a peer did not lead to a link.
    NotReached { peer: NodeName, cause: LinkDown },
}

/// A driver's yes to a connection.
pub(super) struct Admitted {
    pub(super) connection: u64,
    pub(super) outgoing: mpsc::Receiver<Frame>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("no hello within {} s", HELLO_PATIENCE.as_secs())]
    NoHello,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("has another cookie")]
    Cookie,
    #[error("answers as {0}")]
    AnotherName(NodeName),
    #[error(transparent)]
    Refused(#[from] LinkRefusal),
    #[error("refuses us: {0}")]
    RefusedByPeer(String),
    #[error("sent text where only binary messages belong")]
    NotBinary,
    #[error("silent for {} s", SILENCE_MAX.as_secs())]
    Silent,
    #[error("closed")]
    Closed,
    #[error("{0}")]
    Broken(#[from] tungstenite::Error),
    #[error("a frame of {0} bytes would be refused by the peer")]
    TooLarge(usize),
    #[error("this life of the node has ended")]
    OwnEnd,
}

impl Ended {
    /// The close code that tells the peer, where there is something to tell.
    fn close_code(&self) -> Option<u16> {
        match self {
            Self::NoHello | Self::Wire(WireError::NotHello) => Some(4000),
            Self::Wire(WireError::Version { .. }) => Some(4001),
            Self::Cookie => Some(4002),
            Self::Refused(LinkRefusal::OwnName(_)) | Self::AnotherName(_) => Some(4003),
            Self::Refused(LinkRefusal::AliveElsewhere { .. }) => Some(4004),
            Self::Refused(LinkRefusal::Stranger(_)) => Some(4005),
            Self::Wire(WireError::Malformed(_)) => Some(4006),
            Self::NotBinary => Some(1003),
            Self::OwnEnd => Some(1001),
            Self::TooLarge(_) => Some(1011),
            Self::Broken(tungstenite::Error::Capacity(_)) => Some(1009),
            Self::Silent | Self::Closed | Self::RefusedByPeer(_) | Self::Broken(_) => None,
        }
    }

    /// Whether one of the two ends would not have the other.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::NoHello | Self::Wire(_) | Self::Cookie | Self::AnotherName(_) | Self::Refused(_) | Self::RefusedByPeer(_) => true,
            Self::NotBinary | Self::Silent | Self::Closed | Self::Broken(_) | Self::TooLarge(_) | Self::OwnEnd => false,
        }
    }

    fn cause(&self) -> LinkDown {
        if matches!(self, Self::Silent) { LinkDown::Silent } else { LinkDown::Lost }
    }
}

/// Runs a connection from hello to close, and says why it ended. `stranger` is a place among those who have not introduced
/// themselves; it is given back when they have.
pub(super) async fn run<S>(
    mut socket: WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    events: &mpsc::Sender<Event>,
    stranger: Option<OwnedSemaphorePermit>,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let introduced = introduce(&mut socket, end, identity, address, events).await;
    drop(stranger);
    let ended = match introduced {
        Ok(Admitted { connection, outgoing }) => {
            let ended = pump(&mut socket, connection, outgoing, events).await;
            // A driver that is gone needs no news.
            let _ = events.send(Event::Ended { connection, cause: ended.cause() }).await;
            ended
        }
        Err(ended) => ended,
    };
    if let Some(code) = ended.close_code() {
        let mut reason = ended.to_string();
        reason.truncate(reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX));
        let close = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        // The peer may be gone; then there is nobody to tell. It gets a moment to read the reason before the socket goes.
        let _ = timeout(PING_INTERVAL, async {
            socket.close(Some(close)).await?;
            while let Some(Ok(_)) = socket.next().await {}
            Ok::<(), tungstenite::Error>(())
        })
        .await;
    }
    ended
}

async fn introduce<S>(
    socket: &mut WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    events: &mpsc::Sender<Event>,
) -> Result<Admitted, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if let End::Dialer(_) = end {
        socket.send(identity.hello(None)).await?;
    }
    let Hello { node: peer, cookie, joined, alive_elsewhere } =
        timeout(HELLO_PATIENCE, read_hello(socket)).await.map_err(|_| Ended::NoHello)??;
    if !same_secret(&cookie, &identity.cookie) {
        return Err(Ended::Cookie);
    }
    if let End::Dialer(expected) = end
        && expected != peer.node
    {
        return Err(Ended::AnotherName(peer.node));
    }
    // Only who was dialled refuses by a hello.
    if let (End::Dialer(_), Some(alive)) = (end, alive_elsewhere) {
        events.send(Event::AliveElsewhere { peer: peer.node, alive }).await.map_err(|_| Ended::OwnEnd)?;
        let name = identity.me.node;
        return Err(Ended::RefusedByPeer(LinkRefusal::AliveElsewhere { name, alive }.to_string()));
    }
    let (decision, decided) = oneshot::channel();
    let introduced = Event::Introduced { peer, joined, end, address: address.to_owned(), decision };
    events.send(introduced).await.map_err(|_| Ended::OwnEnd)?;
    let admitted = match decided.await.map_err(|_| Ended::OwnEnd)? {
        Ok(admitted) => admitted,
        Err(refusal) => {
            // Who carries a name that is taken should know, and know it from a member.
            if let (End::Listener, LinkRefusal::AliveElsewhere { alive, .. }) = (end, &refusal) {
                socket.send(identity.hello(Some(*alive))).await?;
            }
            return Err(refusal.into());
        }
    };
    if end == End::Listener
        && let Err(error) = socket.send(identity.hello(None)).await
    {
        let _ = events.send(Event::Ended { connection: admitted.connection, cause: LinkDown::Lost }).await;
        return Err(error.into());
    }
    Ok(admitted)
}

async fn read_hello<S>(socket: &mut WebSocketStream<S>) -> Result<Hello, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(Hello::decode(&bytes)?),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(_) | Message::Frame(_))) => return Err(WireError::NotHello.into()),
            Some(Ok(Message::Close(Some(close)))) => return Err(Ended::RefusedByPeer(close.reason.to_string())),
            Some(Ok(Message::Close(None))) | None => return Err(Ended::Closed),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

/// Compares without giving away by its duration where the difference is.
pub(super) fn same_secret(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// Sends and receives at the same time, so that two peers with full buffers never wait for each other.
async fn pump<S>(
    socket: &mut WebSocketStream<S>,
    connection: u64,
    mut outgoing: mpsc::Receiver<Frame>,
    events: &mpsc::Sender<Event>,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut sink, mut stream) = socket.split();
    let send = async {
        let mut ping = interval(PING_INTERVAL);
        loop {
            let message = tokio::select! {
                frame = outgoing.recv() => match frame.as_ref().map(wire::encode) {
                    Some(bytes) if bytes.len() > FRAME_BYTES_MAX => return Ended::TooLarge(bytes.len()),
                    Some(bytes) => Message::binary(bytes),
                    None => return Ended::OwnEnd,
                },
                _ = ping.tick() => Message::Ping(Vec::new().into()),
            };
            match timeout(SILENCE_MAX, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Ended::Silent,
            }
        }
    };
    let receive = async {
        loop {
            let frame = match timeout(SILENCE_MAX, stream.next()).await {
                Err(_) => return Ended::Silent,
                Ok(None | Some(Ok(Message::Close(None)))) => return Ended::Closed,
                Ok(Some(Ok(Message::Close(Some(close))))) if u16::from(close.code) >= 4000 => {
                    return Ended::RefusedByPeer(close.reason.to_string());
                }
                Ok(Some(Ok(Message::Close(Some(_))))) => return Ended::Closed,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Text(_) | Message::Frame(_)))) => return Ended::NotBinary,
                Ok(Some(Ok(Message::Binary(bytes)))) => match wire::decode(&bytes) {
                    Ok(frame) => frame,
                    Err(error) => return error.into(),
                },
                Ok(Some(Err(error))) => return error.into(),
            };
            if events.send(Event::Frame { connection, frame }).await.is_err() {
                // This life has ended. What it still had to say is sent before the link goes; the other direction sees to that.
                return std::future::pending().await;
            }
        }
    };
    // What the peer said before it went is heard before it is noticed that nothing can be sent to it any more.
    tokio::select! {
        biased;
        ended = receive => ended,
        ended = send => ended,
    }
}
