//! Version vectors are true: each covered write is held, or beaten by what is held, or by a
//! tombstone that is covered and was collected; and what is held is covered.

use std::collections::{BTreeMap, BTreeSet};

use gossip::{Stamp, VersionVector};
use shared::Map;
use shared::hero::HeroId;

use crate::checker::rank::{Rank, rank};

/// Every write seen anywhere.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    all: BTreeMap<Stamp, (HeroId, bool)>,
    deaths: BTreeMap<HeroId, Vec<Stamp>>,
    collected: BTreeSet<Stamp>,
}

impl Writes {
    /// Notes a write. The same stamp must always mean the same write.
    ///
    /// # Errors
    /// Names a stamp that was used twice.
    pub fn note(&mut self, key: HeroId, (is_tombstone, stamp): Rank) -> Result<(), String> {
        if is_tombstone && !self.all.contains_key(&stamp) {
            self.deaths.entry(key).or_default().push(stamp);
        }
        match self.all.insert(stamp, (key, is_tombstone)) {
            Some(before) if before != (key, is_tombstone) => Err(format!(
                "the stamp {stamp} names two writes: {before:?} and {:?}",
                (key, is_tombstone)
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Reports whether a replica that covers this much must know that the hero is dead.
    #[must_use]
    pub fn dead_by(&self, key: HeroId, vector: &VersionVector) -> bool {
        self.deaths.get(&key).is_some_and(|deaths| deaths.iter().any(|death| vector.covers(*death)))
    }

    /// Notes that a replica has collected these tombstones.
    pub fn note_collected(&mut self, tombstones: &[Stamp]) {
        self.collected.extend(tombstones);
    }

    /// Returns the greatest tombstone of this hero that is covered and was collected.
    fn collected(&self, key: HeroId, vector: &VersionVector) -> Option<Rank> {
        let collected = self
            .deaths
            .get(&key)?
            .iter()
            .filter(|death| self.collected.contains(death) && vector.covers(**death));
        collected.max().map(|death| (true, *death))
    }

    /// Reports whether there is a write of this hero.
    #[must_use]
    pub fn knows(&self, key: HeroId) -> bool {
        self.all.values().any(|(written, _)| *written == key)
    }

    /// Returns the number of writes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Reports whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Checks that a version vector claims nothing that the map lacks. `held` are the stamps of all
/// entries that stand anywhere: a mark covers all that the closed lives wrote, and some of that
/// ended with them.
///
/// # Errors
/// Names the first write that is claimed and missing.
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
        let standing = map.get(*key).map(|entry| rank(&entry));
        if standing.max(writes.collected(*key, vector)) < Some((*is_tombstone, *stamp)) {
            let lacking =
                standing.map_or("nothing there".into(), |(_, held)| format!("the lesser {held}"));
            return Err(format!("covers {stamp} of hero {key} and holds {lacking}"));
        }
    }
    Ok(())
}

/// Checks that the vector covers all that is held. An entry that it does not cover could stay
/// uncovered for ever after a bomb elsewhere.
///
/// # Errors
/// Names the first such entry.
pub fn no_underclaim(map: &Map, vector: &VersionVector) -> Result<(), String> {
    match map.iter().find(|(_, entry)| !vector.covers(entry.stamp)) {
        Some((key, entry)) => {
            Err(format!("holds {} of hero {key} and does not cover it", entry.stamp))
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
    fn a_vector_that_claims_a_missing_or_a_newer_write_is_caught() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        let vector = VersionVector::from_iter([stamp("a", 10)]);
        let check =
            |writes: &Writes, map: &Map| no_overclaim(writes, map, &vector, &BTreeSet::new());
        assert!(check(&writes, &map_with(stamp("a", 10))).is_ok());
        assert!(check(&writes, &Map::default()).unwrap_err().contains("holds nothing"));
        assert!(check(&writes, &map_with(stamp("a", 5))).unwrap_err().contains("lesser"));
        writes.note(KEY, (true, stamp("a", 3))).unwrap();
        assert!(
            check(&writes, &map_with(stamp("a", 10))).unwrap_err().contains("lesser"),
            "a life on top of a death"
        );
    }

    #[test]
    fn a_mark_is_excused_for_what_died_with_its_life_and_for_nothing_that_stands_elsewhere() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        let mut vector = VersionVector::new();
        vector
            .close(gossip::Origin { incarnation: gossip::Incarnation(2), ..stamp("a", 0).origin });
        assert!(no_overclaim(&writes, &Map::default(), &vector, &BTreeSet::new()).is_ok());
        assert!(
            no_overclaim(&writes, &Map::default(), &vector, &BTreeSet::from([stamp("a", 10)]))
                .is_err()
        );
    }

    #[test]
    fn an_entry_that_the_vector_does_not_cover_is_caught() {
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
    fn a_missing_hero_is_excused_by_a_death_that_is_covered_and_was_collected_and_by_no_other() {
        let death = stamp("b", 20);
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        writes.note(KEY, (true, death)).unwrap();
        let unaware = VersionVector::from_iter([stamp("a", 10)]);
        let aware = VersionVector::from_iter([stamp("a", 10), death]);
        let check = |writes: &Writes, vector| {
            no_overclaim(writes, &Map::default(), vector, &BTreeSet::new())
        };
        assert!(check(&writes, &aware).is_err(), "it is lost");
        writes.note_collected(&[death]);
        assert!(check(&writes, &aware).is_ok());
        assert!(check(&writes, &unaware).is_err());
    }

    #[test]
    fn of_two_deaths_the_later_is_held_or_was_collected_and_then_the_earlier_may_still_stand() {
        let (earlier, later) = (stamp("a", 20), stamp("b", 30));
        let mut writes = Writes::default();
        [earlier, later].into_iter().for_each(|death| writes.note(KEY, (true, death)).unwrap());
        let vector = VersionVector::from_iter([earlier, later]);
        let buried = |death| {
            let mut map = Map::default();
            map.merge(KEY, &Entry::written(Value::Tombstone, death, None).as_entry_ref());
            map
        };
        let check =
            |writes: &Writes, map: &Map| no_overclaim(writes, map, &vector, &BTreeSet::new());
        writes.note_collected(&[earlier]);
        assert!(check(&writes, &buried(later)).is_ok());
        assert!(check(&writes, &buried(earlier)).unwrap_err().contains("lesser"));
        assert!(
            check(&writes, &Map::default()).unwrap_err().contains("nothing"),
            "the later was never collected"
        );
        writes.note_collected(&[later]);
        assert!(check(&writes, &buried(earlier)).is_ok());
        assert!(check(&writes, &Map::default()).is_ok());
    }

    #[test]
    fn a_stamp_used_twice_is_caught() {
        let mut writes = Writes::default();
        writes.note(KEY, (false, stamp("a", 10))).unwrap();
        assert!(writes.note(KEY, (true, stamp("a", 10))).is_err());
    }
}
