//! Scenarios: actions on a cluster, and expectations of what is then observed.
//!
//! - [`Scenario::parse`] reads a scenario from TOML and reports every mistake before anything runs.
//! - [`play()`] plays a scenario on an [`Executor`]: the cluster, as the player acts on it and
//!   observes it, and the clock. A client implements it over HTTP, dispatch on itself.
//! - [`shipped()`] returns the scenarios that come with the program.
//! - [`Fault`] is a fault as people describe it, and [`span`] the notation of its times.
//!
//! Invariant: no input or output here but the reading of a file. Everything else goes through the
//! executor, so a test plays a scenario in virtual time.

mod executor;
mod expectation;
mod fault;
mod file;
mod operation;
mod player;
mod report;
mod scenario;
mod shipped;
pub mod span;
mod wording;

pub use executor::{CityOperation, Executor, Failure};
pub use expectation::{Condition, Expectation};
pub use fault::{Fault, FaultKind};
pub use file::{FILE_BYTES_MAX, Invalid};
pub use operation::{Action, HeroSelector, Operation};
pub use player::play;
pub use report::{Outcome, Progress, Report, StepReport};
pub use scenario::{Scenario, Step, StepKind};
pub use shipped::{shipped, shipped_by_name};
