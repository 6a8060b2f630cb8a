//! The records of a map, in a persistent map: a clone costs a constant time and shares memory.

use std::ops::RangeInclusive;
use std::sync::Arc;

use imbl::OrdMap;

use crate::clock::Stamp;
use crate::id::Key;

/// The records that one replica held in all its [tables](crate::Table) at one moment. Cheap to
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Records(OrdMap<Key, Held>);

#[derive(Clone, Debug)]
struct Held {
    stamp: Stamp,
    bytes: Arc<[u8]>,
}

impl Records {
    /// Returns the record of a key, and the stamp of its write.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<(Stamp, &[u8])> {
        self.0.get(&key).map(|held| (held.stamp, &*held.bytes))
    }

    /// Iterates over the records in a range of keys, sorted by key.
    pub fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (Key, Stamp, &[u8])> {
        self.0.range(keys).map(|(key, held)| (*key, held.stamp, &*held.bytes))
    }

    /// Returns whether both are clones of one state. False is not a proof of a difference.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// Returns the number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, key: Key, stamp: Stamp, bytes: Arc<[u8]>) {
        self.0.insert(key, Held { stamp, bytes });
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.0.remove(&key);
    }
}
