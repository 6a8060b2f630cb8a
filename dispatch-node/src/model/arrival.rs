//! The arrivals of writes at a node: their times and sources.
//!
//! Invariant: the source of a write is given only if a round of the node is known to have
//! transferred it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, Now, PullOutcome, Pulled};
use shared::hero::HeroId;
use shared::{Change, Entry};

/// The number of remembered rounds per city.
const ROUNDS_MAX: usize = 256;

/// An entry that has arrived at a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) hero: HeroId,
    pub(crate) entry: Arc<Entry>,
    /// The source, as far as it is known.
    pub(crate) way: Way,
    pub(crate) at: Duration,
}

/// The way in which a write reached a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It was written there.
    Written,
    /// It was received from this node, in a round.
    Received(NodeName),
    /// It was present at the first observation of the node, or its round is no longer remembered.
    Unknown,
}

/// The newest rounds that changed a city's entries.
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
            // A pull from before dispatch started has no time on dispatch's clock.
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
    /// `is_read`: the city has been read completely before.
    pub(crate) fn arrival(
        &self,
        change: &Change,
        is_own: bool,
        is_read: bool,
        now: Now,
    ) -> Arrival {
        let (way, at) =
            match self.0.iter().rev().find(|round| round.changes.contains(&change.number)) {
                // A city also writes while it merges, for example a tombstone over a late write;
                // such a write is its own although a round covers its number.
                Some(round) if !is_own => (Way::Received(round.source), round.at),
                None if !(is_own && is_read) => (Way::Unknown, now.mono),
                Some(_) | None => (Way::Written, now.mono),
            };
        Arrival { hero: change.key, entry: Arc::clone(&change.entry), way, at }
    }
}
