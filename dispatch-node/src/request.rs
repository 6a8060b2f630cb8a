//! The operations that clients can request, their reply types, and the errors.
//!
//! Invariant: an operation has exactly one reply type, and its `Ticket` accepts no other.

mod error;
mod operations;

use std::marker::PhantomData;
use std::sync::Arc;

use gossip::fault::Pace;
use gossip::types::desk::Asked;
use gossip::{NodeName, TraceContext, UnixMillis};
use shared::Entry;
use shared::hero::HeroId;

use crate::model::exchange::Exchange;
use crate::model::faults::FaultView;
use crate::model::view::View;

pub use error::RequestError;
pub use operations::{
    ACCEPT_AHEAD_MAX, AcceptStamps, Ask, Assign, Bomb, CREATE_MAX, Create, CreateMany, Find,
    Forget, Heal, Inject, Kill, Log, ReadView, RunExchange, SetPace, SetQuiet, Stop, TERMINATE_MAX,
    Terminate, TerminateMany,
};

/// A request to dispatch; its reply carries the same ticket.
#[derive(Clone, Debug)]
pub struct Request {
    /// The ticket, unique among open requests.
    pub ticket: u64,
    /// The operation.
    pub action: Action,
    /// The span of the request, if it is traced; a command to a city continues it.
    pub trace: Option<TraceContext>,
}

/// A command of the process to the machine.
#[derive(Clone, Debug)]
pub enum Command {
    /// A request of a client.
    Request(Request),
    /// A request to one of the library's types.
    Ask(Asked),
}

impl From<Request> for Command {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Asked> for Command {
    fn from(asked: Asked) -> Self {
        Self::Ask(asked)
    }
}

/// An operation that clients can request.
pub trait Operation: Into<Action> {
    /// The reply on success.
    type Reply;

    /// Wraps the reply in the enum of all replies.
    fn into_reply(reply: Self::Reply) -> Reply;

    /// Returns the reply, if it belongs to this operation.
    fn from_reply(reply: Reply) -> Option<Self::Reply>;
}

/// Identifies one request of this operation until it is answered.
#[derive(Debug)]
pub(crate) struct Ticket<O> {
    pub(crate) number: u64,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation> Ticket<O> {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, operation: PhantomData }
    }
}

/// The outcome of a request of any kind.
pub type Outcome = Result<Reply, RequestError>;

/// A write that was made, and the hero written to.
#[derive(Clone, Debug)]
pub struct Written {
    /// The hero.
    pub hero: HeroId,
    /// The entry that was written.
    pub entry: Arc<Entry>,
}

/// The outcome of the termination of several heroes.
#[derive(Clone, Debug, Default)]
pub struct Terminations {
    /// The number of heroes that were terminated.
    pub terminated: usize,
    /// Those that could not be, with the reasons.
    pub refused: Vec<(HeroId, RequestError)>,
}

/// The stamps that were accepted, and where.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The latest accepted time, apart from the accepted drift.
    pub until: UnixMillis,
    /// The nodes to which the request was sent.
    pub nodes: Vec<NodeName>,
}

/// Declares the enum of all operations, the enum of all replies, and the reply of each operation.
macro_rules! operations {
    ($($operation:ident => $reply:ident($value:ty), $span:literal;)*) => {
        /// An operation of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant wraps the operation of that name")]
        pub enum Action {
            $($operation($operation),)*
        }

        impl Action {
            /// Returns the name of the request's span.
            pub(crate) fn span_name(&self) -> &'static str {
                match self {
                    $(Self::$operation(_) => $span,)*
                }
            }
        }

        $(
            impl From<$operation> for Action {
                fn from(operation: $operation) -> Self {
                    Self::$operation(operation)
                }
            }

            impl Operation for $operation {
                type Reply = $value;

                fn into_reply(reply: $value) -> Reply {
                    Reply::$reply(reply)
                }

                fn from_reply(reply: Reply) -> Option<$value> {
                    if let Reply::$reply(value) = reply { Some(value) } else { None }
                }
            }
        )*
    };
}

operations! {
    Create => Created(Vec<Written>), "ask create";
    CreateMany => Created(Vec<Written>), "ask create many";
    Assign => Assigned(Written), "ask assign";
    Ask => Changed(()), "ask change";
    Terminate => Terminated(Written), "ask terminate";
    TerminateMany => TerminatedMany(Terminations), "ask terminate many";
    Bomb => Bombed(NodeName), "ask bomb";
    Forget => Forgotten(NodeName), "ask forget";
    Inject => Injected(FaultView), "ask inject";
    Heal => Healed(()), "ask heal";
    SetPace => PaceSet(Pace), "ask gossip";
    SetQuiet => QuietSet(bool), "ask quiet";
    AcceptStamps => Accepted(Acceptance), "ask accept stamps";
    RunExchange => Exchanged(Exchange), "ask exchange";
    Stop => Ended(NodeName), "ask stop";
    Kill => Ended(NodeName), "ask kill";
    Log => Logged(()), "ask log";
    Find => Found(Written), "ask find";
    ReadView => View(Arc<View>), "ask view";
}

/// The reply to an operation of any kind.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The heroes were created.
    Created(Vec<Written>),
    /// The hero was moved.
    Assigned(Written),
    /// The type was changed.
    Changed(()),
    /// The hero was terminated.
    Terminated(Written),
    /// The heroes were terminated, as far as possible.
    TerminatedMany(Terminations),
    /// The city is about to crash.
    Bombed(NodeName),
    /// The city was forgotten: tombstone collection no longer waits for it.
    Forgotten(NodeName),
    /// The fault is in force.
    Injected(FaultView),
    /// The faults were healed.
    Healed(()),
    /// Gossip runs at this pace.
    PaceSet(Pace),
    /// The cities are quiet, or no longer quiet.
    QuietSet(bool),
    /// Stamps are accepted up to a time that the clocks do not read yet.
    Accepted(Acceptance),
    /// The exchange ended or timed out.
    Exchanged(Exchange),
    /// The city's process was asked to stop, or was killed.
    Ended(NodeName),
    /// The event is in the log.
    Logged(()),
    /// The newest live copy of the hero.
    Found(Written),
    /// The state of the cluster.
    View(Arc<View>),
}

impl Reply {
    /// Returns the write that the reply reports; the last one if there are several.
    #[must_use]
    pub fn write(&self) -> Option<&Written> {
        match self {
            Self::Created(created) => created.last(),
            Self::Assigned(written) | Self::Terminated(written) => Some(written),
            Self::Changed(())
            | Self::TerminatedMany(_)
            | Self::Bombed(_)
            | Self::Forgotten(_)
            | Self::Injected(_)
            | Self::Healed(())
            | Self::PaceSet(_)
            | Self::QuietSet(_)
            | Self::Accepted(_)
            | Self::Exchanged(_)
            | Self::Ended(_)
            | Self::Logged(())
            | Self::Found(_)
            | Self::View(_) => None,
        }
    }
}
