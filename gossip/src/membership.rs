//! The members of a cluster, and the rule that admits links.
//!
//! Invariant: a node has at most one link to each name, and so to at most one incarnation of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Incarnation, NodeName, Origin};

/// The members of a cluster, as configured at one of them.
#[derive(Clone, Debug)]
pub struct Roster {
    me: NodeName,
    names: BTreeSet<NodeName>,
}

/// The reason why a link is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The peer has this node's own name.
    #[error("{0} uses this node's own name")]
    OwnName(Origin),
    /// The peer is not on the roster.
    #[error("{0} is not a member of this cluster")]
    NotMember(NodeName),
    /// Another incarnation of the name is linked.
    #[error("{name} is already running as {name}/{running}")]
    RunningElsewhere {
        /// The name.
        name: NodeName,
        /// The linked incarnation.
        running: Incarnation,
    },
}

impl Roster {
    /// Returns the roster of a cluster of `names`, at its member `me`.
    #[must_use]
    pub fn new(me: NodeName, names: impl IntoIterator<Item = NodeName>) -> Self {
        Self { me, names: names.into_iter().chain([me]).collect() }
    }

    /// Returns all members, this node included.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<NodeName> {
        &self.names
    }

    /// Iterates over all other members.
    pub fn peers(&self) -> impl Iterator<Item = NodeName> {
        self.names.iter().copied().filter(|name| *name != self.me)
    }

    /// Checks whether a link to `peer` is allowed, given the incarnations that are linked.
    ///
    /// A newcomer is refused while its name is linked. If a later incarnation has already `joined`,
    /// because the two ran on different sides of a partition, it replaces the link of the earlier
    /// one. That one halts when it is refused.
    ///
    /// # Errors
    /// The [`LinkRefusal`] that applies.
    pub fn admit(
        &self,
        peer: Origin,
        joined: bool,
        linked: &BTreeMap<NodeName, Incarnation>,
    ) -> Result<(), LinkRefusal> {
        if peer.node == self.me {
            return Err(LinkRefusal::OwnName(peer));
        }
        if !self.names.contains(&peer.node) {
            return Err(LinkRefusal::NotMember(peer.node));
        }
        match linked.get(&peer.node) {
            Some(running)
                if peer.incarnation < *running || peer.incarnation > *running && !joined =>
            {
                Err(LinkRefusal::RunningElsewhere { name: peer.node, running: *running })
            }
            // The same incarnation again is a second connection, which the table of links resolves.
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_incarnation_of_a_member_may_link() {
        let name = |text: &str| text.parse::<NodeName>().unwrap();
        let incarnation = |node, incarnation| Origin {
            node: name(node),
            incarnation: Incarnation::at(incarnation),
        };
        let roster = Roster::new(name("gotham"), ["capitol", "dispatch"].map(name));
        let linked = BTreeMap::from([(name("capitol"), Incarnation::at(7))]);
        let running = Err(LinkRefusal::RunningElsewhere {
            name: name("capitol"),
            running: Incarnation::at(7),
        });
        for joined in [false, true] {
            assert_eq!(roster.admit(incarnation("dispatch", 1), joined, &linked), Ok(()));
            assert_eq!(roster.admit(incarnation("capitol", 7), joined, &linked), Ok(()));
            assert_eq!(roster.admit(incarnation("capitol", 6), joined, &linked), running);
            assert_eq!(
                roster.admit(incarnation("gotham", 9), joined, &linked),
                Err(LinkRefusal::OwnName(incarnation("gotham", 9)))
            );
            assert_eq!(
                roster.admit(incarnation("riverdale", 1), joined, &linked),
                Err(LinkRefusal::NotMember(name("riverdale")))
            );
        }
        assert_eq!(roster.admit(incarnation("capitol", 8), false, &linked), running, "a newcomer");
        assert_eq!(
            roster.admit(incarnation("capitol", 8), true, &linked),
            Ok(()),
            "one that joined on the other side of a partition"
        );
    }

    #[test]
    fn node_is_a_member_and_not_its_own_peer() {
        let [gotham, capitol, dispatch] =
            ["gotham", "capitol", "dispatch"].map(|text| text.parse::<NodeName>().unwrap());
        for names in [vec![capitol, dispatch], vec![gotham, capitol, dispatch]] {
            let roster = Roster::new(gotham, names);
            assert_eq!(roster.members(), &BTreeSet::from([gotham, capitol, dispatch]));
            assert_eq!(roster.peers().collect::<Vec<_>>(), [capitol, dispatch]);
        }
    }
}
