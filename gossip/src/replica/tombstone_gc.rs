//! Collection of tombstones, and what a member that missed one is owed.
//!
//! A tombstone is causally stable when every member has proved, in its present incarnation, a
//! vector that covers it, and this replica covers all that those proofs cover. Then no member
//! holds, or can still bring, a write that the tombstone should beat: what a member wrote before it
//! saw the tombstone is covered here, and afterwards it does not write to the deleted key.
//!
//! Invariants: the horizon covers every collected tombstone, and the vector covers the horizon. A
//! member that is away holds back every tombstone that it has not seen, however long it is away.

use crate::clock::Stamp;
use crate::crdt::entry::{Entry, Rank, Value};
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::pull::Chunks;
use crate::replica::retire::{exceeds, has_seen};
use crate::replica::{Event, Replica, Rule};
use crate::time::Now;

/// The vector that a member has proved to cover, in one of its incarnations.
#[derive(Clone, Debug, Hash)]
pub(super) struct Proof {
    pub(super) incarnation: Incarnation,
    pub(super) vector: VersionVector,
}

impl<V: Payload> Replica<V> {
    /// Notes that `member` has proved to cover `vector`, and collects what that makes stable. A
    /// proof ends with its incarnation.
    pub(super) fn learn(&mut self, member: Origin, vector: VersionVector) {
        if self.present.get(&member.node).is_some_and(|present| *present != member.incarnation) {
            return;
        }
        match self.proofs.get_mut(&member.node) {
            Some(proof) if proof.incarnation > member.incarnation => return,
            Some(proof) if proof.incarnation == member.incarnation => proof.vector.merge(&vector),
            Some(_) | None => drop(
                self.proofs.insert(member.node, Proof { incarnation: member.incarnation, vector }),
            ),
        }
        self.collect();
        self.close_incarnations();
    }

    /// Drops the tombstones that are causally stable.
    fn collect(&mut self) {
        if self.map.tombstones() == 0 || !self.config.members.contains(&self.me.node) {
            return;
        }
        let Some(stable) = self.stable() else { return };
        // Once it is gone, only its key's birth, if covered, shows that it was there. A writer over
        // a copy may not have seen the birth.
        let leaves_a_trace = |born: Stamp| has_seen(&self.vector, &self.horizon, born);
        let dead: Vec<_> = self
            .map
            .tombstones_covered_by(&stable)
            .filter(|(_, _, born)| leaves_a_trace(*born))
            .collect();
        for (key, stamp, _) in &dead {
            self.map.remove(*key);
            self.horizon.advance(*stamp);
        }
        if !dead.is_empty() {
            self.event(Event::Collected {
                tombstones: dead.into_iter().map(|(_, stamp, _)| stamp).collect(),
            });
        }
    }

    /// Returns what every member has proved to cover; `None` while that is not known.
    fn stable(&self) -> Option<VersionVector> {
        let proofs = self.proofs_of_members()?;
        Some(proofs.iter().fold(self.vector.clone(), |stable, (_, proof)| stable.meet(proof)))
    }

    /// Returns the members that hold back tombstones here: they have proved nothing in their
    /// present incarnation, or something that this replica has not seen itself.
    #[must_use]
    pub fn awaited(&self) -> Vec<NodeName> {
        let others = self.counted_members().filter(|member| *member != self.me.node);
        others
            .filter(|member| {
                self.proof_of(*member).is_none_or(|(_, proof)| !self.vector.covers_all(proof))
            })
            .collect()
    }

    /// Returns whether a puller with this vector needs a full round: a delta does not contain
    /// tombstones that are collected here, nor what the puller alone has of an incarnation that is
    /// closed here.
    pub(super) fn owes_full_round(&self, base: &VersionVector) -> bool {
        let uninformed =
            !base.covers_all(&self.horizon) || exceeds(base, &self.vector, &self.horizon);
        self.keeps(Rule::TheUninformedGetFullRounds) && uninformed
    }

    /// Returns whether the write with this stamp was seen, rather than covered because its
    /// incarnation is closed.
    #[must_use]
    pub fn has_seen(&self, stamp: Stamp) -> bool {
        has_seen(&self.vector, &self.horizon, stamp)
    }

    /// Returns whether the key of `entry` is known to be deleted, although nothing is held under
    /// it: the vector covers its birth, so it was held, or something that beat it, and only a
    /// collected tombstone leaves nothing.
    #[must_use]
    pub fn is_deleted(&self, key: Key, entry: &Entry<V>) -> bool {
        self.map.rank(key).map_or_else(
            || has_seen(&self.vector, &self.horizon, entry.born),
            |held| held.is_tombstone,
        )
    }

    /// After a full round, removes every key whose birth the source covered and which the source
    /// does not hold: the source held it once, and has collected a tombstone of it. A tombstone
    /// that the source has not seen stays, since no member has collected it: this vector covers it,
    /// and must bring it along.
    pub(super) fn forget_keys_missing_at(
        &mut self,
        vector: &VersionVector,
        horizon: &VersionVector,
        held_there: &Chunks<V>,
    ) {
        if self.map.is_empty() {
            return;
        }
        let mut held_there: Vec<Key> = held_there.keys().collect();
        held_there.sort_unstable();
        let keep = |rule| self.keeps(rule);
        let heard_there =
            |stamp| has_seen(vector, horizon, stamp) || !keep(Rule::OnlySeenKeysAreForgotten);
        let stays = |held: Rank| {
            held.is_tombstone && !heard_there(held.stamp) && keep(Rule::UnseenTombstonesStay)
        };
        let is_held_there = |key: &Key| held_there.binary_search(key).is_ok();
        let gone = self
            .map
            .stamps()
            .filter(|(key, held, born)| heard_there(*born) && !stays(*held) && !is_held_there(key));
        let mut gone: Vec<Key> = gone.map(|(key, ..)| key).collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Writes a tombstone of this replica's own over each of these late writes to deleted keys, so
    /// that all members agree again. It takes the place of the earlier tombstone, and has seen what
    /// that had: the late writes are lost, as they would have been to it.
    pub(super) fn bury(&mut self, now: Now, source: Origin, late: Vec<(Key, Entry<V>)>) {
        if late.is_empty() {
            return;
        }
        let writes = late.len();
        for (key, entry) in late {
            let stamp = self.stamp(now);
            // Of a collected tombstone only this is known: it had seen the birth.
            let over = self
                .map
                .get(key)
                .unwrap_or_else(|| Entry::written(Value::Tombstone, entry.born, None));
            self.map
                .merge(key, &Entry::written(Value::Tombstone, stamp, Some(&over)).as_entry_ref());
        }
        self.event(Event::Buried { source, writes });
    }
}
