//! The records of a map, in lists of bounded size: a map that grows moves only the last of them.

use crate::crdt::map::index::SlotId;
use crate::id::Key;
use crate::payload::Payload;
use crate::time::UnixMillis;

/// The number of records in a list.
const LIST: usize = 1 << 10;

/// A stamp with its origin interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) wall: UnixMillis,
    pub(super) logical: u32,
    pub(super) origin: u32,
}

/// An entry in a map's form: what it has in common with other entries is interned.
#[derive(Clone, Debug)]
pub(super) struct Record<V: Payload> {
    pub(super) key: Key,
    pub(super) stamp: Mark,
    pub(super) born: Mark,
    /// The map's number for the change that stored it.
    pub(super) change: u64,
    pub(super) seen: Box<[Mark]>,
    /// `None` for a tombstone.
    pub(super) value: Option<V::Stored>,
}

impl<V: Payload> Record<V> {
    pub(super) fn is_tombstone(&self) -> bool {
        self.value.is_none()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Slab<V: Payload> {
    lists: Vec<Vec<Option<Record<V>>>>,
    free: Vec<SlotId>,
}

impl<V: Payload> Default for Slab<V> {
    fn default() -> Self {
        Self { lists: Vec::new(), free: Vec::new() }
    }
}

impl<V: Payload> Slab<V> {
    /// Returns the record in a slot that holds one.
    pub(super) fn at(&self, slot: SlotId) -> &Record<V> {
        self.lists[slot as usize / LIST][slot as usize % LIST].as_ref().expect("the slot is in use")
    }

    /// Returns the slot of the next record that is [put](Self::put) here.
    pub(super) fn next_slot(&self) -> SlotId {
        let used = self.lists.last().map_or(0, |last| (self.lists.len() - 1) * LIST + last.len());
        self.free.last().copied().unwrap_or_else(|| {
            SlotId::try_from(used).expect("memory ends before four billion records")
        })
    }

    pub(super) fn put(&mut self, record: Record<V>) {
        if let Some(slot) = self.free.pop() {
            return self.replace(slot, record);
        }
        if self.lists.last().is_none_or(|list| list.len() == LIST) {
            self.lists.push(Vec::new());
        }
        self.lists.last_mut().expect("the list just looked at").push(Some(record));
    }

    /// Puts `record` into a slot in use.
    pub(super) fn replace(&mut self, slot: SlotId, record: Record<V>) {
        self.lists[slot as usize / LIST][slot as usize % LIST] = Some(record);
    }

    pub(super) fn take(&mut self, slot: SlotId) -> Record<V> {
        self.free.push(slot);
        self.lists[slot as usize / LIST][slot as usize % LIST].take().expect("the slot is in use")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record<V>> {
        self.lists.iter().flatten().flatten()
    }
}
