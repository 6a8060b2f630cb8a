//! The commands that dispatch sends to cities, and their answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use gossip::{Entry, Message};

use crate::hero::{Hero, HeroId, Location};

/// A request of dispatch to a city.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Take a hero in.
    Assign {
        /// The hero.
        hero: HeroId,
        /// The destination.
        to: Location,
        /// Dispatch's copy, for a city that does not hold the hero.
        copy: Option<Arc<Entry<Hero>>>,
    },
    /// Crash: lose all memory and begin a new incarnation.
    Bomb,
}

/// The answer of a city that carried a command out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// The city took the hero in, by this write.
    Assigned(Arc<Entry<Hero>>),
    /// The city is about to crash.
    Bombed,
}

/// The reason why a city did not carry a command out. Nothing was changed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The city does not hold the hero, and no copy came with the command.
    UnknownAtCity,
    /// The hero is deleted.
    Deleted,
    /// The city has just started and has not caught up yet.
    Joining,
    /// The command arrived after it had expired.
    Expired,
    /// The copy that came with the command is stamped too far in the future.
    TooFarAhead,
}

impl Message for Command {
    fn is_valid(&self) -> bool {
        match self {
            Self::Assign { copy, .. } => copy.as_ref().is_none_or(|copy| copy.is_valid()),
            Self::Bomb => true,
        }
    }

    fn entries(&self) -> usize {
        match self {
            Self::Assign { copy, .. } => usize::from(copy.is_some()),
            Self::Bomb => 0,
        }
    }
}

impl Message for Done {
    fn is_valid(&self) -> bool {
        match self {
            Self::Assigned(entry) => entry.is_valid(),
            Self::Bombed => true,
        }
    }

    fn entries(&self) -> usize {
        usize::from(matches!(self, Self::Assigned(_)))
    }
}

impl Message for Refusal {}
