//! The ends of a connection, and how a connection begins and ends, as its driver and its peer learn
//! it.

use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite;

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::close::close_code;
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::{Application, Frame};
use crate::wire::WireError;

/// This node's end of a connection.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// This node dialled, and expects this peer.
    Dialer(NodeName),
    /// A peer dialled; over TLS, with this certificate.
    Listener(Option<Certificate>),
}

/// The reports of connections to their driver.
pub(super) enum ConnectionEvent<A: Application> {
    /// A peer introduced itself. The driver decides, and answers with the queue of frames for the
    /// peer.
    Introduced {
        peer: Origin,
        joined: bool,
        end: End,
        address: String,
        decision: oneshot::Sender<Result<Admitted<A>, LinkRefusal>>,
    },
    /// A frame arrived on an admitted connection.
    Frame { connection: u64, frame: Frame<A> },
    /// An admitted connection ended.
    Ended { connection: u64, cause: LinkDown },
    /// A peer refused a link, since this incarnation of this node's own name is alive.
    RunningElsewhere { peer: NodeName, alive: Incarnation },
    /// Dialling a peer did not lead to a link.
    NotReached { peer: NodeName, cause: LinkDown },
}

/// An admitted connection: its number at the driver, and the frames to send.
pub(super) struct Admitted<A: Application> {
    pub(super) connection: u64,
    pub(super) outgoing: mpsc::Receiver<Frame<A>>,
}

/// The reason why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("no hello in time")]
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
    #[error("refuses this node: {0}")]
    RefusedByPeer(String),
    #[error("sent text instead of binary messages")]
    NotBinary,
    #[error("silent for too long")]
    Silent,
    #[error("closed")]
    Closed,
    #[error("{0}")]
    Broken(#[from] tungstenite::Error),
    #[error("a frame of {0} bytes exceeds the peer's limit")]
    TooLarge(usize),
    #[error("this incarnation of the node has ended")]
    OwnEnd,
}

impl Ended {
    /// Returns the close code that tells the peer the reason; `None` where there is nothing to
    /// tell.
    pub(super) fn close_code(&self) -> Option<u16> {
        match self {
            Self::NoHello | Self::Wire(WireError::NotHello) => Some(4000),
            Self::Wire(WireError::Version { .. }) => Some(4001),
            Self::Cookie | Self::AnothersCertificate(_) => Some(4002),
            Self::Refused(LinkRefusal::OwnName(_)) | Self::AnotherName(_) => Some(4003),
            Self::Refused(LinkRefusal::RunningElsewhere { .. }) => Some(4004),
            Self::Refused(LinkRefusal::Stranger(_)) => Some(4005),
            Self::Wire(WireError::Malformed(_)) => Some(4006),
            Self::NotBinary => Some(1003),
            Self::OwnEnd => Some(1001),
            Self::TooLarge(_) => Some(1011),
            Self::Broken(error) => close_code(error),
            Self::Silent | Self::Closed | Self::RefusedByPeer(_) => None,
        }
    }

    /// Returns whether one of the two ends refused the other.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::NoHello
            | Self::Wire(_)
            | Self::Cookie
            | Self::AnotherName(_)
            | Self::AnothersCertificate(_)
            | Self::Refused(_)
            | Self::RefusedByPeer(_) => true,
            Self::NotBinary
            | Self::Silent
            | Self::Closed
            | Self::Broken(_)
            | Self::TooLarge(_)
            | Self::OwnEnd => false,
        }
    }

    /// Returns a word for the reason why an unauthenticated peer was turned away; `None` for any
    /// other end.
    pub(super) fn refusal_text(&self) -> Option<&'static str> {
        match self {
            Self::NoHello => Some("no_hello"),
            Self::Wire(WireError::NotHello) => Some("not_a_hello"),
            Self::Wire(WireError::Version { .. }) => Some("version"),
            Self::Wire(WireError::Malformed(_)) => Some("malformed"),
            Self::Cookie => Some("cookie"),
            Self::AnothersCertificate(_) => Some("certificate"),
            Self::Refused(LinkRefusal::OwnName(_)) => Some("own_name"),
            Self::Refused(LinkRefusal::Stranger(_)) => Some("not_a_member"),
            Self::Refused(LinkRefusal::RunningElsewhere { .. }) => Some("alive_elsewhere"),
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

    /// Returns the cause that the machine learns.
    pub(super) fn cause(&self) -> LinkDown {
        if matches!(self, Self::Silent) { LinkDown::Silent } else { LinkDown::Lost }
    }
}
