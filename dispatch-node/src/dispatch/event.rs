//! The messages from the machine of dispatch to its process.

use std::sync::Arc;
use std::time::Duration;

use gossip::fault::FaultId;
use gossip::{NodeName, replica};

use crate::event_log::LoggedEvent;
use crate::model::view::View;
use crate::request::Outcome;

/// A message from the machine to its process.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reply to a request.
    Reply {
        /// The ticket of the request.
        ticket: u64,
        /// The outcome.
        reply: Outcome,
    },
    /// The state of the cluster, after something has changed.
    View(Arc<View>),
    /// An event was logged.
    Logged(Arc<LoggedEvent>),
    /// Writes have arrived at every city that answers, after these times.
    Arrived(Vec<Duration>),
    /// The process of this node has to be woken: this fault keeps it frozen, so it receives no
    /// frame.
    Thaw(NodeName, FaultId),
    /// An event of a replication round.
    Replica(replica::Event),
}
