//! The map, with indexes that make the cost of a delta proportional to its size: it needs no scan.
//!
//! Records are stored in a slab. They refer to shared data (origins of stamps, and the shared data
//! of the payload) by number. A hash table maps keys to slots. Two kinds of index list the slots by
//! origin and reading, and by change number. They take four bytes per entry and grow almost only at
//! their ends.
//!
//! Invariants: every record has its slot once in the hash table, once in the index of changes, and
//! once in the index of its origin's writes; every tombstone also in the index of its origin's
//! tombstones, and every record of a table in `records`. An interned value is in use as long
//! as a record refers to it. Free slots and numbers are reused; memory is released with the map.

mod index;
mod slab;

use std::collections::{BTreeMap, btree_map};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table;
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::{Hlc, Stamp};
use crate::crdt::batch::{Batch, Packer};
use crate::crdt::entry::{Entry, EntryRef, Rank, ValueRef};
use crate::crdt::fingerprint::Fingerprint;
use crate::crdt::interned::Interned;
use crate::crdt::records::Records;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Key, Origin};
use crate::payload::Payload;
use crate::table::Table;
use index::{Index, SlotId};
use slab::{Mark, Record, Slab, Stored};

/// The number of removals that a map keeps for followers of its changes.
const REMOVALS_MAX: usize = 10_000;

/// The entries of one replica. Each key has a live entry or a tombstone.
#[derive(Clone, Debug)]
pub struct Map<V: Payload> {
    slab: Slab<V>,
    slots: HashTable<SlotId>,
    origins: Interned<Origin>,
    /// The stored writes of each origin, by the origin's number.
    writes: Vec<Writes>,
    shared: V::Shared,
    by_change: Index<u64>,
    /// The newest removals, by change number.
    removals: BTreeMap<u64, Key>,
    /// The change number of the newest removal that was dropped from `removals`; 0 for none.
    last_dropped_removal: u64,
    changes: u64,
    /// The records in tables, by key.
    records: Records,
    application: TableSize,
    tables: BTreeMap<Table, TableSize>,
}

/// The stamps of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// The key.
    pub key: Key,
    /// The stamp of the write.
    pub stamp: Stamp,
    /// The stamp of the key's first write.
    pub born: Stamp,
    /// True if the key is deleted, or the register unset.
    pub is_tombstone: bool,
}

/// The size of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSize {
    /// The number of live entries.
    pub live: usize,
    /// The number of tombstones.
    pub tombstones: usize,
    /// The number of bytes of all records; 0 for the application's table.
    pub bytes: usize,
    /// The hash of the live entries.
    pub fingerprint: Fingerprint,
}

impl TableSize {
    /// Returns what an entry adds to the size of its table.
    #[inline]
    fn of<V: Payload>(key: Key, entry: &EntryRef<'_, '_, V>) -> Self {
        let bytes = match entry.value {
            ValueRef::Record(bytes) => bytes.len(),
            ValueRef::Live(_) | ValueRef::Tombstone | ValueRef::Unset => 0,
        };
        let tombstones = usize::from(entry.value.is_tombstone());
        let fingerprint = Fingerprint::of::<V>(key, entry.stamp, entry.value);
        Self { live: 1 - tombstones, tombstones, bytes, fingerprint }
    }

    fn add(&mut self, other: Self) {
        self.live += other.live;
        self.tombstones += other.tombstones;
        self.bytes += other.bytes;
        self.fingerprint.add(other.fingerprint);
    }

    fn subtract(&mut self, other: Self) {
        self.live -= other.live;
        self.tombstones -= other.tombstones;
        self.bytes -= other.bytes;
        self.fingerprint.subtract(other.fingerprint);
    }
}

impl<V: Payload> Default for Map<V> {
    fn default() -> Self {
        Self {
            slab: Slab::default(),
            slots: HashTable::new(),
            origins: Interned::default(),
            writes: Vec::new(),
            shared: V::Shared::default(),
            by_change: Index::default(),
            removals: BTreeMap::new(),
            last_dropped_removal: 0,
            changes: 0,
            records: Records::default(),
            application: TableSize::default(),
            tables: BTreeMap::new(),
        }
    }
}

/// The slots of one origin's writes, sorted by reading.
#[derive(Clone, Debug, Default)]
struct Writes {
    all: Index<Hlc>,
    tombstones: Index<Hlc>,
}

/// Maps with equal entries have equal hashes, regardless of the order of arrival.
impl<V: Payload> Hash for Map<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The order of records depends on the order of arrival, which must not affect the hash.
        let mut entries: Vec<(Key, Entry<V>)> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.hash(state);
    }
}

impl Mark {
    fn hlc(self) -> Hlc {
        Hlc { wall: self.wall, logical: self.logical }
    }
}

fn hash_of(key: Key) -> u64 {
    xxh3_64(key.as_bytes())
}

impl<V: Payload> Map<V> {
    /// Returns the entry of `key`.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Entry<V>> {
        Some(self.entry(self.slab.at(self.slot_of(key)?)))
    }

    /// Returns whether there is an entry for `key`.
    #[must_use]
    pub fn holds(&self, key: Key) -> bool {
        self.slot_of(key).is_some()
    }

    /// Returns the rank of the entry of `key`.
    #[must_use]
    pub fn rank(&self, key: Key) -> Option<Rank> {
        Some(self.rank_of(self.slab.at(self.slot_of(key)?)))
    }

    /// Iterates over all entries. The order is unspecified, and depends on the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Entry<V>)> {
        self.slab.iter().map(|record| (record.key, self.entry(record)))
    }

    /// Iterates over the live values of the application. The order is unspecified, and depends on
    /// the order of arrival.
    pub fn live_entries(&self) -> impl Iterator<Item = (Key, V::Ref<'_>)> {
        self.slab.iter().filter_map(|record| Some((record.key, self.value(record).live()?)))
    }

    /// Iterates over the stamps of all entries, in the order of [`iter`](Self::iter).
    pub fn stamps(&self) -> impl Iterator<Item = Stamps> {
        self.slab.iter().map(|record| Stamps {
            key: record.key,
            stamp: self.stamp(record.stamp),
            born: self.stamp(record.born),
            is_tombstone: record.is_tombstone(),
        })
    }

    /// Returns the records of all [tables](crate::Table).
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns the size of the application's table.
    #[must_use]
    pub fn application(&self) -> TableSize {
        self.application
    }

    /// Returns the size of a table.
    #[must_use]
    pub fn table(&self, table: Table) -> TableSize {
        self.tables.get(&table).copied().unwrap_or_default()
    }

    /// Iterates over the tables that have entries, and their sizes.
    pub fn tables(&self) -> impl Iterator<Item = (Table, TableSize)> {
        self.tables.iter().map(|(table, size)| (*table, *size))
    }

    /// Returns the number of live entries of the application.
    #[must_use]
    pub fn live(&self) -> usize {
        self.application.live
    }

    /// Returns the number of tombstones of the application.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.application.tombstones
    }

    /// Returns whether any table has tombstones.
    pub(crate) fn has_tombstones(&self) -> bool {
        self.application.tombstones > 0 || self.tables.values().any(|size| size.tombstones > 0)
    }

    /// Returns whether there are no entries, tombstones included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the hash of all live entries, of all tables.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut all = self.application.fingerprint;
        self.tables.values().for_each(|size| all.add(size.fingerprint));
        all
    }

    /// Iterates over the origins in the stamps of all entries, sorted.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.origins.starting(Bound::Unbounded).map(|(origin, _)| origin)
    }

    /// Reserves capacity for `keys` keys in total.
    pub fn reserve(&mut self, keys: usize) {
        let Self { slots, slab, .. } = self;
        slots.reserve(keys.saturating_sub(slots.len()), |slot| hash_of(slab.at(*slot).key));
    }

    /// Stores `entry` if it beats the entry of `key`. Returns whether it did.
    pub fn merge(&mut self, key: Key, entry: &EntryRef<'_, '_, V>) -> bool {
        // One lookup serves both the comparison and the insertion.
        let slab = &self.slab;
        let (is_same, hash) = (
            |slot: &SlotId| slab.at(*slot).key == key,
            |slot: &SlotId| hash_of(slab.at(*slot).key),
        );
        let slot = match self.slots.entry(hash_of(key), is_same, hash) {
            hash_table::Entry::Occupied(held) => {
                let slot = *held.get();
                if entry.rank() <= self.rank_of(self.slab.at(slot)) {
                    return false;
                }
                // The new record is made before the old one is released. So parts that both share
                // are not dropped and interned again.
                let record = self.record(key, entry);
                self.release(slot);
                self.slab.replace(slot, record);
                slot
            }
            hash_table::Entry::Vacant(free) => {
                let slot = self.slab.next_slot();
                free.insert(slot);
                let record = self.record(key, entry);
                self.slab.put(record);
                slot
            }
        };
        // From the entry at hand: the record would have to be looked up, and its parts loaded.
        self.list(slot, TableSize::of(key, entry));
        true
    }

    /// Merges `entry` into `key` like [`merge`](Self::merge). If both entries have the same stamp
    /// and different values, the one with the greater hash is kept. Two writes never have the same
    /// stamp, so this is needed only after a fault.
    pub fn merge_by_content(&mut self, key: Key, entry: &EntryRef<'_, '_, V>) -> bool {
        let hash =
            |entry: &EntryRef<'_, '_, V>| Fingerprint::of::<V>(key, entry.stamp, entry.value);
        if self.rank(key) == Some(entry.rank())
            && let Some(held) = self.get(key)
            && hash(&held.as_entry_ref()) < hash(entry)
        {
            self.remove(key);
        }
        self.merge(key, entry)
    }

    /// Removes `key` without leaving a tombstone. Only correct for keys whose tombstone may be
    /// collected.
    pub fn remove(&mut self, key: Key) {
        let found = self.slots.find_entry(hash_of(key), |slot| self.slab.at(*slot).key == key);
        let Ok(found) = found else { return };
        let (slot, _) = found.remove();
        self.release(slot);
        self.slab.take(slot);
        // Removals and stored entries share one sequence, so that a single number is a follower's
        // position.
        self.changes += 1;
        self.removals.insert(self.changes, key);
        if self.removals.len() > REMOVALS_MAX
            && let Some((change, _)) = self.removals.pop_first()
        {
            self.last_dropped_removal = change;
        }
    }

    /// Returns a record of `entry` with a new change number, and interns its shared parts.
    fn record(&mut self, key: Key, entry: &EntryRef<'_, '_, V>) -> Record<V> {
        self.changes += 1;
        let value = match entry.value {
            ValueRef::Live(value) => Stored::Live(V::store(value, &mut self.shared)),
            ValueRef::Tombstone => Stored::Tombstone,
            ValueRef::Record(bytes) => Stored::Record(bytes.into()),
            ValueRef::Unset => Stored::Unset,
        };
        Record {
            key,
            stamp: self.mark(entry.stamp),
            born: self.mark(entry.born),
            change: self.changes,
            seen: entry.seen.iter().map(|seen| self.mark(*seen)).collect(),
            value,
        }
    }

    /// Adds the record in `slot` to the indexes and to the size of its table.
    fn list(&mut self, slot: SlotId, weight: TableSize) {
        let record = self.slab.at(slot);
        if let Stored::Record(bytes) = &record.value {
            let (key, stamp, bytes) = (record.key, self.stamp(record.stamp), Arc::clone(bytes));
            self.records.insert(key, stamp, bytes);
        }
        let Self { slab, writes, by_change, application, tables, .. } = self;
        let record = slab.at(slot);
        match record.key.table() {
            None => application.add(weight),
            Some(table) => tables.entry(table).or_default().add(weight),
        }
        by_change.insert(record.change, slot, |slot| slab.at(slot).change);
        // Interned numbers are dense, so a `Vec` indexed by number serves as the map.
        let number = record.stamp.origin as usize;
        if writes.len() <= number {
            writes.resize_with(number + 1, Writes::default);
        }
        let hlc_of = |slot| slab.at(slot).stamp.hlc();
        writes[number].all.insert(record.stamp.hlc(), slot, hlc_of);
        if record.is_tombstone() {
            writes[number].tombstones.insert(record.stamp.hlc(), slot, hlc_of);
        }
    }

    /// Removes the record in `slot` from the indexes and from the size of its table, and releases
    /// its shared parts.
    fn release(&mut self, slot: SlotId) {
        let record = self.slab.at(slot);
        let (value, stamp) = (self.value(record), self.stamp(record.stamp));
        let weight = TableSize::of(record.key, &EntryRef { value, stamp, born: stamp, seen: &[] });
        match record.key.table() {
            None => self.application.subtract(weight),
            Some(table) => {
                self.records.remove(record.key);
                if let btree_map::Entry::Occupied(mut size) = self.tables.entry(table) {
                    size.get_mut().subtract(weight);
                    if *size.get() == TableSize::default() {
                        size.remove();
                    }
                }
            }
        }
        self.by_change.remove(record.change, slot);
        let writes = &mut self.writes[record.stamp.origin as usize];
        writes.all.remove(record.stamp.hlc(), slot);
        if record.is_tombstone() {
            writes.tombstones.remove(record.stamp.hlc(), slot);
        }
        for mark in [record.stamp, record.born].iter().chain(&record.seen) {
            self.origins.release(mark.origin);
        }
        if let Stored::Live(value) = &record.value {
            V::release(value, &mut self.shared);
        }
    }

    fn mark(&mut self, stamp: Stamp) -> Mark {
        Mark {
            wall: stamp.hlc.wall,
            logical: stamp.hlc.logical,
            origin: self.origins.take(stamp.origin),
        }
    }

    fn stamp(&self, mark: Mark) -> Stamp {
        Stamp { hlc: mark.hlc(), origin: self.origins.get(mark.origin) }
    }

    fn slot_of(&self, key: Key) -> Option<SlotId> {
        self.slots.find(hash_of(key), |slot| self.slab.at(*slot).key == key).copied()
    }

    fn rank_of(&self, record: &Record<V>) -> Rank {
        let is_final = matches!(record.value, Stored::Tombstone);
        Rank { is_final, stamp: self.stamp(record.stamp) }
    }

    #[inline]
    fn value<'a>(&'a self, record: &'a Record<V>) -> ValueRef<'a, V> {
        match &record.value {
            Stored::Live(value) => ValueRef::Live(V::load(value, &self.shared)),
            Stored::Tombstone => ValueRef::Tombstone,
            Stored::Record(bytes) => ValueRef::Record(bytes),
            Stored::Unset => ValueRef::Unset,
        }
    }

    /// Borrows the entry in a record. `seen` is a buffer for its seen writes.
    fn entry_ref<'a, 's>(
        &'a self,
        record: &'a Record<V>,
        seen: &'s mut Vec<Stamp>,
    ) -> EntryRef<'a, 's, V> {
        seen.clear();
        seen.extend(record.seen.iter().map(|mark| self.stamp(*mark)));
        EntryRef {
            value: self.value(record),
            stamp: self.stamp(record.stamp),
            born: self.stamp(record.born),
            seen,
        }
    }

    fn entry(&self, record: &Record<V>) -> Entry<V> {
        self.entry_ref(record, &mut Vec::new()).to_entry()
    }

    /// Iterates over the tombstones that `vector` covers, as key, stamp and birth stamp.
    pub fn tombstones_covered_by<'a>(
        &'a self,
        vector: &'a VersionVector,
    ) -> impl Iterator<Item = (Key, Stamp, Stamp)> + 'a {
        self.origins
            .starting(Bound::Unbounded)
            .filter(|(_, number)| {
                self.writes_of(*number).is_some_and(|writes| !writes.tombstones.is_empty())
            })
            .flat_map(|(origin, number)| {
                let highest = vector.highest(origin);
                let tombstones =
                    self.writes[number as usize].tombstones.iter().map(|slot| self.slab.at(slot));
                // The index is sorted by reading, so the first uncovered tombstone ends the search.
                let covered = tombstones.take_while(move |record| {
                    highest.is_some_and(|highest| record.stamp.hlc() <= highest)
                });
                covered
                    .map(|record| (record.key, self.stamp(record.stamp), self.stamp(record.born)))
            })
    }

    /// Iterates over the entries that `base` does not cover, sorted by origin and stamp.
    pub fn delta<'a>(&'a self, base: &'a VersionVector) -> impl Iterator<Item = (Key, Entry<V>)> {
        self.uncovered_by(base).map(|record| (record.key, self.entry(record)))
    }

    /// Returns the [delta](Self::delta) in batches of about `batch_bytes` bytes each.
    #[must_use]
    pub fn packed_delta(&self, base: &VersionVector, batch_bytes: usize) -> Vec<Batch<V>> {
        let (mut batches, mut packer, mut seen) = (Vec::new(), Packer::default(), Vec::new());
        for record in self.uncovered_by(base) {
            packer.push(record.key, &self.entry_ref(record, &mut seen));
            if packer.is_full(batch_bytes) {
                batches.push(std::mem::take(&mut packer).finish());
            }
        }
        if !packer.is_empty() {
            batches.push(packer.finish());
        }
        batches
    }

    fn uncovered_by(&self, base: &VersionVector) -> impl Iterator<Item = &Record<V>> {
        self.open_origins(base).flat_map(move |(number, highest)| {
            let hlc_of = |slot| self.slab.at(slot).stamp.hlc();
            let after = highest.unwrap_or_default();
            self.writes[number as usize]
                .all
                .starting(after, highest.is_some(), hlc_of)
                .map(|slot| self.slab.at(slot))
        })
    }

    /// Iterates over the numbers of the origins with stored writes, sorted by origin, each with the
    /// highest reading that `base` covers. Origins that `base` has closed are skipped; one lookup
    /// skips all closed incarnations of a node.
    fn open_origins(&self, base: &VersionVector) -> impl Iterator<Item = (u32, Option<Hlc>)> {
        let mut from = Bound::Unbounded;
        std::iter::from_fn(move || {
            loop {
                let (origin, number) = self.origins.starting(from).next()?;
                // All closed incarnations of a node are skipped by one jump to its first open one.
                let open =
                    base.closed_before(origin.node).filter(|open| origin.incarnation < *open);
                if let Some(incarnation) = open {
                    from = Bound::Included(Origin { incarnation, ..origin });
                    continue;
                }
                // `Excluded` instead of the next number: the highest incarnation has none.
                from = Bound::Excluded(origin);
                if self.writes_of(number).is_some() {
                    return Some((number, base.slot(origin)));
                }
            }
        })
    }

    /// Returns the stored writes of the origin with this number; `None` if entries only refer to
    /// it.
    fn writes_of(&self, number: u32) -> Option<&Writes> {
        self.writes.get(number as usize).filter(|writes| !writes.all.is_empty())
    }

    /// Iterates over the stored entries that `origin` wrote, oldest first.
    pub fn written_by(&self, origin: Origin) -> impl Iterator<Item = (Key, Entry<V>)> {
        let writes = self.origins.number_of(origin).and_then(|number| self.writes_of(number));
        writes.into_iter().flat_map(|writes| writes.all.iter()).map(|slot| {
            let record = self.slab.at(slot);
            (record.key, self.entry(record))
        })
    }

    /// Returns the number of the newest change, counted from 1; 0 before the first.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns whether all removals after change `since` are still listed. If not, a follower must
    /// start again from an empty map.
    #[must_use]
    pub fn remembers_since(&self, since: u64) -> bool {
        since >= self.last_dropped_removal
    }

    /// Iterates over the keys removed after change `since` and up to change `until`.
    pub fn removed_between(&self, since: u64, until: u64) -> impl Iterator<Item = Key> {
        // `range` panics on an inverted range, so `until` is raised, and the filter restores it.
        self.removals
            .range((Bound::Excluded(since), Bound::Included(until.max(since + 1))))
            .filter(move |(change, _)| **change <= until)
            .map(|(_, key)| *key)
    }

    /// Returns whether any entry was stored after change `since`.
    #[must_use]
    pub fn has_changed_since(&self, since: u64) -> bool {
        self.records_since(since).next().is_some()
    }

    /// Iterates over the entries stored after change `since`, oldest first, with their change
    /// numbers.
    pub fn changed_since(&self, since: u64) -> impl Iterator<Item = (u64, Key, Entry<V>)> {
        self.records_since(since).map(|record| (record.change, record.key, self.entry(record)))
    }

    /// Returns the entries that `writer` has stored after change `since` by its own writes.
    #[must_use]
    pub fn written_since(&self, since: u64, writer: Origin) -> Vec<(Key, Entry<V>)> {
        let written = self.changed_since(since).filter(|(.., entry)| entry.stamp.origin == writer);
        written.map(|(_, key, entry)| (key, entry)).collect()
    }

    /// Returns the [changes](Self::changed_since) as a batch of at most about `bytes_max` bytes,
    /// with the number of each change.
    #[must_use]
    pub fn packed_changes(&self, since: u64, bytes_max: usize) -> (Vec<u64>, Batch<V>) {
        let (mut numbers, mut packer, mut seen) = (Vec::new(), Packer::default(), Vec::new());
        for record in self.records_since(since) {
            packer.push(record.key, &self.entry_ref(record, &mut seen));
            numbers.push(record.change);
            if packer.is_full(bytes_max) {
                break;
            }
        }
        (numbers, packer.finish())
    }

    fn records_since(&self, since: u64) -> impl Iterator<Item = &Record<V>> {
        self.by_change
            .starting(since, true, |slot| self.slab.at(slot).change)
            .map(|slot| self.slab.at(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::entry;
    use crate::id::Incarnation;
    use crate::testing::Text;
    use crate::time::UnixMillis;

    type Value = entry::Value<Text>;
    type Map = super::Map<Text>;

    fn key(number: u128) -> Key {
        Key::from_u128(number)
    }

    fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
        let origin =
            Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(incarnation) };
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
    }

    fn merge(map: &mut Map, number: u128, value: Value, stamp: Stamp) -> bool {
        map.merge(key(number), &Entry::written(value, stamp, None).as_entry_ref())
    }

    fn write(map: &mut Map, number: u128, stamp: Stamp) -> bool {
        merge(map, number, Value::Live(Text::new("Ada")), stamp)
    }

    #[test]
    fn changes_and_removals_share_one_sequence() {
        let mut map = Map::default();
        assert_eq!(map.changes(), 0);
        for number in 1..=4 {
            assert!(write(&mut map, number.into(), stamp("a", 1, number)));
        }
        map.remove(key(2));
        map.remove(key(7));
        map.remove(key(4));
        assert!(write(&mut map, 1, stamp("a", 1, 20)));
        assert!(!write(&mut map, 1, stamp("a", 1, 15)), "a beaten entry is not a change");
        assert!(!write(&mut map, 1, stamp("a", 1, 20)), "an equal entry is not a change");
        assert_eq!(map.changes(), 7, "four entries, two removals of stored keys, one newer write");
        assert_eq!(
            map.changed_since(0).map(|(change, key, _)| (change, key)).collect::<Vec<_>>(),
            [(3, key(3)), (7, key(1))]
        );
        let removed = |since, until| map.removed_between(since, until).collect::<Vec<_>>();
        assert_eq!(removed(0, 7), [key(2), key(4)]);
        assert_eq!((removed(4, 5), removed(5, 6)), (vec![key(2)], vec![key(4)]));
        assert_eq!(
            (removed(0, 4), removed(5, 5), removed(5, 3), removed(6, 7)),
            (vec![], vec![], vec![], vec![])
        );
    }

    #[test]
    fn map_keeps_newest_removals_and_reports_since_when() {
        let mut map = Map::default();
        let held = REMOVALS_MAX as u64 + 2;
        (0..held).for_each(|number| assert!(write(&mut map, number.into(), stamp("a", 1, number))));
        let before = map.changes();
        (0..held - 2).for_each(|number| map.remove(key(number.into())));
        assert!(map.remembers_since(0), "all removals are still listed");
        map.remove(key((held - 2).into()));
        assert_eq!(
            [before, before + 1, before + 2].map(|since| map.remembers_since(since)),
            [false, true, true]
        );
        map.remove(key((held - 1).into()));
        assert_eq!(
            [before, before + 1, before + 2].map(|since| map.remembers_since(since)),
            [false, false, true]
        );
        assert_eq!(map.removed_between(0, map.changes()).count(), REMOVALS_MAX);
        assert_eq!(map.removed_between(0, map.changes()).next(), Some(key(2)));
    }

    #[test]
    fn written_by_lists_surviving_writes_oldest_first() {
        let mut map = Map::default();
        for (number, stamp) in [
            (1, stamp("b", 2, 30)),
            (2, stamp("b", 2, 10)),
            (3, stamp("b", 1, 5)),
            (4, stamp("a", 2, 5)),
            (5, stamp("b", 2, 20)),
        ] {
            write(&mut map, number, stamp);
        }
        write(&mut map, 5, stamp("a", 2, 40));
        let written: Vec<Key> =
            map.written_by(stamp("b", 2, 0).origin).map(|(key, _)| key).collect();
        assert_eq!(written, [key(2), key(1)]);
    }

    #[test]
    fn maximal_incarnation_hides_no_other_writes() {
        let mut map = Map::default();
        let mut entry = Entry::written(Value::Tombstone, stamp("c", 1, 9), None);
        entry.born = stamp("a", u64::MAX, 1);
        map.merge(key(1), &entry.as_entry_ref());
        write(&mut map, 2, stamp("a", u64::MAX, 2));
        write(&mut map, 3, stamp("b", 1, 3));
        assert_eq!(
            map.delta(&VersionVector::new()).map(|(key, _)| key).collect::<Vec<_>>(),
            [key(2), key(3), key(1)]
        );
    }

    #[test]
    fn live_entries_and_tombstones_are_counted_separately() {
        let mut map = Map::default();
        for number in 1..=5 {
            write(&mut map, number.into(), stamp("a", 1, number));
        }
        for number in 1..=2 {
            merge(&mut map, number.into(), Value::Tombstone, stamp("a", 1, 10 + number));
        }
        assert_eq!((map.live(), map.tombstones()), (3, 2));
        map.remove(key(1));
        assert_eq!((map.live(), map.tombstones()), (3, 1));
    }
}
