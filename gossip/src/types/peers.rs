//! The nodes that are reachable from here, for what the types show: presence, and owners of names.
//!
//! Invariant: this affects only what is shown, never what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::{Incarnation, NodeName, Origin};
use crate::time::Now;

/// The time for which a node whose link was lost still counts as reachable. Most links are back
/// sooner, and presence does not flicker.
pub const GRACE: Duration = Duration::from_secs(3);

/// The linked peers, and those whose link was lost a short time ago.
#[derive(Clone, Debug)]
pub struct Peers {
    /// The end of the time in which nodes that were not linked yet count as reachable; `None`
    /// afterwards.
    starting_until: Option<Duration>,
    linked: BTreeMap<NodeName, Incarnation>,
    /// The lost peers, with the ends of their grace.
    lost: BTreeMap<Origin, Duration>,
}

impl Peers {
    /// Returns the peers of an incarnation that starts now.
    #[must_use]
    pub fn new(now: Now) -> Self {
        let starting_until = Some(now.mono + GRACE);
        Self { starting_until, linked: BTreeMap::new(), lost: BTreeMap::new() }
    }

    /// Returns whether this node has just started, so that nodes that were not linked yet count as
    /// reachable: their links may only be late.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.starting_until.is_some()
    }

    /// Returns whether an incarnation is reachable.
    #[must_use]
    pub fn is_reachable(&self, peer: Origin) -> bool {
        self.is_starting() || self.is_linked(&peer) || self.lost.contains_key(&peer)
    }

    fn is_linked(&self, peer: &Origin) -> bool {
        self.linked.get(&peer.node).is_some_and(|incarnation| *incarnation == peer.incarnation)
    }

    /// Notes a new link.
    pub fn link_up(&mut self, peer: Origin) {
        self.linked.insert(peer.node, peer.incarnation);
        self.lost.remove(&peer);
    }

    /// Notes the loss of the link to a node.
    pub fn link_down(&mut self, now: Now, node: NodeName) {
        if let Some(incarnation) = self.linked.remove(&node) {
            self.lost.insert(Origin { node, incarnation }, now.mono + GRACE);
        }
    }

    /// Returns the incarnations that are linked, or were until a short time ago.
    #[must_use]
    pub fn reachable(&self) -> BTreeSet<Origin> {
        let linked = self.linked.iter();
        linked
            .map(|(node, incarnation)| Origin { node: *node, incarnation: *incarnation })
            .chain(self.lost.keys().copied())
            .collect()
    }

    /// Returns whether exactly these incarnations are reachable.
    #[must_use]
    pub fn are(&self, reachable: &BTreeSet<Origin>) -> bool {
        let is_reachable = |peer: &Origin| self.is_linked(peer) || self.lost.contains_key(peer);
        // A peer is linked or lost, not both.
        reachable.len() == self.linked.len() + self.lost.len() && reachable.iter().all(is_reachable)
    }

    /// Returns the time at which the next grace ends, or the start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.lost.values().copied().chain(self.starting_until).min()
    }

    /// Forgets the lost peers whose grace has ended, and ends the start.
    pub fn tick(&mut self, now: Now) {
        self.lost.retain(|_, until| *until > now.mono);
        self.starting_until = self.starting_until.filter(|until| *until > now.mono);
    }
}
