//! The members of a cluster, and the rule that decides which links may be made.
//!
//! Invariant: at any time a node has at most one link to a name, and so to at most one incarnation
//! of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Incarnation, NodeName, Origin};

/// The members of the cluster, from the point of view of one of them.
#[derive(Clone, Debug)]
pub struct Roster {
    me: NodeName,
    names: BTreeSet<NodeName>,
}

/// The reason why a node may not link. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The peer has this node's own name.
    #[error("{0} is this node's own name; another process carries it")]
    OwnName(Origin),
    /// The peer is not on the roster.
    #[error("{0} is not a member of this cluster")]
    Stranger(NodeName),
    /// Another incarnation of the name is linked and alive.
    #[error("{name} is alive elsewhere, as {name}/{alive}")]
    RunningElsewhere {
        /// The name in question.
        name: NodeName,
        /// The incarnation that holds it.
        alive: Incarnation,
    },
}

impl Roster {
    /// Returns the cluster of `me` and `names`.
    #[must_use]
    pub fn new(me: NodeName, names: impl IntoIterator<Item = NodeName>) -> Self {
        Self { me, names: names.into_iter().chain([me]).collect() }
    }

    /// Returns all members, this node included.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<NodeName> {
        &self.names
    }

    /// Iterates over all members but this node.
    pub fn peers(&self) -> impl Iterator<Item = NodeName> {
        self.names.iter().copied().filter(|name| *name != self.me)
    }

    /// Checks whether a link to `peer` may be made, given the incarnations that are linked now. A
    /// newcomer whose name is alive is refused. Of two incarnations that have both `joined`, on two
    /// sides of a partition, the later takes the link of the earlier, which halts when it learns
    /// the reason.
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
            return Err(LinkRefusal::Stranger(peer.node));
        }
        match linked.get(&peer.node) {
            Some(alive) if peer.incarnation < *alive || peer.incarnation > *alive && !joined => {
                Err(LinkRefusal::RunningElsewhere { name: peer.node, alive: *alive })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_life_of_a_known_name_may_link_and_nobody_else() {
        let name = |text: &str| text.parse::<NodeName>().unwrap();
        let incarnation =
            |node, incarnation| Origin { node: name(node), incarnation: Incarnation(incarnation) };
        let roster = Roster::new(name("gotham"), ["capitol", "dispatch"].map(name));
        let linked = BTreeMap::from([(name("capitol"), Incarnation(7))]);
        let alive =
            Err(LinkRefusal::RunningElsewhere { name: name("capitol"), alive: Incarnation(7) });
        for joined in [false, true] {
            assert_eq!(roster.admit(incarnation("dispatch", 1), joined, &linked), Ok(()));
            assert_eq!(roster.admit(incarnation("capitol", 7), joined, &linked), Ok(()));
            assert_eq!(roster.admit(incarnation("capitol", 6), joined, &linked), alive);
            assert_eq!(
                roster.admit(incarnation("gotham", 9), joined, &linked),
                Err(LinkRefusal::OwnName(incarnation("gotham", 9)))
            );
            assert_eq!(
                roster.admit(incarnation("riverdale", 1), joined, &linked),
                Err(LinkRefusal::Stranger(name("riverdale")))
            );
        }
        assert_eq!(roster.admit(incarnation("capitol", 8), false, &linked), alive, "a newcomer");
        assert_eq!(
            roster.admit(incarnation("capitol", 8), true, &linked),
            Ok(()),
            "one that has lived on the other side of a cut"
        );
    }

    #[test]
    fn a_node_is_a_member_and_not_its_own_peer() {
        let [gotham, capitol, dispatch] =
            ["gotham", "capitol", "dispatch"].map(|text| text.parse::<NodeName>().unwrap());
        for names in [vec![capitol, dispatch], vec![gotham, capitol, dispatch]] {
            let roster = Roster::new(gotham, names);
            assert_eq!(roster.members(), &BTreeSet::from([gotham, capitol, dispatch]));
            assert_eq!(roster.peers().collect::<Vec<_>>(), [capitol, dispatch]);
        }
    }
}
