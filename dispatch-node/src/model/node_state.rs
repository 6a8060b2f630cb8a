//! One node as last read, and whether it answers.
//!
//! Invariant: data only; it says nothing that was not read of that node itself.

use std::time::Duration;

use gossip::{Fingerprint, Incarnation, NodeName, VersionVector};
use shared::Replica;

/// The state of a node's process, as far as dispatch knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It answers.
    Up,
    /// It is unreachable or does not answer; it may be running all the same.
    Unreachable,
    /// Its process has stopped: nothing listens at its address.
    Down,
}

impl NodeStatus {
    /// Returns the word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unreachable => "unreachable",
            Self::Down => "down",
        }
    }
}

/// One node as last read.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// Whether it answers.
    pub status: NodeStatus,
    /// Its incarnation, if it has ever answered.
    pub incarnation: Option<Incarnation>,
    /// The number of crashes since its process started.
    pub crashes: u32,
    /// The number of living heroes that it holds.
    pub heroes: u64,
    /// The number of tombstones that it holds.
    pub tombstones: u64,
    /// The hash of all that it holds.
    pub fingerprint: Fingerprint,
    /// Its version vector.
    pub vector: VersionVector,
    /// The age of this state; `None` if the node has never answered.
    pub age: Option<Duration>,
    /// Whether it lost its memory and has not recovered it.
    pub recovering: bool,
    /// How far its wall clock is ahead of dispatch's, in milliseconds, if it has ever answered.
    pub clock_ahead_ms: Option<i64>,
    /// Whether dispatch keeps it frozen.
    pub frozen: bool,
    /// Whether its present incarnation has been read. If not, nothing is known of what it holds.
    pub is_read: bool,
}

impl NodeState {
    /// Returns the state of dispatch's own node.
    pub(crate) fn of_dispatch(replica: &Replica) -> Self {
        Self {
            name: replica.me().node,
            status: NodeStatus::Up,
            incarnation: Some(replica.me().incarnation),
            crashes: 0,
            heroes: replica.map().live() as u64,
            tombstones: replica.map().tombstones() as u64,
            fingerprint: replica.map().fingerprint(),
            vector: replica.vector().clone(),
            age: Some(Duration::ZERO),
            recovering: false,
            clock_ahead_ms: Some(0),
            frozen: false,
            is_read: true,
        }
    }
}
