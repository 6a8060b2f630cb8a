//! A requested gossip exchange and its result.

use gossip::NodeName;

/// A requested exchange, completed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The node that was pulled from.
    pub source: NodeName,
    /// The node that pulled.
    pub puller: NodeName,
    /// True if its last frame has passed through dispatch. If not, a frame was lost or the exchange
    /// was too slow.
    pub completed: bool,
    /// The number of entries transferred.
    pub entries: usize,
    /// The number of bytes transferred in both directions, as sent over the link.
    pub bytes: usize,
}
