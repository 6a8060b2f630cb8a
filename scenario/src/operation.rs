//! The actions of a scenario, and their expected refusals.

use std::fmt;

use crate::fault::Fault;

/// An action, and its expected outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The action.
    pub action: Action,
    /// The problem type with which the action must be refused; `None` if it must succeed.
    pub refused: Option<String>,
}

/// The heroes of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeroSelector {
    /// Each hero of the scenario, one after the other.
    Each,
    /// The hero with this label.
    One(String),
}

/// An action on the cluster.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named as in the files")]
pub enum Action {
    /// Create a hero.
    Create { name: String },
    /// Assign a hero to a location.
    Assign { hero: HeroSelector, to: String },
    /// Terminate a hero.
    Terminate { hero: HeroSelector },
    /// Crash a city: it loses its memory.
    Bomb { city: String },
    /// Stop the process of a city gracefully.
    Stop { city: String },
    /// Kill the process of a city.
    Kill { city: String },
    /// Restart the process of a city.
    Rebuild { city: String },
    /// Inject a fault. A later step heals it by its name.
    Inject { fault: Fault, name: Option<String> },
    /// Heal the fault with this name, or all faults.
    Heal { name: Option<String> },
    /// Pause gossip.
    Pause,
    /// Resume gossip.
    Resume,
    /// Set the gossip rate, in percent of the configured one.
    Speed { percent: u32 },
    /// Run one exchange, in which `to` pulls from `from`. With `completed`, it must complete
    /// (`true`) or must not (`false`).
    Exchange { from: String, to: String, completed: Option<bool> },
}

impl Operation {
    /// Returns whether the operation has an expected outcome, so that it can be inverted.
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
            Self::Speed { percent } => write!(f, "set the gossip rate to {percent} %"),
            Self::Exchange { from, to, .. } => write!(f, "{to} pulls from {from}"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        match (&self.refused, &self.action) {
            (Some(refused), _) => write!(f, " (must be refused: {refused})"),
            (None, Action::Exchange { completed: Some(true), .. }) => {
                f.write_str(" (must complete)")
            }
            (None, Action::Exchange { completed: Some(false), .. }) => {
                f.write_str(" (must not complete)")
            }
            (None, _) => Ok(()),
        }
    }
}
