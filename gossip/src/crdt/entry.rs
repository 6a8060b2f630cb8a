//! The state of one key, and the order that decides which of two entries of a key wins.
//!
//! Invariant: the order is total over the entries of a key. So merging, which keeps the greater
//! entry, is commutative, associative and idempotent.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::id::Key;
use crate::payload::Payload;
use crate::table::{self, Kind, Table};

/// The maximum number of origins in an entry's [`seen`](Entry::seen).
pub const SEEN_MAX: usize = 8;

/// The content of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value<V> {
    /// The value that was written.
    Live(V),
    /// The key is deleted permanently.
    Tombstone,
    /// The bytes of a record in one of the library's [tables](crate::Table).
    Record(Box<[u8]>),
    /// The key of a register has no value. A later write sets it again.
    Unset,
}

impl<V: Payload> Value<V> {
    /// Borrows the content.
    #[must_use]
    pub fn as_value_ref(&self) -> ValueRef<'_, V> {
        match self {
            Self::Live(value) => ValueRef::Live(V::borrow(value)),
            Self::Tombstone => ValueRef::Tombstone,
            Self::Record(bytes) => ValueRef::Record(bytes),
            Self::Unset => ValueRef::Unset,
        }
    }
}

/// A borrowed view of the content of a write.
#[derive(Debug)]
pub enum ValueRef<'a, V: Payload> {
    /// See [`Value::Live`].
    Live(V::Ref<'a>),
    /// See [`Value::Tombstone`].
    Tombstone,
    /// See [`Value::Record`].
    Record(&'a [u8]),
    /// See [`Value::Unset`].
    Unset,
}

impl<V: Payload> Clone for ValueRef<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Payload> Copy for ValueRef<'_, V> {}

impl<'a, V: Payload> ValueRef<'a, V> {
    /// Returns the value of the application.
    #[must_use]
    pub fn live(self) -> Option<V::Ref<'a>> {
        match self {
            Self::Live(value) => Some(value),
            Self::Tombstone | Self::Record(_) | Self::Unset => None,
        }
    }

    /// Returns whether the key is deleted, or the register unset.
    #[must_use]
    pub fn is_tombstone(self) -> bool {
        matches!(self, Self::Tombstone | Self::Unset)
    }

    fn to_value(self) -> Value<V> {
        match self {
            Self::Live(value) => Value::Live(V::to_owned(value)),
            Self::Tombstone => Value::Tombstone,
            Self::Record(bytes) => Value::Record(bytes.into()),
            Self::Unset => Value::Unset,
        }
    }
}

/// The winning write of one key among those that a replica has seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry<V> {
    /// The content.
    pub value: Value<V>,
    /// The stamp of this write.
    pub stamp: Stamp,
    /// The stamp of the key's first write. If a replica covers this stamp and holds no entry for
    /// the key, it has collected the key's tombstone, so the key is known to be deleted.
    pub born: Stamp,
    /// The writes to this key that the writer had seen. They do not affect the merge. They show
    /// afterwards whether a losing write was overwritten knowingly or was never seen by the winner.
    pub seen: Seen,
}

/// For each origin, the newest write to one key that the writer of an entry had seen. Limited to
/// the [`SEEN_MAX`] origins with the newest writes.
///
/// Invariant: sorted by origin, each origin once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seen(Vec<Stamp>);

/// The order of the entries of a key: the higher rank wins. A tombstone ranks above all other
/// entries, regardless of stamps. Between two tombstones, or two other entries, the later stamp
/// ranks higher. Unset registers are no tombstones in this sense: a later write wins over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// True for a tombstone: the key is deleted permanently. The first field, so that it decides
    /// before the stamp.
    pub is_final: bool,
    /// The stamp of the write.
    pub stamp: Stamp,
}

/// A borrowed view of an entry in a [`Batch`](crate::Batch) or a [`Map`](crate::Map).
#[derive(Debug)]
pub struct EntryRef<'a, 's, V: Payload> {
    /// The content.
    pub value: ValueRef<'a, V>,
    /// The stamp of this write.
    pub stamp: Stamp,
    /// The stamp of the key's first write.
    pub born: Stamp,
    /// The writes that the writer had seen, ordered as in [`Seen`].
    pub seen: &'s [Stamp],
}

impl<V: Payload> Clone for EntryRef<'_, '_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Payload> Copy for EntryRef<'_, '_, V> {}

impl Seen {
    /// Returns the writes seen by a writer that overwrites `over`: those of `over`, and `over`
    /// itself.
    fn after<V>(over: &Entry<V>) -> Self {
        let Self(mut seen) = over.seen.clone();
        match seen.binary_search_by_key(&over.stamp.origin, |stamp| stamp.origin) {
            Ok(at) => seen[at].hlc = seen[at].hlc.max(over.stamp.hlc),
            Err(at) => seen.insert(at, over.stamp),
        }
        // The oldest is evicted, so `had_seen` can treat anything older than the rest as seen.
        while seen.len() > SEEN_MAX
            && let Some(oldest) = seen.iter().min().copied()
        {
            seen.retain(|stamp| *stamp != oldest);
        }
        Self(seen)
    }

    /// Returns the writes, sorted by origin.
    #[must_use]
    pub fn stamps(&self) -> &[Stamp] {
        &self.0
    }

    /// Returns the newest of the writes.
    #[must_use]
    pub fn newest(&self) -> Option<Stamp> {
        self.0.iter().max().copied()
    }
}

impl<V: Payload> Entry<V> {
    /// Returns a write with this stamp that overwrites `over`, which is `None` for a new key. A
    /// write over an unset register is the birth of a new one.
    #[must_use]
    pub fn written(value: Value<V>, stamp: Stamp, over: Option<&Self>) -> Self {
        let is_set = !matches!(value, Value::Unset);
        let is_birth = |over: &&Self| is_set && matches!(over.value, Value::Unset);
        let born = over.filter(|over| !is_birth(over)).map_or(stamp, |over| over.born);
        Self { value, stamp, born, seen: over.map(Seen::after).unwrap_or_default() }
    }

    /// Returns the entry's rank among the entries of its key.
    #[must_use]
    pub fn rank(&self) -> Rank {
        self.as_entry_ref().rank()
    }

    /// Returns whether this entry wins over `other`.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    /// Returns whether the key is deleted, or the register unset.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.value, Value::Tombstone | Value::Unset)
    }

    /// Returns whether a node of this version could have written the entry to `key`.
    #[must_use]
    pub fn is_valid(&self, key: Key) -> bool {
        self.as_entry_ref().is_valid(key)
    }

    /// Returns the value of the application; `None` for a tombstone and for a record.
    #[must_use]
    pub fn live(&self) -> Option<&V> {
        match &self.value {
            Value::Live(value) => Some(value),
            Value::Tombstone | Value::Record(_) | Value::Unset => None,
        }
    }

    /// Returns whether the writer had seen the write with this stamp. If [`seen`](Self::seen) is
    /// full, a write older than all its stamps counts as seen, since its origin may have been
    /// evicted.
    #[must_use]
    pub fn had_seen(&self, stamp: Stamp) -> bool {
        self.as_entry_ref().had_seen(stamp)
    }

    /// Borrows the entry.
    #[must_use]
    pub fn as_entry_ref(&self) -> EntryRef<'_, '_, V> {
        EntryRef {
            value: self.value.as_value_ref(),
            stamp: self.stamp,
            born: self.born,
            seen: self.seen.stamps(),
        }
    }
}

impl<V: Payload> EntryRef<'_, '_, V> {
    /// Returns the entry's rank among the entries of its key.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank { is_final: matches!(self.value, ValueRef::Tombstone), stamp: self.stamp }
    }

    /// Returns whether the writer had seen the write with this stamp; see [`Entry::had_seen`].
    #[must_use]
    pub fn had_seen(&self, stamp: Stamp) -> bool {
        let evicted = self.seen.len() == SEEN_MAX
            && self.seen.iter().all(|remembered| stamp.hlc < remembered.hlc);
        stamp == self.stamp
            || evicted
            || self.seen.iter().any(|seen| seen.origin == stamp.origin && stamp.hlc <= seen.hlc)
    }

    /// Returns whether a node of this version could have written the entry to `key`.
    #[must_use]
    pub fn is_valid(&self, key: Key) -> bool {
        let is_possible = match (key.table().map(Table::kind), self.value) {
            (None, ValueRef::Live(value)) => V::is_valid(value),
            (None | Some(Kind::Once), ValueRef::Tombstone)
            | (Some(Kind::Register), ValueRef::Unset) => true,
            (Some(_), ValueRef::Record(bytes)) => {
                table::is_valid(key, bytes, self.stamp, self.born)
            }
            (
                _,
                ValueRef::Live(_) | ValueRef::Tombstone | ValueRef::Record(_) | ValueRef::Unset,
            ) => false,
        };
        self.seen.len() <= SEEN_MAX
            && self.seen.is_sorted_by(|a, b| a.origin < b.origin)
            && self.born.hlc <= self.stamp.hlc
            && is_possible
    }

    /// Returns the entry in owned form.
    #[must_use]
    pub fn to_entry(&self) -> Entry<V> {
        let Self { value, stamp, born, seen } = *self;
        Entry { value: value.to_value(), stamp, born, seen: Seen(seen.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hlc;
    use crate::id::{Incarnation, Origin};
    use crate::testing::Text;
    use crate::time::UnixMillis;

    fn stamp(node: &str, wall: u64) -> Stamp {
        Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical: 0 },
            origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(1) },
        }
    }

    type Value = super::Value<Text>;
    type Entry = super::Entry<Text>;

    fn live(text: &str) -> Value {
        Value::Live(Text::new(text))
    }

    /// The last of a sequence of writes, each of which overwrites the one before.
    fn chain(writes: impl IntoIterator<Item = Stamp>) -> Entry {
        let last = writes.into_iter().fold(None, |over: Option<Entry>, stamp| {
            Some(Entry::written(live("Ada"), stamp, over.as_ref()))
        });
        last.expect("at least one write")
    }

    #[test]
    fn write_has_seen_only_itself_and_overwritten_writes() {
        let entry = chain([stamp("a", 10), stamp("b", 20), stamp("c", 30)]);
        for known in [stamp("a", 10), stamp("a", 9), stamp("b", 20), stamp("c", 30)] {
            assert!(entry.had_seen(known), "{known}");
        }
        for unknown in [
            stamp("a", 11),
            stamp("b", 21),
            stamp("c", 29),
            stamp("c", 31),
            stamp("d", 5),
            stamp("d", 30),
        ] {
            assert!(!entry.had_seen(unknown), "{unknown}");
        }
    }

    #[test]
    fn write_older_than_all_remembered_counts_as_seen() {
        let writers = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let writes = || writers.iter().zip(10..).map(|(node, wall)| stamp(node, wall));
        let entry = chain(writes());
        assert_eq!(
            entry.seen.stamps().iter().map(|seen| seen.hlc.wall.0).collect::<Vec<_>>(),
            [11, 12, 13, 14, 15, 16, 17, 18],
            "the stamp of a was evicted"
        );
        assert!(entry.had_seen(stamp("a", 10)) && entry.had_seen(stamp("z", 10)));
        assert!(!entry.had_seen(stamp("z", 11)) && !entry.had_seen(stamp("z", 15)));
        let shorter = chain(writes().skip(2));
        assert_eq!(shorter.seen.stamps().len(), SEEN_MAX - 1);
        assert!(!shorter.had_seen(stamp("z", 5)), "nothing was evicted");
    }

    #[test]
    fn impossible_entries_are_invalid() {
        let possible = chain([stamp("a", 10), stamp("b", 20)]);
        assert!(possible.is_valid(Key::MIN) && chain([stamp("a", 10)]).is_valid(Key::MIN));
        assert!(Entry { value: Value::Tombstone, ..possible.clone() }.is_valid(Key::MIN));
        let invalid_value = Entry { value: live(""), ..possible.clone() };
        let born_after_write = Entry { born: stamp("a", 21), ..possible.clone() };
        let seen = |nodes: &[&str]| Seen(nodes.iter().map(|node| stamp(node, 5)).collect());
        let nodes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert!(Entry { seen: seen(&nodes[..SEEN_MAX]), ..possible.clone() }.is_valid(Key::MIN));
        let too_many_seen = Entry { seen: seen(&nodes), ..possible.clone() };
        let duplicate_origin = Entry { seen: seen(&["a", "a"]), ..possible.clone() };
        let unsorted = Entry { seen: seen(&["b", "a"]), ..possible };
        for impossible in
            [invalid_value, born_after_write, too_many_seen, duplicate_origin, unsorted]
        {
            assert!(!impossible.is_valid(Key::MIN), "{impossible:?}");
        }
    }
}
