//! The whole cluster in one process: the machines that run in production, driven in virtual time
//! over a network that delays, loses, repeats and reorders, with all chance from one seed.
//!
//! A run hurts the cluster for a while, then heals it. It checks all along the claims that must
//! always hold, and at the end those that must come true. A failing seed replays exactly, and
//! shrinks to a few steps that a person can follow.
//!
//! - `plan` is what a seed does to a cluster; `run` carries one out, and `shrink` makes one small.
//! - `cluster` drives the machines (`process`, `machine`, `wall_clock`, `network`); `oracle` knows
//!   what is true and asks the checkers (`checker`).
//! - `small_world` reaches every state of a few replicas; `spread` and `recovery` measure how fast
//!   news travels.

pub mod checker;
mod cluster;
mod machine;
mod network;
mod oracle;
pub mod plan;
mod process;
pub mod recovery;
pub mod run;
pub mod shrink;
pub mod small_world;
pub mod spread;
pub mod tally;
pub mod violation;
mod wall_clock;

pub use violation::Violation;
