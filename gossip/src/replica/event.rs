//! The outputs of a replica.

use crate::clock::Stamp;
use crate::id::{Incarnation, NodeName, Origin};
use crate::payload::Payload;
use crate::protocol::Envelope;

/// An output of a replica, for the machine around it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<V: Payload> {
    /// Sends a step over the link to `via`.
    Send {
        /// The node at the other end of the link.
        via: NodeName,
        /// The step with its ends.
        envelope: Envelope<V>,
    },
    /// An event for logs and metrics.
    Event(Event),
}

/// An event in the rounds of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Tombstones that all members have were dropped.
    Collected {
        /// Their stamps.
        tombstones: Vec<Stamp>,
    },
    /// Late writes to deleted keys arrived. The keys got new tombstones, which overwrite those
    /// writes.
    LateWritesDeleted {
        /// The source of the round.
        source: Origin,
        /// The number of late writes.
        writes: usize,
    },
    /// Writes that other members may lack for ever were rewritten by this replica as its own: those
    /// of closed incarnations that these had not received, and first writes to registers that are
    /// earlier than a collected deletion.
    Adopted {
        /// The member from which they were received, or that had closed the incarnations.
        source: Origin,
        /// The number of rewritten entries.
        writes: usize,
    },
    /// Writes to keys of closed incarnations, which the closing members had not received, were
    /// replaced by those that they had.
    OrphansDropped {
        /// The member that had closed the incarnations.
        source: Origin,
        /// The number of dropped entries.
        writes: usize,
    },
    /// Ended incarnations were closed: all members have the same writes of them.
    Closed {
        /// The first incarnation of the node that stays open.
        before: Origin,
        /// The number of closed incarnations.
        incarnations: usize,
    },
    /// A member was forgotten.
    Forgotten {
        /// The member.
        member: NodeName,
    },
    /// A round was refused because its source has a later incarnation. Nothing was changed.
    Fenced {
        /// The source of the round.
        source: Origin,
    },
    /// A complete round was merged.
    Committed {
        /// The source of the round.
        source: Origin,
        /// The number of entries in the round.
        entries: usize,
        /// The number of entries that changed the map.
        changed: usize,
        /// True if the round contained all entries of the source.
        full: bool,
    },
    /// A round was refused because a stamp exceeds the accepted drift. Nothing was changed.
    TooFarAhead {
        /// The source of the round.
        source: Origin,
        /// The origin of the stamp.
        writer: Origin,
        /// The difference to this node's wall clock, in milliseconds.
        ahead_ms: u64,
    },
    /// A round was refused because it contains writes of a node that is not a member. Nothing was
    /// changed.
    NotMember {
        /// The source of the round.
        source: Origin,
        /// The writer that is not a member.
        writer: NodeName,
    },
    /// A round was refused because it contains too many incarnations of one node. Nothing was
    /// changed.
    TooManyIncarnations {
        /// The source of the round.
        source: Origin,
        /// The node.
        node: NodeName,
    },
    /// A round contains writes of this incarnation that were never made: another process has the
    /// same origin, or the source is faulty. They were merged.
    OriginStolen {
        /// The source of the round.
        source: Origin,
    },
    /// Equal vectors with different entries. This indicates a bug or corrupted memory.
    Diverged {
        /// The other replica.
        peer: Origin,
    },
    /// After a divergence, entries that were missing here, or were less than the peer's, were taken
    /// from it.
    Repaired {
        /// The other replica.
        peer: Origin,
        /// The number of entries taken.
        entries: usize,
    },
    /// A pull was given up: it made no progress, was too large, or was outdated by another round.
    /// Nothing was changed.
    GivenUp {
        /// The source of the pull.
        source: Origin,
    },
    /// This incarnation has caught up, and waits until every member has it on its roster.
    Announced,
    /// A further node became a member.
    Listed {
        /// The node.
        member: NodeName,
    },
    /// This incarnation has joined, and may write.
    Joined {
        /// The member from which it caught up; `None` if it joined as the first.
        through: Option<Origin>,
    },
    /// A later incarnation of this name exists, so this one ends.
    Superseded {
        /// The later incarnation.
        by: Incarnation,
        /// True if the node must halt. Otherwise it must restart with an incarnation later than
        /// `by`.
        halts: bool,
    },
}

impl Event {
    /// Returns the reason for which a round was refused, as a metric label; `None` for all other
    /// events.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Fenced { .. } => Some("fenced"),
            Self::TooFarAhead { .. } => Some("too_far_ahead"),
            Self::NotMember { .. } => Some("not_a_member"),
            Self::TooManyIncarnations { .. } => Some("too_many_incarnations"),
            Self::Collected { .. }
            | Self::LateWritesDeleted { .. }
            | Self::Adopted { .. }
            | Self::OrphansDropped { .. }
            | Self::Closed { .. }
            | Self::Forgotten { .. }
            | Self::Committed { .. }
            | Self::OriginStolen { .. }
            | Self::Diverged { .. }
            | Self::Repaired { .. }
            | Self::GivenUp { .. }
            | Self::Announced
            | Self::Listed { .. }
            | Self::Joined { .. }
            | Self::Superseded { .. } => None,
        }
    }
}
