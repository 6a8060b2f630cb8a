//! The simulator's checkers on real processes: what dispatch's HTTP shows of every node is made
//! into the core's own data, and the very same claims are held against it.
//!
//! Invariant: what is looked at is true of one life at one moment. A list of heroes counts where
//! its node was in the same life before and after, and a version vector goes with it only where the
//! list has the fingerprint that was shown beside that vector.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use gossip::{Hlc, Incarnation, Origin, Stamp, UnixMillis, VersionVector};
use shared::hero::{HeroId, Location};
use shared::{Entry, Map, Value};
use simulator::checker::rank::{Rank, rank};
use simulator::checker::survival::Survivors;
use simulator::checker::{agreement, claims, deaths, monotonic};

use crate::api::{Api, CityHeroes, Hero, NodeState};
use crate::nodes::{CITIES, NODES};
use crate::wait::ensure;

/// One node, as dispatch showed it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which life of it.
    pub incarnation: Origin,
    /// The living heroes it held.
    pub map: Map,
    /// What it covered when it held exactly these, where that is known.
    pub vector: Option<VersionVector>,
    /// How many tombstones stood there.
    pub tombstones: u64,
}

/// Looks at every node that dispatch has read in its present life; dispatch is one of them.
///
/// # Errors
/// Says what dispatch did not answer.
pub fn look(api: &Api) -> Result<Vec<Look>, String> {
    let before = nodes(api)?;
    let mut lists = Vec::new();
    for city in CITIES {
        lists.push((city, read::<CityHeroes>(api, &format!("/api/v1/cities/{city}/heroes"))?));
    }
    lists.push(("dispatch", read(api, "/api/v1/heroes")?));
    let after = nodes(api)?;
    ensure(before["dispatch"].incarnation == after["dispatch"].incarnation, || {
        "another dispatch".into()
    })?;
    Ok(lists
        .into_iter()
        .filter_map(|(node, list)| seen(&list, &before[node], &after[node]))
        .collect())
}

fn seen(list: &CityHeroes, before: &NodeState, after: &NodeState) -> Option<Look> {
    // Who covers nothing has not been read in this life, or has nothing to read.
    let incarnation = before.incarnation.filter(|incarnation| {
        after.incarnation == Some(*incarnation) && !before.version_vector.is_empty()
    })?;
    let mut map = Map::default();
    for hero in &list.heroes {
        let (key, entry) = entry(hero);
        map.merge(key, &entry.as_entry_ref());
    }
    let fingerprint = map.fingerprint().to_string();
    let same = [before, after].into_iter().find(|node| node.fingerprint == fingerprint);
    let incarnation = Origin {
        node: before.name.parse().expect("the name of a node"),
        incarnation: Incarnation(incarnation),
    };
    Some(Look { incarnation, map, vector: same.map(vector), tombstones: list.tombstones })
}

fn nodes(api: &Api) -> Result<BTreeMap<String, NodeState>, String> {
    let nodes = api.try_nodes()?;
    ensure(NODES.iter().all(|node| nodes.contains_key(*node)), || format!("{nodes:?}"))
        .map(|()| nodes)
}

fn read<T: DeserializeOwned>(api: &Api, path: &str) -> Result<T, String> {
    let reply = api.try_request("GET", path, &[], &[])?;
    ensure(reply.status == 200, || format!("{path}: {reply:?}")).map(|()| reply.parse())
}

/// A living hero, as the core holds one.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn entry(hero: &Hero) -> (HeroId, Entry) {
    let location = match hero.location.as_str() {
        "home" => Location::Home,
        city => Location::City(city.parse().expect("a city")),
    };
    let number = |field: &str| hero.stamp[field].as_u64().expect("a number");
    let logical = u32::try_from(number("logical")).expect("a counter");
    let hlc = Hlc { wall: UnixMillis(number("wall_ms")), logical };
    let stamp = Stamp { hlc, origin: origin(hero.stamp["origin"].as_str().expect("a text")) };
    let value = shared::hero::Hero {
        name: hero.name.as_str().into(),
        location,
        is_patrolling: hero.is_patrolling,
        health: hero.health,
    };
    (hero.id.parse().expect("a UUID"), Entry::written(Value::Live(value), stamp, None))
}

/// What a node covers: its slots and its marks.
///
/// # Panics
/// When the API shows something else.
#[must_use]
pub fn vector(node: &NodeState) -> VersionVector {
    let mut vector = VersionVector::new();
    for (name, incarnation) in &node.closed_before {
        vector.close(Origin {
            node: name.parse().expect("the name of a node"),
            incarnation: Incarnation(*incarnation),
        });
    }
    for (incarnation, reading) in &node.version_vector {
        let (wall, logical) = reading.split_once('+').expect("milliseconds and a counter");
        let hlc = Hlc {
            wall: UnixMillis(wall.parse().expect("a number")),
            logical: logical.parse().expect("a number"),
        };
        vector.advance(Stamp { hlc, origin: origin(incarnation) });
    }
    vector
}

fn origin(text: &str) -> Origin {
    let (node, incarnation) = text.split_once('/').expect("a node and its life");
    Origin {
        node: node.parse().expect("the name of a node"),
        incarnation: Incarnation(incarnation.parse().expect("a number")),
    }
}

/// Everything that was seen and said, and whether it can be true.
///
/// Nothing but a command may end a hero here, so whoever looks knows the dead: those whose end
/// somebody asked for. A hero that [`lasts`](Self::lasts) is never one of them.
#[derive(Debug, Default)]
pub struct Audit {
    incarnations: BTreeMap<Origin, IncarnationRecord>,
    /// Every write seen or told of.
    writes: claims::Writes,
    /// Those to heroes that last.
    lasting: claims::Writes,
    contents: BTreeMap<Stamp, Value>,
    told: BTreeMap<Stamp, HeroId>,
    doomed: BTreeSet<HeroId>,
    ended: BTreeMap<HeroId, u32>,
    shown: u64,
    whole: u64,
}

/// What one life of one node has shown, and what others were told that it had written.
#[derive(Debug, Default)]
struct IncarnationRecord {
    deaths: deaths::Deaths,
    reads: monotonic::Reads,
    held: BTreeSet<HeroId>,
    buried: BTreeSet<HeroId>,
    survivors: Survivors,
}

/// What became of what clients were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Lives of nodes that were seen.
    pub incarnations: usize,
    /// Lists of heroes that were looked at.
    pub looks: u64,
    /// Those of which it was known what they cover.
    pub whole: u64,
    /// Different writes that were seen or told of.
    pub writes: usize,
    /// Writes told of as saved.
    pub told: usize,
    /// Those among them that were gone with their writers' lives, and rightly so.
    pub lost: usize,
    /// Ends told of.
    pub ended: usize,
    /// Those among them that were gone with the life of the dispatch that wrote them, and rightly
    /// so.
    pub undone: usize,
}

impl Audit {
    /// Whether nobody may ask for the end of this hero.
    #[must_use]
    pub fn lasts(key: HeroId) -> bool {
        key.as_bytes()[15].is_multiple_of(8)
    }

    /// Somebody is about to ask for the end of this hero.
    ///
    /// # Panics
    /// When the hero is to last.
    pub fn doom(&mut self, key: HeroId) {
        assert!(!Self::lasts(key), "{key} is to last");
        self.doomed.insert(key);
    }

    /// Somebody was told that this hero has ended, by the dispatch with this number or a later one.
    pub fn told_end(&mut self, key: HeroId, dispatch: u32) {
        self.ended.insert(key, dispatch);
    }

    /// Somebody was told that this is saved.
    ///
    /// # Errors
    /// Says what cannot be true.
    pub fn told(&mut self, key: HeroId, entry: &Entry) -> Result<(), String> {
        self.told.insert(entry.stamp, key);
        self.incarnations.entry(entry.stamp.origin).or_default().survivors.note(key, rank(entry));
        self.note(key, entry)
    }

    /// One stamp names one write, with one content.
    fn note(&mut self, key: HeroId, entry: &Entry) -> Result<(), String> {
        self.writes.note(key, rank(entry))?;
        if Self::lasts(key) {
            self.lasting.note(key, rank(entry))?;
        }
        let content = self.contents.entry(entry.stamp).or_insert_with(|| entry.value.clone());
        ensure(*content == entry.value, || {
            format!("the stamp {} names {content:?} and {:?}", entry.stamp, entry.value)
        })
    }

    /// Takes note of what every node shows.
    ///
    /// # Errors
    /// Says what cannot be true.
    pub fn look(&mut self, looks: &[Look]) -> Result<(), String> {
        for look in looks {
            self.look_at(look).map_err(|text| format!("{}: {text}", look.incarnation))?;
        }
        agree(looks)
    }

    fn look_at(
        &mut self,
        Look { incarnation, map, vector, tombstones: _ }: &Look,
    ) -> Result<(), String> {
        self.shown += 1;
        map.iter().try_for_each(|(key, entry)| self.note(key, &entry))?;
        let known = self.incarnations.entry(*incarnation).or_default();
        for (key, entry) in map.iter() {
            known.deaths.note(key, false)?;
            known.reads.note(key, rank(&entry))?;
        }
        // Who was there and is not has died: a life forgets nobody else.
        let held: BTreeSet<HeroId> = map.iter().map(|(key, _)| key).collect();
        for gone in std::mem::replace(&mut known.held, held)
            .into_iter()
            .filter(|key| map.get(*key).is_none())
        {
            ensure(self.doomed.contains(&gone), || {
                format!("hero {gone} is gone, and nobody had asked for that")
            })?;
            known.deaths.note(gone, true)?;
            known.buried.insert(gone);
        }
        known.survivors.note_all(map);
        if let Some(vector) = vector {
            self.whole += 1;
            known.reads.note_vector(vector)?;
            claims::no_underclaim(map, vector)?;
            // What a mark covers may have died with its life; only at rest is it known what stands
            // elsewhere.
            claims::no_overclaim(&self.lasting, map, vector, &BTreeSet::new())?;
        }
        Ok(())
    }

    /// Holds what all nodes show at rest against everything that was seen and said before.
    /// `dispatch` is the number of the last one.
    ///
    /// # Errors
    /// Says what is lost, or has come back.
    pub fn rest(&self, looks: &[Look], dispatch: u32) -> Result<Fates, String> {
        let held: BTreeSet<Stamp> =
            looks.iter().flat_map(|look| look.map.iter().map(|(_, entry)| entry.stamp)).collect();
        let survivors = || {
            looks.iter().filter_map(|look| {
                Some((look.incarnation, self.incarnations.get(&look.incarnation)?))
            })
        };
        for Look { incarnation, map, vector, .. } in looks {
            let at = |text: String| format!("{incarnation}: {text}");
            let vector = vector.as_ref().ok_or_else(|| at("what it covers is not known".into()))?;
            claims::no_overclaim(&self.lasting, map, vector, &held).map_err(at)?;
            for (survivor, known) in survivors() {
                // What a life that is still there has ever shown, or said that it has saved.
                let stand = known
                    .survivors
                    .all_stand(|key| best(map, key), |key| self.doomed.contains(&key));
                stand.map_err(|text| at(format!("{text} ({survivor})")))?;
                let back = known.buried.iter().find(|key| map.get(**key).is_some());
                ensure(back.is_none(), || {
                    at(format!("hero {back:?} died at {survivor} and lives"))
                })?;
            }
            let back =
                self.ended.iter().find(|(key, of)| **of == dispatch && map.get(**key).is_some());
            ensure(back.is_none(), || {
                at(format!("hero {back:?} was ended by a dispatch that lives, and lives"))
            })?;
        }
        agree(looks)?;
        let stands = |(stamp, key): &(&Stamp, &HeroId)| {
            self.doomed.contains(key)
                || looks
                    .iter()
                    .all(|look| best(&look.map, **key).is_some_and(|held| held >= (false, **stamp)))
        };
        let incarnations = |key: &HeroId| looks.iter().any(|look| look.map.get(*key).is_some());
        Ok(Fates {
            incarnations: self.incarnations.len(),
            looks: self.shown,
            whole: self.whole,
            writes: self.writes.len(),
            told: self.told.len(),
            lost: self.told.iter().filter(|told| !stands(told)).count(),
            ended: self.ended.len(),
            undone: self.ended.keys().filter(|key| incarnations(key)).count(),
        })
    }
}

fn best(map: &Map, key: HeroId) -> Option<Rank> {
    map.get(key).map(|entry| rank(&entry))
}

/// Who covers the same holds the same.
fn agree(looks: &[Look]) -> Result<(), String> {
    let names: Vec<String> = looks.iter().map(|look| look.incarnation.to_string()).collect();
    let known = looks.iter().zip(&names);
    let known = known.filter_map(|(look, name)| {
        Some((name.as_str(), look.vector.as_ref()?, look.map.fingerprint()))
    });
    agreement::equal_vectors_mean_equal_maps(known)
}

#[cfg(test)]
mod tests {
    //! Histories to object to.

    use super::*;
    use serde_json::json;

    const LASTING: &str = "00000000-0000-4000-8000-000000000000";
    const MORTAL: &str = "00000000-0000-4000-8000-000000000001";

    fn hero(id: &str, wall: u64, location: &str) -> (HeroId, Entry) {
        let stamp = json!({ "wall_ms": wall, "logical": 0, "origin": "dispatch/1" });
        entry(&Hero {
            id: id.into(),
            name: "Granite".into(),
            location: location.into(),
            is_patrolling: false,
            health: 100,
            stamp,
        })
    }

    fn look(node: &str, covered: u64, heroes: &[(HeroId, Entry)]) -> Look {
        let mut map = Map::default();
        heroes.iter().for_each(|(key, entry)| {
            map.merge(*key, &entry.as_entry_ref());
        });
        let hlc = Hlc { wall: UnixMillis(covered), logical: 0 };
        let vector = VersionVector::from_iter([Stamp { hlc, origin: origin("dispatch/1") }]);
        Look { incarnation: origin(node), map, vector: Some(vector), tombstones: 0 }
    }

    /// What is said of the last of these looks, each at one node.
    fn after(audit: &mut Audit, looks: &[Look]) -> Result<(), String> {
        let (last, before) = looks.split_last().unwrap();
        for look in before {
            audit.look(std::slice::from_ref(look)).unwrap();
        }
        audit.look(std::slice::from_ref(last))
    }

    #[test]
    fn a_city_that_falls_back_or_forgets_is_caught_and_one_in_a_new_life_is_not() {
        let (old, new) = (hero(MORTAL, 5, "home"), hero(MORTAL, 6, "gotham"));
        let caught = |looks: &[Look]| after(&mut Audit::default(), looks).unwrap_err();
        let [old, new] = [[old], [new]];
        assert!(
            caught(&[look("gotham/1", 9, &new), look("gotham/1", 9, &old)]).contains("went back")
        );
        assert!(
            caught(&[look("gotham/1", 9, &new), look("gotham/1", 8, &new)]).contains("now only")
        );
        assert!(
            caught(&[look("gotham/1", 9, &new), look("gotham/1", 9, &[])])
                .contains("nobody had asked")
        );
        assert!(caught(&[look("gotham/1", 5, &new)]).contains("does not cover"));
        assert!(
            after(&mut Audit::default(), &[look("gotham/1", 9, &new), look("gotham/2", 5, &old)])
                .is_ok()
        );
    }

    #[test]
    fn a_hero_who_comes_back_is_caught_at_once_and_at_rest() {
        let living = [hero(MORTAL, 5, "home")];
        let history =
            [look("gotham/1", 9, &living), look("gotham/1", 9, &[]), look("gotham/1", 9, &living)];
        let mut audit = Audit::default();
        audit.doom(living[0].0);
        assert!(after(&mut audit, &history).unwrap_err().contains("came back"));
        audit.told_end(living[0].0, 7);
        assert!(audit.rest(&[look("gotham/1", 9, &living)], 8).unwrap_err().contains("died at"));
        assert!(
            audit
                .rest(&[look("gotham/2", 9, &living)], 7)
                .unwrap_err()
                .contains("by a dispatch that lives")
        );
        assert_eq!(
            audit.rest(&[look("gotham/2", 9, &living)], 8).unwrap().undone,
            1,
            "it died with whoever wrote it"
        );
    }

    #[test]
    fn a_stamp_with_two_contents_and_a_vector_with_two_maps_are_caught() {
        let (here, there) = (hero(LASTING, 5, "home"), hero(LASTING, 5, "gotham"));
        let mut audit = Audit::default();
        audit.told(here.0, &here.1).unwrap();
        assert!(audit.told(there.0, &there.1).unwrap_err().contains("names"));
        let looks = [look("gotham/1", 9, &[hero(MORTAL, 5, "home")]), look("capitol/1", 9, &[])];
        assert!(Audit::default().look(&looks).unwrap_err().contains("cover the same"));
    }

    #[test]
    fn a_saved_write_that_is_gone_is_caught_unless_its_writer_died() {
        let (key, saved) = hero(LASTING, 5, "home");
        let mut audit = Audit::default();
        audit.told(key, &saved).unwrap();
        assert!(
            audit.look(&[look("gotham/1", 9, &[])]).unwrap_err().contains("holds nothing"),
            "it claims what it lacks"
        );
        assert!(
            audit
                .rest(&[look("dispatch/1", 4, &[])], 0)
                .unwrap_err()
                .contains("which a survivor held")
        );
        assert_eq!(audit.rest(&[look("dispatch/2", 4, &[])], 0).unwrap().lost, 1);
    }
}
