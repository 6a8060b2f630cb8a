//! Scenarios: what is done to a cluster, and what must then be seen.
//!
//! [`Scenario::parse`] reads one from TOML and finds whatever is wrong with it before anything is done; [`play()`] plays it. Six are
//! [shipped](shipped()), each of which proves a point of the cluster's promises.

mod act;
mod junit;
mod look;
mod parse;
mod play;
mod shipped;

use std::fmt;
use std::time::Duration;

use crate::fault::Fault;
use crate::span::written;

pub use junit::junit;
pub use parse::{FILE_BYTES_MAX, Invalid};
pub use play::{Outcome, Progress, Report, StepReport, play};
pub use shipped::{shipped, shipped_by_name};

/// What is done to a cluster, and what must then be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called on a command line.
    pub name: String,
    /// What it is called by people.
    pub title: String,
    /// What it shows.
    pub about: String,
    /// About how long it takes, where its author says so.
    pub takes: Option<Duration>,
    /// What the heroes are called that are made, and known to all cities, before the first step. A name is a label too: the
    /// player knows each of its heroes by id.
    pub names: Vec<String>,
    /// How many heroes with invented names are made besides. They are called `#1`, `#2` and so on.
    pub invented: u32,
    /// What is done and expected, in this order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The steps that something is expected of, by their place.
    #[must_use]
    pub fn expectations(&self) -> Vec<usize> {
        (0..self.steps.len()).filter(|index| self.steps[*index].expects()).collect()
    }

    /// The same scenario, which fails where what this step expects comes about, and goes on where it does not; `None` where the step
    /// expects nothing.
    ///
    /// With it a test shows that an expectation can fail.
    #[must_use]
    pub fn inverted(&self, step: usize) -> Option<Self> {
        let mut scenario = self.clone();
        let inverted = scenario.steps.get_mut(step).filter(|step| step.expects())?;
        inverted.is_inverted = !inverted.is_inverted;
        Some(scenario)
    }
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When it begins, at the earliest, since the first step did; else right after the one before.
    pub at: Option<Duration>,
    /// What it is.
    pub what: What,
    is_inverted: bool,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Something is done.
    Do(Deed),
    /// Several things are begun at the same moment. One that is done to each hero is repeated hero by hero, and at each hero
    /// all begin at the same moment again.
    Together(Vec<Deed>),
    /// Something must come about.
    Expect(Expectation),
}

impl Step {
    fn expects(&self) -> bool {
        let deed_expects = |deed: &Deed| deed.refused.is_some() || matches!(deed.action, Action::Exchange { completed: Some(_), .. });
        match &self.what {
            What::Do(deed) => deed_expects(deed),
            What::Together(deeds) => deeds.iter().any(deed_expects),
            What::Expect(_) => true,
        }
    }
}

/// Something that is done, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// What is done.
    pub action: Action,
    /// It must be refused, with this type of problem.
    pub refused: Option<String>,
}

/// Whom something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Each hero of the scenario, one after the other.
    Each,
    /// The hero of this name.
    One(String),
}

/// Something that can be done.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are called as in the files")]
pub enum Action {
    /// Make a hero.
    Create { name: String },
    /// Move a hero.
    Assign { hero: Whom, to: String },
    /// End a hero.
    Terminate { hero: Whom },
    /// Crash a city.
    Bomb { city: String },
    /// End a city's process, as if asked to.
    Stop { city: String },
    /// End a city's process at once.
    Kill { city: String },
    /// Start a city's process again.
    Rebuild { city: String },
    /// Disturb the cluster; the name is for healing it.
    Inject { fault: Fault, name: Option<String> },
    /// Heal the fault of this name, or all.
    Heal { name: Option<String> },
    /// Stop gossip.
    Pause,
    /// Let gossip go on.
    Resume,
    /// Gossip at this rate, in percent of the configured one.
    Speed { percent: u32 },
    /// Have `to` pull from `from`, once. It must be completed, or must not, if that is given.
    Exchange { from: String, to: String, completed: Option<bool> },
}

/// Something that must come about.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// What.
    pub condition: Condition,
    /// How soon.
    pub within: Duration,
    /// And for how long it must then stay so.
    pub holds_for: Duration,
}

/// What can be seen of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are called as in the files")]
pub enum Condition {
    /// Every city answers and all nodes hold the same; or not.
    Converged(bool),
    /// So many writes that were answered as saved are gone, since the scenario began.
    LostWrites(u64),
    /// So many heroes are held by one node alone.
    OnlyCopies(u64),
    /// The hero lives in each of these cities' knowledge, and is there.
    Holds { cities: Vec<String>, hero: String, location: Option<String> },
    /// None of these cities holds the hero alive: they have not heard, have forgotten, or know of a death.
    Lacks { cities: Vec<String>, hero: String },
    /// Each of these cities knows that the hero is dead.
    Dead { cities: Vec<String>, hero: String },
    /// Each of these cities has this status.
    Is { cities: Vec<String>, status: String },
    /// These nodes hold the same, by their fingerprints.
    Agree(Vec<String>),
    /// No two of these nodes hold the same, by their fingerprints.
    Apart(Vec<String>),
    /// Something was written into the event log since the scenario began.
    Event { kind: Option<String>, text: Option<String> },
    /// Every city holds the same of each hero that the scenario assigned: the write with the greatest of the stamps that were answered, or a later
    /// one.
    OneWinner,
    /// At least so many heroes were written to in two places in the same millisecond, by the stamps that were answered.
    SameMillisecond(u32),
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str("each hero"),
            Self::One(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name } => write!(f, "create {name}"),
            Self::Assign { hero, to } => write!(f, "assign {hero} to {to}"),
            Self::Terminate { hero } => write!(f, "terminate {hero}"),
            Self::Bomb { city } => write!(f, "bomb {city}"),
            Self::Stop { city } => write!(f, "stop {city}"),
            Self::Kill { city } => write!(f, "kill {city}"),
            Self::Rebuild { city } => write!(f, "rebuild {city}"),
            Self::Inject { fault, name: None } => write!(f, "{fault}"),
            Self::Inject { fault, name: Some(name) } => write!(f, "{fault} ({name})"),
            Self::Heal { name: Some(name) } => write!(f, "heal {name}"),
            Self::Heal { name: None } => f.write_str("heal all faults"),
            Self::Pause => f.write_str("pause gossip"),
            Self::Resume => f.write_str("resume gossip"),
            Self::Speed { percent } => write!(f, "gossip at {percent} %"),
            Self::Exchange { from, to, .. } => write!(f, "{to} pulls from {from}"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match (&self.refused, &self.action) {
            (Some(refused), _) => write!(f, ", which is refused: {refused}"),
            (None, Action::Exchange { completed: Some(true), .. }) => f.write_str(", which arrives"),
            (None, Action::Exchange { completed: Some(false), .. }) => f.write_str(", which is lost on its way"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Converged(true) => f.write_str("all nodes agree"),
            Self::Converged(false) => f.write_str("the nodes do not all agree"),
            Self::LostWrites(count) => write!(f, "{} lost", counted(*count, "write is", "writes are")),
            Self::OnlyCopies(count) => write!(f, "{} held by one node alone", counted(*count, "hero is", "heroes are")),
            Self::Holds { cities, hero, location: None } => write!(f, "{} {hero}", verb(cities, "holds", "hold")),
            Self::Holds { cities, hero, location: Some(at) } => write!(f, "{} {hero} in {at}", verb(cities, "holds", "hold")),
            Self::Lacks { cities, hero } => write!(f, "{} no {hero}", verb(cities, "holds", "hold")),
            Self::Dead { cities, hero } => write!(f, "{} that {hero} is dead", verb(cities, "knows", "know")),
            Self::Is { cities, status } => write!(f, "{} {status}", verb(cities, "is", "are")),
            Self::Agree(nodes) => write!(f, "{} agree", and(nodes)),
            Self::Apart(nodes) => write!(f, "{} do not agree", and(nodes)),
            Self::Event { kind, text } => {
                f.write_str("the log has")?;
                kind.iter().try_for_each(|kind| write!(f, " an event of kind {kind}"))?;
                text.iter().try_for_each(|text| write!(f, " a line with {text:?}"))
            }
            Self::OneWinner => f.write_str("the greatest stamp has won everywhere"),
            Self::SameMillisecond(1) => f.write_str("at least one hero was written to twice in the same millisecond"),
            Self::SameMillisecond(count) => write!(f, "at least {count} heroes were written to twice in the same millisecond"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_inverted {
            f.write_str("(inverted) ")?;
        }
        match &self.what {
            What::Do(deed) => write!(f, "{deed}"),
            What::Together(deeds) => {
                let deeds: Vec<String> = deeds.iter().map(Deed::to_string).collect();
                write!(f, "at the same moment: {}", deeds.join("; "))
            }
            What::Expect(Expectation { condition, within: _, holds_for }) if holds_for.is_zero() => write!(f, "expect: {condition}"),
            What::Expect(Expectation { condition, within: _, holds_for }) => {
                write!(f, "expect: {condition}, for {}", written(*holds_for))
            }
        }
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn and(names: &[String]) -> String {
    match names {
        [] => "nobody".into(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn verb(names: &[String], one: &str, many: &str) -> String {
    format!("{} {}", and(names), if names.len() == 1 { one } else { many })
}
