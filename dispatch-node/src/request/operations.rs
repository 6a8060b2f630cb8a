//! The operations that clients can request.

use std::time::Duration;

use gossip::NodeName;
use gossip::fault::{FaultId, FaultKind, Pace};
use gossip::types;
use shared::hero::{HeroId, Location};

use crate::event_log::EventKind;

/// The maximum number of heroes created by one request.
pub const CREATE_MAX: u32 = 10_000;

/// Creates one hero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// The name, already validated; a generated one if `None`.
    pub name: Option<String>,
}

/// Creates heroes with generated names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMany {
    /// The number of heroes, at most [`CREATE_MAX`].
    pub count: u32,
}

/// Moves a hero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assign {
    /// The hero.
    pub hero: HeroId,
    /// The destination.
    pub to: Location,
}

/// Changes one of the library's types at a city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The city that makes the change.
    pub city: NodeName,
    /// The change.
    pub request: types::request::Request,
}

/// Terminates a hero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminate {
    /// The hero.
    pub hero: HeroId,
}

/// The maximum number of heroes terminated by one request, so that other requests do not wait long.
pub const TERMINATE_MAX: usize = 1_000;

/// Terminates heroes, those of them that live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminateMany {
    /// The heroes, at most [`TERMINATE_MAX`]; further ones are left out.
    pub heroes: Vec<HeroId>,
}

/// Crashes a city's replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bomb {
    /// The city; a random one if `None`.
    pub city: Option<NodeName>,
}

/// Forgets an unreachable city: tombstone collection no longer waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forget {
    /// The city.
    pub city: NodeName,
}

/// Injects a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inject {
    /// The kind of fault, already validated.
    pub kind: FaultKind,
    /// See [`Fault::from`](gossip::fault::Fault::from).
    pub from: NodeName,
    /// See [`Fault::to`](gossip::fault::Fault::to).
    pub to: Option<NodeName>,
    /// See [`Fault::both`](gossip::fault::Fault::both).
    pub both: bool,
    /// The time after which the fault expires.
    pub heal_after: Duration,
}

/// Heals a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heal {
    /// The fault; all faults if `None`.
    pub fault: Option<FaultId>,
}

/// Sets the pace of gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPace {
    /// The pace.
    pub pace: Pace,
}

/// Makes the cities quiet, or ends that: a quiet city neither patrols nor fights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetQuiet {
    /// True to make them quiet.
    pub quiet: bool,
}

/// The furthest time ahead of dispatch's clock up to which stamps can be accepted: a century.
pub const ACCEPT_AHEAD_MAX: Duration = Duration::from_secs(36_525 * 24 * 3_600);

/// Makes all nodes accept stamps that are further ahead than the accepted drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptStamps {
    /// The time ahead of dispatch's clock up to which stamps are accepted, at most
    /// [`ACCEPT_AHEAD_MAX`].
    pub ahead: Duration,
}

/// Makes one node pull from another, once. Nodes that are not given are chosen at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExchange {
    /// The node that is pulled from.
    pub source: Option<NodeName>,
    /// The node that pulls.
    pub puller: Option<NodeName>,
}

/// Stops a city's process gracefully.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The city.
    pub city: NodeName,
}

/// Kills a city's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The city.
    pub city: NodeName,
}

/// Appends an event from outside the machine to the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The node that the event concerns.
    pub node: NodeName,
    /// The kind of event.
    pub kind: EventKind,
    /// The text shown on the page.
    pub text: String,
    /// The dispatch that has published the event; `None` if it happened here.
    pub heard_from: Option<NodeName>,
}

/// Reads the newest live copy of a hero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// The hero.
    pub hero: HeroId,
}

/// Reads the state of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadView;
