//! The commands that dispatch sends to cities, and their answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use gossip::types::request::{Request, RequestError};
use gossip::{Entry, Message};

use crate::hero::{Hero, HeroId, Location};

/// A request from dispatch to a city.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Assign a hero to a location.
    Assign {
        /// The hero.
        hero: HeroId,
        /// The destination.
        to: Location,
        /// Dispatch's copy of the entry, used when the city does not hold the hero.
        copy: Option<Arc<Entry<Hero>>>,
    },
    /// Crash: lose all memory and start a new incarnation.
    Bomb,
    /// End the process gracefully, as on SIGTERM.
    Stop,
    /// End the process immediately, as on SIGKILL.
    Kill,
    /// Change one of the library's types.
    Ask(Request),
}

/// The answer of a city that executed a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// The city assigned the hero by this write.
    Assigned(Arc<Entry<Hero>>),
    /// The city is about to crash.
    Bombed,
    /// The city's process is about to end.
    Ending,
    /// The city changed a type by these writes.
    Asked(Vec<(HeroId, Arc<Entry<Hero>>)>),
}

/// The reason why a city did not execute a command. Nothing was changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The city does not hold the hero, and the command contains no copy.
    UnknownAtCity,
    /// The hero is deleted.
    Deleted,
    /// The city has not joined the cluster yet.
    Joining,
    /// The command arrived after its expiry time.
    Expired,
    /// The copy in the command has a stamp too far in the future.
    TooFarAhead,
    /// The type refused the change.
    Type(RequestError),
}

impl Message for Command {
    fn is_valid(&self) -> bool {
        match self {
            Self::Assign { hero, copy, .. } => {
                copy.as_ref().is_none_or(|copy| copy.is_valid(*hero))
            }
            // The type checks the request when it executes it.
            Self::Ask(_) | Self::Bomb | Self::Stop | Self::Kill => true,
        }
    }

    fn entries(&self) -> usize {
        match self {
            Self::Assign { copy, .. } => usize::from(copy.is_some()),
            Self::Ask(_) | Self::Bomb | Self::Stop | Self::Kill => 0,
        }
    }
}

impl Message for Done {
    fn is_valid(&self) -> bool {
        match self {
            // It answers a command for a hero, so it belongs to no table.
            Self::Assigned(entry) => entry.is_valid(HeroId::MIN),
            Self::Asked(writes) => writes.iter().all(|(key, entry)| entry.is_valid(*key)),
            Self::Bombed | Self::Ending => true,
        }
    }

    fn entries(&self) -> usize {
        match self {
            Self::Assigned(_) => 1,
            Self::Asked(writes) => writes.len(),
            Self::Bombed | Self::Ending => 0,
        }
    }
}

impl Message for Refusal {}
