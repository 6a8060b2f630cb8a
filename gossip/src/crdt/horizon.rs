//! The horizon of a replica: a summary of the writes of which no entry remains.
//!
//! Invariant: the replica's version vector covers both parts.

use serde::{Deserialize, Serialize};

use crate::clock::{Hlc, Stamp};
use crate::crdt::version_vector::VersionVector;
use crate::id::Origin;

/// A summary of the writes that a replica has seen and of which its map has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Horizon {
    /// The newest collected tombstone of each origin.
    pub collected: VersionVector,
    /// The last stamp of each closed incarnation, as the members that closed it had it.
    pub closed: VersionVector,
}

impl Horizon {
    /// Returns a horizon that covers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the coverage of `other` to this horizon.
    pub fn merge(&mut self, other: &Self) {
        self.collected.merge(&other.collected);
        self.closed.merge(&other.closed);
    }

    /// Returns whether `vector` covers both parts.
    #[must_use]
    pub fn is_covered_by(&self, vector: &VersionVector) -> bool {
        vector.covers_all(&self.collected) && vector.covers_all(&self.closed)
    }

    /// Returns the latest reading among the collected tombstones; `None` without one.
    #[must_use]
    pub fn latest_collected(&self) -> Option<Hlc> {
        self.collected.iter().map(|slot| slot.hlc).max()
    }

    /// Iterates over the slots of both parts, each as the stamp of a write.
    pub fn iter(&self) -> impl Iterator<Item = Stamp> {
        self.collected.iter().chain(self.closed.iter())
    }

    /// Iterates over the origins of both parts.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.collected.origins().chain(self.closed.origins())
    }

    /// Returns whether a node of this version could have produced the horizon.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.collected.is_valid() && self.closed.is_valid()
    }
}
