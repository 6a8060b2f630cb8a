//! Expectations: observable conditions of a cluster, with timeouts.

use std::fmt;
use std::time::Duration;

use crate::wording::{counted, listed, subject};

/// A condition that must become true.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The condition.
    pub condition: Condition,
    /// The timeout for the condition to become true.
    pub within: Duration,
    /// The time for which it must then stay true.
    pub holds_for: Duration,
}

/// A condition of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named as in the files")]
pub enum Condition {
    /// Every city is up and all nodes hold the same; or, with `false`, not.
    Converged(bool),
    /// This many acknowledged writes have been lost since the start of the scenario.
    LostWrites(u64),
    /// This many heroes are held by only one node.
    OnlyCopies(u64),
    /// Each of these cities holds the hero, at the location if one is given.
    Holds { cities: Vec<String>, hero: String, location: Option<String> },
    /// None of these cities holds the hero: it was never received, or was lost, or is terminated.
    Lacks { cities: Vec<String>, hero: String },
    /// Each of these cities holds a tombstone of the hero.
    Dead { cities: Vec<String>, hero: String },
    /// Each of these cities has this status.
    Is { cities: Vec<String>, status: String },
    /// These nodes have equal fingerprints.
    Agree(Vec<String>),
    /// No two of these nodes have equal fingerprints.
    Apart(Vec<String>),
    /// The event log contains a matching event since the start of the scenario.
    Event { kind: Option<String>, text: Option<String> },
    /// Every city holds the same version of each hero that the scenario assigned: the write with
    /// the highest acknowledged stamp, or a later one.
    OneWinner,
    /// At least this many heroes have two acknowledged writes of different origins in the same
    /// millisecond.
    SameMillisecond(u32),
}

impl Condition {
    /// Returns whether the condition depends on completed writes only, so that waiting is useless.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::SameMillisecond(_))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converged(true) => f.write_str("all nodes agree"),
            Self::Converged(false) => f.write_str("the nodes do not all agree"),
            Self::LostWrites(count) => {
                write!(f, "{} lost", counted(*count, "write is", "writes are"))
            }
            Self::OnlyCopies(count) => {
                write!(f, "{} held by only one node", counted(*count, "hero is", "heroes are"))
            }
            Self::Holds { cities, hero, location } => {
                write!(f, "{} {hero}", subject(cities, "holds", "hold"))?;
                location.iter().try_for_each(|location| write!(f, " at {location}"))
            }
            Self::Lacks { cities, hero } => {
                write!(f, "{} {hero}", subject(cities, "does not hold", "do not hold"))
            }
            Self::Dead { cities, hero } => {
                write!(f, "{hero} is terminated at {}", listed(cities))
            }
            Self::Is { cities, status } => write!(f, "{} {status}", subject(cities, "is", "are")),
            Self::Agree(nodes) => write!(f, "{} agree", listed(nodes)),
            Self::Apart(nodes) => write!(f, "{} do not agree", listed(nodes)),
            Self::Event { kind, text } => {
                f.write_str("the log has an event")?;
                kind.iter().try_for_each(|kind| write!(f, " of kind {kind}"))?;
                text.iter().try_for_each(|text| write!(f, " containing {text:?}"))
            }
            Self::OneWinner => f.write_str("the write with the highest stamp wins everywhere"),
            Self::SameMillisecond(1) => {
                f.write_str("at least one hero has two writes in the same millisecond")
            }
            Self::SameMillisecond(count) => {
                write!(f, "at least {count} heroes have two writes in the same millisecond")
            }
        }
    }
}
