//! The messages on a link. Four conversations share it: rounds of replication, commands,
//! observation, and control of a node's process.
//!
//! The commands are the application's own. All but rounds stay between the two ends of a link, and
//! no fault affects them.

use std::fmt::Debug;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault::{Control, Report};
use crate::observation::Observation;
use crate::payload::Payload;
use crate::protocol::{Envelope, Step};
use crate::time::UnixMillis;
use crate::trace::TraceContext;

/// The types that an application adds to the library: its replicated value, and the commands that
/// its nodes send each other.
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
    /// The answer of a node that carried a command out.
    type Done: Message;
    /// The reason why a node did not carry a command out.
    type Refusal: Message;
}

/// A message of an application.
pub trait Message:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Returns whether a node of this version can have sent the message. Any other is refused, and
    /// the link it came over is closed.
    fn is_valid(&self) -> bool {
        true
    }

    /// Returns the number of entries that the message carries.
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
        /// The sender's number for the request; the answer repeats it.
        request: u64,
        /// The receiver's wall time after which it refuses the command. A command that outlived its
        /// sender's timeout, in a frozen node's buffers, must not be carried out after all.
        expires: UnixMillis,
        /// The span that the command belongs to, if a trace of it is kept.
        trace: Option<TraceContext>,
        /// The request itself.
        command: A::Command,
    },
    /// The answer to a command.
    Answer {
        /// The number of the command.
        request: u64,
        /// The outcome.
        result: Result<A::Done, A::Refusal>,
    },
    /// Asks for what changed at the receiver after its change numbered `since`. The answer comes
    /// when there is something, and at the latest after a second with nothing.
    Observe {
        /// The number of the newest change that the sender knows of; 0 for none.
        since: u64,
        /// The number of the newest pull that the sender knows of; 0 for none.
        pulls: u64,
    },
    /// The sender's own state, or the part of it that changed.
    Observation(Observation<A::Value>),
    /// The controller asks something of a node's process. No machine sees it.
    Control(Control),
    /// A node's process tells the controller which faults are in force there.
    Report(Report),
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
        }
    }

    /// Returns the number of entries that the frame carries.
    #[must_use]
    pub fn entries(&self) -> usize {
        match self {
            Self::Round(Envelope { step: Step::Chunk { entries, .. }, .. }) => entries.len(),
            Self::Observation(observation) => observation.changes.entries.len(),
            Self::Command { command, .. } => command.entries(),
            Self::Answer { result: Ok(done), .. } => done.entries(),
            Self::Answer { result: Err(refusal), .. } => refusal.entries(),
            Self::Round(_) | Self::Observe { .. } | Self::Control(_) | Self::Report(_) => 0,
        }
    }
}
