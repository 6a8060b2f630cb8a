//! The superhero cluster, from outside: a blocking client of dispatch's HTTP API, and a player of scenarios.
//!
//! - [`Api`] asks, with a limit on how long and how much; [`Error`] says what came instead of an answer.
//! - [`Access`] is what it takes to be let in by a dispatch that is not on this machine alone.
//! - [`Fault`] is a disturbance as people word it, checked before it is sent.
//! - [`scenario`] reads scenario files and plays them: what is done, and what must then be seen.
//!
//! The library prints nothing and knows no exit codes; the binary `superhero` and dispatch's page both use it.

mod access;
pub mod api;
mod clock;
mod error;
mod fault;
pub mod scenario;
pub mod span;

pub use access::{Access, Connection, Opened};
pub use api::{Answer, Api};
pub use clock::Stopwatch;
pub use error::Error;
pub use fault::{Disturbance, EVERYBODY, Fault};

/// The cities that every cluster has.
pub const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];
/// Every node that a cluster has.
pub const NODES: [&str; 4] = ["gotham", "metropolis", "capitol", "dispatch"];
