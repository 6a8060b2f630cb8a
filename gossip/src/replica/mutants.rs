//! What a replica does instead, where a test has switched a rule off and the absence of code is not
//! enough.

use crate::crdt::batch::Batch;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{Replica, Rule};

impl<V: Payload> Replica<V> {
    /// Breaks [`Rule::VectorsWaitForTheEnd`]: a chunk is merged with its stamps before the round is
    /// whole.
    pub(super) fn merge_early(&mut self, source: Origin, round: u64, entries: &Batch<V>) {
        if self.keeps(Rule::VectorsWaitForTheEnd) || self.pull_of(source, round).is_none() {
            return;
        }
        for (key, entry) in entries.iter() {
            self.map.merge(key, &entry.as_entry_ref());
            self.vector.advance(entry.stamp);
        }
    }

    /// Breaks [`Rule::TheEndIsOfTheSnapshot`]: the end of a round will carry the vector of this
    /// moment.
    pub(super) fn date_end_late(&mut self, puller: NodeName) {
        if self.keeps(Rule::TheEndIsOfTheSnapshot) {
            return;
        }
        if let Some(serve) = self.serves.get_mut(&puller) {
            serve.replace_vector(self.vector.clone());
        }
    }
}
