//! The storage of a map's records: lists of bounded size, so that growing the map moves only the
//! last one.

use std::sync::Arc;

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

/// An entry as a map stores it. Parts that entries share are interned.
#[derive(Clone, Debug)]
pub(super) struct Record<V: Payload> {
    pub(super) key: Key,
    pub(super) stamp: Mark,
    pub(super) born: Mark,
    /// The number of the change that stored it.
    pub(super) change: u64,
    pub(super) seen: Box<[Mark]>,
    pub(super) value: Stored<V>,
}

/// The content of an entry as a map stores it.
#[derive(Clone, Debug)]
pub(super) enum Stored<V: Payload> {
    Live(V::Stored),
    Tombstone,
    Record(Arc<[u8]>),
    Unset,
}

impl<V: Payload> Record<V> {
    pub(super) fn is_tombstone(&self) -> bool {
        matches!(self.value, Stored::Tombstone | Stored::Unset)
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
    /// Returns the record in `slot`, which must be in use.
    pub(super) fn at(&self, slot: SlotId) -> &Record<V> {
        self.lists[slot as usize / LIST][slot as usize % LIST].as_ref().expect("the slot is in use")
    }

    /// Returns the slot that the next [`put`](Self::put) fills.
    pub(super) fn next_slot(&self) -> SlotId {
        let used = self.lists.last().map_or(0, |last| (self.lists.len() - 1) * LIST + last.len());
        self.free.last().copied().unwrap_or_else(|| {
            SlotId::try_from(used).expect("fewer than four billion records fit in memory")
        })
    }

    pub(super) fn put(&mut self, record: Record<V>) {
        if let Some(slot) = self.free.pop() {
            return self.replace(slot, record);
        }
        if self.lists.last().is_none_or(|list| list.len() == LIST) {
            self.lists.push(Vec::new());
        }
        self.lists.last_mut().expect("a list was pushed if there was none").push(Some(record));
    }

    /// Replaces the record in `slot`.
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
