//! Conditions of a cluster that can be observed, and the time in which one must come about.

use std::fmt;
use std::time::Duration;

use crate::wording::{counted, listed, subject};

/// A condition that must come about.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The condition.
    pub condition: Condition,
    /// The time in which it must come about.
    pub within: Duration,
    /// The time for which it must then hold.
    pub holds_for: Duration,
}

/// A condition of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named as in the files")]
pub enum Condition {
    /// Every city answers and all nodes hold the same; or they do not.
    Converged(bool),
    /// This many writes that were answered as saved are gone, since the scenario began.
    LostWrites(u64),
    /// This many heroes are held by one node alone.
    OnlyCopies(u64),
    /// Each of these cities holds the hero alive, and in the location.
    Holds { cities: Vec<String>, hero: String, location: Option<String> },
    /// None of these cities holds the hero alive: the hero is unknown, forgotten, or dead there.
    Lacks { cities: Vec<String>, hero: String },
    /// Each of these cities knows that the hero is dead.
    Dead { cities: Vec<String>, hero: String },
    /// Each of these cities has this status.
    Is { cities: Vec<String>, status: String },
    /// These nodes hold the same, by their fingerprints.
    Agree(Vec<String>),
    /// No two of these nodes hold the same, by their fingerprints.
    Apart(Vec<String>),
    /// The event log has such an event, since the scenario began.
    Event { kind: Option<String>, text: Option<String> },
    /// Every city holds the same of each hero that the scenario assigned: the write with the
    /// greatest of the answered stamps, or a later one.
    OneWinner,
    /// At least this many heroes were written to in two places in the same millisecond, by the
    /// answered stamps.
    SameMillisecond(u32),
}

impl Condition {
    /// Returns whether the condition is about completed writes, so that no wait changes it.
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
                write!(f, "{} held by one node alone", counted(*count, "hero is", "heroes are"))
            }
            Self::Holds { cities, hero, location } => {
                write!(f, "{} {hero}", subject(cities, "holds", "hold"))?;
                location.iter().try_for_each(|location| write!(f, " in {location}"))
            }
            Self::Lacks { cities, hero } => {
                write!(f, "{} no {hero}", subject(cities, "holds", "hold"))
            }
            Self::Dead { cities, hero } => {
                write!(f, "{} that {hero} is dead", subject(cities, "knows", "know"))
            }
            Self::Is { cities, status } => write!(f, "{} {status}", subject(cities, "is", "are")),
            Self::Agree(nodes) => write!(f, "{} agree", listed(nodes)),
            Self::Apart(nodes) => write!(f, "{} do not agree", listed(nodes)),
            Self::Event { kind, text } => {
                f.write_str("the log has")?;
                kind.iter().try_for_each(|kind| write!(f, " an event of kind {kind}"))?;
                text.iter().try_for_each(|text| write!(f, " a line with {text:?}"))
            }
            Self::OneWinner => f.write_str("the greatest stamp has won everywhere"),
            Self::SameMillisecond(1) => {
                f.write_str("at least one hero was written to twice in the same millisecond")
            }
            Self::SameMillisecond(count) => {
                write!(f, "at least {count} heroes were written to twice in the same millisecond")
            }
        }
    }
}
