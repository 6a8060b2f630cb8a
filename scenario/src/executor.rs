//! The interface between a scenario and the cluster it is played on.

use std::time::Duration;

use api_types::{Event, Exchange, FaultRequest, Gossip, Hero, HeroEverywhere, Node, Verdict};

/// The reason a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Dispatch refused the request.
    #[error("{detail} ({kind})")]
    Refused {
        /// The problem type, which is stable.
        kind: String,
        /// A human-readable explanation.
        detail: String,
    },
    /// There was no usable response. It is unknown whether anything was changed.
    #[error("{0}")]
    Unanswered(String),
    /// There was no response, for a reason that may pass. It is unknown whether anything was
    /// changed.
    #[error("{0}")]
    Unavailable(String),
}

/// The refusals whose reason may pass.
const TEMPORARY: [&str; 5] = ["joining", "no_answer", "no_place", "outcome_unknown", "overloaded"];

impl Failure {
    /// Returns the problem type, if the request was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            Self::Unanswered(_) | Self::Unavailable(_) => None,
        }
    }

    /// Returns whether the reason may pass, so that a wait goes on.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { kind, .. } => TEMPORARY.contains(&kind.as_str()),
            Self::Unanswered(_) => false,
            Self::Unavailable(_) => true,
        }
    }
}

/// An operation on a city as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CityOperation {
    /// Crash the replica: the city loses its memory.
    Bomb,
    /// Stop the process gracefully.
    Stop,
    /// Kill the process.
    Kill,
    /// Restart the process.
    Rebuild,
}

/// A cluster to act on and to observe, and the clock that the player waits by.
///
/// Each method blocks until the response arrives. The player calls methods from several threads if
/// a step starts several operations at once.
#[expect(clippy::missing_errors_doc, reason = "all methods fail in the same ways")]
pub trait Executor: Sync {
    /// Creates a hero with this name.
    fn create(&self, name: &str) -> Result<Hero, Failure>;

    /// Creates this many heroes with generated names, and returns their IDs.
    fn create_many(&self, count: u32) -> Result<Vec<String>, Failure>;

    /// Assigns a hero to a location, and returns the hero as written there.
    fn assign(&self, id: &str, location: &str) -> Result<Hero, Failure>;

    /// Terminates a hero.
    fn terminate(&self, id: &str) -> Result<(), Failure>;

    /// Runs an operation on a city.
    fn operate_city(&self, city: &str, operation: CityOperation) -> Result<(), Failure>;

    /// Injects a fault, and returns its ID.
    fn inject(&self, fault: &FaultRequest) -> Result<String, Failure>;

    /// Heals the fault with this ID, or all faults.
    fn heal(&self, id: Option<&str>) -> Result<(), Failure>;

    /// Pauses gossip.
    fn pause(&self) -> Result<(), Failure>;

    /// Resumes gossip at its configured rate.
    fn resume(&self) -> Result<(), Failure>;

    /// Sets the gossip rate, in percent of the configured one.
    fn set_speed(&self, percent: u32) -> Result<(), Failure>;

    /// Runs one exchange, in which `to` pulls from `from`.
    fn exchange(&self, from: &str, to: &str) -> Result<Exchange, Failure>;

    /// Returns whether the cities are quiet.
    fn is_quiet(&self) -> Result<bool, Failure>;

    /// Makes the cities quiet, or ends that.
    fn set_quiet(&self, quiet: bool) -> Result<(), Failure>;

    /// Returns the number of steps that may start; `None` if all may. The player waits before the
    /// next one. By default all may.
    fn steps_allowed(&self) -> Option<usize> {
        None
    }

    /// Returns the verdict: whether the cities agree.
    fn verdict(&self) -> Result<Verdict, Failure>;

    /// Returns the state of every node.
    fn nodes(&self) -> Result<Vec<Node>, Failure>;

    /// Returns the heroes that a city holds.
    fn city_heroes(&self, city: &str) -> Result<Vec<Hero>, Failure>;

    /// Returns a hero as each city holds it.
    fn hero(&self, id: &str) -> Result<HeroEverywhere, Failure>;

    /// Returns the events after number `since`, newest last.
    fn events(&self, since: u64) -> Result<Vec<Event>, Failure>;

    /// Returns the number of faults in force.
    fn faults(&self) -> Result<usize, Failure>;

    /// Returns whether gossip is paused, and its rate.
    fn gossip(&self) -> Result<Gossip, Failure>;

    /// Returns the reading of a monotonic clock.
    fn now(&self) -> Duration;

    /// Blocks for this long.
    fn sleep(&self, span: Duration);
}
