//! What would have become of the recorded writes to one hero under other rules.
//!
//! A [`Story`] is the recorded history of one hero: its writes, the pulls between the nodes, and the
//! memory losses, in the order of time. Each [`Rule`] is applied to the same story. At its end all
//! nodes exchange everything, as they did before the loss of a write was found.
//!
//! Invariants:
//! - A fate is a pure function of the story and the rule.
//! - A write is saved if its effect remains, or was replaced by a writer that had seen it. That is the
//!   definition by which the ledger of lost writes counts, too.

mod rules;
mod story;

use std::sync::Arc;

use gossip::{NodeName, Stamp};
use shared::Entry;

/// The recorded history of one hero.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The number of nodes that hold copies: the cities and dispatch.
    pub nodes: usize,
    /// The writes, in the order of time.
    pub writes: Vec<Write>,
    /// What happened, in the order of time.
    pub steps: Vec<Step>,
}

/// One step of a story. Nodes and writes are given by their numbers, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The write with this number was made.
    Write(usize),
    /// A node received everything that another one held.
    Pull {
        /// The node that received.
        puller: usize,
        /// The node that was pulled from.
        source: usize,
    },
    /// The node lost its memory: its process was bombed, killed or stopped.
    Forget(usize),
}

/// A write of a story.
#[derive(Clone, Debug)]
pub struct Write {
    /// The number of the node that made it.
    pub node: usize,
    /// The entry that was written.
    pub entry: Arc<Entry>,
    /// What it changed.
    pub changes: Changes,
    /// For each node, whether the writer could exchange messages with it at that time. The writer
    /// itself is included.
    pub reached: Vec<bool>,
}

/// The fields that a write changed, compared with the entry that it overwrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The hero's location.
    pub location: bool,
    /// The hero's health.
    pub health: bool,
    /// Whether the hero patrols.
    pub patrol: bool,
}

/// A rule by which the nodes could have kept the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A write waits until most nodes hold it, and reads from most nodes first.
    Majority,
    /// Each field is a register of its own; the last write to a field wins.
    Fields,
    /// The stamps are whole seconds, and of two equal ones the received copy wins. There are no
    /// tombstones.
    WholeSeconds,
    /// Writes that have not seen each other are all kept, for a person to choose.
    KeepBoth,
    /// Changes of the health are added up; the last write to the rest wins.
    HealthCounter,
    /// A log that most nodes agree on and keep on disk.
    Vault,
}

impl Rule {
    /// All rules, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Majority,
        Self::Fields,
        Self::WholeSeconds,
        Self::KeepBoth,
        Self::HealthCounter,
        Self::Vault,
    ];

    /// Returns the word that the API uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Fields => "fields",
            Self::WholeSeconds => "whole_seconds",
            Self::KeepBoth => "keep_both",
            Self::HealthCounter => "health_counter",
            Self::Vault => "vault",
        }
    }

    /// Returns the fate of each write of the story, in order.
    #[must_use]
    pub fn fates(self, story: &Story) -> Vec<Fate> {
        match self {
            Self::Majority => rules::majority(story, rules::Store::Memory),
            Self::Vault => rules::majority(story, rules::Store::Disk),
            Self::Fields => rules::fields(story),
            Self::WholeSeconds => rules::whole_seconds(story),
            Self::KeepBoth => rules::keep_both(story),
            Self::HealthCounter => rules::health_counter(story),
        }
    }
}

/// What becomes of a write under a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its effect remains, or was replaced by a writer that had seen it.
    Saved,
    /// The effect on some of the fields remains; that on these was replaced by this write.
    SavedInPart {
        /// The fields whose change is lost.
        lost: Changes,
        /// The number of the write that replaced them.
        to: usize,
    },
    /// It was replaced by this write, whose writer had not seen it.
    Replaced(usize),
    /// Every node that held it lost its memory.
    Forgotten,
    /// The nodes go on holding different copies.
    Undecided,
    /// It is not accepted: the writer reached this many of the nodes, itself included.
    Refused {
        /// The nodes that it reached.
        reached: usize,
    },
}

/// The fate of one lost write under one rule, with what a reader needs to know of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The rule.
    pub rule: Rule,
    /// The fate.
    pub fate: Fate,
    /// The write that replaced it.
    pub by: Option<Winner>,
    /// What the lost write changed.
    pub changes: Changes,
    /// The number of nodes that hold copies.
    pub nodes: usize,
    /// The number of nodes that the writer reached, itself included.
    pub reached: usize,
}

/// The write that replaced another one under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner {
    /// The node that made it.
    pub node: NodeName,
    /// Whether the stamps of both are of the same second.
    pub same_second: bool,
}

/// A story, and the fate of each of its writes under each rule.
#[derive(Debug)]
pub struct Fates {
    story: Story,
    by_rule: Vec<(Rule, Vec<Fate>)>,
}

impl Fates {
    /// Applies every rule to the story.
    #[must_use]
    pub fn of(story: Story) -> Self {
        let by_rule = Rule::ALL.into_iter().map(|rule| (rule, rule.fates(&story))).collect();
        Self { story, by_rule }
    }

    /// Returns the outcomes for the write with this stamp, one for each rule; `None` if the story lacks
    /// it.
    #[must_use]
    pub fn outcomes(&self, stamp: Stamp) -> Option<Vec<Outcome>> {
        let writes = &self.story.writes;
        let number = writes.iter().position(|write| write.entry.stamp == stamp)?;
        let write = &writes[number];
        let outcome = |(rule, fates): &(Rule, Vec<Fate>)| {
            let fate = fates[number].clone();
            let by = match &fate {
                Fate::Replaced(by) | Fate::SavedInPart { to: by, .. } => writes.get(*by),
                Fate::Saved | Fate::Forgotten | Fate::Undecided | Fate::Refused { .. } => None,
            };
            Outcome {
                rule: *rule,
                by: by.map(|by| Winner {
                    node: by.entry.stamp.origin.node,
                    same_second: rules::second(by) == rules::second(write),
                }),
                fate,
                changes: write.changes,
                nodes: self.story.nodes,
                reached: write.reached.iter().filter(|reached| **reached).count(),
            }
        };
        Some(self.by_rule.iter().map(outcome).collect())
    }
}

impl Changes {
    /// Every field.
    pub const ALL: Self = Self { location: true, health: true, patrol: true };

    /// Returns what `entry` changed in `base`; every field if there is no base, or one of the two is a
    /// deletion.
    #[must_use]
    pub fn between(base: Option<&Entry>, entry: &Entry) -> Self {
        match (base.and_then(Entry::live), entry.live()) {
            (Some(base), Some(hero)) => Self {
                location: base.location != hero.location,
                health: base.health != hero.health,
                patrol: base.is_patrolling != hero.is_patrolling,
            },
            _ => Self::ALL,
        }
    }
}

#[cfg(test)]
mod tests;
