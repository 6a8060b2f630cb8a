//! The roster: the members of the cluster, and how a further node becomes one of them.
//!
//! The members in the configuration count from the start, whether they run or not. A *further* node
//! is a member once its name has a slot in the version vector. So the roster is replicated with the
//! vector: a round that carries a write of a further member also carries its membership.
//!
//! A further node that starts is a *candidate*. It catches up with a member that has joined, and
//! then announces itself: its vector gets a slot of its incarnation with a reading below those of
//! all writes. From the first round that carries this slot, a member counts the candidate, and
//! collects and closes nothing that it has not proved to cover. The candidate writes once every
//! member that it knows of has proved to have its slot, and it covers those proofs. Then nothing was
//! collected or closed without it that it does not cover, and nothing will be. (Proofs of other
//! candidates need not be covered: they collect and close nothing.) Of two candidates at
//! least one knows of the other: each member has noted one of them first. Until it has joined, a
//! candidate writes nothing, and others take nothing from it but the slots of candidates: it may hold
//! what the members have collected or closed.
//!
//! A slot with a later reading shows that its node has joined before. The next incarnation of such a
//! node joins like one of the configured members, since every member has it on its roster.
//!
//! A forgotten member leaves its obituary in the vector, and is a candidate again if it returns.
//!
//! Invariants: the number of names is limited; an incarnation that may write is on the roster of
//! each member that is on its own.

use std::collections::BTreeSet;

use crate::clock::{Hlc, Stamp};
use crate::crdt::version_vector::VersionVector;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::{Event, Replica, Rule};
use crate::time::{Now, UnixMillis};

/// The reading in the slot of a candidate. Readings of writes are always later, and that of an
/// obituary is earlier.
const ANNOUNCED: Hlc = Hlc { wall: UnixMillis(0), logical: 1 };

impl<V: Payload> Replica<V> {
    /// Returns the members that count: those in the configuration and the further ones, this node
    /// included if it is one, without those that were forgotten and have not returned.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeName> {
        self.counted_members().collect()
    }

    /// Returns whether a link to this node may be made: it is known, or there is room for its name.
    #[must_use]
    pub fn admits(&self, node: NodeName) -> bool {
        self.knows(node) || self.has_room()
    }

    /// Returns whether a node that is not known may become a member.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.is_open() && self.names().count() < self.config.members_max
    }

    /// Returns the number of times that the members may have changed: while it stays the same, so do
    /// they.
    #[must_use]
    pub fn roster_changes(&self) -> u64 {
        self.roster_changes
    }

    /// Returns whether further nodes may become members.
    pub(super) fn is_open(&self) -> bool {
        self.config.members_max > self.config.members.len()
    }

    /// Returns whether this node can be a member only by its slot in the vector.
    pub(super) fn is_further(&self, node: NodeName) -> bool {
        self.is_open() && !self.config.members.contains(&node)
    }

    /// Returns whether this node is a configured member or a carrier, or has a slot in the vector.
    pub(super) fn knows(&self, node: NodeName) -> bool {
        self.config.knows(node) || self.is_open() && self.vector.newest_incarnation(node).is_some()
    }

    /// Iterates over the names of all members, also of those that were forgotten.
    pub fn names(&self) -> impl Iterator<Item = NodeName> {
        let is_open = self.is_open() && self.keeps(Rule::FurtherMembersCount);
        let further = self.vector.nodes().filter(|node| !self.config.members.contains(node));
        self.config.members.iter().copied().chain(further.filter(move |_| is_open))
    }

    /// Iterates over the members that count: all except those that were forgotten and have not
    /// returned.
    pub(super) fn counted_members(&self) -> impl Iterator<Item = NodeName> {
        self.names().filter(|member| !self.is_forgotten(*member))
    }

    /// Returns whether this incarnation may collect and close what all members agree on.
    pub(super) fn is_member(&self) -> bool {
        self.config.members.contains(&self.me.node) || self.is_open() && self.joined
    }

    /// Returns the greatest number of names that a round may bring the vector to. Higher than the
    /// number at which links are refused, since members on both sides of a partition may admit
    /// different nodes.
    pub(super) fn names_max(&self) -> usize {
        2 * self.config.members_max
    }

    /// Returns whether this incarnation may join once it has caught up with a joined member.
    pub(super) fn is_listed(&self) -> bool {
        if !self.is_further(self.me.node) {
            return true;
        }
        let others_list_it =
            || !self.has_fenced(self.me) && self.others().all(|member| self.lists_me(member));
        !self.keeps(Rule::CandidatesAreListed) || self.has_joined_before() || others_list_it()
    }

    /// Returns whether an earlier incarnation of this node had joined, and the node was not
    /// forgotten since.
    fn has_joined_before(&self) -> bool {
        let earlier =
            self.vector.incarnations(self.me.node).filter(|slot| slot.origin < self.me).last();
        earlier.is_some_and(|slot| slot.hlc > ANNOUNCED)
    }

    /// Announces this incarnation to the members, and pulls from the linked ones, so that they pull
    /// in turn.
    pub(super) fn announce(&mut self, now: Now) {
        if lists(&self.vector, self.me) {
            return;
        }
        self.vector.advance(Stamp { hlc: ANNOUNCED, origin: self.me });
        // The slot ends the earlier incarnations of this node.
        self.end_ephemeral_entries();
        self.event(Event::Announced);
        self.pull_from_linked(now);
    }

    /// Returns the members that a candidate waits for: those that have not proved to have its slot,
    /// and those of whose proofs it does not cover everything. Empty once it has joined.
    #[must_use]
    pub fn awaited_to_join(&self) -> Vec<NodeName> {
        if self.joined || self.caught_up.is_none() {
            return Vec::new();
        }
        self.others().filter(|member| !self.lists_me(*member)).collect()
    }

    /// Iterates over the other members that count.
    pub(super) fn others(&self) -> impl Iterator<Item = NodeName> {
        self.counted_members().filter(|member| *member != self.me.node)
    }

    /// Returns whether this member has proved to have this incarnation on its roster, and has
    /// collected and closed nothing before that is not covered here.
    fn lists_me(&self, member: NodeName) -> bool {
        self.proof_of(member).is_some_and(|(prover, proof)| {
            // A candidate collects and closes nothing.
            let is_candidate = proof.slot(prover) == Some(ANNOUNCED);
            lists(proof, self.me) && (is_candidate || self.vector.covers_all(proof))
        })
    }

    /// Returns whether this incarnation is a candidate: it has not joined, and may not be on the
    /// rosters of all members. It writes nothing, and its copies do not count.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        !(self.joined || self.is_listed())
    }

    /// Returns whether only slots of candidates are taken from the rounds of this node, which has not
    /// joined.
    pub(super) fn takes_nothing_from(&self, source: Origin) -> bool {
        self.is_further(source.node) && self.keeps(Rule::CandidatesPassNothingOn)
    }

    /// Takes the slots of candidates from the vector of one of them. Without those of the others, only
    /// the candidate would know whom it waits for, and no member could forget one that has ended.
    pub(super) fn list_candidates(&mut self, vector: &VersionVector) {
        let is_announced =
            |slot: &Stamp| slot.hlc == ANNOUNCED && self.is_further(slot.origin.node);
        let announced = vector.iter().filter(is_announced);
        let new: Vec<Stamp> = announced.filter(|slot| !self.vector.covers(*slot)).collect();
        if !new.is_empty() {
            self.change_roster(|replica| {
                new.into_iter().for_each(|slot| replica.vector.advance(slot));
            });
            self.end_ephemeral_entries();
        }
    }

    /// Changes the vector, and reports the members that this adds or removes.
    pub(super) fn change_roster(&mut self, change: impl FnOnce(&mut Self)) {
        if !self.is_open() {
            return change(self);
        }
        let before = self.members();
        change(self);
        let now = self.members();
        self.roster_changes += u64::from(now != before);
        for member in now.difference(&before).copied() {
            self.event(Event::Listed { member });
        }
        for member in before.difference(&now).copied() {
            self.event(Event::Forgotten { member });
        }
    }
}

/// Returns whether a replica with this vector counts the incarnation as that of a member.
fn lists(vector: &VersionVector, incarnation: Origin) -> bool {
    vector.slot(incarnation).is_some()
}
