//! Version vectors are truthful. Each covered write is held, or beaten by the held entry, or beaten
//! by a covered tombstone that was collected. Each held entry is covered.

use std::collections::{BTreeMap, BTreeSet};

use gossip::types::{counter, room};
use gossip::{Kind, Origin, Stamp, VersionVector};
use shared::hero::HeroId;
use shared::{Entry, Map, Value};

use crate::checker::rank::{Rank, rank};

/// All writes observed at any replica.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    all: BTreeMap<Stamp, (HeroId, bool)>,
    deletions: BTreeMap<HeroId, Vec<Stamp>>,
    collected: BTreeSet<Stamp>,
}

impl Writes {
    /// Records a write. A stamp must always name the same write.
    ///
    /// # Errors
    /// Returns a stamp that names two writes.
    pub fn note(&mut self, key: HeroId, (is_tombstone, stamp): Rank) -> Result<(), String> {
        // Every replica that merges a write reports it again.
        if is_tombstone && !self.all.contains_key(&stamp) {
            self.deletions.entry(key).or_default().push(stamp);
        }
        match self.all.insert(stamp, (key, is_tombstone)) {
            Some(before) if before != (key, is_tombstone) => Err(format!(
                "the stamp {stamp} names two writes: {before:?} and {:?}",
                (key, is_tombstone)
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Records the write that made an entry.
    ///
    /// # Errors
    /// Returns a stamp that names two writes.
    pub fn note_entry(&mut self, key: HeroId, entry: &Entry) -> Result<(), String> {
        if matches!(entry.value, Value::Unset) && !self.all.contains_key(&entry.stamp) {
            self.deletions.entry(key).or_default().push(entry.stamp);
        }
        self.note(key, rank(entry))
    }

    /// Returns whether the vector covers a deletion that beats this write to the key.
    #[must_use]
    pub fn covers_deletion(&self, key: HeroId, write: Rank, vector: &VersionVector) -> bool {
        let beats = |deletion: Stamp| (key.kind() == Kind::Once, deletion) >= write;
        self.deletions.get(&key).is_some_and(|deletions| {
            deletions.iter().any(|deletion| vector.covers(*deletion) && beats(*deletion))
        })
    }

    /// Records that a replica has collected these tombstones.
    pub fn note_collected(&mut self, tombstones: &[Stamp]) {
        self.collected.extend(tombstones);
    }

    /// Returns the highest tombstone of this hero that is both covered and collected.
    fn collected(&self, key: HeroId, vector: &VersionVector) -> Option<Rank> {
        let collected = self
            .deletions
            .get(&key)?
            .iter()
            .filter(|deletion| self.collected.contains(deletion) && vector.covers(**deletion));
        collected.max().map(|deletion| (key.kind() == Kind::Once, *deletion))
    }

    /// Returns whether a write of this hero was recorded.
    #[must_use]
    pub fn contains(&self, key: HeroId) -> bool {
        self.all.values().any(|(written, _)| *written == key)
    }

    /// Iterates over the keys and stamps of all writes.
    pub fn iter(&self) -> impl Iterator<Item = (HeroId, Stamp)> {
        self.all.iter().map(|(stamp, (key, _))| (*key, *stamp))
    }

    /// Returns the number of writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether no write was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Checks that the map contains every write that the vector covers, unless a later write replaced
/// it. `held` contains the stamps of all entries that any replica holds. It is needed for closing
/// marks: a mark covers every write of the closed incarnations, and some of those writes were lost
/// with them.
///
/// # Errors
/// Returns the first write that is covered but missing.
pub fn no_overclaim(
    writes: &Writes,
    map: &Map,
    vector: &VersionVector,
    held: &BTreeSet<Stamp>,
) -> Result<(), String> {
    for (stamp, (key, is_tombstone)) in &writes.all {
        if !vector.covers(*stamp) || vector.has_closed(stamp.origin) && !held.contains(stamp) {
            continue;
        }
        if is_pruned(*key, *stamp, map, vector) {
            continue;
        }
        if key.kind() == Kind::Ephemeral && has_ended(vector, stamp.origin) {
            continue;
        }
        let present = map.get(*key).map(|entry| rank(&entry));
        if present.max(writes.collected(*key, vector)) < Some((*is_tombstone, *stamp)) {
            let actual =
                present.map_or("nothing".into(), |(_, held)| format!("only the lower {held}"));
            return Err(format!("covers {stamp} of hero {key} but holds {actual}"));
        }
    }
    Ok(())
}

/// Returns whether a write of a closed incarnation is rightly missing: a ring holds its maximum of
/// later ones, or it was folded into a later shard.
#[must_use]
pub fn is_pruned(key: HeroId, write: Stamp, map: &Map, vector: &VersionVector) -> bool {
    let Some(table) = key.table().filter(|_| vector.has_closed(write.origin)) else {
        return false;
    };
    let group = map.records().range(table.group_of(key));
    let mut closed = group.filter(|(_, stamp, _)| vector.has_closed(stamp.origin));
    if table.is_ring() {
        return closed.filter(|(_, stamp, _)| *stamp > write).count() >= room::KEPT;
    }
    let folds = |(_, stamp, bytes): (HeroId, Stamp, &[u8])| {
        let fold = counter::decode(bytes).and_then(|(_, shard)| shard.folded);
        stamp.origin.node == write.origin.node
            && fold.is_some_and(|fold| write.origin.incarnation < fold.before)
    };
    table.folds() && closed.any(folds)
}

/// Checks that no ephemeral entry of an ended incarnation is held.
///
/// # Errors
/// Returns the first such entry.
pub fn no_ended_entries(map: &Map, vector: &VersionVector) -> Result<(), String> {
    let ended = map.iter().find(|(key, entry)| {
        key.kind() == Kind::Ephemeral && has_ended(vector, entry.stamp.origin)
    });
    match ended {
        Some((key, entry)) => {
            Err(format!("holds {key} of {}, which has ended", entry.stamp.origin))
        }
        None => Ok(()),
    }
}

/// Returns whether the vector shows that the incarnation has ended.
fn has_ended(vector: &VersionVector, incarnation: Origin) -> bool {
    let newest = vector.newest_incarnation(incarnation.node);
    vector.has_closed(incarnation) || newest.is_some_and(|newest| newest > incarnation.incarnation)
}

/// Checks that the vector covers every held entry. After a bomb elsewhere, an uncovered entry could
/// stay uncovered forever.
///
/// # Errors
/// Returns the first entry that is not covered.
pub fn no_underclaim(map: &Map, vector: &VersionVector) -> Result<(), String> {
    match map.iter().find(|(_, entry)| !vector.covers(entry.stamp)) {
        Some((key, entry)) => {
            Err(format!("holds {} of hero {key} but does not cover it", entry.stamp))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use shared::{Entry, Value};

    use super::*;
    use crate::checker::fixtures::{KEY, map_with, stamp};

    #[test]
    fn vector_that_covers_missing_write_is_rejected() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        let vector = VersionVector::from_iter([stamp("a", 10)]);
        let check =
            |writes: &Writes, map: &Map| no_overclaim(writes, map, &vector, &BTreeSet::new());
        assert!(check(&writes, &map_with(stamp("a", 10))).is_ok());
        assert!(check(&writes, &Map::default()).unwrap_err().contains("holds nothing"));
        assert!(check(&writes, &map_with(stamp("a", 5))).unwrap_err().contains("lower"));
        writes.note(KEY, (true, stamp("a", 3))).unwrap();
        assert!(
            check(&writes, &map_with(stamp("a", 10))).unwrap_err().contains("lower"),
            "a live entry in place of a tombstone"
        );
    }

    #[test]
    fn mark_may_cover_lost_writes_but_not_writes_held_elsewhere() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        let mut vector = VersionVector::new();
        vector.close(gossip::Origin {
            incarnation: gossip::Incarnation::at(2),
            ..stamp("a", 0).origin
        });
        assert!(no_overclaim(&writes, &Map::default(), &vector, &BTreeSet::new()).is_ok());
        assert!(
            no_overclaim(&writes, &Map::default(), &vector, &BTreeSet::from([stamp("a", 10)]))
                .is_err()
        );
    }

    #[test]
    fn uncovered_entry_is_rejected() {
        assert!(
            no_underclaim(&map_with(stamp("a", 10)), &VersionVector::from_iter([stamp("a", 9)]))
                .is_err()
        );
        assert!(
            no_underclaim(&map_with(stamp("a", 10)), &VersionVector::from_iter([stamp("a", 10)]))
                .is_ok()
        );
    }

    #[test]
    fn missing_hero_needs_covered_and_collected_deletion() {
        let deletion = stamp("b", 20);
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        writes.note(KEY, (true, deletion)).unwrap();
        let without_deletion = VersionVector::from_iter([stamp("a", 10)]);
        let with_deletion = VersionVector::from_iter([stamp("a", 10), deletion]);
        let check = |writes: &Writes, vector| {
            no_overclaim(writes, &Map::default(), vector, &BTreeSet::new())
        };
        assert!(check(&writes, &with_deletion).is_err(), "the write is lost");
        writes.note_collected(&[deletion]);
        assert!(check(&writes, &with_deletion).is_ok());
        assert!(check(&writes, &without_deletion).is_err());
    }

    #[test]
    fn earlier_tombstone_may_remain_after_later_is_collected() {
        let (earlier, later) = (stamp("a", 20), stamp("b", 30));
        let mut writes = Writes::default();
        [earlier, later]
            .into_iter()
            .for_each(|deletion| writes.note(KEY, (true, deletion)).unwrap());
        let vector = VersionVector::from_iter([earlier, later]);
        let deleted = |deletion| {
            let mut map = Map::default();
            map.merge(KEY, &Entry::written(Value::Tombstone, deletion, None).as_entry_ref());
            map
        };
        let check =
            |writes: &Writes, map: &Map| no_overclaim(writes, map, &vector, &BTreeSet::new());
        writes.note_collected(&[earlier]);
        assert!(check(&writes, &deleted(later)).is_ok());
        assert!(check(&writes, &deleted(earlier)).unwrap_err().contains("lower"));
        assert!(
            check(&writes, &Map::default()).unwrap_err().contains("nothing"),
            "the later tombstone was never collected"
        );
        writes.note_collected(&[later]);
        assert!(check(&writes, &deleted(earlier)).is_ok());
        assert!(check(&writes, &Map::default()).is_ok());
    }

    #[test]
    fn stamp_of_two_writes_is_rejected() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        assert!(writes.note(KEY, (true, stamp("a", 10))).is_err());
    }
}
