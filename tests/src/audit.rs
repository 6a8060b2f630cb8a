//! The simulator's checkers applied to real processes: the state of each node, as dispatch's HTTP
//! API shows it, is converted into the core's types and checked against the same claims.
//!
//! Invariant: a snapshot describes one incarnation at one moment. A list of heroes counts only if
//! its node had the same incarnation before and after, and a version vector is attached only if the
//! list has the fingerprint that was reported together with that vector.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use gossip::{Hlc, Incarnation, Origin, Stamp, UnixMillis, VersionVector};
use shared::hero::{HeroId, Location};
use shared::{Entry, Map, Value};
use simulator::checker::rank::{Rank, rank};
use simulator::checker::survival::Survivors;
use simulator::checker::{agreement, claims, deletions, monotonic};

use crate::api::{Api, CityHeroes, Hero, NodeState};
use crate::nodes::{CITIES, NODES};
use crate::wait::ensure;

/// One node, as dispatch shows it.
#[derive(Clone, Debug)]
pub struct NodeSnapshot {
    /// The node's incarnation.
    pub incarnation: Origin,
    /// The live heroes it held.
    pub map: Map,
    /// The version vector for exactly these heroes, if known.
    pub vector: Option<VersionVector>,
    /// The number of tombstones it held.
    pub tombstones: u64,
}

/// The heroes of every node, and the nodes before and after their heroes were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReads {
    /// Every node before the lists were read.
    pub before: BTreeMap<String, NodeState>,
    /// The heroes of every node.
    pub lists: BTreeMap<String, CityHeroes>,
    /// Every node after the lists were read.
    pub after: BTreeMap<String, NodeState>,
}

impl NodeReads {
    /// Reads every node.
    ///
    /// # Errors
    /// The request that dispatch did not answer as expected, or that dispatch was restarted
    /// between the reads.
    pub fn read(api: &Api) -> Result<Self, String> {
        let before = nodes(api)?;
        let mut lists = BTreeMap::new();
        for city in CITIES {
            let list = read::<CityHeroes>(api, &format!("/api/v1/cities/{city}/heroes"))?;
            lists.insert(city.to_owned(), list);
        }
        lists.insert("dispatch".to_owned(), read(api, "/api/v1/heroes")?);
        let after = nodes(api)?;
        ensure(before["dispatch"].incarnation == after["dispatch"].incarnation, || {
            "dispatch was restarted between the reads".into()
        })?;
        Ok(Self { before, lists, after })
    }

    /// Returns the incarnation of a node that the list describes, if dispatch has observed it.
    #[must_use]
    pub fn incarnation(&self, node: &str) -> Option<u64> {
        let (before, after) = (self.before.get(node)?, self.after.get(node)?);
        // A node with an empty vector has not been observed in this incarnation, or holds no
        // writes.
        before.incarnation.filter(|incarnation| {
            after.incarnation == Some(*incarnation) && !before.version_vector.is_empty()
        })
    }

    /// Returns a snapshot of each node that dispatch has observed in its current incarnation.
    #[must_use]
    pub fn snapshots(&self) -> Vec<NodeSnapshot> {
        NODES.into_iter().filter_map(|node| self.snapshot(node)).collect()
    }

    fn snapshot(&self, node: &str) -> Option<NodeSnapshot> {
        let incarnation = self.incarnation(node)?;
        let list = self.lists.get(node)?;
        let mut map = Map::default();
        for hero in &list.heroes {
            let (key, entry) = entry(hero);
            map.merge(key, &entry.as_entry_ref());
        }
        let fingerprint = map.fingerprint().to_string();
        let same = [&self.before[node], &self.after[node]]
            .into_iter()
            .find(|node| node.fingerprint == fingerprint);
        let incarnation = Origin {
            node: node.parse().expect("the name of a node"),
            incarnation: Incarnation::at(incarnation),
        };
        Some(NodeSnapshot {
            incarnation,
            map,
            vector: same.map(vector),
            tombstones: list.tombstones,
        })
    }
}

/// Reads every node that dispatch has observed in its current incarnation, dispatch included.
///
/// # Errors
/// The request that dispatch did not answer as expected.
pub fn read_nodes(api: &Api) -> Result<Vec<NodeSnapshot>, String> {
    NodeReads::read(api).map(|reads| reads.snapshots())
}

/// Reads every node of a cluster in which no changes are in flight and at most this many tombstones
/// are left on each node.
///
/// # Errors
/// The reason why the cluster is not quiescent.
pub(crate) fn read_quiescent(api: &Api, tombstones_max: u64) -> Result<NodeReads, String> {
    let reads = NodeReads::read(api)?;
    let (snapshots, nodes) = (reads.snapshots(), &reads.after);
    let up = nodes.values().all(|node| node.status == "up");
    ensure(up && snapshots.len() == NODES.len(), || format!("{nodes:?}"))?;
    for NodeSnapshot { incarnation, map, vector, tombstones } in &snapshots {
        ensure(vector.is_some(), || format!("{incarnation} is changing"))?;
        ensure(map.fingerprint() == snapshots[0].map.fingerprint(), || {
            format!("{incarnation} holds other heroes")
        })?;
        ensure(*tombstones <= tombstones_max, || {
            format!("{incarnation} holds {tombstones} tombstones")
        })?;
    }
    for node in nodes.values() {
        let small =
            node.version_vector.len() <= NODES.len() && node.closed_before.len() <= NODES.len();
        ensure(small, || {
            format!("{} covers {:?}, {:?}", node.name, node.version_vector, node.closed_before)
        })?;
    }
    let reply = api.try_request("GET", "/api/v1/verdict", &[], &[])?;
    ensure(reply.status == 200, || format!("/api/v1/verdict: {reply:?}"))?;
    ensure(reply.json()["converged"] == true, || reply.body.clone()).map(|()| reads)
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

/// Converts a live hero into the core's form.
///
/// # Panics
/// If a field is malformed.
#[must_use]
pub fn entry(hero: &Hero) -> (HeroId, Entry) {
    let location = match hero.location.as_str() {
        "home" => Location::Home,
        city => Location::City(city.parse().expect("a city")),
    };
    let hlc = Hlc { wall: UnixMillis(hero.stamp.wall_ms), logical: hero.stamp.logical };
    let stamp = Stamp { hlc, origin: origin(&hero.stamp.origin) };
    let value = shared::hero::Hero {
        name: hero.name.as_str().into(),
        location,
        is_patrolling: hero.is_patrolling,
        health: hero.health,
    };
    (hero.id.parse().expect("a UUID"), Entry::written(Value::Live(value), stamp, None))
}

/// Returns the version vector of a node: its slots and its marks.
///
/// # Panics
/// If a field is malformed.
#[must_use]
pub fn vector(node: &NodeState) -> VersionVector {
    let mut vector = VersionVector::new();
    for (name, incarnation) in &node.closed_before {
        vector.close(Origin {
            node: name.parse().expect("the name of a node"),
            incarnation: Incarnation::at(*incarnation),
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
    let (node, incarnation) = text.split_once('/').expect("a node and its incarnation");
    Origin {
        node: node.parse().expect("the name of a node"),
        incarnation: Incarnation::at(incarnation.parse().expect("a number")),
    }
}

/// All observations and acknowledged writes, checked for contradictions.
///
/// Heroes are deleted only by commands here, so the deletable ones are known: those whose deletion
/// was requested. A hero for which [`lasts`](Self::lasts) returns true is never one of them.
#[derive(Debug, Default)]
pub struct Audit {
    incarnations: BTreeMap<Origin, IncarnationRecord>,
    /// Every observed or acknowledged write.
    writes: claims::Writes,
    /// Those to heroes that last.
    lasting: claims::Writes,
    contents: BTreeMap<Stamp, Value>,
    acknowledged: BTreeMap<Stamp, HeroId>,
    deletion_requested: BTreeSet<HeroId>,
    deletions: BTreeMap<HeroId, u32>,
    snapshots_checked: u64,
    with_vector: u64,
}

/// The observations of one incarnation, and the writes of it that were acknowledged to clients.
#[derive(Debug, Default)]
struct IncarnationRecord {
    deletions: deletions::Deletions,
    reads: monotonic::Reads,
    held: BTreeSet<HeroId>,
    deleted: BTreeSet<HeroId>,
    survivors: Survivors,
}

/// The counts of an audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditCounts {
    /// Observed incarnations of nodes.
    pub incarnations: usize,
    /// Node snapshots checked.
    pub snapshots: u64,
    /// Snapshots whose version vector was known.
    pub with_vector: u64,
    /// Distinct writes observed or acknowledged.
    pub writes: usize,
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Acknowledged writes that were lost together with their writers' incarnations, as allowed.
    pub lost: usize,
    /// Acknowledged deletions.
    pub deletions: usize,
    /// Acknowledged deletions that were lost together with the dispatch that wrote them, as
    /// allowed.
    pub lost_deletions: usize,
}

impl Audit {
    /// Returns true for a hero whose deletion must not be requested.
    #[must_use]
    pub fn lasts(key: HeroId) -> bool {
        key.as_bytes()[15].is_multiple_of(8)
    }

    /// Records that a hero's deletion is about to be requested.
    ///
    /// # Panics
    /// If the hero lasts.
    pub fn note_deletion_request(&mut self, key: HeroId) {
        assert!(!Self::lasts(key), "{key} must not be deleted");
        self.deletion_requested.insert(key);
    }

    /// Records a deletion acknowledged by the dispatch with this number or a later one.
    pub fn note_acknowledged_deletion(&mut self, key: HeroId, dispatch: u32) {
        self.deletions.insert(key, dispatch);
    }

    /// Records an acknowledged write.
    ///
    /// # Errors
    /// The contradiction.
    pub fn note_acknowledged(&mut self, key: HeroId, entry: &Entry) -> Result<(), String> {
        self.acknowledged.insert(entry.stamp, key);
        self.incarnations.entry(entry.stamp.origin).or_default().survivors.note(key, rank(entry));
        self.note(key, entry)
    }

    /// Checks that a stamp names one write with one content.
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

    /// Checks and records a snapshot of every node.
    ///
    /// # Errors
    /// The contradiction.
    pub fn observe(&mut self, snapshots: &[NodeSnapshot]) -> Result<(), String> {
        for snapshot in snapshots {
            self.check_snapshot(snapshot)
                .map_err(|text| format!("{}: {text}", snapshot.incarnation))?;
        }
        equal_vectors_hold_equal_maps(snapshots)
    }

    fn check_snapshot(
        &mut self,
        NodeSnapshot { incarnation, map, vector, tombstones: _ }: &NodeSnapshot,
    ) -> Result<(), String> {
        self.snapshots_checked += 1;
        map.iter().try_for_each(|(key, entry)| self.note(key, &entry))?;
        let record = self.incarnations.entry(*incarnation).or_default();
        for (key, entry) in map.iter() {
            record.deletions.note(key, false)?;
            record.reads.note(key, rank(&entry), entry.is_tombstone())?;
        }
        // A hero that disappeared was deleted: an incarnation drops heroes in no other way.
        let held: BTreeSet<HeroId> = map.iter().map(|(key, _)| key).collect();
        for missing in std::mem::replace(&mut record.held, held)
            .into_iter()
            .filter(|key| map.get(*key).is_none())
        {
            ensure(self.deletion_requested.contains(&missing), || {
                format!("hero {missing} is missing, but its deletion was never requested")
            })?;
            record.deletions.note(missing, true)?;
            record.deleted.insert(missing);
        }
        record.survivors.note_all(map);
        if let Some(vector) = vector {
            self.with_vector += 1;
            record.reads.note_vector(vector)?;
            claims::no_underclaim(map, vector)?;
            // Writes covered by a mark may be lost with their incarnation; only the quiescent
            // cluster shows which are stored elsewhere.
            claims::no_overclaim(&self.lasting, map, vector, &BTreeSet::new())?;
        }
        Ok(())
    }

    /// Checks the quiescent cluster against everything that was observed and acknowledged before.
    /// `dispatch` is the number of the current dispatch.
    ///
    /// # Errors
    /// The lost write, or the hero that reappeared.
    pub fn check_quiescent(
        &self,
        snapshots: &[NodeSnapshot],
        dispatch: u32,
    ) -> Result<AuditCounts, String> {
        let held: BTreeSet<Stamp> = snapshots
            .iter()
            .flat_map(|snapshot| snapshot.map.iter().map(|(_, entry)| entry.stamp))
            .collect();
        let survivors = || {
            snapshots.iter().filter_map(|snapshot| {
                Some((snapshot.incarnation, self.incarnations.get(&snapshot.incarnation)?))
            })
        };
        for NodeSnapshot { incarnation, map, vector, .. } in snapshots {
            let at = |text: String| format!("{incarnation}: {text}");
            let vector =
                vector.as_ref().ok_or_else(|| at("its version vector is not known".into()))?;
            claims::no_overclaim(&self.lasting, map, vector, &held).map_err(at)?;
            for (survivor, record) in survivors() {
                // Everything that a running incarnation has shown, or acknowledged.
                let survived = record.survivors.all_held(
                    |key| best(map, key),
                    |key, _| self.deletion_requested.contains(&key),
                );
                survived.map_err(|text| at(format!("{text} ({survivor})")))?;
                let reappeared = record.deleted.iter().find(|key| map.get(**key).is_some());
                ensure(reappeared.is_none(), || {
                    at(format!("hero {reappeared:?} was deleted at {survivor} and is live"))
                })?;
            }
            let reappeared = self
                .deletions
                .iter()
                .find(|(key, of)| **of == dispatch && map.get(**key).is_some());
            ensure(reappeared.is_none(), || {
                at(format!("hero {reappeared:?} was deleted by the running dispatch and is live"))
            })?;
        }
        equal_vectors_hold_equal_maps(snapshots)?;
        let is_held = |(stamp, key): &(&Stamp, &HeroId)| {
            self.deletion_requested.contains(key)
                || snapshots.iter().all(|snapshot| {
                    best(&snapshot.map, **key).is_some_and(|held| held >= (false, **stamp))
                })
        };
        let is_live =
            |key: &HeroId| snapshots.iter().any(|snapshot| snapshot.map.get(*key).is_some());
        Ok(AuditCounts {
            incarnations: self.incarnations.len(),
            snapshots: self.snapshots_checked,
            with_vector: self.with_vector,
            writes: self.writes.len(),
            acknowledged: self.acknowledged.len(),
            lost: self.acknowledged.iter().filter(|write| !is_held(write)).count(),
            deletions: self.deletions.len(),
            lost_deletions: self.deletions.keys().filter(|key| is_live(key)).count(),
        })
    }
}

fn best(map: &Map, key: HeroId) -> Option<Rank> {
    map.get(key).map(|entry| rank(&entry))
}

/// Checks that nodes with equal vectors hold equal maps.
fn equal_vectors_hold_equal_maps(snapshots: &[NodeSnapshot]) -> Result<(), String> {
    let names: Vec<String> =
        snapshots.iter().map(|snapshot| snapshot.incarnation.to_string()).collect();
    let known = snapshots.iter().zip(&names);
    let known = known.filter_map(|(snapshot, name)| {
        Some((name.as_str(), snapshot.vector.as_ref()?, snapshot.map.fingerprint()))
    });
    agreement::equal_vectors_mean_equal_maps(known)
}

#[cfg(test)]
mod tests {
    //! Histories that contradict the claims.

    use super::*;

    const LASTING: &str = "00000000-0000-4000-8000-000000000000";
    const DELETABLE: &str = "00000000-0000-4000-8000-000000000001";

    fn hero(id: &str, wall: u64, location: &str) -> (HeroId, Entry) {
        let stamp =
            crate::api::Stamp { wall_ms: wall, logical: 0, origin: "dispatch/1".to_owned() };
        entry(&Hero {
            id: id.into(),
            name: "Granite".into(),
            location: location.into(),
            is_patrolling: false,
            health: 100,
            stamp,
        })
    }

    fn snapshot(node: &str, covered: u64, heroes: &[(HeroId, Entry)]) -> NodeSnapshot {
        let mut map = Map::default();
        heroes.iter().for_each(|(key, entry)| {
            map.merge(*key, &entry.as_entry_ref());
        });
        let hlc = Hlc { wall: UnixMillis(covered), logical: 0 };
        let vector = VersionVector::from_iter([Stamp { hlc, origin: origin("dispatch/1") }]);
        NodeSnapshot { incarnation: origin(node), map, vector: Some(vector), tombstones: 0 }
    }

    /// Records these snapshots, and returns the result for the last one.
    fn observe_all(audit: &mut Audit, snapshots: &[NodeSnapshot]) -> Result<(), String> {
        let (last, before) = snapshots.split_last().unwrap();
        for snapshot in before {
            audit.observe(std::slice::from_ref(snapshot)).unwrap();
        }
        audit.observe(std::slice::from_ref(last))
    }

    #[test]
    fn regression_is_detected_within_one_incarnation_only() {
        let (old, new) = (hero(DELETABLE, 5, "home"), hero(DELETABLE, 6, "gotham"));
        let violation =
            |snapshots: &[NodeSnapshot]| observe_all(&mut Audit::default(), snapshots).unwrap_err();
        let [old, new] = [[old], [new]];
        assert!(
            violation(&[snapshot("gotham/1", 9, &new), snapshot("gotham/1", 9, &old)])
                .contains("changed back")
        );
        assert!(
            violation(&[snapshot("gotham/1", 9, &new), snapshot("gotham/1", 8, &new)])
                .contains("vector shrank")
        );
        assert!(
            violation(&[snapshot("gotham/1", 9, &new), snapshot("gotham/1", 9, &[])])
                .contains("never requested")
        );
        assert!(violation(&[snapshot("gotham/1", 5, &new)]).contains("does not cover"));
        assert!(
            observe_all(
                &mut Audit::default(),
                &[snapshot("gotham/1", 9, &new), snapshot("gotham/2", 5, &old)]
            )
            .is_ok()
        );
    }

    #[test]
    fn reappearing_hero_is_detected_at_once_and_at_quiescence() {
        let live = [hero(DELETABLE, 5, "home")];
        let history = [
            snapshot("gotham/1", 9, &live),
            snapshot("gotham/1", 9, &[]),
            snapshot("gotham/1", 9, &live),
        ];
        let mut audit = Audit::default();
        audit.note_deletion_request(live[0].0);
        assert!(observe_all(&mut audit, &history).unwrap_err().contains("is live again"));
        audit.note_acknowledged_deletion(live[0].0, 7);
        assert!(
            audit
                .check_quiescent(&[snapshot("gotham/1", 9, &live)], 8)
                .unwrap_err()
                .contains("was deleted at")
        );
        assert!(
            audit
                .check_quiescent(&[snapshot("gotham/2", 9, &live)], 7)
                .unwrap_err()
                .contains("by the running dispatch")
        );
        assert_eq!(
            audit.check_quiescent(&[snapshot("gotham/2", 9, &live)], 8).unwrap().lost_deletions,
            1,
            "the deletion was lost with its writer's incarnation"
        );
    }

    #[test]
    fn ambiguous_stamps_and_vectors_are_detected() {
        let (here, there) = (hero(LASTING, 5, "home"), hero(LASTING, 5, "gotham"));
        let mut audit = Audit::default();
        audit.note_acknowledged(here.0, &here.1).unwrap();
        assert!(audit.note_acknowledged(there.0, &there.1).unwrap_err().contains("names"));
        let snapshots =
            [snapshot("gotham/1", 9, &[hero(DELETABLE, 5, "home")]), snapshot("capitol/1", 9, &[])];
        assert!(Audit::default().observe(&snapshots).unwrap_err().contains("cover the same"));
    }

    #[test]
    fn lost_write_is_detected_unless_its_writer_was_lost() {
        let (key, saved) = hero(LASTING, 5, "home");
        let mut audit = Audit::default();
        audit.note_acknowledged(key, &saved).unwrap();
        assert!(
            audit.observe(&[snapshot("gotham/1", 9, &[])]).unwrap_err().contains("holds nothing"),
            "it claims a write that it does not hold"
        );
        assert!(
            audit
                .check_quiescent(&[snapshot("dispatch/1", 4, &[])], 0)
                .unwrap_err()
                .contains("a survivor held")
        );
        assert_eq!(audit.check_quiescent(&[snapshot("dispatch/2", 4, &[])], 0).unwrap().lost, 1);
    }
}
