//! One node as last read, and whether it answers.
//!
//! Invariant: data only; it says nothing that was not read of that node itself.

use std::time::Duration;

use shared::crdt::{Fingerprint, VersionVector};
use shared::id::{Incarnation, NodeName};
use shared::replica::Replica;

/// What dispatch knows of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It answers.
    Up,
    /// It cannot be reached from here, or gives no answer; whether it runs is not known.
    Unreachable,
    /// Its process has stopped: nobody listens where it should.
    Down,
}

impl NodeStatus {
    /// The word of the API.
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
    /// Its life, if it has ever been heard.
    pub incarnation: Option<Incarnation>,
    /// How often it has crashed since its process started.
    pub crashes: u32,
    /// Heroes that live there.
    pub heroes: u64,
    /// Tombstones that stand there.
    pub tombstones: u64,
    /// Hash of all it holds.
    pub fingerprint: Fingerprint,
    /// What it covers.
    pub vector: VersionVector,
    /// How long ago that was so; `None` if it has never been heard.
    pub age: Option<Duration>,
    /// Whether it lost its memory and has not got it back yet.
    pub recovering: bool,
    /// How far its wall clock is ahead of dispatch's, in milliseconds, if it has ever been heard.
    pub clock_ahead_ms: Option<i64>,
    /// Whether it was frozen from here, and is still.
    pub frozen: bool,
    /// Whether it has been read in its present life. One that has not says nothing yet.
    pub is_read: bool,
}

impl NodeState {
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
