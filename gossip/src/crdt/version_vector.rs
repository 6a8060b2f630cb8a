//! Version vectors: the highest reading seen from each origin.
//!
//! Parker et al., "Detection of Mutual Inconsistency in Distributed Systems" (1983). Slots are
//! keyed by [`Origin`], which includes the incarnation. So a restarted node starts a new slot, and
//! does not cover the earlier writes that it has lost.
//!
//! With a slot for each incarnation, a vector would grow with every restart. Ended incarnations are
//! therefore *closed* once all members have the same writes of them: one mark for each node covers
//! all incarnations before it. `replica/retire.rs` decides when an incarnation may be closed.
//!
//! Invariant: closed incarnations have no slots.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, RangeInclusive};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::clock::{Hlc, Stamp};
use crate::id::{Incarnation, NodeName, Origin};

/// The highest reading seen from each origin. An absent origin has no covered writes, unless it is
/// closed.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionVector {
    /// The first incarnation of each node that is not closed.
    closed: BTreeMap<NodeName, Incarnation>,
    slots: BTreeMap<Origin, Hlc>,
}

impl VersionVector {
    /// Returns a vector that covers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the highest covered reading of `origin`; [`Hlc::LAST`] if it is closed.
    #[must_use]
    pub fn highest(&self, origin: Origin) -> Option<Hlc> {
        if self.has_closed(origin) { Some(Hlc::LAST) } else { self.slot(origin) }
    }

    /// Returns the reading in the slot of `origin`; `None` if it is closed.
    #[must_use]
    pub fn slot(&self, origin: Origin) -> Option<Hlc> {
        self.slots.get(&origin).copied()
    }

    /// Returns whether the write with this stamp is covered.
    #[must_use]
    pub fn covers(&self, stamp: Stamp) -> bool {
        self.highest(stamp.origin).is_some_and(|highest| stamp.hlc <= highest)
    }

    /// Returns whether this vector covers all writes that `other` covers.
    #[must_use]
    pub fn covers_all(&self, other: &Self) -> bool {
        // Closed incarnations have no slots to compare, so the marks are compared.
        other
            .closed
            .iter()
            .all(|(node, before)| self.closed.get(node).is_some_and(|mine| mine >= before))
            && other.iter().all(|stamp| self.covers(stamp))
    }

    /// Covers the write with this stamp, and all earlier ones of its origin.
    pub fn advance(&mut self, stamp: Stamp) {
        if !self.has_closed(stamp.origin) {
            let slot = self.slots.entry(stamp.origin).or_insert(stamp.hlc);
            *slot = stamp.hlc.max(*slot);
        }
    }

    /// Returns whether `incarnation` is closed.
    #[must_use]
    pub fn has_closed(&self, incarnation: Origin) -> bool {
        self.closed.get(&incarnation.node).is_some_and(|before| incarnation.incarnation < *before)
    }

    /// Returns whether the incarnation has ended: a later one of its node has written, it is closed,
    /// or its node was forgotten.
    #[must_use]
    pub fn has_ended(&self, incarnation: Origin) -> bool {
        let newest = self.newest_incarnation(incarnation.node);
        self.has_closed(incarnation)
            || newest.is_some_and(|newest| newest > incarnation.incarnation)
    }

    /// Returns the mark of `node`: its first incarnation that is not closed. `None` if none is
    /// closed.
    #[must_use]
    pub fn closed_before(&self, node: NodeName) -> Option<Incarnation> {
        self.closed.get(&node).copied()
    }

    /// Closes every incarnation of `before.node` earlier than `before`.
    pub fn close(&mut self, before: Origin) {
        let mark = self.closed.entry(before.node).or_insert(before.incarnation);
        // Marks only move forward, so a closed incarnation is never reopened.
        *mark = before.incarnation.max(*mark);
        let before = Origin { incarnation: *mark, ..before };
        let ended: Vec<Origin> = self
            .incarnations(before.node)
            .map(|slot| slot.origin)
            .take_while(|incarnation| *incarnation < before)
            .collect();
        for incarnation in ended {
            self.slots.remove(&incarnation);
        }
    }

    /// Iterates over the slots of the incarnations of `node`, oldest first.
    pub fn incarnations(&self, node: NodeName) -> impl Iterator<Item = Stamp> {
        self.slots
            .range(all_incarnations(node))
            .map(|(origin, hlc)| Stamp { hlc: *hlc, origin: *origin })
    }

    /// Returns the newest incarnation of `node` that has a slot.
    #[must_use]
    pub fn newest_incarnation(&self, node: NodeName) -> Option<Incarnation> {
        self.slots.range(all_incarnations(node)).next_back().map(|(origin, _)| origin.incarnation)
    }

    /// Iterates over the nodes that have slots.
    pub fn nodes(&self) -> impl Iterator<Item = NodeName> {
        let mut next = self.slots.keys().next().map(|origin| origin.node);
        std::iter::from_fn(move || {
            let node = next?;
            let after = (Bound::Excluded(*all_incarnations(node).end()), Bound::Unbounded);
            next = self.slots.range(after).next().map(|(origin, _)| origin.node);
            Some(node)
        })
    }

    /// Adds the coverage of `other` to this vector.
    pub fn merge(&mut self, other: &Self) {
        other
            .closed
            .iter()
            .for_each(|(node, before)| self.close(Origin { node: *node, incarnation: *before }));
        other.iter().for_each(|stamp| self.advance(stamp));
    }

    /// Returns the vector that covers exactly the writes that both cover.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut both = Self::new();
        for (node, before) in &self.closed {
            if let Some(theirs) = other.closed.get(node) {
                both.close(Origin { node: *node, incarnation: *before.min(theirs) });
            }
        }
        // An incarnation that only one of the two has closed still has a slot in the other.
        for Stamp { origin, .. } in self.iter().chain(other.iter()) {
            if let (Some(mine), Some(theirs)) = (self.highest(origin), other.highest(origin)) {
                both.advance(Stamp { hlc: mine.min(theirs), origin });
            }
        }
        both
    }

    /// Iterates over the marks: for each node with closed incarnations, the first open one.
    pub fn marks(&self) -> impl Iterator<Item = Origin> {
        self.closed
            .iter()
            .map(|(node, incarnation)| Origin { node: *node, incarnation: *incarnation })
    }

    /// Iterates over the slots, each as the stamp of the newest covered write.
    pub fn iter(&self) -> impl Iterator<Item = Stamp> {
        self.slots.iter().map(|(origin, hlc)| Stamp { hlc: *hlc, origin: *origin })
    }

    /// Iterates over the origins of all marks and slots.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.marks().chain(self.slots.keys().copied())
    }

    /// Returns the number of slots and marks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() + self.closed.len()
    }

    /// Returns whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.closed.is_empty()
    }

    /// Returns whether a node of this version could have produced the vector.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.slots.keys().all(|origin| !self.has_closed(*origin))
    }

    /// Returns a hash of the whole vector.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        let update_origin = |hash: &mut Xxh3, origin: Origin| {
            hash.update(origin.node.as_str().as_bytes());
            // Names have no zero byte, so it separates the name from the number.
            hash.update(&[0]);
            hash.update(&origin.incarnation.to_bytes());
        };
        self.marks().for_each(|mark| update_origin(&mut hash, mark));
        // Separates marks from slots. No name is empty, so a slot cannot start with this byte.
        hash.update(&[0]);
        for Stamp { hlc, origin } in self.iter() {
            update_origin(&mut hash, origin);
            hash.update(&hlc.wall.0.to_le_bytes());
            hash.update(&hlc.logical.to_le_bytes());
        }
        hash.digest()
    }
}

/// Returns the range of all incarnations of `node`.
fn all_incarnations(node: NodeName) -> RangeInclusive<Origin> {
    let origin = |bytes| Origin { node, incarnation: Incarnation::from_bytes(bytes) };
    origin([0; 16])..=origin([u8::MAX; 16])
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
        let marks = self
            .marks()
            .map(|mark| (mark.node.to_string(), format!("closed before {}", mark.incarnation)));
        f.debug_map().entries(marks).entries(self.slots.iter()).finish()
    }
}
