//! A gossip exchange that was requested, as it is shown.

use gossip::NodeName;

/// An exchange, complete or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The node that was pulled from.
    pub source: NodeName,
    /// The node that pulled.
    pub puller: NodeName,
    /// Whether its end has passed through dispatch. If not, it was lost on the way, or is very
    /// slow.
    pub completed: bool,
    /// The number of entries that passed.
    pub entries: usize,
    /// The number of bytes that passed, both ways, as sent on the link.
    pub bytes: usize,
}
