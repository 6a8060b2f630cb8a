//! Faulty behaviour for rules that a test has disabled, if skipping the check is not enough to
//! violate them.

use crate::crdt::batch::Batch;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{Replica, Rule};

impl<V: Payload> Replica<V> {
    /// Violates [`Rule::VectorsWaitForWholeRound`]: a chunk and its stamps are merged before the round
    /// is complete.
    pub(super) fn merge_early(&mut self, source: Origin, round: u64, entries: &Batch<V>) {
        if self.keeps(Rule::VectorsWaitForWholeRound) || self.pull_of(source, round).is_none() {
            return;
        }
        for (key, entry) in entries.iter() {
            self.map.merge(key, &entry.as_entry_ref());
            self.vector.advance(entry.stamp);
        }
    }

    /// Violates [`Rule::EndBelongsToSnapshot`]: the vector at the end of a round is replaced by
    /// the current one.
    pub(super) fn date_end_late(&mut self, puller: NodeName) {
        if self.keeps(Rule::EndBelongsToSnapshot) {
            return;
        }
        if let Some(serve) = self.serves.get_mut(&puller) {
            serve.replace_vector(self.vector.clone());
        }
    }
}
