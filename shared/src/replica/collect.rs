//! When a tombstone may go, and what is owed to those who return after it went.
//!
//! A tombstone is causally stable when every member has proved, in its present life, a vector that covers it, and this replica
//! covers all that those proofs cover. Then no member holds, or can still bring, a write that the tombstone should beat: what it
//! wrote before it heard of the death is covered here, and what it writes afterwards it does not write to the dead.
//!
//! Invariants: the horizon covers every collected tombstone, and the vector covers the horizon. A member that is away keeps
//! every tombstone it has not heard of in place, however long it is away.

use crate::clock::Stamp;
use crate::crdt::{Entry, Rank, Value, VersionVector};
use crate::id::{HeroId, Incarnation, NodeName, Origin};
use crate::replica::close::{exceeds, has_heard};
use crate::replica::pull::Chunks;
use crate::replica::{Event, Replica, Rule};
use crate::time::Now;

/// What a member has proved to cover, in one of its lives.
#[derive(Clone, Debug, Hash)]
pub(super) struct Proof {
    pub(super) incarnation: Incarnation,
    pub(super) vector: VersionVector,
}

impl Replica {
    /// Takes note that `member` covers `vector`, from its own mouth, and collects what that makes stable. What an earlier
    /// life proved died with it.
    pub(super) fn learn(&mut self, member: Origin, vector: VersionVector) {
        if self.present.get(&member.node).is_some_and(|present| *present != member.incarnation) {
            return;
        }
        match self.proofs.get_mut(&member.node) {
            Some(proof) if proof.incarnation > member.incarnation => return,
            Some(proof) if proof.incarnation == member.incarnation => proof.vector.merge(&vector),
            Some(_) | None => drop(self.proofs.insert(member.node, Proof { incarnation: member.incarnation, vector })),
        }
        self.collect();
        self.close_lives();
    }

    /// Drops the tombstones that are causally stable.
    fn collect(&mut self) {
        if self.map.tombstones() == 0 || !self.config.members.contains(&self.me.node) {
            return;
        }
        let Some(stable) = self.stable() else { return };
        // Once it is gone, only its hero's birth, if covered, tells that it was there. One who wrote it over a copy may not have heard.
        let leaves_a_trace = |born: Stamp| has_heard(&self.vector, &self.horizon, born);
        let dead: Vec<_> = self.map.tombstones_covered_by(&stable).filter(|(_, _, born)| leaves_a_trace(*born)).collect();
        for (key, stamp, _) in &dead {
            self.map.remove(*key);
            self.horizon.advance(*stamp);
        }
        if !dead.is_empty() {
            self.event(Event::Collected { tombstones: dead.into_iter().map(|(_, stamp, _)| stamp).collect() });
        }
    }

    /// What every member has proved to cover; `None` while that is not known.
    fn stable(&self) -> Option<VersionVector> {
        let proofs = self.proofs_of_members()?;
        Some(proofs.iter().fold(self.vector.clone(), |stable, (_, proof)| stable.meet(proof)))
    }

    /// The members that keep tombstones in place here: they have proved nothing in their present life, or something that this
    /// replica has not heard of itself.
    #[must_use]
    pub fn awaited(&self) -> Vec<NodeName> {
        let others = self.counted_members().filter(|member| *member != self.me.node);
        others.filter(|member| self.proof_of(*member).is_none_or(|(_, proof)| !self.vector.covers_all(proof))).collect()
    }

    /// Whether a puller with this vector has to be told all: a delta cannot tell it of a tombstone that is gone here, nor of what
    /// it alone has heard of a life that is closed here.
    pub(super) fn owes_full_round(&self, base: &VersionVector) -> bool {
        let uninformed = !base.covers_all(&self.horizon) || exceeds(base, &self.vector, &self.horizon);
        self.config.rules.keep(Rule::TheUninformedGetFullRounds) && uninformed
    }

    /// Whether the write with this stamp has been heard of, rather than covered because its life is closed.
    #[must_use]
    pub fn has_heard(&self, stamp: Stamp) -> bool {
        has_heard(&self.vector, &self.horizon, stamp)
    }

    /// Whether the hero of `entry` is known to be dead here, although nothing is held under its key: the vector covers its
    /// birth, so it was held, or something that beat it, and only a collected tombstone leaves nothing behind.
    #[must_use]
    pub fn knows_dead(&self, key: HeroId, entry: &Entry) -> bool {
        self.map.rank(key).map_or_else(|| has_heard(&self.vector, &self.horizon, entry.born), |held| held.is_tombstone)
    }

    /// After a full round: forgets every hero whose birth the source covered and which the source does not hold. It held
    /// it once, and a tombstone that it has collected beat it. A tombstone that the source has not heard of stays, for nobody has
    /// collected that: this vector covers it, and whoever takes it over takes the tombstone along.
    pub(super) fn forget_what_is_gone_at(&mut self, vector: &VersionVector, horizon: &VersionVector, held_there: &Chunks) {
        if self.map.is_empty() {
            return;
        }
        let mut held_there: Vec<HeroId> = held_there.keys().collect();
        held_there.sort_unstable();
        let keep = |rule| self.config.rules.keep(rule);
        let heard_there = |stamp| has_heard(vector, horizon, stamp) || !keep(Rule::OnlyWhatWasHeardIsForgotten);
        let stays = |held: Rank| held.is_tombstone && !heard_there(held.stamp) && keep(Rule::UnheardTombstonesStay);
        let is_held_there = |key: &HeroId| held_there.binary_search(key).is_ok();
        let gone = self.map.stamps().filter(|(key, held, born)| heard_there(*born) && !stays(*held) && !is_held_there(key));
        let mut gone: Vec<HeroId> = gone.map(|(key, ..)| key).collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|key| self.map.remove(key));
    }

    /// Writes a tombstone of this replica's own against each of these late writes to the dead, so that all agree again. It takes the
    /// place of the death that they came after, and has seen what that had: the late writes are lost, as they would have been to it.
    pub(super) fn bury(&mut self, now: Now, source: Origin, late: Vec<(HeroId, Entry)>) {
        if late.is_empty() {
            return;
        }
        let writes = late.len();
        for (key, entry) in late {
            let stamp = self.stamp(now);
            // Of a death that was collected only this is known: it had seen the birth.
            let over = self.map.get(key).unwrap_or_else(|| Entry::written(Value::Tombstone, entry.born, None));
            self.map.merge(key, &Entry::written(Value::Tombstone, stamp, Some(&over)).as_entry_ref());
        }
        self.event(Event::Buried { source, writes });
    }
}
