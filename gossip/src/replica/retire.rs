//! The end of an incarnation: fencing it, closing its slot, adopting its last writes; and
//! forgetting members.
//!
//! An incarnation is *fenced* at a replica that has seen a later one of its name: nothing is pulled
//! from it any more. A fenced incarnation is *closed* when every member, in its present
//! incarnation, has proved the same slot for it after fencing it, and has fenced the earlier
//! incarnations of all other members too. Then no incarnation that proved holds more of it, nor can
//! come to hold more: by induction over the pulls after those proofs, each is from one that had
//! proved the same, or from one that began empty since. (Only where the closed one runs on, as a
//! second process of its name, can such a newcomer bring more; see orphans below.) So one mark
//! replaces the slots of all closed incarnations of a node, and a node that restarted ten thousand
//! times costs a vector one mark and one slot.
//!
//! The last stamp that the closers had of a closed incarnation stays in the horizon for a while. A
//! puller whose vector has the same slot gets a delta; any other gets a full round. Such a puller
//! was not part of the agreement: a process that ran under a name twice, or learned from one that
//! did. Its entries beyond that last stamp are *orphans*: it writes them again as its own, so that
//! nothing is lost.
//!
//! *Forgetting* a member writes an obituary: a later slot, with a number that no process can have
//! and the first possible reading. It fences the incarnations before it, and while it is the newest
//! of its name the member does not count. A process that starts under the name later is a member
//! again.
//!
//! Invariants: a closed incarnation is never opened again; the horizon has its last stamp, or has
//! dropped it.

use crate::clock::{Hlc, Stamp};
use crate::crdt::entry::{Entry, Rank};
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, Key, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{Event, Replica, Rule};
use crate::time::{Now, UnixMillis};

/// The number of closed incarnations of a node whose last stamps the horizon keeps. A puller that
/// missed more closings gets a full round, in which everything missing at the source counts as
/// deleted.
const CLOSED_KEPT: usize = 16;

/// The reading in the slot of an obituary. Those of processes are later.
const OBITUARY: Hlc = Hlc { wall: UnixMillis(0), logical: 0 };

/// The reason why a member cannot be forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// A node cannot forget itself.
    #[error("a node cannot forget itself")]
    Myself,
    /// The name is not on the roster.
    #[error("it is not a member")]
    NotMember,
    /// This incarnation has not joined yet.
    #[error("has just started and has not caught up with the cluster yet")]
    Joining,
}

/// Returns whether a replica with this vector and horizon has seen the write itself, rather than
/// covering it because its incarnation is closed.
pub(super) fn has_seen(vector: &VersionVector, horizon: &VersionVector, stamp: Stamp) -> bool {
    Some(stamp.hlc) <= highest_seen(vector, horizon, stamp.origin)
}

/// Returns the newest write of `origin` that such a replica has seen itself.
fn highest_seen(vector: &VersionVector, horizon: &VersionVector, origin: Origin) -> Option<Hlc> {
    if vector.has_closed(origin) { horizon.highest(origin) } else { vector.slot(origin) }
}

/// [`has_seen`] for many writes, of which those of one origin mostly follow each other.
pub(super) struct SeenWrites<'a> {
    vector: &'a VersionVector,
    horizon: &'a VersionVector,
    last: Option<(Origin, Option<Hlc>)>,
}

impl<'a> SeenWrites<'a> {
    pub(super) fn new(vector: &'a VersionVector, horizon: &'a VersionVector) -> Self {
        Self { vector, horizon, last: None }
    }

    #[inline]
    pub(super) fn has(&mut self, stamp: Stamp) -> bool {
        let of = match self.last {
            Some((origin, of)) if origin == stamp.origin => of,
            Some(_) | None => highest_seen(self.vector, self.horizon, stamp.origin),
        };
        self.last = Some((stamp.origin, of));
        Some(stamp.hlc) <= of
    }
}

/// Returns whether `holder` has more of some incarnation that `vector` has closed than the closers
/// had.
pub(super) fn exceeds(
    holder: &VersionVector,
    vector: &VersionVector,
    horizon: &VersionVector,
) -> bool {
    holder.iter().any(|slot| vector.has_closed(slot.origin) && !horizon.covers(slot))
}

impl<V: Payload> Replica<V> {
    /// Returns whether a later incarnation of the name was seen. Nothing is pulled from a fenced
    /// one.
    #[must_use]
    pub fn has_fenced(&self, incarnation: Origin) -> bool {
        let later = self
            .vector
            .newest_incarnation(incarnation.node)
            .is_some_and(|newest| newest > incarnation.incarnation);
        self.keeps(Rule::OldIncarnationsAreFenced) && (later || self.vector.has_closed(incarnation))
    }

    /// Returns whether `by` is later only because it is dated in the future, while this
    /// incarnation's own date has come. It began under a wrong clock, and most likely has ended.
    /// Every process started under the right clock is dated before it and would halt in turn, so
    /// this one is to begin a later incarnation. It does so once: that one is dated in the future
    /// too.
    pub(super) fn is_superseded_by_misdated(&self, now: Now, by: Incarnation) -> bool {
        let UnixMillis(latest) = self.latest_accepted(now).wall;
        by.0 > latest
            && self.me.incarnation.0 <= latest
            && self.keeps(Rule::MisdatedIncarnationsAreSuperseded)
    }

    /// Iterates over the members that count: all but those that are forgotten and have not
    /// returned.
    pub(super) fn counted_members(&self) -> impl Iterator<Item = NodeName> {
        self.config.members.iter().copied().filter(|member| !self.is_forgotten(*member))
    }

    /// Returns whether the member is forgotten, and has not returned since.
    #[must_use]
    pub fn is_forgotten(&self, member: NodeName) -> bool {
        let newest = self.vector.incarnations(member).last().filter(|slot| slot.hlc == OBITUARY);
        newest.is_some_and(|obituary| {
            self.present.get(&member).is_none_or(|present| *present < obituary.origin.incarnation)
        })
    }

    /// Closes the incarnations that every member agrees on.
    pub(super) fn close_incarnations(&mut self) {
        if !self.config.members.contains(&self.me.node) || !self.has_dead_incarnations() {
            return;
        }
        let keep = |rule| self.keeps(rule);
        let Some(proofs) = self.proofs_of_members() else { return };
        let forgotten = self.config.members.iter().filter(|member| self.is_forgotten(**member));
        let obituaries = forgotten
            .filter_map(|member| self.vector.incarnations(*member).last())
            .map(|obituary| obituary.origin);
        let incarnations: Vec<Origin> = proofs
            .iter()
            .map(|(incarnation, _)| *incarnation)
            .chain([self.me])
            .chain(obituaries)
            .collect();
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
            let dead =
                self.vector.incarnations(present.node).take_while(|slot| slot.origin < present);
            let open = dead
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

    /// Returns whether some node has slots of several incarnations.
    fn has_dead_incarnations(&self) -> bool {
        let mut slots = self.vector.iter().peekable();
        std::iter::from_fn(|| Some((slots.next()?.origin.node, slots.peek()?.origin.node)))
            .any(|(this, next)| this == next)
    }

    fn close(&mut self, before: Origin) {
        let closed: Vec<Stamp> =
            self.vector.incarnations(before.node).take_while(|slot| slot.origin < before).collect();
        closed.iter().for_each(|last| self.horizon.advance(*last));
        self.vector.close(before);
        self.forget_old_closings();
        self.event(Event::Closed { before, incarnations: closed.len() });
    }

    /// Drops the last stamps of all but the newest closed incarnations of each node.
    pub(super) fn forget_old_closings(&mut self) {
        let marks: Vec<Origin> = self.vector.marks().collect();
        for mark in marks {
            let kept: Vec<Origin> = self
                .horizon
                .incarnations(mark.node)
                .map(|slot| slot.origin)
                .take_while(|incarnation| *incarnation < mark)
                .collect();
            if kept.len() > CLOSED_KEPT {
                self.horizon.close(kept[kept.len() - CLOSED_KEPT]);
            }
        }
    }

    /// Forgets `member`, as an operator decided: it no longer holds back tombstones and slots. Its
    /// running incarnation, if any, halts when it learns of this, and writes that only it has are
    /// not merged.
    ///
    /// # Errors
    /// [`ForgetError`]; nothing was changed.
    pub fn forget(&mut self, now: Now, member: NodeName) -> Result<(), ForgetError> {
        if member == self.me.node {
            return Err(ForgetError::Myself);
        }
        if !self.config.members.contains(&member) {
            return Err(ForgetError::NotMember);
        }
        if !self.joined {
            return Err(ForgetError::Joining);
        }
        let proved = self.proofs.get(&member).map(|proof| proof.incarnation);
        let known =
            [newest_known(&self.vector, member), proved, self.present.get(&member).copied()];
        let newest = known.into_iter().flatten().max().unwrap_or(Incarnation(now.wall.0));
        if !self.is_forgotten(member) {
            // An incarnation that began before this is fenced too, even if no member has seen it.
            let incarnation = newest.max(Incarnation(now.wall.0)).next_obituary();
            self.vector
                .advance(Stamp { hlc: OBITUARY, origin: Origin { node: member, incarnation } });
            self.event(Event::Forgotten { member });
        }
        Ok(())
    }

    /// Returns the entries here of incarnations that a replica with this vector and horizon has
    /// closed without them.
    pub(super) fn orphans(&self, vector: &VersionVector, horizon: &VersionVector) -> Vec<Key> {
        let unreplicated = |stamp: Stamp| {
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
            .filter(|(_, Rank { stamp, .. }, born)| unreplicated(*stamp) || unreplicated(*born));
        let mut orphans: Vec<Key> = orphans.map(|(key, ..)| key).collect();
        // The result must not depend on the order in the map.
        orphans.sort_unstable();
        orphans
    }

    /// Writes these entries again as this replica's own. A key whose birth no other member has seen
    /// is born again.
    pub(super) fn adopt(&mut self, now: Now, source: Origin, orphans: Vec<Key>) {
        if orphans.is_empty() || !self.keeps(Rule::OrphansAreAdopted) {
            return;
        }
        let writes = orphans.len();
        for key in orphans {
            let Some(orphan) = self.map.get(key) else { continue };
            let stamp = self.stamp(now);
            let mut entry = Entry::written(orphan.value.clone(), stamp, Some(&orphan));
            if !has_seen(&self.vector, &self.horizon, entry.born) {
                entry.born = stamp;
            }
            self.map.merge(key, &entry.as_entry_ref());
        }
        self.event(Event::Adopted { source, writes });
    }

    /// Iterates over the writes of this incarnation that no other node is known to cover.
    pub fn unreplicated(&self) -> impl Iterator<Item = (Key, Entry<V>)> {
        let mut heard = VersionVector::new();
        for proof in self.proofs.values() {
            heard.merge(&proof.vector);
        }
        self.map
            .written_by(self.me)
            .filter(move |(_, entry)| !has_seen(&heard, &self.horizon, entry.stamp))
    }

    /// Returns the proof of each counted member but this one, in its present incarnation; `None`
    /// while one has proved nothing in it, or has proved what this replica has not seen itself.
    pub(super) fn proofs_of_members(&self) -> Option<Vec<(Origin, &VersionVector)>> {
        if self.has_fenced(self.me) {
            // A superseded incarnation decides nothing any more.
            return None;
        }
        let keep = |rule| self.keeps(rule);
        let mut proofs = Vec::new();
        for member in self.counted_members().filter(|member| *member != self.me.node) {
            match self.proof_of(member) {
                Some((_, proof))
                    if keep(Rule::CollectorsDominate) && !self.vector.covers_all(proof) =>
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

    /// Returns what a member has proved in its present incarnation, if anything.
    pub(super) fn proof_of(&self, member: NodeName) -> Option<(Origin, &VersionVector)> {
        let proof = self.proofs.get(&member)?;
        let superseded =
            self.vector.newest_incarnation(member).is_some_and(|newest| newest > proof.incarnation);
        let counts = !superseded || !self.keeps(Rule::ProofsEndWithTheIncarnation);
        counts.then_some((Origin { node: member, incarnation: proof.incarnation }, &proof.vector))
    }
}

/// Returns the newest incarnation of `node` in this vector; where all are closed, the first that is
/// not.
pub(super) fn newest_known(vector: &VersionVector, node: NodeName) -> Option<Incarnation> {
    vector.newest_incarnation(node).max(vector.closed_before(node))
}
