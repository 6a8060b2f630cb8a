//! The boundary between a scenario and the cluster it is played on.

use std::time::Duration;

use api_types::{Event, Exchange, FaultRequest, Gossip, Hero, HeroEverywhere, Node, Verdict};

/// A request that was not answered as hoped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Dispatch refused the request.
    #[error("{detail} ({kind})")]
    Refused {
        /// The type of the problem: a stable word.
        kind: String,
        /// The reason for people, and what was not done.
        detail: String,
    },
    /// Dispatch gave no usable answer. It is unknown whether anything was changed.
    #[error("{0}")]
    Unanswered(String),
}

impl Failure {
    /// Returns the type of the problem, if the request was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { kind, .. } => Some(kind),
            Self::Unanswered(_) => None,
        }
    }
}

/// An operation on a city as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CityOperation {
    /// Crash the replica.
    Bomb,
    /// End the process, as a signal would.
    Stop,
    /// End the process at once.
    Kill,
    /// Start the process again.
    Rebuild,
}

/// A cluster, as the player acts on it and observes it, and the clock by which the player waits.
///
/// Each call blocks until its answer is there. Several threads call at the same time where a step
/// begins several operations at once.
#[expect(clippy::missing_errors_doc, reason = "each call fails as `Failure` says")]
pub trait Executor: Sync {
    /// Creates a hero with this name.
    fn create(&self, name: &str) -> Result<Hero, Failure>;

    /// Creates this many heroes with invented names, and returns their ids.
    fn create_many(&self, count: u32) -> Result<Vec<String>, Failure>;

    /// Moves the hero of this id, and returns the hero as the city wrote it.
    fn assign(&self, id: &str, location: &str) -> Result<Hero, Failure>;

    /// Ends the hero of this id.
    fn terminate(&self, id: &str) -> Result<(), Failure>;

    /// Carries out an operation on a city.
    fn operate_city(&self, city: &str, operation: CityOperation) -> Result<(), Failure>;

    /// Injects a fault, and returns its id.
    fn inject(&self, fault: &FaultRequest) -> Result<String, Failure>;

    /// Heals the fault of this id, or all faults.
    fn heal(&self, id: Option<&str>) -> Result<(), Failure>;

    /// Pauses gossip.
    fn pause(&self) -> Result<(), Failure>;

    /// Lets gossip run at its configured rate.
    fn resume(&self) -> Result<(), Failure>;

    /// Sets the rate of gossip, in percent of the configured one.
    fn set_speed(&self, percent: u32) -> Result<(), Failure>;

    /// Lets `to` pull from `from` once.
    fn exchange(&self, from: &str, to: &str) -> Result<Exchange, Failure>;

    /// Returns the verdict on the whole cluster.
    fn verdict(&self) -> Result<Verdict, Failure>;

    /// Returns all nodes.
    fn nodes(&self) -> Result<Vec<Node>, Failure>;

    /// Returns the living heroes that a city holds.
    fn city_heroes(&self, city: &str) -> Result<Vec<Hero>, Failure>;

    /// Returns the hero of this id as each city holds it.
    fn hero(&self, id: &str) -> Result<HeroEverywhere, Failure>;

    /// Returns the events after the one of this number, newest last.
    fn events(&self, since: u64) -> Result<Vec<Event>, Failure>;

    /// Returns the number of faults in force.
    fn faults(&self) -> Result<usize, Failure>;

    /// Returns the pace of gossip.
    fn gossip(&self) -> Result<Gossip, Failure>;

    /// Returns the reading of a monotonic clock.
    fn now(&self) -> Duration;

    /// Blocks for this long.
    fn sleep(&self, span: Duration);
}
