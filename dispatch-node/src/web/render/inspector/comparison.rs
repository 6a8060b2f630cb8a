//! The comparison of a hero's writes: the fate of each by the rule of [`Entry::beats`] and the
//! record of [`Entry::had_seen`].

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gossip::{NodeName, Stamp};
use shared::Entry;

use crate::model::arrival::Way;
use crate::model::history::Step;
use crate::model::node_state::NodeState;
use crate::model::node_state::NodeStatus;
use crate::model::rows::Row;
use crate::model::view::View;

/// All known writes of one hero, compared.
pub(super) struct Comparison<'a> {
    /// Writes that a node holds come first, and among these the winner.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Every city holds the winner.
    pub(super) all_cities_hold_it: bool,
}

/// One write.
pub(super) struct Candidate<'a> {
    pub(super) entry: &'a Entry,
    /// The running nodes that hold it, as far as is known.
    pub(super) holders: Vec<NodeName>,
    /// The stopped nodes that held it. A stopped process has lost its memory.
    pub(super) stopped: Vec<NodeName>,
    /// The steps of its propagation, oldest first.
    pub(super) steps: Vec<&'a Step>,
}

/// The fate of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It won: every city holds it.
    Won,
    /// It beats all others that a node holds.
    Wins,
    /// The writer of the winner, or of another deletion, had seen it.
    Superseded,
    /// Both it and the winner are deletions.
    Equivalent,
    /// A node holds it, and the writer of the winner had not seen it.
    WillBeLost,
    /// No node holds it; a later write of this node had seen it, and will be lost to the winner.
    SupersededByLoser(NodeName),
    /// No node holds it, and no write that is held had seen it.
    Lost,
    /// Only stopped processes held it.
    Stopped,
}

impl Candidate<'_> {
    /// The time at which its writer was first observed to hold it.
    pub(super) fn written_at(&self) -> Option<Duration> {
        self.steps.iter().find(|step| step.way == Way::Written).map(|step| step.at)
    }

    pub(super) fn writer(&self) -> NodeName {
        self.entry.stamp.origin.node
    }

    /// Returns true if a running node holds it.
    pub(super) fn is_held(&self) -> bool {
        !self.holders.is_empty()
    }
}

/// Each node with its entry of this hero.
pub(super) fn holdings<'a>(
    view: &'a View,
    row: &'a Row,
) -> impl Iterator<Item = (&'a NodeState, Option<&'a Arc<Entry>>)> {
    let cities = view.cities.iter().zip(row.cells.iter().map(Option::as_ref));
    cities.chain([(&view.dispatch, row.own.as_ref())])
}

impl<'a> Comparison<'a> {
    /// Compares the writes of this row's hero.
    pub(super) fn of(view: &'a View, row: &'a Row) -> Self {
        let mut by_stamp: BTreeMap<Stamp, Candidate<'a>> = BTreeMap::new();
        let fresh = |entry: &'a Entry| Candidate {
            entry,
            holders: Vec::new(),
            stopped: Vec::new(),
            steps: Vec::new(),
        };
        for (node, entry) in holdings(view, row) {
            let Some(entry) = entry else { continue };
            let candidate = by_stamp.entry(entry.stamp).or_insert_with(|| fresh(entry));
            // An unreachable node may still run, so it counts as a holder.
            let holders = if node.status == NodeStatus::Down {
                &mut candidate.stopped
            } else {
                &mut candidate.holders
            };
            holders.push(node.name);
        }
        for step in view.history.trail(row.id) {
            by_stamp.entry(step.stamp).or_insert_with(|| fresh(&step.entry)).steps.push(step);
        }
        let mut candidates: Vec<Candidate<'a>> = by_stamp.into_values().collect();
        for candidate in &mut candidates {
            candidate.steps.sort_by_key(|step| step.at);
        }
        // The order of `Entry::beats` among held writes. A write that no node holds cannot win.
        let rank = |candidate: &Candidate<'_>| {
            (
                candidate.is_held(),
                candidate.entry.is_tombstone() && candidate.is_held(),
                candidate.entry.stamp,
            )
        };
        candidates.sort_by_key(|candidate| Reverse(rank(candidate)));
        let winner = candidates
            .first()
            .filter(|candidate| candidate.is_held())
            .map(|candidate| candidate.entry.stamp);
        let all_cities_hold_it = winner.is_some()
            && row.cells.iter().all(|cell| cell.as_ref().map(|entry| entry.stamp) == winner);
        Self { candidates, all_cities_hold_it }
    }

    /// The write that beats all others that a node holds, if there is one.
    pub(super) fn winner(&self) -> Option<&Candidate<'a>> {
        self.candidates.first().filter(|candidate| candidate.is_held())
    }

    /// The losing writes that the writer of the winner had not seen, without deletions.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &Candidate<'a>> {
        let lost = |candidate: &&Candidate<'_>| {
            matches!(
                self.fate(candidate),
                Fate::WillBeLost | Fate::SupersededByLoser(_) | Fate::Lost
            ) && !candidate.entry.is_tombstone()
        };
        self.candidates.iter().filter(lost)
    }

    /// Returns the fate of a write.
    pub(super) fn fate(&self, candidate: &Candidate<'_>) -> Fate {
        let Some(winner) = self.winner() else {
            return if candidate.stopped.is_empty() { Fate::Lost } else { Fate::Stopped };
        };
        let stamp = candidate.entry.stamp;
        if stamp == winner.entry.stamp {
            return if self.all_cities_hold_it { Fate::Won } else { Fate::Wins };
        }
        // Any deletion deletes the hero, so a write that a losing deletion had seen is not lost.
        let is_other_deletion = |other: &Candidate<'_>| {
            winner.entry.is_tombstone() && other.entry.is_tombstone() && other.entry.stamp != stamp
        };
        if winner.entry.had_seen(stamp)
            || self
                .candidates
                .iter()
                .any(|other| is_other_deletion(other) && other.entry.had_seen(stamp))
        {
            return Fate::Superseded;
        }
        if candidate.entry.is_tombstone() && winner.entry.is_tombstone() {
            return Fate::Equivalent;
        }
        if candidate.is_held() {
            return Fate::WillBeLost;
        }
        let successor =
            self.candidates.iter().find(|other| other.is_held() && other.entry.had_seen(stamp));
        match successor {
            Some(successor) => Fate::SupersededByLoser(successor.writer()),
            None if candidate.stopped.is_empty() => Fate::Lost,
            None => Fate::Stopped,
        }
    }
}
