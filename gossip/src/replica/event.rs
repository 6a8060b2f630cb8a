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
    /// An event that an operator may want to know of.
    Event(Event),
}

/// An event in the rounds of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Tombstones that every member has were dropped.
    Collected {
        /// Their stamps.
        tombstones: Vec<Stamp>,
    },
    /// Late writes arrived for keys whose tombstones had been collected. New tombstones were
    /// written over them.
    Buried {
        /// The source of the round.
        source: Origin,
        /// The number of them.
        writes: usize,
    },
    /// Writes of incarnations that the other members had closed without them were written again
    /// here.
    Adopted {
        /// The member that had closed the incarnations.
        source: Origin,
        /// The number of them.
        writes: usize,
    },
    /// Ended incarnations of which every member has the same writes lost their slots.
    Closed {
        /// The first incarnation of the node that stays open.
        before: Origin,
        /// The number of them.
        incarnations: usize,
    },
    /// A member was forgotten.
    Forgotten {
        /// The member.
        member: NodeName,
    },
    /// A round was refused: its source has a later incarnation. Nothing was changed.
    Fenced {
        /// The source of the round.
        source: Origin,
    },
    /// A round ended and was merged.
    Committed {
        /// The source of the round.
        source: Origin,
        /// The number of entries in the round.
        entries: usize,
        /// The number of entries that beat what was held.
        changed: usize,
        /// Whether the round held all that the source held.
        full: bool,
    },
    /// A round was refused: it holds a stamp beyond the accepted drift. Nothing was changed.
    TooFarAhead {
        /// The source of the round.
        source: Origin,
        /// The origin of the stamp.
        writer: Origin,
        /// The distance to this node's wall clock, in milliseconds.
        ahead_ms: u64,
    },
    /// A round was refused: it claims writes of this incarnation that were never made. Nothing was
    /// changed.
    OriginStolen {
        /// The source of the round.
        source: Origin,
    },
    /// An alarm that should never occur: equal vectors, different entries.
    Diverged {
        /// The other replica.
        peer: Origin,
    },
    /// A pull was given up: it made no progress, was too large, or was overtaken by another.
    /// Nothing was changed.
    GivenUp {
        /// The source of the pull.
        source: Origin,
    },
    /// This incarnation may write from now on.
    Joined {
        /// The member that brought it up to date; `None` where none was found and it is the first.
        through: Option<Origin>,
    },
    /// A later incarnation of this name exists. This one is over.
    Superseded {
        /// The later incarnation.
        by: Incarnation,
        /// Whether the node halts. If not, it is to begin an incarnation later than that one.
        halts: bool,
    },
}

impl Event {
    /// Returns the reason for which the event refused a round, if it did: a label of the metrics.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Fenced { .. } => Some("fenced"),
            Self::TooFarAhead { .. } => Some("too_far_ahead"),
            Self::OriginStolen { .. } => Some("origin_stolen"),
            Self::Collected { .. }
            | Self::Buried { .. }
            | Self::Adopted { .. }
            | Self::Closed { .. }
            | Self::Forgotten { .. }
            | Self::Committed { .. }
            | Self::Diverged { .. }
            | Self::GivenUp { .. }
            | Self::Joined { .. }
            | Self::Superseded { .. } => None,
        }
    }
}
