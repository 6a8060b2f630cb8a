//! The events that the machine of dispatch sends to its process.

use std::sync::Arc;
use std::time::Duration;

use gossip::fault::FaultId;
use gossip::types::desk::Answered;
use gossip::{NodeName, replica};

use crate::event_log::LoggedEvent;
use crate::model::view::View;
use crate::request::Outcome;

/// An event from the machine to its process.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reply to a request.
    Reply {
        /// The ticket of the request.
        ticket: u64,
        /// The outcome.
        reply: Outcome,
    },
    /// The state of the cluster after a change.
    View(Arc<View>),
    /// An event was logged.
    Logged(Arc<LoggedEvent>),
    /// Writes have arrived at every city that answers, after these durations.
    Arrived(Vec<Duration>),
    /// The process of this node must be thawed. While this fault freezes it, it receives no frames.
    Thaw(NodeName, FaultId),
    /// A request to one of the library's types was executed or refused.
    Answered(Answered),
    /// An event of a replication round.
    Replica(replica::Event),
}
