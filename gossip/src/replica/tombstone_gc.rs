//! Collection of tombstones, and full rounds for replicas that missed one.
//!
//! Deletions of registers are collected like tombstones. What is said here of tombstones holds for
//! them too, with one exception: a later write wins over them. After a deletion was collected, the
//! stamp of an unseen write decides, by the latest collected deletion of any key: a write above it
//! is later; one below it may be earlier, and is deleted. If the birth of the key is unseen too, the
//! deletion may have been of another key, so the value is written again, with a new stamp: by the
//! collector that receives it, and by the replica that holds it and receives a round of a collector.
//! (It takes two processes of one name, or clocks that differ by the accepted drift: the proof of
//! one process stands for the other.)
//!
//! A tombstone is causally stable when each member has proved, in its present incarnation, a vector
//! that covers it, and this replica covers all that those proofs cover. Then no member holds, or
//! can still send, a write that the tombstone must beat: the writes that a member made before it
//! saw the tombstone are covered here, and afterwards it does not write to the deleted key.
//!
//! Invariants: the horizon covers all collected tombstones, and the vector covers the horizon. A
//! member that is away holds back the tombstones that it has not seen, without a time limit.

use crate::clock::Stamp;
use crate::crdt::entry::{Entry, Value};
use crate::crdt::horizon::Horizon;
use crate::crdt::map::Stamps;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::pull::Chunks;
use crate::replica::retire::{exceeds, has_seen};
use crate::replica::{Event, Replica, Rule};
use crate::table::Kind;
use crate::time::Now;

/// The vector that a member has proved to cover in one of its incarnations.
#[derive(Clone, Debug, Hash)]
pub(super) struct Proof {
    pub(super) incarnation: Incarnation,
    pub(super) vector: VersionVector,
}

impl<V: Payload> Replica<V> {
    /// Records that `member` has proved to cover `vector`. Collects the tombstones that become
    /// stable, closes the incarnations on which all members agree, and joins if all members have
    /// this incarnation on their rosters.
    pub(super) fn note_proof(&mut self, now: Now, member: Origin, vector: VersionVector) {
        // The linked incarnation is the one that must prove. Rounds of another one may be carried
        // or late.
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
        self.join_if_listed(now);
    }

    /// Drops the tombstones that are causally stable.
    fn collect(&mut self) {
        if !self.map.has_tombstones() || !self.is_member() {
            return;
        }
        let Some(stable) = self.stable() else { return };
        // After collection, only the covered birth shows that the key is deleted. The birth may be
        // unseen here, if the key was deleted over a copy that came with a command.
        let birth_is_seen = |born: Stamp| has_seen(&self.vector, &self.horizon, born);
        let collected: Vec<_> = self
            .map
            .tombstones_covered_by(&stable)
            .filter(|(_, _, born)| birth_is_seen(*born))
            .collect();
        for (key, stamp, _) in &collected {
            self.map.remove(*key);
            self.horizon.collected.advance(*stamp);
        }
        if !collected.is_empty() {
            self.event(Event::Collected {
                tombstones: collected.into_iter().map(|(_, stamp, _)| stamp).collect(),
            });
        }
    }

    /// Returns the vector that all members have proved to cover; `None` while a proof is missing.
    fn stable(&self) -> Option<VersionVector> {
        let proofs = self.proofs_of_members()?;
        Some(proofs.iter().fold(self.vector.clone(), |stable, (_, proof)| stable.meet(proof)))
    }

    /// Returns the members that hold back tombstones here: those without a proof in their present
    /// incarnation, and those whose proof covers writes that this replica has not received.
    #[must_use]
    pub fn awaited(&self) -> Vec<NodeName> {
        self.others()
            .filter(|member| {
                self.proof_of(*member).is_none_or(|(_, proof)| !self.vector.covers_all(proof))
            })
            .collect()
    }

    /// Returns whether a puller with this vector needs a full round. A delta contains neither
    /// tombstones that were collected here, nor a hint at writes that only the puller has of an
    /// incarnation closed here.
    pub(super) fn needs_full_round(&self, base: &VersionVector) -> bool {
        let behind_horizon =
            !base.covers_all(&self.horizon.collected) || exceeds(base, &self.vector, &self.horizon);
        self.keeps(Rule::PullersBehindHorizonGetFullRounds) && behind_horizon
    }

    /// Returns whether the write with this stamp was seen here. A write can also be covered without
    /// having been seen, because its incarnation is closed.
    #[must_use]
    pub fn has_seen(&self, stamp: Stamp) -> bool {
        has_seen(&self.vector, &self.horizon, stamp)
    }

    /// Returns whether `key` is known to be deleted, given a copy of its entry. This can be known
    /// even if no entry is held: if the vector covers the birth, the key was held, and only a
    /// collected tombstone leaves no entry.
    #[must_use]
    pub fn is_deleted(&self, key: Key, entry: &Entry<V>) -> bool {
        self.map
            .rank(key)
            .map_or_else(|| has_seen(&self.vector, &self.horizon, entry.born), |held| held.is_final)
    }

    /// After a full round, removes the keys whose birth the source covers and which the source does
    /// not hold: it held each of them once, and has collected a tombstone.
    ///
    /// Tombstones that the source has not seen are kept, since no member has collected them: this
    /// vector covers them, so the replica must be able to send them. Returns the registers that the
    /// source may have deleted, since it does not hold them and has collected a later deletion: this
    /// replica must write them again.
    pub(super) fn forget_keys_missing_at(
        &mut self,
        vector: &VersionVector,
        horizon: &Horizon,
        held_there: &Chunks<V>,
    ) -> Vec<Key> {
        if self.map.is_empty() {
            return Vec::new();
        }
        let mut held_there: Vec<Key> = held_there.keys().collect();
        held_there.sort_unstable();
        let keep = |rule| self.keeps(rule);
        let seen_there =
            |stamp| has_seen(vector, horizon, stamp) || !keep(Rule::OnlySeenKeysAreRemoved);
        let latest_deletion = horizon.latest_collected();
        let stays = |held: &Stamps| match held.key.kind() {
            // The owner of an entry does not delete it, so it was not deleted.
            Kind::Lasting | Kind::Ephemeral if keep(Rule::OwnedEntriesAreKept) => true,
            _ if held.is_tombstone => !seen_there(held.stamp) && keep(Rule::UnseenTombstonesStay),
            // Deletions of registers win only over earlier writes.
            Kind::Register => {
                !seen_there(held.stamp)
                    && Some(held.stamp.hlc) > latest_deletion
                    && keep(Rule::UnseenWritesToRegistersStay)
            }
            Kind::Once | Kind::Lasting | Kind::Ephemeral => false,
        };
        let is_held_there = |key: &Key| held_there.binary_search(key).is_ok();
        let is_ambiguous = |held: &Stamps| {
            held.key.kind() == Kind::Register
                && !held.is_tombstone
                && Some(held.stamp.hlc) <= latest_deletion
                && keep(Rule::EarlierBirthsAreAdopted)
        };
        let (mut missing, mut ambiguous) = (Vec::new(), Vec::new());
        for held in self.map.stamps().filter(|held| !is_held_there(&held.key)) {
            if seen_there(held.born) {
                if !stays(&held) {
                    missing.push(held.key);
                }
            } else if is_ambiguous(&held) {
                ambiguous.push(held.key);
            }
        }
        // A deterministic order, since each removal gets a change number.
        missing.sort_unstable();
        missing.into_iter().for_each(|key| self.map.remove(key));
        ambiguous
    }

    /// Writes a new tombstone of this replica over each of these late writes to deleted keys, so
    /// that all members converge. The new tombstone replaces the earlier one and has seen the same
    /// writes. So the late writes count as lost, as they would against the earlier one.
    pub(super) fn delete_late_writes(
        &mut self,
        now: Now,
        source: Origin,
        late: Vec<(Key, Entry<V>)>,
    ) {
        if late.is_empty() {
            return;
        }
        let writes = late.len();
        for (key, entry) in late {
            let stamp = self.stamp(now);
            // Of a collected tombstone only the birth is still known, which it had seen.
            let deletion = || match key.kind() {
                Kind::Register => Value::Unset,
                Kind::Once | Kind::Lasting | Kind::Ephemeral => Value::Tombstone,
            };
            let collected = || Entry::written(deletion(), entry.born, None);
            let over = self.map.get(key).unwrap_or_else(collected);
            self.map.merge(key, &Entry::written(deletion(), stamp, Some(&over)).as_entry_ref());
        }
        self.event(Event::LateWritesDeleted { source, writes });
    }
}
