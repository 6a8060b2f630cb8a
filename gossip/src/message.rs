//! The messages on a link: rounds of replication, publications, calls, commands, observation, and
//! control of a node's process.
//!
//! The application defines the commands. All messages but rounds stay between the two ends of a
//! link. Commands, observation and control are exempt from faults.

use std::fmt::Debug;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Return};
use crate::fault::{Control, Report};
use crate::observation::Observation;
use crate::payload::Payload;
use crate::protocol::{Envelope, Step};
use crate::publication::Publication;
use crate::time::UnixMillis;
use crate::trace::TraceContext;

/// The types that an application defines: its replicated value, and the commands that its nodes
/// send each other.
///
/// ```
/// use gossip::{Application, Plain};
///
/// /// Replicates numbers, and sends no commands.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
/// enum Numbers {}
///
/// impl Application for Numbers {
///     type Value = Plain<u64>;
///     type Command = ();
///     type Done = ();
///     type Refusal = ();
/// }
/// ```
pub trait Application: Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// The replicated value.
    type Value: Payload;
    /// A request to one node.
    type Command: Message;
    /// The response of a node that executed a command.
    type Done: Message;
    /// The reason why a node did not execute a command.
    type Refusal: Message;
}

/// A message of an application.
pub trait Message:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Returns whether a node of this version could have sent the message. An invalid message
    /// closes its link.
    fn is_valid(&self) -> bool {
        true
    }

    /// Returns the number of entries in the message.
    fn entries(&self) -> usize {
        0
    }
}

impl Message for () {}

/// One message on a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Frame<A: Application> {
    /// A step of an anti-entropy round.
    Round(Envelope<A::Value>),
    /// A request to the receiver.
    Command {
        /// The sender's number for the request, repeated in the response.
        request: u64,
        /// The receiver's wall time after which it refuses the command. A command can stay in the
        /// buffers of a frozen node for longer than its sender waits, and must not be executed
        /// then.
        expires: UnixMillis,
        /// The span that the command belongs to, if it is traced.
        trace: Option<TraceContext>,
        /// The request itself.
        command: A::Command,
    },
    /// The response to a command.
    Answer {
        /// The number of the command.
        request: u64,
        /// The outcome.
        result: Result<A::Done, A::Refusal>,
    },
    /// Requests the receiver's changes after its change numbered `since`. The response follows when
    /// there are any, or after one second without any.
    Observe {
        /// The number of the newest change that the sender has; 0 for none.
        since: u64,
        /// The number of the newest pull that the sender has; 0 for none.
        pulls: u64,
    },
    /// The sender's own state, or the changed part of it.
    Observation(Observation<A::Value>),
    /// A request of the controller to a node's process. Machines do not receive it.
    Control(Control),
    /// A report of a node's process to the controller, with the faults in force.
    Report(Report),
    /// A message to the subscribers of a topic at the receiver. Machines do not receive it.
    Publication(Publication),
    /// A request to a handler at the receiver. Machines do not receive it.
    Call(Call),
    /// The answer to a call.
    Return(Return),
    /// The sender does not wait for the answer to its call of this number any more.
    Cancel {
        /// The number of the call.
        call: u64,
    },
}

impl<A: Application> Frame<A> {
    /// Returns the name of the frame's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Round(Envelope { step, .. }) => step.kind(),
            Self::Command { .. } => "command",
            Self::Answer { .. } => "answer",
            Self::Observe { .. } => "observe",
            Self::Observation(_) => "observation",
            Self::Control(_) => "control",
            Self::Report(_) => "report",
            Self::Publication(_) => "publication",
            Self::Call(_) => "call",
            Self::Return(_) => "return",
            Self::Cancel { .. } => "cancel",
        }
    }

    /// Returns the number of entries in the frame.
    #[must_use]
    pub fn entries(&self) -> usize {
        match self {
            Self::Round(Envelope { step: Step::Chunk { entries, .. }, .. }) => entries.len(),
            Self::Observation(observation) => observation.changes.entries.len(),
            Self::Command { command, .. } => command.entries(),
            Self::Answer { result: Ok(done), .. } => done.entries(),
            Self::Answer { result: Err(refusal), .. } => refusal.entries(),
            Self::Round(_)
            | Self::Observe { .. }
            | Self::Control(_)
            | Self::Report(_)
            | Self::Publication(_)
            | Self::Call(_)
            | Self::Return(_)
            | Self::Cancel { .. } => 0,
        }
    }
}
