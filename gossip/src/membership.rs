//! The members of a cluster, and the rule that admits links.
//!
//! Invariant: a node has at most one link to each name, and so to at most one incarnation of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Incarnation, NodeName, Origin};

/// The members of a cluster, as one of its nodes knows them.
#[derive(Clone, Debug)]
pub struct Roster {
    me: NodeName,
    configured: BTreeSet<NodeName>,
    /// The configured ones, the further ones that count, and this node.
    members: BTreeSet<NodeName>,
    /// The forgotten nodes, which may return.
    former: BTreeSet<NodeName>,
    has_room: bool,
}

/// The reason why a link is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The peer has this node's own name.
    #[error("{0} uses this node's own name")]
    OwnName(Origin),
    /// The peer is not on the roster, and there is no room for another name.
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
    /// Returns the roster of a cluster with the members `names`, at its member `me`.
    #[must_use]
    pub fn new(me: NodeName, names: impl IntoIterator<Item = NodeName>) -> Self {
        Self::of(me, names.into_iter().chain([me]).collect())
    }

    /// Returns the roster of a cluster with the members `names`, at the node `me`, which becomes a
    /// further member.
    #[must_use]
    pub fn further(me: NodeName, names: impl IntoIterator<Item = NodeName>) -> Self {
        Self::of(me, names.into_iter().filter(|name| *name != me).collect())
    }

    fn of(me: NodeName, configured: BTreeSet<NodeName>) -> Self {
        let members = configured.iter().copied().chain([me]).collect();
        Self { me, configured, members, former: BTreeSet::new(), has_room: false }
    }

    /// Returns the members from the start, for the configuration of a replica.
    #[must_use]
    pub fn configured(&self) -> &BTreeSet<NodeName> {
        &self.configured
    }

    /// Returns whether this node becomes a further member.
    #[must_use]
    pub fn is_further(&self) -> bool {
        !self.configured.contains(&self.me)
    }

    /// Takes over what the replica knows: the members that count, all names, and whether there is
    /// room for another one.
    pub fn update(
        &mut self,
        counted: BTreeSet<NodeName>,
        names: impl IntoIterator<Item = NodeName>,
        has_room: bool,
    ) {
        self.members = counted;
        self.members.extend(self.configured.iter().copied().chain([self.me]));
        self.former = names.into_iter().filter(|name| !self.members.contains(name)).collect();
        self.has_room = has_room;
    }

    /// Returns all members, this node included.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<NodeName> {
        &self.members
    }

    /// Iterates over all other members.
    pub fn peers(&self) -> impl Iterator<Item = NodeName> {
        self.members.iter().copied().filter(|name| *name != self.me)
    }

    /// Returns whether a link to this node may be made.
    #[must_use]
    pub fn admits(&self, node: NodeName) -> bool {
        self.has_room || self.members.contains(&node) || self.former.contains(&node)
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
        if !self.admits(peer.node) {
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
    fn further_node_may_link_while_there_is_room_and_former_one_always() {
        let [gotham, capitol, riverdale, former] =
            ["gotham", "capitol", "riverdale", "former"].map(|text| text.parse().unwrap());
        let mut roster = Roster::further(riverdale, [gotham, capitol]);
        assert!(roster.is_further() && !roster.configured().contains(&riverdale));
        assert_eq!(roster.peers().collect::<BTreeSet<_>>(), BTreeSet::from([capitol, gotham]));
        let admits = |roster: &Roster, node| {
            let peer = Origin { node, incarnation: Incarnation::at(1) };
            roster.admit(peer, false, &BTreeMap::new()).is_ok()
        };
        assert!(admits(&roster, gotham) && !admits(&roster, former));
        roster.update([gotham].into(), [gotham, former], false);
        assert!(admits(&roster, former) && !admits(&roster, "other".parse().unwrap()));
        assert_eq!(roster.members().len(), 3, "configured members stay");
        roster.update([gotham].into(), [gotham, former], true);
        assert!(admits(&roster, "other".parse().unwrap()));
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
