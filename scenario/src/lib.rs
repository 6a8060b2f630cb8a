//! Scenarios: actions on a cluster, and expectations of its state.
//!
//! - [`Scenario::parse`] parses a scenario from TOML. Invalid files are rejected before any step
//!   runs.
//! - [`play()`] plays a scenario on an [`Executor`], which provides the cluster and the clock. The
//!   client implements it over HTTP, dispatch on itself.
//! - [`shipped()`] returns the scenarios included in the program.
//! - [`Fault`] is a fault in human notation; [`span`] parses and formats durations.
//!
//! Invariant: the only I/O of this crate is reading a scenario file. Everything else goes through
//! the executor, so a test plays a scenario in virtual time.

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
pub use wording::counted;
