//! The events and results of connections, as reported to the driver and to the peer.

use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite;

use crate::id::{Incarnation, NodeName, Origin};
use crate::link::close::close_code;
use crate::link::log_limit::without_digits;
use crate::link::tls::Certificate;
use crate::machine::LinkDown;
use crate::membership::LinkRefusal;
use crate::message::{Application, Frame};
use crate::wire::WireError;

/// The role of this node in a connection.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// This node dialled, and expects this peer.
    Dialer(NodeName),
    /// A peer dialled; over TLS, with this certificate.
    Listener(Option<Certificate>),
}

/// The events that connections report to their driver.
pub(super) enum ConnectionEvent<A: Application> {
    /// A peer has authenticated. The driver admits it, with the queue of frames to send, or refuses
    /// it.
    Introduced {
        peer: Origin,
        joined: bool,
        /// The address that the peer advertises.
        advertised: Option<String>,
        end: End,
        address: String,
        decision: oneshot::Sender<Result<Admitted<A>, LinkRefusal>>,
    },
    /// A frame arrived on an admitted connection.
    Frame { connection: u64, frame: Frame<A> },
    /// An admitted connection ended.
    Ended { connection: u64, cause: LinkDown },
    /// A peer refused a link, because it is linked to this other incarnation of this node's name.
    RunningElsewhere { peer: NodeName, incarnation: Incarnation },
    /// Dialling a peer failed.
    NotReached { peer: NodeName, cause: LinkDown },
}

/// An admitted connection: its number at the driver, and the queue of frames to send.
pub(super) struct Admitted<A: Application> {
    pub(super) connection: u64,
    pub(super) outgoing: mpsc::Receiver<Frame<A>>,
}

/// The reason why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("timed out waiting for a hello")]
    NoHello,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("wrong cookie")]
    Cookie,
    #[error("identified itself as {0}")]
    AnotherName(NodeName),
    #[error("belongs to the cluster {0}")]
    AnotherCluster(NodeName),
    #[error("the certificate does not name {0}")]
    AnothersCertificate(NodeName),
    #[error("the certificate is refused: {0}")]
    Certificate(rustls::Error),
    #[error(transparent)]
    Refused(#[from] LinkRefusal),
    #[error("refused by the peer: {reason}")]
    RefusedByPeer {
        /// The close code.
        code: u16,
        reason: String,
    },
    #[error("expected binary messages, received text")]
    NotBinary,
    #[error("timed out")]
    TimedOut,
    #[error("closed")]
    Closed,
    #[error("{0}")]
    Broken(#[from] tungstenite::Error),
    #[error("a frame of {bytes} bytes exceeds the limit of {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("this incarnation of the node has ended")]
    OwnEnd,
}

impl Ended {
    /// Returns the close code for the peer; `None` if no close frame with a reason is sent.
    pub(super) fn close_code(&self) -> Option<u16> {
        match self {
            Self::NoHello | Self::Wire(WireError::NotHello) => Some(4000),
            Self::Wire(WireError::Version { .. }) => Some(4001),
            Self::Cookie | Self::AnothersCertificate(_) | Self::Certificate(_) => Some(4002),
            Self::Refused(LinkRefusal::OwnName(_)) | Self::AnotherName(_) => Some(4003),
            Self::Refused(LinkRefusal::RunningElsewhere { .. }) => Some(4004),
            Self::Refused(LinkRefusal::NotMember(_)) => Some(4005),
            Self::Wire(WireError::Malformed(_)) => Some(4006),
            Self::AnotherCluster(_) => Some(4007),
            Self::NotBinary => Some(1003),
            Self::OwnEnd => Some(1001),
            Self::TooLarge { .. } => Some(1011),
            Self::Broken(error) => close_code(error),
            Self::TimedOut | Self::Closed | Self::RefusedByPeer { .. } => None,
        }
    }

    /// Returns whether either end refused the other.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::NoHello
            | Self::Wire(_)
            | Self::Cookie
            | Self::AnotherName(_)
            | Self::AnotherCluster(_)
            | Self::AnothersCertificate(_)
            | Self::Certificate(_)
            | Self::Refused(_)
            | Self::RefusedByPeer { .. } => true,
            Self::NotBinary
            | Self::TimedOut
            | Self::Closed
            | Self::Broken(_)
            | Self::TooLarge { .. }
            | Self::OwnEnd => false,
        }
    }

    /// Returns the reason for refusing an unauthenticated peer, as a metric label; `None` for other
    /// ends.
    pub(super) fn refusal_text(&self) -> Option<&'static str> {
        match self {
            Self::NoHello => Some("no_hello"),
            Self::Wire(WireError::NotHello) => Some("not_a_hello"),
            Self::Wire(WireError::Version { .. }) => Some("version"),
            Self::Wire(WireError::Malformed(_)) => Some("malformed"),
            Self::Cookie => Some("cookie"),
            Self::AnotherCluster(_) => Some("another_cluster"),
            Self::AnothersCertificate(_) | Self::Certificate(_) => Some("certificate"),
            Self::Refused(LinkRefusal::OwnName(_)) => Some("own_name"),
            Self::Refused(LinkRefusal::NotMember(_)) => Some("not_a_member"),
            Self::Refused(LinkRefusal::RunningElsewhere { .. }) => Some("alive_elsewhere"),
            Self::AnotherName(_)
            | Self::RefusedByPeer { .. }
            | Self::NotBinary
            | Self::TimedOut
            | Self::Closed
            | Self::Broken(_)
            | Self::TooLarge { .. }
            | Self::OwnEnd => None,
        }
    }

    /// Returns the end as a cause that does not change from one connection to the next, for limits
    /// on log lines. The text of the peer is no part of it.
    pub(super) fn repeated(&self) -> String {
        if let Self::RefusedByPeer { code, .. } = self {
            return format!("refused by the peer with {code}");
        }
        without_digits(&self.to_string())
    }

    /// Returns the cause for the machine.
    pub(super) fn cause(&self) -> LinkDown {
        if matches!(self, Self::TimedOut) { LinkDown::TimedOut } else { LinkDown::Lost }
    }
}
