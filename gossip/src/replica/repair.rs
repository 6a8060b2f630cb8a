//! Repair of a divergence: two replicas cover the same writes and hold different entries, because
//! one of them has lost entries (a fault of its memory, a bug) or a peer lies.
//!
//! Invariant: a repair takes entries and removes none, since it cannot know which of the two is
//! right: each of both takes what it is missing, and of two different entries the greater one.

use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Key, Origin};
use crate::payload::Payload;
use crate::replica::pull::Chunks;
use crate::replica::retire::SeenWrites;
use crate::replica::{Event, Replica, Rule};

impl<V: Payload> Replica<V> {
    /// Returns whether a source with this vector has seen nothing that is missing here, and all
    /// tombstones that were collected here. Then each entry that only the source holds was lost
    /// here.
    pub(super) fn is_equal_as_far_as_known(&self, vector: &VersionVector) -> bool {
        self.vector.covers_all(vector) && self.horizon.is_covered_by(vector)
    }

    /// Returns whether a source with this horizon may have collected tombstones that were not seen
    /// here. Only then a key that it does not hold can be a deleted one.
    pub(super) fn misses_collections(&self, horizon: &Horizon) -> bool {
        !self.vector.covers_all(&horizon.collected) || !self.keeps(Rule::RepairsRemoveNothing)
    }

    /// Removes entries without a trace, as a fault of memory does. For tests of repairs.
    #[doc(hidden)]
    pub fn lose_entries(&mut self, is_lost: impl Fn(Key) -> bool) {
        let mut lost: Vec<Key> =
            self.map.stamps().map(|held| held.key).filter(|key| is_lost(*key)).collect();
        lost.sort_unstable();
        lost.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Takes the entries that are missing here, or that are less than those of the peer.
    pub(super) fn repair(&mut self, peer: Origin, entries: &Chunks<V>) {
        if !self.keeps(Rule::RepairsRemoveNothing) {
            return;
        }
        let mut taken = 0;
        // The vector does not change during the merge.
        let mut seen = SeenWrites::new(&self.vector, &self.horizon);
        for batch in entries.batches() {
            let mut rows = batch.rows();
            while let Some((key, entry)) = rows.advance() {
                let is_taken = seen.has(entry.stamp) && self.map.merge_by_content(key, &entry);
                taken += usize::from(is_taken);
            }
        }
        if taken > 0 {
            self.event(Event::Repaired { peer, entries: taken });
        }
    }
}
