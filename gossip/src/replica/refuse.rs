//! The rounds that are refused, because no member that follows the protocol can have sent them, or
//! because a clock is wrong.
//!
//! Invariant: a refused round changes nothing. What a round can add to the vector is bounded: only
//! slots of members, of a bounded number of incarnations each, none of which lies in the future.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Stamp;
use crate::crdt::horizon::Horizon;
use crate::crdt::version_vector::VersionVector;
use crate::id::{Incarnation, NodeName, Origin};
use crate::payload::Payload;
use crate::replica::pull::{Chunks, Round};
use crate::replica::retire::OBITUARY;
use crate::replica::{Event, Replica, Rule};
use crate::time::{Now, UnixMillis};

/// The maximum number of open incarnations of all further nodes together, as a multiple of that of one
/// node.
const FURTHER_INCARNATIONS: usize = 4;
/// The maximum number of forgotten nodes in a vector that are not on the roster any more.
const FORMER_MEMBERS_MAX: usize = 64;

impl<V: Payload> Replica<V> {
    /// Returns the event for a round with an origin that cannot exist.
    pub(super) fn refusal_of_origins(
        &self,
        now: Now,
        source: Origin,
        round: &Round<V>,
    ) -> Option<Event> {
        let Round { vector, horizon, entries, .. } = round;
        let others = || horizon.origins().chain(entries.origins());
        self.impossible_origin(now, source, vector, others)
    }

    /// Returns whether a vector that a peer has sent may be kept as its proof.
    pub(super) fn is_possible_proof(&self, now: Now, peer: Origin, vector: &VersionVector) -> bool {
        self.impossible_origin(now, peer, vector, std::iter::empty).is_none()
    }

    /// Returns the refusal of a round if an origin of its vector, or one of the `others`, cannot
    /// exist.
    fn impossible_origin<I: Iterator<Item = Origin>>(
        &self,
        now: Now,
        source: Origin,
        vector: &VersionVector,
        others: impl Fn() -> I,
    ) -> Option<Event> {
        let origins = || vector.origins().chain(others());
        if self.keeps(Rule::WritersAreMembers)
            && let Some(writer) = self.not_member(vector, origins())
        {
            return Some(Event::NotMember { source, writer });
        }
        let ahead = origins().filter(|origin| self.is_in_future(now, origin.incarnation)).max();
        if let Some(writer) = ahead
            && self.keeps(Rule::FutureIncarnationsAreRefused)
        {
            let ahead_ms = writer.incarnation.number().saturating_sub(now.wall.0);
            return Some(Event::TooFarAhead { source, writer, ahead_ms });
        }
        let node = self.exceeded_incarnations(source, vector)?;
        Some(Event::TooManyIncarnations { source, node })
    }

    /// Returns whether an incarnation is dated beyond the accepted drift.
    pub(super) fn is_in_future(&self, now: Now, incarnation: Incarnation) -> bool {
        incarnation.number() > self.latest_accepted(now).wall.0
    }

    /// Returns a node among these origins that can be no member. If further nodes may become
    /// members, it is one that exceeds the number of names; otherwise, one that is neither known nor a
    /// former member. The only slot of a former member in the vector is its obituary. Its earlier
    /// incarnations are closed.
    fn not_member(
        &self,
        vector: &VersionVector,
        origins: impl Iterator<Item = Origin>,
    ) -> Option<NodeName> {
        if self.is_open() {
            let mut names: BTreeSet<NodeName> = self.names().collect();
            let mut nodes = origins.map(|origin| origin.node);
            return nodes.find(|node| names.insert(*node) && names.len() > self.names_max());
        }
        let is_forgotten = |node| {
            let mut slots = vector.incarnations(node);
            slots.next().is_some_and(|slot| slot.hlc == OBITUARY) && slots.next().is_none()
        };
        // Those that this replica has accepted before count too.
        let mine = self.vector.origins().map(|origin| origin.node);
        let mut former: BTreeSet<NodeName> =
            mine.filter(|node| !self.config.knows(*node)).collect();
        origins.map(|origin| origin.node).filter(|node| !self.config.knows(*node)).find(|node| {
            former.insert(*node);
            !is_forgotten(*node) || former.len() > FORMER_MEMBERS_MAX
        })
    }

    /// Returns a node of which `vector` contains new incarnations although this replica would hold
    /// too many of it. An incarnation that is running is not refused: otherwise a node that has
    /// restarted very often while a member was away could never return.
    fn exceeded_incarnations(&self, source: Origin, vector: &VersionVector) -> Option<NodeName> {
        let max = self.config.incarnations_max;
        if vector.len() + self.vector.len() <= max {
            // The common case, without a merge.
            return None;
        }
        let runs = |origin: Origin| {
            origin == source || self.present.get(&origin.node) == Some(&origin.incarnation)
        };
        let is_new = |origin: Origin| self.vector.highest(origin).is_none() && !runs(origin);
        let mut merged = self.vector.clone();
        merged.merge(vector);
        let mut counts: BTreeMap<NodeName, (usize, bool)> = BTreeMap::new();
        for Stamp { origin, .. } in merged.iter() {
            let (count, any_new) = counts.entry(origin.node).or_default();
            *count += 1;
            *any_new |= is_new(origin);
        }
        // All further nodes together: there may be many names, and a frame must carry the vector.
        let of_further = counts.iter().filter(|(node, _)| self.is_further(**node));
        let of_further: usize = of_further.map(|(_, (count, _))| count).sum();
        let further_max = FURTHER_INCARNATIONS * max;
        counts.into_iter().find_map(|(node, (count, any_new))| {
            let is_too_much = count > max || self.is_further(node) && of_further > further_max;
            (any_new && is_too_much).then_some(node)
        })
    }

    /// Returns the event for a round whose stamps must not be merged.
    pub(super) fn refusal_of_stamps(
        &self,
        now: Now,
        source: Origin,
        entries: &Chunks<V>,
        vector: &VersionVector,
        horizon: &Horizon,
    ) -> Option<Event> {
        if self.has_fenced(source) {
            return Some(Event::Fenced { source });
        }
        let latest = self.latest_accepted(now);
        let stamps = entries.highest().chain(vector.iter()).chain(horizon.iter());
        let ahead = stamps.filter(|stamp| stamp.hlc > latest).max()?;
        let UnixMillis(wall) = ahead.hlc.wall;
        let refused = Event::TooFarAhead {
            source,
            writer: ahead.origin,
            ahead_ms: wall.saturating_sub(now.wall.0),
        };
        self.keeps(Rule::RoundsAreRefusedWhole).then_some(refused)
    }
}
