//! The whole cluster in one process: the very machines that run in production, driven in virtual time over a network that
//! delays, loses, repeats and reorders, by one random generator from one seed.
//!
//! A run hurts the cluster for a while, then heals it, and checks all along what must always hold and at the end what must
//! come true. A failing seed replays exactly, and shrinks to a few steps that a person can follow.

pub mod checker;
mod cluster;
mod network;
pub mod plan;
mod process;
pub mod recovery;
pub mod run;
pub mod shrink;
pub mod small_world;
pub mod spread;
pub mod tally;

pub use cluster::Violation;
