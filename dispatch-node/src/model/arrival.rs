//! The arrivals of writes at a node: how and when each came there.
//!
//! Invariant: the source of a write is named only if a round of the node is known to have brought
//! it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, Now, PullOutcome, Pulled};
use shared::hero::HeroId;
use shared::{Change, Entry};

/// The number of a city's rounds that are remembered.
const ROUNDS_MAX: usize = 256;

/// An entry that has arrived at a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) hero: HeroId,
    pub(crate) entry: Arc<Entry>,
    /// How and when it came there, as far as is known.
    pub(crate) way: Way,
    pub(crate) at: Duration,
}

/// The way on which a write came to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It was written there.
    Written,
    /// It was received from this node, in a round.
    Received(NodeName),
    /// It was there when the node was first looked at, or the round is no longer remembered.
    Unknown,
}

/// The newest rounds that changed something at a city.
#[derive(Debug, Default)]
pub(crate) struct Rounds(VecDeque<Round>);

#[derive(Debug)]
struct Round {
    changes: RangeInclusive<u64>,
    source: NodeName,
    at: Duration,
}

impl Rounds {
    /// Remembers the pulls that changed something.
    pub(crate) fn note(&mut self, pulls: Vec<Pulled>, now: Now) {
        for Pulled { source, ended_ago, outcome, .. } in pulls {
            // The time of a pull from before dispatch began cannot be given.
            if let PullOutcome::Merged { changes, .. } = outcome
                && !changes.is_empty()
                && let Some(at) = now.mono.checked_sub(ended_ago)
            {
                self.0.push_back(Round { changes, source, at });
            }
        }
        while self.0.len() > ROUNDS_MAX {
            self.0.pop_front();
        }
    }

    /// Returns the arrival of this change. `is_own`: the city's present incarnation wrote it.
    /// `is_read`: the city has been read to its end before.
    pub(crate) fn arrival(
        &self,
        change: &Change,
        is_own: bool,
        is_read: bool,
        now: Now,
    ) -> Arrival {
        let (way, at) =
            match self.0.iter().rev().find(|round| round.changes.contains(&change.number)) {
                // A city writes while it merges, a burial for example: that is its own all the
                // same.
                Some(round) if !is_own => (Way::Received(round.source), round.at),
                None if !(is_own && is_read) => (Way::Unknown, now.mono),
                Some(_) | None => (Way::Written, now.mono),
            };
        Arrival { hero: change.key, entry: Arc::clone(&change.entry), way, at }
    }
}
