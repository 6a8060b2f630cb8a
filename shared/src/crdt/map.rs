//! The map itself, with the indexes that let a delta cost its own size and never a scan.
//!
//! Records lie in lists, by a number that is their place, and say what they have in common with others by numbers, too: the origins of stamps,
//! the cities. A hash table finds the place of a key. Two orders of places find what an origin wrote after a reading, and what changed
//! here after a change. An order takes four bytes an entry, and almost always grows at its end.
//!
//! Invariants: every record has its place in the table once, in the order of changes once, and once in the order of its origin's writes; every
//! tombstone also in that of its origin's tombstones. The fingerprint is that of the living, kept as they change. An origin or a city is
//! interned as long as a record names it. Places and numbers that become free are used again; memory is given back with the map.

mod interned;
mod order;
mod records;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Bound;

use hashbrown::HashTable;
use hashbrown::hash_table;
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::{Hlc, Stamp};
use crate::crdt::batch::Packer;
use crate::crdt::{Batch, Entry, EntryRef, Fingerprint, Rank, VersionVector};
use crate::hero::{HeroRef, Location};
use crate::id::{HeroId, NodeName, Origin};
use interned::Interned;
use order::{Order, Place};
use records::{Mark, NOWHERE, Record, Records};

/// How many removals a map remembers for those who follow its changes.
const REMOVALS_MAX: usize = 10_000;

/// All that one replica holds: a live entry or a tombstone for every hero it has heard of.
#[derive(Clone, Debug, Default)]
pub struct Map {
    records: Records,
    places: HashTable<Place>,
    origins: Interned<Origin>,
    /// What each origin wrote of all this, by the origin's number.
    writes: Vec<Writes>,
    cities: Interned<NodeName>,
    by_change: Order<u64>,
    /// The newest removals, by the change that each was.
    removals: BTreeMap<u64, HeroId>,
    /// The newest removal that is not remembered any more; 0 for none.
    forgotten: u64,
    changes: u64,
    tombstones: usize,
    fingerprint: Fingerprint,
}

/// The places of what one origin wrote, in the order of the readings.
#[derive(Clone, Debug, Default)]
struct Writes {
    all: Order<Hlc>,
    tombstones: Order<Hlc>,
}

/// Two maps that hold the same have the same hash, however they came to it.
impl Hash for Map {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut held: Vec<(HeroId, Entry)> = self.iter().collect();
        held.sort_unstable_by_key(|(key, _)| *key);
        held.hash(state);
    }
}

impl Mark {
    fn hlc(self) -> Hlc {
        Hlc { wall: self.wall, logical: self.logical }
    }
}

fn hash_of(key: HeroId) -> u64 {
    xxh3_64(key.0.as_bytes())
}

impl Map {
    /// What is held under `key`.
    #[must_use]
    pub fn get(&self, key: HeroId) -> Option<Entry> {
        Some(self.entry(self.records.at(self.place_of(key)?)))
    }

    /// Whether anything is held under `key`.
    #[must_use]
    pub fn holds(&self, key: HeroId) -> bool {
        self.place_of(key).is_some()
    }

    /// The rank of what is held under `key`.
    #[must_use]
    pub fn rank(&self, key: HeroId) -> Option<Rank> {
        Some(self.rank_of(self.records.at(self.place_of(key)?)))
    }

    /// Everything, in an order that depends on how it came here.
    pub fn iter(&self) -> impl Iterator<Item = (HeroId, Entry)> {
        self.records.iter().map(|record| (record.key, self.entry(record)))
    }

    /// The living, in an order that depends on how they came here.
    pub fn heroes(&self) -> impl Iterator<Item = (HeroId, HeroRef<'_>)> {
        self.records.iter().filter_map(|record| Some((record.key, self.hero(record)?)))
    }

    /// Every key, with the rank of its entry and the stamp of its birth, in the order of [`iter`](Self::iter).
    pub fn stamps(&self) -> impl Iterator<Item = (HeroId, Rank, Stamp)> {
        self.records.iter().map(|record| (record.key, self.rank_of(record), self.stamp(record.born)))
    }

    /// How many heroes live here.
    #[must_use]
    pub fn live(&self) -> usize {
        self.places.len() - self.tombstones
    }

    /// How many tombstones stand here.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The hash of all of it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The origins of all that is held here, of births and of what was seen too, in their order.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.origins.starting(Bound::Unbounded).map(|(origin, _)| origin)
    }

    /// Makes room for so many keys in all, since they are about to come.
    pub fn make_room(&mut self, keys: usize) {
        let Self { places, records, .. } = self;
        places.reserve(keys.saturating_sub(places.len()), |place| hash_of(records.at(*place).key));
    }

    /// Takes `entry` if it beats what is held under `key`; says whether it did.
    pub fn merge(&mut self, key: HeroId, entry: &EntryRef<'_>) -> bool {
        let records = &self.records;
        let (is_same, hash) = (|place: &Place| records.at(*place).key == key, |place: &Place| hash_of(records.at(*place).key));
        let place = match self.places.entry(hash_of(key), is_same, hash) {
            hash_table::Entry::Occupied(held) => {
                let place = *held.get();
                if entry.rank() <= self.rank_of(self.records.at(place)) {
                    return false;
                }
                let record = self.record(key, entry);
                self.let_go(place);
                self.records.replace(place, record);
                place
            }
            hash_table::Entry::Vacant(free) => {
                let place = self.records.next_place();
                free.insert(place);
                let record = self.record(key, entry);
                self.records.put(record);
                place
            }
        };
        self.fingerprint.add(Fingerprint::of(key, entry.stamp, entry.hero));
        self.list(place);
        true
    }

    /// Forgets `key`, as if it had never been heard of. Only a replica that knows it to be dead may do that.
    pub fn remove(&mut self, key: HeroId) {
        let found = self.places.find_entry(hash_of(key), |place| self.records.at(*place).key == key);
        let Ok(found) = found else { return };
        let (place, _) = found.remove();
        self.let_go(place);
        self.records.take(place);
        self.changes += 1;
        self.removals.insert(self.changes, key);
        if self.removals.len() > REMOVALS_MAX
            && let Some((change, _)) = self.removals.pop_first()
        {
            self.forgotten = change;
        }
    }

    /// The record of `entry`, as the newest change. What it names is interned.
    fn record(&mut self, key: HeroId, entry: &EntryRef<'_>) -> Record {
        self.changes += 1;
        let (health, is_patrolling, name) = entry.hero.map_or((0, false, ""), |hero| (hero.health, hero.is_patrolling, hero.name));
        let city = match entry.hero.map(|hero| hero.location) {
            Some(Location::City(city)) => self.cities.take(city),
            Some(Location::Home) | None => NOWHERE,
        };
        Record {
            key,
            stamp: self.mark(entry.stamp),
            born: self.mark(entry.born),
            change: self.changes,
            seen: entry.seen.iter().map(|seen| self.mark(*seen)).collect(),
            name: name.into(),
            city,
            health,
            is_patrolling,
        }
    }

    /// Puts the record at `place` into the orders.
    fn list(&mut self, place: Place) {
        let Self { records, writes, by_change, tombstones, .. } = self;
        let record = records.at(place);
        by_change.insert(record.change, place, |place| records.at(place).change);
        let number = record.stamp.origin as usize;
        if writes.len() <= number {
            writes.resize_with(number + 1, Writes::default);
        }
        let hlc_of = |place| records.at(place).stamp.hlc();
        writes[number].all.insert(record.stamp.hlc(), place, hlc_of);
        if record.is_tombstone() {
            writes[number].tombstones.insert(record.stamp.hlc(), place, hlc_of);
            *tombstones += 1;
        }
    }

    /// Takes the record at `place` out of the orders and the fingerprint, and gives back what it had interned.
    fn let_go(&mut self, place: Place) {
        let record = self.records.at(place);
        self.fingerprint.subtract(Fingerprint::of(record.key, self.stamp(record.stamp), self.hero(record)));
        self.by_change.remove(record.change, place);
        let writes = &mut self.writes[record.stamp.origin as usize];
        writes.all.remove(record.stamp.hlc(), place);
        if record.is_tombstone() {
            writes.tombstones.remove(record.stamp.hlc(), place);
            self.tombstones -= 1;
        }
        for mark in [record.stamp, record.born].iter().chain(&record.seen) {
            self.origins.give_back(mark.origin);
        }
        if record.city != NOWHERE {
            self.cities.give_back(record.city);
        }
    }

    fn mark(&mut self, stamp: Stamp) -> Mark {
        Mark { wall: stamp.hlc.wall, logical: stamp.hlc.logical, origin: self.origins.take(stamp.origin) }
    }

    fn stamp(&self, mark: Mark) -> Stamp {
        Stamp { hlc: mark.hlc(), origin: self.origins.get(mark.origin) }
    }

    fn place_of(&self, key: HeroId) -> Option<Place> {
        self.places.find(hash_of(key), |place| self.records.at(*place).key == key).copied()
    }

    fn rank_of(&self, record: &Record) -> Rank {
        Rank { is_tombstone: record.is_tombstone(), stamp: self.stamp(record.stamp) }
    }

    fn hero<'a>(&self, record: &'a Record) -> Option<HeroRef<'a>> {
        let location = if record.city == NOWHERE { Location::Home } else { Location::City(self.cities.get(record.city)) };
        let Record { name, is_patrolling, health, .. } = record;
        (!record.is_tombstone()).then_some(HeroRef { name, location, is_patrolling: *is_patrolling, health: *health })
    }

    /// The entry in a record; `seen` is where what its writer had seen may be put.
    fn entry_ref<'a>(&self, record: &'a Record, seen: &'a mut Vec<Stamp>) -> EntryRef<'a> {
        seen.clear();
        seen.extend(record.seen.iter().map(|mark| self.stamp(*mark)));
        EntryRef { hero: self.hero(record), stamp: self.stamp(record.stamp), born: self.stamp(record.born), seen }
    }

    fn entry(&self, record: &Record) -> Entry {
        self.entry_ref(record, &mut Vec::new()).to_entry()
    }

    /// The tombstones that `vector` covers, with their stamps and those of their births.
    pub fn tombstones_covered_by<'a>(&'a self, vector: &'a VersionVector) -> impl Iterator<Item = (HeroId, Stamp, Stamp)> + 'a {
        self.origins
            .starting(Bound::Unbounded)
            .filter(|(_, number)| self.writes_of(*number).is_some_and(|writes| !writes.tombstones.is_empty()))
            .flat_map(|(origin, number)| {
                let highest = vector.highest(origin);
                let tombstones = self.writes[number as usize].tombstones.iter().map(|place| self.records.at(place));
                let covered = tombstones.take_while(move |record| highest.is_some_and(|highest| record.stamp.hlc() <= highest));
                covered.map(|record| (record.key, self.stamp(record.stamp), self.stamp(record.born)))
            })
    }

    /// What a replica with this vector lacks: every entry whose stamp it does not cover, per origin in the order
    /// of the stamps.
    pub fn delta<'a>(&'a self, base: &'a VersionVector) -> impl Iterator<Item = (HeroId, Entry)> {
        self.lacking(base).map(|record| (record.key, self.entry(record)))
    }

    /// The [delta](Self::delta) in batches of roughly so many bytes.
    #[must_use]
    pub fn packed_delta(&self, base: &VersionVector, batch_bytes: usize) -> Vec<Batch> {
        let (mut batches, mut packer, mut seen) = (Vec::new(), Packer::default(), Vec::new());
        for record in self.lacking(base) {
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

    fn lacking(&self, base: &VersionVector) -> impl Iterator<Item = &Record> {
        self.open_origins(base).flat_map(move |(number, highest)| {
            let hlc_of = |place| self.records.at(place).stamp.hlc();
            let after = highest.unwrap_or_default();
            self.writes[number as usize].all.starting(after, highest.is_some(), hlc_of).map(|place| self.records.at(place))
        })
    }

    /// The numbers of the origins that wrote some of all this, in their order, each with the highest reading that `base` covers, if any; but for
    /// those that it has closed. All the lives of a node that it has closed cost one look-up.
    fn open_origins(&self, base: &VersionVector) -> impl Iterator<Item = (u32, Option<Hlc>)> {
        let mut from = Bound::Unbounded;
        std::iter::from_fn(move || {
            loop {
                let (origin, number) = self.origins.starting(from).next()?;
                let open = base.closed_before(origin.node).filter(|open| origin.incarnation < *open);
                if let Some(incarnation) = open {
                    from = Bound::Included(Origin { incarnation, ..origin });
                    continue;
                }
                from = Bound::Excluded(origin);
                if self.writes_of(number).is_some() {
                    return Some((number, base.slot(origin)));
                }
            }
        })
    }

    /// What the origin of this number wrote; none where it is only named.
    fn writes_of(&self, number: u32) -> Option<&Writes> {
        self.writes.get(number as usize).filter(|writes| !writes.all.is_empty())
    }

    /// What stands here of the writes of this origin, oldest first.
    pub fn written_by(&self, origin: Origin) -> impl Iterator<Item = (HeroId, Entry)> {
        let writes = self.origins.number_of(origin).and_then(|number| self.writes_of(number));
        writes.into_iter().flat_map(|writes| writes.all.iter()).map(|place| {
            let record = self.records.at(place);
            (record.key, self.entry(record))
        })
    }

    /// The number of the newest change, counted from this map's beginning; 0 before the first.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether all removals after the change numbered `since` are still remembered; if not, only a start from nothing will do.
    #[must_use]
    pub fn remembers_since(&self, since: u64) -> bool {
        since >= self.forgotten
    }

    /// What was removed after the change numbered `since` and no later than `until`.
    pub fn removed_between(&self, since: u64, until: u64) -> impl Iterator<Item = HeroId> {
        self.removals
            .range((Bound::Excluded(since), Bound::Included(until.max(since + 1))))
            .filter(move |(change, _)| **change <= until)
            .map(|(_, key)| *key)
    }

    /// Whether something is held that came after the change numbered `since`.
    #[must_use]
    pub fn has_changed_since(&self, since: u64) -> bool {
        self.records_since(since).next().is_some()
    }

    /// What changed after the change numbered `since`, oldest first, each key once.
    pub fn changed_since(&self, since: u64) -> impl Iterator<Item = (u64, HeroId, Entry)> {
        self.records_since(since).map(|record| (record.change, record.key, self.entry(record)))
    }

    /// What [changed](Self::changed_since), in a batch of roughly so many bytes at most, with the number of each change.
    #[must_use]
    pub fn packed_changes(&self, since: u64, bytes_max: usize) -> (Vec<u64>, Batch) {
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

    fn records_since(&self, since: u64) -> impl Iterator<Item = &Record> {
        self.by_change.starting(since, true, |place| self.records.at(place).change).map(|place| self.records.at(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::Value;
    use crate::hero::Hero;
    use crate::id::Incarnation;
    use crate::time::UnixMillis;

    fn key(number: u128) -> HeroId {
        HeroId(uuid::Uuid::from_u128(number))
    }

    fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
        let origin = Origin { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) };
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
    }

    fn merge(map: &mut Map, number: u128, value: Value, stamp: Stamp) -> bool {
        map.merge(key(number), &Entry::written(value, stamp, None).as_entry_ref())
    }

    fn write(map: &mut Map, number: u128, stamp: Stamp) -> bool {
        merge(map, number, Value::Live(Hero::new("Ada".into())), stamp)
    }

    #[test]
    fn changes_and_removals_share_one_count_and_each_is_told_to_those_who_follow() {
        let mut map = Map::default();
        assert_eq!(map.changes(), 0);
        for number in 1..=4 {
            assert!(write(&mut map, number.into(), stamp("a", 1, number)));
        }
        map.remove(key(2));
        map.remove(key(7));
        map.remove(key(4));
        assert!(write(&mut map, 1, stamp("a", 1, 20)));
        assert!(!write(&mut map, 1, stamp("a", 1, 15)), "beaten, and no change");
        assert!(!write(&mut map, 1, stamp("a", 1, 20)), "the same again, and no change");
        assert_eq!(map.changes(), 7, "four heroes, two removals of what was held, one newer write");
        assert_eq!(map.changed_since(0).map(|(change, key, _)| (change, key)).collect::<Vec<_>>(), [(3, key(3)), (7, key(1))]);
        let removed = |since, until| map.removed_between(since, until).collect::<Vec<_>>();
        assert_eq!(removed(0, 7), [key(2), key(4)]);
        assert_eq!((removed(4, 5), removed(5, 6)), (vec![key(2)], vec![key(4)]));
        assert_eq!((removed(0, 4), removed(5, 5), removed(5, 3), removed(6, 7)), (vec![], vec![], vec![], vec![]));
    }

    #[test]
    fn only_the_newest_removals_are_remembered_and_it_is_known_since_when() {
        let mut map = Map::default();
        let held = REMOVALS_MAX as u64 + 2;
        (0..held).for_each(|number| assert!(write(&mut map, number.into(), stamp("a", 1, number))));
        let before = map.changes();
        (0..held - 2).for_each(|number| map.remove(key(number.into())));
        assert!(map.remembers_since(0), "all of them, yet");
        map.remove(key((held - 2).into()));
        assert_eq!([before, before + 1, before + 2].map(|since| map.remembers_since(since)), [false, true, true]);
        map.remove(key((held - 1).into()));
        assert_eq!([before, before + 1, before + 2].map(|since| map.remembers_since(since)), [false, false, true]);
        assert_eq!(map.removed_between(0, map.changes()).count(), REMOVALS_MAX);
        assert_eq!(map.removed_between(0, map.changes()).next(), Some(key(2)));
    }

    #[test]
    fn what_one_life_wrote_and_still_stands_is_found_oldest_first() {
        let mut map = Map::default();
        for (number, stamp) in
            [(1, stamp("b", 2, 30)), (2, stamp("b", 2, 10)), (3, stamp("b", 1, 5)), (4, stamp("a", 2, 5)), (5, stamp("b", 2, 20))]
        {
            write(&mut map, number, stamp);
        }
        write(&mut map, 5, stamp("a", 2, 40));
        let written: Vec<HeroId> = map.written_by(stamp("b", 2, 0).origin).map(|(key, _)| key).collect();
        assert_eq!(written, [key(2), key(1)]);
    }

    #[test]
    fn a_life_as_late_as_a_number_can_say_hides_no_other_writes() {
        let mut map = Map::default();
        let mut entry = Entry::written(Value::Tombstone, stamp("c", 1, 9), None);
        entry.born = stamp("a", u64::MAX, 1);
        map.merge(key(1), &entry.as_entry_ref());
        write(&mut map, 2, stamp("a", u64::MAX, 2));
        write(&mut map, 3, stamp("b", 1, 3));
        assert_eq!(map.delta(&VersionVector::new()).map(|(key, _)| key).collect::<Vec<_>>(), [key(2), key(3), key(1)]);
    }

    #[test]
    fn the_living_and_the_dead_are_counted_apart() {
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
