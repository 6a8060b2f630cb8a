//! When a life is over for good: vectors that shrink, names that are fenced, members that are forgotten.
//!
//! A life of a node is *fenced* by whoever has heard of a later one: nothing is pulled from it any more. A fenced life is *closed*
//! when every member, in its present life, has proved the same slot for it after fencing it, and has fenced the earlier lives of
//! all other members too. Then no life that proved holds more of it, nor can come to hold
//! more: by induction over the pulls after those proofs, each is from a life that had proved the same, or from one that began empty
//! since. (Only where the closed life runs on, a second process of its name, can such a newcomer bring more. That is what orphans
//! are about, below.) So one mark replaces the slots
//! of all closed lives of a node, and a city bombed ten thousand times costs a vector one mark and one slot.
//!
//! What the closers had heard of a closed life, its last stamp, stays in the horizon for a while. A puller whose vector says the
//! same of it is told by a delta; any other gets a full round. Such a puller was a stranger to the agreement: a process that
//! ran under a name twice, or learned from one that did. What it holds beyond that last stamp are *orphans*: it writes them anew, so
//! that nothing is lost.
//!
//! *Forgetting* a member is an obituary: a later slot with a number that no life can have, and the first reading there is. It fences the
//! lives before it, and while it is the newest of its name the member does not count. A process that starts under the name later
//! is a member again.
//!
//! Invariants: a closed life is never opened again; the horizon says of a closed life how much of it was heard, or has let go of it.

use crate::clock::{Hlc, Stamp};
use crate::crdt::{Entry, Rank, VersionVector};
use crate::id::{HeroId, Incarnation, NodeName, Origin};
use crate::replica::{Event, Replica, Rule};
use crate::time::{Now, UnixMillis};

/// Of how many closed lives of a node the horizon keeps the last stamp. Whoever missed more closings than that gets a full
/// round, in which whatever is missing at the source counts as dead.
const CLOSED_KEPT: usize = 16;

/// The reading in the slot of an obituary. Those of real lives are later.
const OBITUARY: Hlc = Hlc { wall: UnixMillis(0), logical: 0 };

/// Why a member cannot be forgotten. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// Nobody forgets itself.
    #[error("a node cannot forget itself")]
    Myself,
    /// It is not on the roster.
    #[error("it is not a member")]
    NotMember,
    /// This life has not joined yet.
    #[error("has just started and has not caught up with the cluster yet")]
    Joining,
}

/// Whether one with this vector and horizon has heard of the write itself, rather than covering it because its life is closed.
pub(super) fn has_heard(vector: &VersionVector, horizon: &VersionVector, stamp: Stamp) -> bool {
    Some(stamp.hlc) <= heard_of(vector, horizon, stamp.origin)
}

/// The newest write of `origin` that one with this vector and horizon has heard of, rather than covering it because its life is closed.
fn heard_of(vector: &VersionVector, horizon: &VersionVector, origin: Origin) -> Option<Hlc> {
    if vector.has_closed(origin) { horizon.highest(origin) } else { vector.slot(origin) }
}

/// [`has_heard`] for many writes. Those of one origin mostly follow each other.
pub(super) struct Heard<'a> {
    vector: &'a VersionVector,
    horizon: &'a VersionVector,
    last: Option<(Origin, Option<Hlc>)>,
}

impl<'a> Heard<'a> {
    pub(super) fn new(vector: &'a VersionVector, horizon: &'a VersionVector) -> Self {
        Self { vector, horizon, last: None }
    }

    pub(super) fn has(&mut self, stamp: Stamp) -> bool {
        let of = match self.last {
            Some((origin, of)) if origin == stamp.origin => of,
            Some(_) | None => heard_of(self.vector, self.horizon, stamp.origin),
        };
        self.last = Some((stamp.origin, of));
        Some(stamp.hlc) <= of
    }
}

/// Whether `holder` has, of some life that `vector` has closed, more than the closers had heard.
pub(super) fn exceeds(holder: &VersionVector, vector: &VersionVector, horizon: &VersionVector) -> bool {
    holder.iter().any(|slot| vector.has_closed(slot.origin) && !horizon.covers(slot))
}

impl Replica {
    /// Whether a later life of the same name has been heard of. Nothing is pulled from this one any more.
    #[must_use]
    pub fn has_fenced(&self, life: Origin) -> bool {
        let later = self.vector.newest_life(life.node).is_some_and(|newest| newest > life.incarnation);
        self.config.rules.keep(Rule::OldLivesAreFenced) && (later || self.vector.has_closed(life))
    }

    /// Whether `by` is a later life by its date only: no clock says that yet, while this life's own date has come. It began under a clock
    /// that was wrong, and most likely is long over. Any process started under the right clock is dated before it and would halt in its
    /// turn, so this one is to begin a later life. It does so once: that life is dated in the future too.
    pub(super) fn is_outlived_by_an_error(&self, now: Now, by: Incarnation) -> bool {
        let UnixMillis(latest) = self.latest_accepted(now).wall;
        by.0 > latest && self.me.incarnation.0 <= latest && self.config.rules.keep(Rule::TheMisdatedAreOutlived)
    }

    /// The members that count: all but those that are forgotten and have not come back.
    pub(super) fn counted_members(&self) -> impl Iterator<Item = NodeName> {
        self.config.members.iter().copied().filter(|member| !self.is_forgotten(*member))
    }

    /// Whether this member is forgotten, and has not come back since.
    #[must_use]
    pub fn is_forgotten(&self, member: NodeName) -> bool {
        let newest = self.vector.lives(member).last().filter(|slot| slot.hlc == OBITUARY);
        newest.is_some_and(|obituary| self.present.get(&member).is_none_or(|present| *present < obituary.origin.incarnation))
    }

    /// Closes the lives that every member agrees on.
    pub(super) fn close_lives(&mut self) {
        if !self.config.members.contains(&self.me.node) || !self.has_dead_lives() {
            return;
        }
        let keep = |rule| self.config.rules.keep(rule);
        let Some(proofs) = self.proofs_of_members() else { return };
        let forgotten = self.config.members.iter().filter(|member| self.is_forgotten(**member));
        let obituaries = forgotten.filter_map(|member| self.vector.lives(*member).last()).map(|obituary| obituary.origin);
        let lives: Vec<Origin> = proofs.iter().map(|(life, _)| *life).chain([self.me]).chain(obituaries).collect();
        let fenced = |vector: &VersionVector| lives.iter().all(|life| vector.slot(*life).is_some());
        if keep(Rule::ClosingNeedsFences) && !(fenced(&self.vector) && proofs.iter().all(|(_, proof)| fenced(proof))) {
            return;
        }
        let agreed = |slot: &Stamp| proofs.iter().all(|(_, proof)| proof.slot(slot.origin) == Some(slot.hlc));
        let mut marks = Vec::new();
        for present in lives {
            let dead = self.vector.lives(present.node).take_while(|slot| slot.origin < present);
            let open = dead.into_iter().find(|slot| keep(Rule::ClosingNeedsAgreement) && !agreed(slot)).map_or(present, |slot| slot.origin);
            if self.vector.lives(present.node).next().is_some_and(|oldest| oldest.origin < open) {
                marks.push(open);
            }
        }
        marks.into_iter().for_each(|mark| self.close(mark));
    }

    /// Whether some node has slots of several lives.
    fn has_dead_lives(&self) -> bool {
        let mut slots = self.vector.iter().peekable();
        std::iter::from_fn(|| Some((slots.next()?.origin.node, slots.peek()?.origin.node))).any(|(this, next)| this == next)
    }

    fn close(&mut self, before: Origin) {
        let closed: Vec<Stamp> = self.vector.lives(before.node).take_while(|slot| slot.origin < before).collect();
        closed.iter().for_each(|last| self.horizon.advance(*last));
        self.vector.close(before);
        self.forget_old_closings();
        self.event(Event::Closed { before, lives: closed.len() });
    }

    /// Lets go of the last stamps of all but the newest closed lives of each node.
    pub(super) fn forget_old_closings(&mut self) {
        let marks: Vec<Origin> = self.vector.marks().collect();
        for mark in marks {
            let kept: Vec<Origin> = self.horizon.lives(mark.node).map(|slot| slot.origin).take_while(|life| *life < mark).collect();
            if kept.len() > CLOSED_KEPT {
                self.horizon.close(kept[kept.len() - CLOSED_KEPT]);
            }
        }
    }

    /// Forgets `member`, as an operator decided: it no longer keeps tombstones and slots in place. The life that runs now, if any,
    /// halts when it hears of this, and what only that life has written is not taken in.
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
        let known = [newest_known(&self.vector, member), proved, self.present.get(&member).copied()];
        let newest = known.into_iter().flatten().max().unwrap_or(Incarnation(now.wall.0));
        if !self.is_forgotten(member) {
            // A life that began before it was forgotten is fenced too, even if nobody has heard of it.
            let incarnation = newest.max(Incarnation(now.wall.0)).next_obituary();
            self.vector.advance(Stamp { hlc: OBITUARY, origin: Origin { node: member, incarnation } });
            self.event(Event::Forgotten { member });
        }
        Ok(())
    }

    /// The entries here of which one with this vector and horizon has closed the life without having heard of them.
    pub(super) fn orphans(&self, vector: &VersionVector, horizon: &VersionVector) -> Vec<HeroId> {
        let unheard = |stamp: Stamp| {
            vector.has_closed(stamp.origin) && !has_heard(vector, horizon, stamp) && has_heard(&self.vector, &self.horizon, stamp)
        };
        if !self.map.origins().any(|origin| vector.has_closed(origin)) {
            return Vec::new();
        }
        let orphans = self.map.stamps().filter(|(_, Rank { stamp, .. }, born)| unheard(*stamp) || unheard(*born));
        let mut orphans: Vec<HeroId> = orphans.map(|(key, ..)| key).collect();
        // What is done with them must not depend on where the map happens to keep them.
        orphans.sort_unstable();
        orphans
    }

    /// Writes these entries anew, as this replica's own. A hero of whose birth nobody else has heard is born again.
    pub(super) fn adopt(&mut self, now: Now, source: Origin, orphans: Vec<HeroId>) {
        if orphans.is_empty() || !self.config.rules.keep(Rule::OrphansAreAdopted) {
            return;
        }
        let writes = orphans.len();
        for key in orphans {
            let Some(orphan) = self.map.get(key) else { continue };
            let stamp = self.stamp(now);
            let mut entry = Entry::written(orphan.value.clone(), stamp, Some(&orphan));
            if !has_heard(&self.vector, &self.horizon, entry.born) {
                entry.born = stamp;
            }
            self.map.merge(key, &entry.as_entry_ref());
        }
        self.event(Event::Adopted { source, writes });
    }

    /// What this life has written and no other node has proved to cover, as far as is known here.
    pub fn unheard(&self) -> impl Iterator<Item = (HeroId, Entry)> {
        let mut heard = VersionVector::new();
        for proof in self.proofs.values() {
            heard.merge(&proof.vector);
        }
        self.map.written_by(self.me).filter(move |(_, entry)| !has_heard(&heard, &self.horizon, entry.stamp))
    }

    /// Each counted member but this one, in its present life, with what it has proved; `None` while one has proved nothing in
    /// its present life, or proved what this replica has not heard of itself.
    pub(super) fn proofs_of_members(&self) -> Option<Vec<(Origin, &VersionVector)>> {
        if self.has_fenced(self.me) {
            // An outlived life decides nothing any more.
            return None;
        }
        let keep = |rule| self.config.rules.keep(rule);
        let mut proofs = Vec::new();
        for member in self.counted_members().filter(|member| *member != self.me.node) {
            match self.proof_of(member) {
                Some((_, proof)) if keep(Rule::CollectorsDominate) && !self.vector.covers_all(proof) => return None,
                Some(proof) => proofs.push(proof),
                None if keep(Rule::EveryMemberProves) => return None,
                None => {}
            }
        }
        Some(proofs)
    }

    /// What a member has proved in its present life, if anything.
    pub(super) fn proof_of(&self, member: NodeName) -> Option<(Origin, &VersionVector)> {
        let proof = self.proofs.get(&member)?;
        let outlived = self.vector.newest_life(member).is_some_and(|newest| newest > proof.incarnation);
        let counts = !outlived || !self.config.rules.keep(Rule::ProofsDieWithTheLife);
        counts.then_some((Origin { node: member, incarnation: proof.incarnation }, &proof.vector))
    }
}

/// The newest life of `node` that one with this vector knows of; where all it knows of are closed, the first that is not.
pub(super) fn newest_known(vector: &VersionVector, node: NodeName) -> Option<Incarnation> {
    vector.newest_life(node).max(vector.closed_before(node))
}
