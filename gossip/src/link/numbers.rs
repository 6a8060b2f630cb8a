//! The numbers of publications: how many are missing, and which come too late.
//!
//! Invariant: one number for each peer and direction is all that is kept.

use std::collections::BTreeMap;

use crate::id::{Incarnation, NodeName, Origin};

/// The numbers of the publications that one incarnation has sent and received.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// The number of the last publication to each peer.
    sent: BTreeMap<NodeName, u64>,
    /// The number of the last publication of each peer, and its incarnation.
    received: BTreeMap<NodeName, (Incarnation, u64)>,
}

/// What a received publication means for the subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// It is the next one, after this number of missed ones.
    Next {
        /// The number of publications of its publisher that were missed.
        missed: u64,
    },
    /// It is a repetition, or a later one of its publisher was received before.
    Late,
}

impl Numbers {
    /// Returns the number of the next publication to a peer, whether it can be sent or not.
    pub(super) fn next(&mut self, peer: NodeName) -> u64 {
        let sent = self.sent.entry(peer).or_default();
        *sent += 1;
        *sent
    }

    /// Notes a publication of a peer.
    pub(super) fn receive(&mut self, from: Origin, number: u64) -> Received {
        let Origin { node, incarnation } = from;
        let last = self.received.get(&node).filter(|(of, _)| *of == incarnation);
        // Before the first contact, this node may not have run.
        let expected = last.map_or(Some(number), |(_, last)| last.checked_add(1));
        let Some(expected) = expected.filter(|expected| *expected <= number) else {
            return Received::Late;
        };
        self.received.insert(node, (incarnation, number));
        Received::Next { missed: number - expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(incarnation: u64) -> Origin {
        Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation::at(incarnation) }
    }

    #[test]
    fn numbers_count_for_each_peer() {
        let mut numbers = Numbers::default();
        let [a, b] = ["a", "b"].map(|name| name.parse().unwrap());
        assert_eq!([numbers.next(a), numbers.next(a), numbers.next(b)], [1, 2, 1]);
    }

    #[test]
    fn gaps_are_counted_and_late_publications_are_dropped() {
        let mut numbers = Numbers::default();
        for (incarnation, number, expected) in [
            (2, 5, Received::Next { missed: 0 }),
            (2, 6, Received::Next { missed: 0 }),
            (2, 6, Received::Late),
            (2, 9, Received::Next { missed: 2 }),
            (2, 7, Received::Late),
            (4, 3, Received::Next { missed: 0 }),
            (4, u64::MAX, Received::Next { missed: u64::MAX - 4 }),
            (4, u64::MAX, Received::Late),
        ] {
            assert_eq!(numbers.receive(origin(incarnation), number), expected, "{number}");
        }
    }
}
