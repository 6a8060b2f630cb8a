//! The map itself, with the indexes that let a delta cost its own size and never a scan.
//!
//! Invariants: every entry is in `by_stamp` once and in `by_change` once, every tombstone in `tombstones`; the fingerprint
//! is that of the living, kept as they change.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::clock::{Hlc, Stamp};
use crate::crdt::{Entry, Value, VersionVector};
use crate::hero::Location;
use crate::id::{HeroId, Incarnation, Origin};

/// A hash of every living hero a map holds. It is a sum of the entries' hashes, so it does not depend on the order in which
/// they arrived, and one change costs one addition. Tombstones are left out: replicas that cover the same may have collected
/// different ones, and differ in nothing that anybody can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(u128);

impl Fingerprint {
    fn of(key: HeroId, entry: &Entry) -> Self {
        let Value::Live(hero) = &entry.value else { return Self::default() };
        let mut hash = Xxh3::new();
        hash.update(key.0.as_bytes());
        hash.update(entry.stamp.origin.node.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(&entry.stamp.origin.incarnation.0.to_le_bytes());
        hash.update(&entry.stamp.hlc.wall.0.to_le_bytes());
        hash.update(&entry.stamp.hlc.logical.to_le_bytes());
        // The stamp names the value; hashing the value too makes a broken promise show.
        let place = match &hero.location {
            Location::Home => "",
            Location::City(name) => name.as_str(),
        };
        hash.update(&[u8::from(hero.is_patrolling), hero.health]);
        hash.update(place.as_bytes());
        hash.update(&[0]);
        hash.update(hero.name.as_bytes());
        Self(hash.digest128())
    }

    fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn subtract(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// How many removals a map remembers for those who follow its changes.
const REMOVALS_MAX: usize = 10_000;

/// An entry and its place in the order of this map's own changes.
#[derive(Clone, Debug)]
struct Slot {
    entry: Arc<Entry>,
    change: u64,
}

/// All that one replica holds: a live entry or a tombstone for every hero it has heard of.
#[derive(Clone, Debug, Default)]
pub struct Map {
    slots: BTreeMap<HeroId, Slot>,
    by_stamp: BTreeMap<(Origin, Hlc), HeroId>,
    by_change: BTreeMap<u64, HeroId>,
    /// The newest removals, by the change that each was.
    removals: BTreeMap<u64, HeroId>,
    /// The newest removal that is not remembered any more; 0 for none.
    forgotten: u64,
    changes: u64,
    tombstones: BTreeMap<(Origin, Hlc), HeroId>,
    fingerprint: Fingerprint,
}

/// Two maps that hold the same have the same hash, however they came to it.
impl Hash for Map {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|held| held.hash(state));
    }
}

impl Map {
    /// What is held under `key`.
    #[must_use]
    pub fn get(&self, key: HeroId) -> Option<&Arc<Entry>> {
        self.slots.get(&key).map(|slot| &slot.entry)
    }

    /// Everything, by key.
    pub fn iter(&self) -> impl Iterator<Item = (HeroId, &Arc<Entry>)> {
        self.slots.iter().map(|(key, slot)| (*key, &slot.entry))
    }

    /// How many heroes live here.
    #[must_use]
    pub fn live(&self) -> usize {
        self.slots.len() - self.tombstones.len()
    }

    /// How many tombstones stand here.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// The hash of all of it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Takes `entry` if it beats what is held under `key`; says whether it did.
    pub fn merge(&mut self, key: HeroId, entry: Arc<Entry>) -> bool {
        if self.slots.get(&key).is_some_and(|held| !entry.beats(&held.entry)) {
            return false;
        }
        self.take_out(key);
        self.changes += 1;
        let (origin, hlc) = (entry.stamp.origin, entry.stamp.hlc);
        self.by_stamp.insert((origin, hlc), key);
        self.by_change.insert(self.changes, key);
        if entry.is_tombstone() {
            self.tombstones.insert((origin, hlc), key);
        }
        self.fingerprint.add(Fingerprint::of(key, &entry));
        self.slots.insert(key, Slot { entry, change: self.changes });
        true
    }

    /// Forgets `key`, as if it had never been heard of. Only a replica that knows it to be dead may do that.
    pub fn remove(&mut self, key: HeroId) {
        if self.take_out(key) {
            self.changes += 1;
            self.removals.insert(self.changes, key);
            if self.removals.len() > REMOVALS_MAX
                && let Some((change, _)) = self.removals.pop_first()
            {
                self.forgotten = change;
            }
        }
    }

    fn take_out(&mut self, key: HeroId) -> bool {
        let Some(Slot { entry, change }) = self.slots.remove(&key) else { return false };
        let place = (entry.stamp.origin, entry.stamp.hlc);
        self.by_stamp.remove(&place);
        self.by_change.remove(&change);
        self.tombstones.remove(&place);
        self.fingerprint.subtract(Fingerprint::of(key, &entry));
        true
    }

    /// The tombstones that `vector` covers, with their stamps.
    pub fn tombstones_covered_by<'a>(&'a self, vector: &'a VersionVector) -> impl Iterator<Item = (HeroId, Stamp)> + 'a {
        let of_origin = |highest: Stamp| self.tombstones.range((highest.origin, Hlc::default())..=(highest.origin, highest.hlc));
        let of_closed = |mark: Origin| {
            let first = Origin { incarnation: Incarnation(0), ..mark };
            self.tombstones.range((first, Hlc::default())..(mark, Hlc::default()))
        };
        vector
            .marks()
            .flat_map(of_closed)
            .chain(vector.iter().flat_map(of_origin))
            .map(|((origin, hlc), key)| (*key, Stamp { hlc: *hlc, origin: *origin }))
    }

    /// What a replica with this vector lacks: every entry whose stamp it does not cover, per origin in the order
    /// of the stamps.
    pub fn delta<'a>(&'a self, base: &'a VersionVector) -> impl Iterator<Item = (HeroId, &'a Arc<Entry>)> {
        // Walks the origins by seeking past each one's last possible reading, so an origin the base covers
        // costs one look-up, and so do all the lives of a node that the base has closed.
        let mut from = Bound::Unbounded;
        let origins = std::iter::from_fn(move || {
            loop {
                let (origin, _) = *self.by_stamp.range((from, Bound::Unbounded)).next()?.0;
                let open = base.closed_before(origin.node).filter(|open| origin.incarnation < *open);
                let Some(incarnation) = open else {
                    from = Bound::Excluded((origin, Hlc::LAST));
                    return Some(origin);
                };
                from = Bound::Included((Origin { incarnation, ..origin }, Hlc::default()));
            }
        });
        origins
            .flat_map(move |origin| {
                let after = match base.highest(origin) {
                    Some(hlc) => Bound::Excluded((origin, hlc)),
                    None => Bound::Included((origin, Hlc::default())),
                };
                self.by_stamp.range((after, Bound::Included((origin, Hlc::LAST))))
            })
            .filter_map(|(_, key)| Some((*key, self.get(*key)?)))
    }

    /// What stands here of the writes of this origin, oldest first.
    pub fn written_by(&self, origin: Origin) -> impl Iterator<Item = (HeroId, &Arc<Entry>)> {
        let written = self.by_stamp.range((origin, Hlc::default())..=(origin, Hlc::LAST));
        written.filter_map(|(_, key)| Some((*key, self.get(*key)?)))
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

    /// What changed after the change numbered `since`, oldest first, each key once.
    pub fn changed_since(&self, since: u64) -> impl Iterator<Item = (u64, HeroId, &Arc<Entry>)> {
        let later = self.by_change.range((Bound::Excluded(since), Bound::Unbounded));
        later.filter_map(|(change, key)| Some((*change, *key, self.get(*key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hero::Hero;
    use crate::time::UnixMillis;

    fn key(number: u128) -> HeroId {
        HeroId(uuid::Uuid::from_u128(number))
    }

    fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
        let origin = Origin { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) };
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
    }

    fn live(stamp: Stamp) -> Arc<Entry> {
        Arc::new(Entry::written(Value::Live(Hero::new("Ada".into())), stamp, None))
    }

    #[test]
    fn changes_and_removals_share_one_count_and_each_is_told_to_those_who_follow() {
        let mut map = Map::default();
        assert_eq!(map.changes(), 0);
        for number in 1..=4 {
            assert!(map.merge(key(number.into()), live(stamp("a", 1, number))));
        }
        map.remove(key(2));
        map.remove(key(7));
        map.remove(key(4));
        assert!(map.merge(key(1), live(stamp("a", 1, 20))));
        assert!(!map.merge(key(1), live(stamp("a", 1, 15))), "beaten, and no change");
        assert!(!map.merge(key(1), live(stamp("a", 1, 20))), "the same again, and no change");
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
        (0..held).for_each(|number| assert!(map.merge(key(number.into()), live(stamp("a", 1, number)))));
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
            map.merge(key(number), live(stamp));
        }
        map.merge(key(5), live(stamp("a", 2, 40)));
        let written: Vec<HeroId> = map.written_by(stamp("b", 2, 0).origin).map(|(key, _)| key).collect();
        assert_eq!(written, [key(2), key(1)]);
    }

    #[test]
    fn the_living_and_the_dead_are_counted_apart() {
        let mut map = Map::default();
        for number in 1..=5 {
            map.merge(key(number.into()), live(stamp("a", 1, number)));
        }
        for number in 1..=2 {
            map.merge(key(number.into()), Arc::new(Entry::written(Value::Tombstone, stamp("a", 1, 10 + number), None)));
        }
        assert_eq!((map.live(), map.tombstones()), (3, 2));
        map.remove(key(1));
        assert_eq!((map.live(), map.tombstones()), (3, 1));
    }
}
