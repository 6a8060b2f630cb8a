//! Observation: a node's own state, sent incrementally to an observer.
//!
//! Invariant: an observation is never merged into a map, so observing a node replicates nothing.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crdt::batch::Batch;
use crate::crdt::entry::Entry;
use crate::crdt::fingerprint::Fingerprint;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName};
use crate::payload::Payload;
use crate::protocol::PullOutcome;
use crate::time::UnixMillis;

/// A node's own state: counts, and the changes after a change number chosen by the observer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Observation<V: Payload> {
    /// The node's incarnation. Changes are numbered from 1 in each.
    pub incarnation: Incarnation,
    /// The change number after which this observation starts.
    pub since: u64,
    /// The change number up to which it extends; later changes follow in the next observation.
    pub until: u64,
    /// The node's wall clock, with which it decides whether a command has expired.
    pub wall: UnixMillis,
    /// The time by which the node judges the stamps of others; see [`Reference`](crate::Reference).
    pub reference: UnixMillis,
    /// The number of the node's newest change.
    pub head: u64,
    /// The keys removed between `since` and `until`. A key that was stored again is also in
    /// `changes`.
    pub removed: Vec<Key>,
    /// The entries stored between `since` and `until`, oldest first.
    pub changes: Changes<V>,
    /// The outcomes of the node's pulls after the one chosen by the observer, if they are still in
    /// the log.
    pub pulls: Vec<Pulled>,
    /// The number of the newest pull.
    pub pulls_until: u64,
    /// The interval at which the node begins pulls; `None` if it begins none.
    pub gossip_interval: Option<Duration>,
    /// The number of live entries.
    pub live: u64,
    /// The number of tombstones.
    pub tombstones: u64,
    /// The hash of all live entries.
    pub fingerprint: Fingerprint,
    /// The node's version vector.
    pub vector: VersionVector,
    /// The number of crashes since the node's process started.
    pub crashes: u32,
    /// True once it has joined the cluster.
    pub joined: bool,
}

/// Changes of a node's map, packed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Changes<V: Payload> {
    /// The number of each change.
    pub numbers: Vec<u64>,
    /// The entry that each change stored.
    pub entries: Batch<V>,
}

/// A change of a node's map.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<V: Payload> {
    /// The number of the change.
    pub number: u64,
    /// The key that changed.
    pub key: Key,
    /// The entry that was stored.
    pub entry: Arc<Entry<V>>,
}

impl<V: Payload> Default for Changes<V> {
    fn default() -> Self {
        Self { numbers: Vec::new(), entries: Batch::default() }
    }
}

impl<V: Payload> Changes<V> {
    /// Returns whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns whether there is one number for each entry.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.numbers.len() == self.entries.len()
    }

    /// Iterates over owned changes.
    pub fn iter(&self) -> impl Iterator<Item = Change<V>> {
        let pairs = self.numbers.iter().zip(self.entries.iter());
        pairs.map(|(number, (key, entry))| Change { number: *number, key, entry: entry.into() })
    }
}

impl<V: Payload> FromIterator<Change<V>> for Changes<V> {
    fn from_iter<I: IntoIterator<Item = Change<V>>>(changes: I) -> Self {
        let mut numbers = Vec::new();
        let with_its_number = |Change { number, key, entry }: Change<V>| {
            numbers.push(number);
            (key, Arc::unwrap_or_clone(entry))
        };
        let entries = changes.into_iter().map(with_its_number).collect();
        Self { numbers, entries }
    }
}

/// The outcome of a pull, as reported by the puller. Times are relative, since the puller's clock
/// may be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pulled {
    /// The source of the pull.
    pub source: NodeName,
    /// The time since the request was sent.
    pub asked_ago: Duration,
    /// The time since the pull ended.
    pub ended_ago: Duration,
    /// The outcome.
    pub outcome: PullOutcome,
}
