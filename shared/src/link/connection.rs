//! One WebSocket to one peer, from hello to close. Nothing but what introduces the two is read before both have proved that they
//! belong to the cluster (`handshake`). Both ends ping every second; three seconds of silence end the link.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::farewell::{close_code, farewell};
use crate::link::handshake::{self, HELLO_PATIENCE, Identity};
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::Frame;
use crate::meter::{counter, node};
use crate::wire::{self, WireError};

/// How often each end shows that it lives.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing at all may be heard, or one message may take to be sent, before the link is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How many frames may wait to be sent; a peer that lets more wait is cut off and starts again.
pub(super) const OUTGOING_MAX: usize = 1_024;

/// The WebSocket limits of every link.
pub(super) fn limits(frame_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(frame_bytes_max)).max_frame_size(Some(frame_bytes_max))
}

/// Which end of a connection this is.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It dialled, and expects this peer.
    Dialer(NodeName),
    /// It was dialled, over TLS by somebody with this certificate.
    Listener(Option<Certificate>),
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
    #[error("shows a certificate that is not one for {0}")]
    AnothersCertificate(NodeName),
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
            Self::Cookie | Self::AnothersCertificate(_) => Some(4002),
            Self::Refused(LinkRefusal::OwnName(_)) | Self::AnotherName(_) => Some(4003),
            Self::Refused(LinkRefusal::AliveElsewhere { .. }) => Some(4004),
            Self::Refused(LinkRefusal::Stranger(_)) => Some(4005),
            Self::Wire(WireError::Malformed(_)) => Some(4006),
            Self::NotBinary => Some(1003),
            Self::OwnEnd => Some(1001),
            Self::TooLarge(_) => Some(1011),
            Self::Broken(error) => close_code(error),
            Self::Silent | Self::Closed | Self::RefusedByPeer(_) => None,
        }
    }

    /// Whether one of the two ends would not have the other.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::NoHello
            | Self::Wire(_)
            | Self::Cookie
            | Self::AnotherName(_)
            | Self::AnothersCertificate(_)
            | Self::Refused(_)
            | Self::RefusedByPeer(_) => true,
            Self::NotBinary | Self::Silent | Self::Closed | Self::Broken(_) | Self::TooLarge(_) | Self::OwnEnd => false,
        }
    }

    /// Why a stranger was not let in, in a word to count by; none where a connection came to another end.
    pub(super) fn turned_away(&self) -> Option<&'static str> {
        match self {
            Self::NoHello => Some("no_hello"),
            Self::Wire(WireError::NotHello) => Some("not_a_hello"),
            Self::Wire(WireError::Version { .. }) => Some("version"),
            Self::Wire(WireError::Malformed(_)) => Some("malformed"),
            Self::Cookie => Some("cookie"),
            Self::AnothersCertificate(_) => Some("certificate"),
            Self::Refused(LinkRefusal::OwnName(_)) => Some("own_name"),
            Self::Refused(LinkRefusal::Stranger(_)) => Some("not_a_member"),
            Self::Refused(LinkRefusal::AliveElsewhere { .. }) => Some("alive_elsewhere"),
            Self::AnotherName(_)
            | Self::RefusedByPeer(_)
            | Self::NotBinary
            | Self::Silent
            | Self::Closed
            | Self::Broken(_)
            | Self::TooLarge(_)
            | Self::OwnEnd => None,
        }
    }

    fn cause(&self) -> LinkDown {
        if matches!(self, Self::Silent) { LinkDown::Silent } else { LinkDown::Lost }
    }
}

/// Runs a connection from hello to close, and says why it ended. `stranger` is a place among those who have not introduced
/// themselves; it is given back when they have, or have gone.
pub(super) async fn run<S>(
    mut socket: WebSocketStream<S>,
    end: End,
    identity: &Identity,
    address: &str,
    events: &mpsc::Sender<Event>,
    mut stranger: Option<OwnedSemaphorePermit>,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let introduced = handshake::introduce(&mut socket, end, identity, address, events).await;
    let ended = match introduced {
        Ok(Admitted { connection, outgoing }) => {
            drop(stranger.take());
            let ended = pump(&mut socket, connection, outgoing, events, identity.frame_bytes_max).await;
            // A driver that is gone needs no news.
            let _ = events.send(Event::Ended { connection, cause: ended.cause() }).await;
            ended
        }
        Err(ended) => ended,
    };
    match (&ended, ended.close_code()) {
        (reason, Some(code)) => farewell(&mut socket, Some((code, &reason.to_string()))).await,
        (Ended::Closed | Ended::RefusedByPeer(_), None) => farewell(&mut socket, None).await,
        // There is nobody to tell.
        (_, None) => {}
    }
    ended
}

/// Counts a frame over a link.
fn count(direction: &'static str, frame: &Frame, bytes: usize) {
    let labels = [("direction", direction), ("kind", frame.kind())];
    counter!(node::FRAMES.name, &labels).increment(1);
    counter!(node::BYTES.name, &labels).increment(bytes as u64);
    match wire::entries(frame) as u64 {
        0 => {}
        entries => counter!(node::ENTRIES.name, &labels).increment(entries),
    }
}

/// Sends and receives at the same time, so that two peers with full buffers never wait for each other.
async fn pump<S>(
    socket: &mut WebSocketStream<S>,
    connection: u64,
    mut outgoing: mpsc::Receiver<Frame>,
    events: &mpsc::Sender<Event>,
    frame_bytes_max: usize,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut sink, mut stream) = socket.split();
    let send = async {
        let mut ping = interval(PING_INTERVAL);
        loop {
            let message = tokio::select! {
                frame = outgoing.recv() => match frame.map(|frame| (wire::encode(&frame), frame)) {
                    Some((bytes, _)) if bytes.len() > frame_bytes_max => return Ended::TooLarge(bytes.len()),
                    Some((bytes, frame)) => {
                        count("out", &frame, bytes.len());
                        Message::binary(bytes)
                    }
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
                    Ok(frame) => {
                        count("in", &frame, bytes.len());
                        frame
                    }
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
