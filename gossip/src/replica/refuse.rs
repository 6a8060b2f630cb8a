//! The rounds that are refused, because no member that follows the protocol can have sent them, or
//! because a clock is wrong.
//!
//! Invariant: a refused round changes nothing. What a round can add to the vector is bounded: only
//! slots of members, of a bounded number of incarnations each, none of which lies in the future.

use crate::crdt::version_vector::VersionVector;
use crate::id::{NodeName, Origin};
use crate::payload::Payload;
use crate::replica::pull::{Chunks, Round};
use crate::replica::retire::OBITUARY;
use crate::replica::{Event, Replica, Rule};
use crate::time::{Now, UnixMillis};

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
        let origins = || vector.origins().chain(horizon.origins()).chain(entries.origins());
        if self.keeps(Rule::WritersAreMembers)
            && let Some(writer) = self.not_member(vector, origins())
        {
            return Some(Event::NotMember { source, writer });
        }
        let UnixMillis(latest) = self.latest_accepted(now).wall;
        let ahead = origins().filter(|origin| origin.incarnation.number() > latest).max();
        if let Some(writer) = ahead
            && self.keeps(Rule::FutureIncarnationsAreRefused)
        {
            let ahead_ms = writer.incarnation.number().saturating_sub(now.wall.0);
            return Some(Event::TooFarAhead { source, writer, ahead_ms });
        }
        let node = self.exceeded_incarnations(vector)?;
        Some(Event::TooManyIncarnations { source, node })
    }

    /// Returns a node among these origins that is neither known nor a former member. The vector
    /// shows former members by their obituaries.
    fn not_member(
        &self,
        vector: &VersionVector,
        origins: impl Iterator<Item = Origin>,
    ) -> Option<NodeName> {
        let is_forgotten =
            |node| vector.incarnations(node).last().is_some_and(|slot| slot.hlc == OBITUARY);
        // Those that this replica has accepted before count too.
        let mine = self.vector.origins().map(|origin| origin.node);
        let mut former: Vec<NodeName> = mine.filter(|node| !self.config.knows(*node)).collect();
        former.dedup();
        for Origin { node, .. } in origins {
            if self.config.knows(node) || former.contains(&node) {
                continue;
            }
            if !is_forgotten(node) || former.len() >= FORMER_MEMBERS_MAX {
                return Some(node);
            }
            former.push(node);
        }
        None
    }

    /// Returns a node of which this replica would hold too many incarnations after merging
    /// `vector`.
    fn exceeded_incarnations(&self, vector: &VersionVector) -> Option<NodeName> {
        let max = self.config.incarnations_max;
        if vector.len() + self.vector.len() <= max {
            // The common case, without a merge.
            return None;
        }
        let mut merged = self.vector.clone();
        merged.merge(vector);
        let mut nodes = vector.iter().map(|slot| slot.origin.node);
        nodes.find(|node| merged.incarnations(*node).nth(max).is_some())
    }

    /// Returns the event for a round whose stamps must not be merged.
    pub(super) fn refusal_of_stamps(
        &self,
        now: Now,
        source: Origin,
        entries: &Chunks<V>,
        vector: &VersionVector,
        horizon: &VersionVector,
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

    /// Returns whether a vector that a peer has sent may be kept as its proof.
    pub(super) fn is_possible_proof(&self, now: Now, vector: &VersionVector) -> bool {
        let UnixMillis(latest) = self.latest_accepted(now).wall;
        self.not_member(vector, vector.origins()).is_none()
            && vector.origins().all(|origin| origin.incarnation.number() <= latest)
            && self.exceeded_incarnations(vector).is_none()
    }
}
