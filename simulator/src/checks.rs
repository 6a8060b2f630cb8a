//! What must hold. Each check takes plain data and names what is wrong with it, so that each can be shown a broken history.

use std::collections::{BTreeMap, BTreeSet};

use shared::clock::Stamp;
use shared::crdt::{Fingerprint, Map, VersionVector};
use shared::id::HeroId;

/// Every write ever seen anywhere: its key, and whether it was a death.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    all: BTreeMap<Stamp, (HeroId, bool)>,
    deaths: BTreeMap<HeroId, Vec<Stamp>>,
}

impl Writes {
    /// Takes note of a write. The same stamp must always mean the same write.
    ///
    /// # Errors
    /// Says which stamp was used twice.
    pub fn note(&mut self, stamp: Stamp, key: HeroId, is_tombstone: bool) -> Result<(), String> {
        if is_tombstone && !self.all.contains_key(&stamp) {
            self.deaths.entry(key).or_default().push(stamp);
        }
        match self.all.insert(stamp, (key, is_tombstone)) {
            Some(before) if before != (key, is_tombstone) => {
                Err(format!("the stamp {stamp} names two writes: {before:?} and {:?}", (key, is_tombstone)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a replica that covers this much must know that the hero is dead.
    #[must_use]
    pub fn dead_by(&self, key: HeroId, vector: &VersionVector) -> bool {
        self.deaths.get(&key).is_some_and(|deaths| deaths.iter().any(|death| vector.covers(*death)))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// A version vector claims nothing that the map lacks: every covered write is held, or beaten by what is held, or its hero is
/// dead and the tombstone collected.
///
/// # Errors
/// Names the first write that is claimed and missing.
pub fn no_overclaim(writes: &Writes, map: &Map, vector: &VersionVector, held: &BTreeSet<Stamp>) -> Result<(), String> {
    for (stamp, (key, is_tombstone)) in &writes.all {
        // A mark covers all that its lives ever wrote, and some of that died with them.
        if !vector.covers(*stamp) || vector.has_closed(stamp.origin) && !held.contains(stamp) {
            continue;
        }
        match map.get(*key) {
            // Collected: a death of this hero is covered.
            None if writes.dead_by(*key, vector) => {}
            None => return Err(format!("covers {stamp} of hero {key} and holds nothing there")),
            Some(held) if (held.is_tombstone(), held.stamp) < (*is_tombstone, *stamp) => {
                return Err(format!("covers {stamp} of hero {key} and holds the lesser {}", held.stamp));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Nothing is held that the vector does not cover, or a bomb elsewhere could leave it uncovered for ever.
///
/// # Errors
/// Names the first such entry.
pub fn no_underclaim(map: &Map, vector: &VersionVector) -> Result<(), String> {
    match map.iter().find(|(_, entry)| !vector.covers(entry.stamp)) {
        Some((key, entry)) => Err(format!("holds {} of hero {key} and does not cover it", entry.stamp)),
        None => Ok(()),
    }
}

/// What was collected was covered.
///
/// # Errors
/// Says that it was not.
pub fn horizon_is_covered(horizon: &VersionVector, vector: &VersionVector) -> Result<(), String> {
    if vector.covers_all(horizon) { Ok(()) } else { Err(format!("has collected {horizon:?} and covers only {vector:?}")) }
}

/// Replicas that cover the same hold the same.
///
/// # Errors
/// Names the two that do not.
pub fn equal_vectors_mean_equal_maps<'a>(replicas: impl Iterator<Item = (&'a str, &'a VersionVector, Fingerprint)>) -> Result<(), String> {
    let mut seen: BTreeMap<u64, (&str, Fingerprint)> = BTreeMap::new();
    for (name, vector, fingerprint) in replicas {
        let (other, theirs) = *seen.entry(vector.hash()).or_insert((name, fingerprint));
        if theirs != fingerprint {
            return Err(format!("{name} and {other} cover the same and hold something else"));
        }
    }
    Ok(())
}

/// Who has died once in a replica's life does not live there again.
#[derive(Clone, Debug, Default)]
pub struct Deaths(BTreeMap<HeroId, ()>);

impl Deaths {
    /// Takes note of what a replica now holds.
    ///
    /// # Errors
    /// Names the hero that came back.
    pub fn note(&mut self, key: HeroId, is_tombstone: bool) -> Result<(), String> {
        if is_tombstone {
            self.0.insert(key, ());
        } else if self.0.contains_key(&key) {
            return Err(format!("the dead hero {key} came back"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::clock::Hlc;
    use shared::crdt::{Entry, Value};
    use shared::hero::Hero;
    use shared::id::{Incarnation, Origin};
    use shared::time::UnixMillis;
    use std::sync::Arc;

    const KEY: HeroId = HeroId(uuid::Uuid::nil());

    fn stamp(node: &str, wall: u64) -> Stamp {
        Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical: 0 },
            origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation(1) },
        }
    }

    fn map_with(stamp: Stamp) -> Map {
        let mut map = Map::default();
        map.merge(KEY, Arc::new(Entry::written(Value::Live(Hero::new("Granite".into())), stamp, None)));
        map
    }

    #[test]
    fn a_vector_that_claims_a_missing_or_a_newer_write_is_caught() {
        let mut writes = Writes::default();
        writes.note(stamp("a", 10), KEY, false).unwrap();
        let vector = VersionVector::from_iter([stamp("a", 10)]);
        assert!(no_overclaim(&writes, &map_with(stamp("a", 10)), &vector, &BTreeSet::new()).is_ok());
        assert!(no_overclaim(&writes, &Map::default(), &vector, &BTreeSet::new()).unwrap_err().contains("holds nothing"));
        assert!(no_overclaim(&writes, &map_with(stamp("a", 5)), &vector, &BTreeSet::new()).unwrap_err().contains("lesser"));
        writes.note(stamp("a", 3), KEY, true).unwrap();
        assert!(
            no_overclaim(&writes, &map_with(stamp("a", 10)), &vector, &BTreeSet::new()).unwrap_err().contains("lesser"),
            "a life on top of a death"
        );
    }

    #[test]
    fn an_entry_that_the_vector_does_not_cover_is_caught() {
        assert!(no_underclaim(&map_with(stamp("a", 10)), &VersionVector::from_iter([stamp("a", 9)])).is_err());
        assert!(no_underclaim(&map_with(stamp("a", 10)), &VersionVector::from_iter([stamp("a", 10)])).is_ok());
    }

    #[test]
    fn a_missing_hero_is_excused_by_a_death_that_is_covered_and_by_no_other() {
        let mut writes = Writes::default();
        writes.note(stamp("a", 10), KEY, false).unwrap();
        writes.note(stamp("b", 20), KEY, true).unwrap();
        let unaware = VersionVector::from_iter([stamp("a", 10)]);
        let aware = VersionVector::from_iter([stamp("a", 10), stamp("b", 20)]);
        assert!(no_overclaim(&writes, &Map::default(), &unaware, &BTreeSet::new()).is_err());
        assert!(no_overclaim(&writes, &Map::default(), &aware, &BTreeSet::new()).is_ok());
        assert!(horizon_is_covered(&aware, &unaware).is_err());
    }

    #[test]
    fn replicas_that_cover_the_same_and_differ_are_caught() {
        let vector = VersionVector::from_iter([stamp("a", 10)]);
        let (full, empty) = (map_with(stamp("a", 10)).fingerprint(), Map::default().fingerprint());
        assert!(equal_vectors_mean_equal_maps([("x", &vector, full), ("y", &vector, full)].into_iter()).is_ok());
        assert!(equal_vectors_mean_equal_maps([("x", &vector, full), ("y", &vector, empty)].into_iter()).is_err());
    }

    #[test]
    fn a_stamp_used_twice_and_a_resurrection_are_caught() {
        let mut writes = Writes::default();
        writes.note(stamp("a", 10), KEY, false).unwrap();
        assert!(writes.note(stamp("a", 10), KEY, true).is_err());
        let mut deaths = Deaths::default();
        assert!(deaths.note(KEY, true).is_ok());
        assert!(deaths.note(KEY, false).is_err());
    }
}
