//! The actions of a scenario, and the refusals that are expected of them.

use std::fmt;

use crate::fault::Fault;

/// An action, and its expected outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The action.
    pub action: Action,
    /// The type of the problem with which the action must be refused; `None` if it must succeed.
    pub refused: Option<String>,
}

/// The heroes of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeroSelector {
    /// Each hero of the scenario, one after the other.
    Each,
    /// The hero of this label.
    One(String),
}

/// An action on the cluster.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as in the files")]
pub enum Action {
    /// Create a hero.
    Create { name: String },
    /// Move a hero.
    Assign { hero: HeroSelector, to: String },
    /// End a hero.
    Terminate { hero: HeroSelector },
    /// Crash a city.
    Bomb { city: String },
    /// End the process of a city, as a signal would.
    Stop { city: String },
    /// End the process of a city at once.
    Kill { city: String },
    /// Start the process of a city again.
    Rebuild { city: String },
    /// Inject a fault. The name is the label by which a later step heals it.
    Inject { fault: Fault, name: Option<String> },
    /// Heal the fault of this label, or all faults.
    Heal { name: Option<String> },
    /// Pause gossip.
    Pause,
    /// Resume gossip.
    Resume,
    /// Set the rate of gossip, in percent of the configured one.
    Speed { percent: u32 },
    /// Let `to` pull from `from` once. With `completed`, the round must end, or must not end.
    Exchange { from: String, to: String, completed: Option<bool> },
}

impl Operation {
    /// Returns whether the operation can fail by an expectation.
    pub(crate) fn expects(&self) -> bool {
        self.refused.is_some() || matches!(self.action, Action::Exchange { completed: Some(_), .. })
    }
}

impl Action {
    /// Returns whether the action is repeated for each hero of the scenario.
    pub(crate) fn is_for_each_hero(&self) -> bool {
        match self {
            Self::Assign { hero, .. } | Self::Terminate { hero } => *hero == HeroSelector::Each,
            Self::Create { .. }
            | Self::Bomb { .. }
            | Self::Stop { .. }
            | Self::Kill { .. }
            | Self::Rebuild { .. }
            | Self::Inject { .. }
            | Self::Heal { .. }
            | Self::Pause
            | Self::Resume
            | Self::Speed { .. }
            | Self::Exchange { .. } => false,
        }
    }
}

impl fmt::Display for HeroSelector {
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

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match (&self.refused, &self.action) {
            (Some(refused), _) => write!(f, ", which is refused: {refused}"),
            (None, Action::Exchange { completed: Some(true), .. }) => {
                f.write_str(", which arrives")
            }
            (None, Action::Exchange { completed: Some(false), .. }) => {
                f.write_str(", which is lost on its way")
            }
            (None, _) => Ok(()),
        }
    }
}
