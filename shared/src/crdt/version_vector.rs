//! Version vectors: per origin, the highest reading seen.
//!
//! Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (1983). A slot is named by an
//! [`Origin`], incarnation included, so a restarted node starts a slot of its own and claims nothing for the dead one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::clock::{Hlc, Stamp};
use crate::id::Origin;

/// Per origin, the highest reading seen. An absent origin has been heard nothing of.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionVector(BTreeMap<Origin, Hlc>);

impl VersionVector {
    /// A vector that covers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The highest reading of `origin` that is covered, if any is.
    #[must_use]
    pub fn highest(&self, origin: Origin) -> Option<Hlc> {
        self.0.get(&origin).copied()
    }

    /// Whether the write with this stamp is covered.
    #[must_use]
    pub fn covers(&self, stamp: Stamp) -> bool {
        self.highest(stamp.origin).is_some_and(|highest| stamp.hlc <= highest)
    }

    /// Whether everything that `other` covers is covered here too.
    #[must_use]
    pub fn covers_all(&self, other: &Self) -> bool {
        other.iter().all(|stamp| self.covers(stamp))
    }

    /// Covers the write with this stamp, and with it everything its origin stamped before.
    pub fn advance(&mut self, stamp: Stamp) {
        let slot = self.0.entry(stamp.origin).or_insert(stamp.hlc);
        *slot = stamp.hlc.max(*slot);
    }

    /// Covers everything that `other` covers.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|stamp| self.advance(stamp));
    }

    /// What both cover.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let least = |stamp: Stamp| Some(Stamp { hlc: stamp.hlc.min(other.highest(stamp.origin)?), ..stamp });
        self.iter().filter_map(least).collect()
    }

    /// The slots, each as the stamp of the newest write it covers.
    pub fn iter(&self) -> impl Iterator<Item = Stamp> {
        self.0.iter().map(|(origin, hlc)| Stamp { hlc: *hlc, origin: *origin })
    }

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the slots with the lowest readings until `max` are left. What is dropped is then no longer covered,
    /// so this is for vectors that may forget (what a write had seen), never for a replica's own.
    pub fn forget_oldest(&mut self, max: usize) {
        while self.len() > max {
            let oldest = self.iter().min().expect("a vector longer than max has a slot");
            self.0.remove(&oldest.origin);
        }
    }

    /// A hash of the whole vector: equal vectors have equal hashes, and others practically never.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for Stamp { hlc, origin } in self.iter() {
            hash.update(origin.node.as_str().as_bytes());
            hash.update(&[0]);
            hash.update(&origin.incarnation.0.to_le_bytes());
            hash.update(&hlc.wall.0.to_le_bytes());
            hash.update(&hlc.logical.to_le_bytes());
        }
        hash.digest()
    }
}

impl FromIterator<Stamp> for VersionVector {
    fn from_iter<I: IntoIterator<Item = Stamp>>(stamps: I) -> Self {
        let mut vector = Self::new();
        stamps.into_iter().for_each(|stamp| vector.advance(stamp));
        vector
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
