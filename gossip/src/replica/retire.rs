//! Retirement of incarnations: fencing, closing, and adoption of last writes. Also forgetting of
//! members.
//!
//! An incarnation is *fenced* at a replica that has seen a later one of the same name: the replica
//! no longer pulls from it.
//!
//! A fenced incarnation is *closed* when each member, in its present incarnation, has proved the
//! same slot for it after fencing it, and has also fenced the earlier incarnations of all other
//! members. Then no incarnation that proved holds more writes of it, and none can receive more: by
//! induction over the pulls after those proofs, each source has proved the same slot, or has
//! started empty since. (There is one exception: if the closed incarnation is still running, as a
//! second process of its name, a newcomer can pull more from it. See orphans below.) One mark then
//! replaces the slots of all closed incarnations of a node. So a node that restarted ten thousand
//! times takes one mark and one slot in a vector.
//!
//! The horizon keeps the last stamp of a closed incarnation, as the closing members had it, for a
//! while. A puller whose slot is beyond it gets a full round. It was not part of the agreement: a
//! name was used by two processes, and the puller is one of them or has pulled from one. Its
//! entries beyond that last stamp are *orphans*: it rewrites them as its own, so that nothing is
//! lost. So does a replica that has closed the incarnation and receives orphans in a round that it
//! requested before. Orphans in tables of owned entries are dropped instead: only their origin
//! writes them.
//!
//! *Forgetting* a member writes an obituary: a later slot, with a number that no process can have
//! and with the lowest possible reading. It fences the earlier incarnations. While the obituary is
//! the newest slot of its name, the member does not count. A process that starts under the name
//! later is a member again.
//!
//! Invariants: a closed incarnation is never reopened; the horizon contains its last stamp while it
//! is among the newest `CLOSED_KEPT` of its node.

use serde::{Deserialize, Serialize};

use crate::clock::{Hlc, Stamp};
use crate::crdt::entry::Entry;
use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{Event, Replica, Rule};
use crate::table::Kind;
use crate::time::{Now, UnixMillis};

/// The number of closed incarnations of each node that keep a stamp in each part of the horizon. A
/// puller that missed collections of more gets a full round, which removes keys that the source has
/// seen and no longer holds.
const CLOSED_KEPT: usize = 16;

/// The reading in the slot of an obituary. Readings of processes are always later.
pub(super) const OBITUARY: Hlc = Hlc { wall: UnixMillis(0), logical: 0 };

/// The reason why a member cannot be forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ForgetError {
    /// A node cannot forget itself.
    #[error("a node cannot forget itself")]
    OwnName,
    /// The node is not on the roster.
    #[error("not a member of this cluster")]
    NotMember,
    /// This incarnation has not joined yet.
    #[error("this incarnation has not joined the cluster yet")]
    Joining,
}

/// Returns whether a replica with this vector and horizon has seen the write itself. A write can
/// also be covered without having been seen, because its incarnation is closed.
pub(super) fn has_seen(vector: &VersionVector, horizon: &Horizon, stamp: Stamp) -> bool {
    Some(stamp.hlc) <= highest_seen(vector, horizon, stamp.origin)
}

/// Returns the reading of the newest write of `origin` that such a replica has seen itself.
fn highest_seen(vector: &VersionVector, horizon: &Horizon, origin: Origin) -> Option<Hlc> {
    if vector.has_closed(origin) { horizon.closed.highest(origin) } else { vector.slot(origin) }
}

/// A cache for [`has_seen`] of many writes, where writes of one origin mostly follow each other.
pub(super) struct SeenWrites<'a> {
    vector: &'a VersionVector,
    horizon: &'a Horizon,
    last: Option<(Origin, Option<Hlc>)>,
}

impl<'a> SeenWrites<'a> {
    pub(super) fn new(vector: &'a VersionVector, horizon: &'a Horizon) -> Self {
        Self { vector, horizon, last: None }
    }

    #[inline]
    pub(super) fn has(&mut self, stamp: Stamp) -> bool {
        let highest = match self.last {
            Some((origin, highest)) if origin == stamp.origin => highest,
            Some(_) | None => highest_seen(self.vector, self.horizon, stamp.origin),
        };
        self.last = Some((stamp.origin, highest));
        Some(stamp.hlc) <= highest
    }
}

/// Returns whether `holder` covers more writes than the closing members did, for some incarnation
/// that `vector` has closed.
pub(super) fn exceeds(holder: &VersionVector, vector: &VersionVector, horizon: &Horizon) -> bool {
    holder.iter().any(|slot| vector.has_closed(slot.origin) && !horizon.closed.covers(slot))
}

impl<V: Payload> Replica<V> {
    /// Returns whether `incarnation` is fenced: a later one of the same name was seen. Nothing is
    /// pulled from a fenced incarnation.
    #[must_use]
    pub fn has_fenced(&self, incarnation: Origin) -> bool {
        self.keeps(Rule::OldIncarnationsAreFenced) && self.vector.has_ended(incarnation)
    }

    /// Returns whether `by` is later only because it is dated in the future, and this incarnation is
    /// not.
    ///
    /// Such an incarnation started under a wrong clock, and most likely has ended. All processes
    /// that start under the right clock are dated before it and would halt, one after the other. So
    /// this one restarts with a later number. It does so only once, because its next incarnation is
    /// dated in the future too.
    pub(super) fn is_superseded_by_misdated(&self, now: Now, by: Incarnation) -> bool {
        let UnixMillis(latest) = now.wall.plus(self.config.drift_max);
        by.number() > latest
            && self.me.incarnation.number() <= latest
            && self.keeps(Rule::MisdatedIncarnationsAreSuperseded)
    }

    /// Returns whether the member was forgotten and has not returned since.
    #[must_use]
    pub fn is_forgotten(&self, member: NodeName) -> bool {
        let newest = self.vector.incarnations(member).last().filter(|slot| slot.hlc == OBITUARY);
        // A further node that returns has a slot before it writes. A configured one may write before
        // its slot arrives here, so it counts from its link on.
        let has_linked = |obituary: Stamp| {
            let present = self.present.get(&member);
            present.is_some_and(|present| *present >= obituary.origin.incarnation)
                && !self.is_further(member)
        };
        newest.is_some_and(|obituary| !has_linked(obituary))
    }

    /// Closes the incarnations on which all members agree.
    pub(super) fn close_incarnations(&mut self) {
        if !self.is_member() || !self.has_ended_incarnations() {
            return;
        }
        let keep = |rule| self.keeps(rule);
        let Some(proofs) = self.proofs_of_members() else { return };
        let forgotten = self.names().filter(|member| self.is_forgotten(*member));
        let obituaries = forgotten
            .filter_map(|member| self.vector.incarnations(member).last())
            .map(|obituary| obituary.origin);
        // Forgotten members prove nothing. Their obituaries take the place of their incarnations.
        let incarnations: Vec<Origin> = proofs
            .iter()
            .map(|(incarnation, _)| *incarnation)
            .chain([self.me])
            .chain(obituaries)
            .collect();
        // A slot of the present incarnation fences the earlier ones of that node.
        let fenced = |vector: &VersionVector| {
            incarnations.iter().all(|incarnation| vector.slot(*incarnation).is_some())
        };
        if keep(Rule::ClosingNeedsFences)
            && !(fenced(&self.vector) && proofs.iter().all(|(_, proof)| fenced(proof)))
        {
            return;
        }
        let agreed = |slot: &Stamp| {
            proofs.iter().all(|(_, proof)| proof.slot(slot.origin) == Some(slot.hlc))
        };
        let mut marks = Vec::new();
        for present in incarnations {
            let ended =
                self.vector.incarnations(present.node).take_while(|slot| slot.origin < present);
            let open = ended
                .into_iter()
                .find(|slot| keep(Rule::ClosingNeedsAgreement) && !agreed(slot))
                .map_or(present, |slot| slot.origin);
            if self
                .vector
                .incarnations(present.node)
                .next()
                .is_some_and(|oldest| oldest.origin < open)
            {
                marks.push(open);
            }
        }
        marks.into_iter().for_each(|mark| self.close(mark));
    }

    /// Returns whether any node has slots of more than one incarnation.
    fn has_ended_incarnations(&self) -> bool {
        // Slots are sorted by node, so those of one node are adjacent.
        let mut slots = self.vector.iter().peekable();
        std::iter::from_fn(|| Some((slots.next()?.origin.node, slots.peek()?.origin.node)))
            .any(|(this, next)| this == next)
    }

    fn close(&mut self, before: Origin) {
        let closed: Vec<Stamp> =
            self.vector.incarnations(before.node).take_while(|slot| slot.origin < before).collect();
        closed.iter().for_each(|last| self.horizon.closed.advance(*last));
        self.vector.close(before);
        self.end_ephemeral_entries();
        self.prune_closed_entries();
        self.forget_old_closings();
        self.event(Event::Closed { before, incarnations: closed.len() });
    }

    /// Drops the last stamps of closed incarnations from the horizon, except the newest ones of
    /// each node.
    pub(super) fn forget_old_closings(&mut self) {
        let marks: Vec<Origin> = self.vector.marks().collect();
        for mark in marks {
            for part in [&mut self.horizon.collected, &mut self.horizon.closed] {
                let kept: Vec<Origin> = part
                    .incarnations(mark.node)
                    .map(|slot| slot.origin)
                    .take_while(|incarnation| *incarnation < mark)
                    .collect();
                if kept.len() > CLOSED_KEPT {
                    part.close(kept[kept.len() - CLOSED_KEPT]);
                }
            }
        }
    }

    /// Forgets `member` at an operator's request, so that it no longer holds back tombstones and
    /// slots.
    ///
    /// If it was forgotten before, the members to which a later incarnation has linked forget it, too.
    /// If an incarnation of it is running, it halts when it receives the obituary. Writes that only
    /// it has are not merged.
    ///
    /// # Errors
    /// [`ForgetError`]; nothing was changed.
    pub fn forget(&mut self, now: Now, member: NodeName) -> Result<(), ForgetError> {
        if member == self.me.node {
            return Err(ForgetError::OwnName);
        }
        if !self.names().any(|name| name == member) {
            return Err(ForgetError::NotMember);
        }
        if !self.joined {
            return Err(ForgetError::Joining);
        }
        let with_proof = self.proofs.get(&member).map(|proof| proof.incarnation);
        let known =
            [newest_known(&self.vector, member), with_proof, self.present.get(&member).copied()];
        // Others would refuse an obituary from the future. An incarnation from the future is refused
        // as well, so it needs no obituary.
        let UnixMillis(latest) = self.latest_accepted(now).wall;
        let known = known.into_iter().flatten().filter(|known| known.number() < latest);
        let newest = known.max().unwrap_or(Incarnation::at(now.wall.0));
        let is_forgotten = self.is_forgotten(member);
        if !is_forgotten || newest.number() < now.wall.0 {
            // The current time is included, so that an incarnation that started before and was
            // never seen is fenced too. Requested again, it fences one that had a faster clock than
            // this node, and that only other members have seen.
            let incarnation = newest.max(Incarnation::at(now.wall.0)).next_obituary();
            self.vector
                .advance(Stamp { hlc: OBITUARY, origin: Origin { node: member, incarnation } });
            self.end_ephemeral_entries();
        }
        if !is_forgotten {
            self.roster_changes += 1;
            self.event(Event::Forgotten { member });
        }
        Ok(())
    }

    /// Returns the keys of the orphans here: entries that a replica with this vector and horizon has
    /// not seen, of incarnations that it has closed.
    pub(super) fn orphans(&self, vector: &VersionVector, horizon: &Horizon) -> Vec<Key> {
        let closed_unseen = |stamp: Stamp| {
            vector.has_closed(stamp.origin)
                && !has_seen(vector, horizon, stamp)
                && has_seen(&self.vector, &self.horizon, stamp)
        };
        if !self.map.origins().any(|origin| vector.has_closed(origin)) {
            return Vec::new();
        }
        let orphans = self
            .map
            .stamps()
            .filter(|held| !held.key.kind().is_owned())
            .filter(|held| closed_unseen(held.stamp) || closed_unseen(held.born));
        orphans.map(|held| held.key).collect()
    }

    /// Rewrites orphans as this replica's own writes. The new stamp is also the birth of a register,
    /// and of a key whose birth no other member has seen.
    pub(super) fn adopt(&mut self, now: Now, source: Origin, mut orphans: Vec<Key>) {
        if orphans.is_empty() || !self.keeps(Rule::OrphansAreAdopted) {
            return;
        }
        // A deterministic order, since each adopted entry gets a new stamp.
        orphans.sort_unstable();
        orphans.dedup();
        let writes = orphans.len();
        for key in orphans {
            let Some(orphan) = self.map.get(key) else { continue };
            let stamp = self.stamp(now);
            let mut entry = Entry::written(orphan.value.clone(), stamp, Some(&orphan));
            let is_register = key.kind() == Kind::Register;
            if is_register || !has_seen(&self.vector, &self.horizon, entry.born) {
                entry.born = stamp;
            }
            self.map.merge(key, &entry.as_entry_ref());
        }
        self.event(Event::Adopted { source, writes });
    }

    /// Iterates over the writes of this incarnation that are not known to be covered by any other
    /// node.
    pub fn unreplicated(&self) -> impl Iterator<Item = (Key, Entry<V>)> {
        let mut proved = VersionVector::new();
        for proof in self.proofs.values() {
            proved.merge(&proof.vector);
        }
        self.map
            .written_by(self.me)
            .filter(move |(_, entry)| !has_seen(&proved, &self.horizon, entry.stamp))
    }

    /// Returns the newest reading of this incarnation that another member has proved to cover, in its
    /// present incarnation.
    #[must_use]
    pub fn proved(&self) -> Option<Hlc> {
        let proofs = self.counted_members().filter_map(|member| self.proof_of(member));
        proofs.filter_map(|(_, vector)| vector.highest(self.me)).max()
    }

    /// Returns the proofs of all other counted members, in their present incarnations. `None` if
    /// one is missing, or covers writes that this replica has not received.
    pub(super) fn proofs_of_members(&self) -> Option<Vec<(Origin, &VersionVector)>> {
        if self.has_fenced(self.me) {
            // A superseded incarnation must neither collect nor close.
            return None;
        }
        let keep = |rule| self.keeps(rule);
        let mut proofs = Vec::new();
        for member in self.others() {
            match self.proof_of(member) {
                Some((_, proof))
                    if keep(Rule::CollectorsCoverProofs) && !self.vector.covers_all(proof) =>
                {
                    return None;
                }
                Some(proof) => proofs.push(proof),
                None if keep(Rule::EveryMemberProves) => return None,
                None => {}
            }
        }
        Some(proofs)
    }

    /// Returns the proof of a member in its present incarnation, if there is one.
    pub(super) fn proof_of(&self, member: NodeName) -> Option<(Origin, &VersionVector)> {
        let proof = self.proofs.get(&member)?;
        let superseded =
            self.vector.newest_incarnation(member).is_some_and(|newest| newest > proof.incarnation);
        let counts = !superseded || !self.keeps(Rule::ProofsEndWithTheIncarnation);
        counts.then_some((Origin { node: member, incarnation: proof.incarnation }, &proof.vector))
    }
}

/// Returns the newest incarnation of `node` in this vector. If all are closed, returns the mark.
pub(super) fn newest_known(vector: &VersionVector, node: NodeName) -> Option<Incarnation> {
    vector.newest_incarnation(node).max(vector.closed_before(node))
}
