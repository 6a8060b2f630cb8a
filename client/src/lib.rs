//! The superhero cluster, from outside: a blocking client of dispatch's HTTP API.
//!
//! - [`Api`] asks, with a limit on how long and how much; [`Error`] says what came instead of an answer.
//! - [`Fault`] is a disturbance as people word it, checked before it is sent.
//!
//! The library prints nothing and knows no exit codes; the binary `superhero` does.

pub mod api;
mod clock;
mod error;
mod fault;
pub mod span;

pub use api::{Answer, Api};
pub use clock::Stopwatch;
pub use error::Error;
pub use fault::{Disturbance, EVERYBODY, Fault};

/// The cities that every cluster has.
pub const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// Every node that a cluster has.
pub const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
