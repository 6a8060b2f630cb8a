//! Deterministic simulation of the whole cluster in one process. The production machines run in
//! virtual time over a simulated network that delays, drops, duplicates and reorders frames. One
//! seed determines every random choice.
//!
//! A run injects faults for a while, then heals the cluster. Invariants that must always hold are
//! checked throughout; eventual properties are checked at the end. A failing seed replays exactly
//! and shrinks to a few steps.
//!
//! - `plan` describes a run as data; `run` executes a plan, and `shrink` minimizes a failing one.
//! - `cluster` drives the machines (`process`, `machine`, `wall_clock`, `network`); `oracle` keeps
//!   the ground truth of a run and calls the checkers (`checker`).
//! - `small_world` explores every state of a few replicas; `spread` and `recovery` measure how fast
//!   writes spread.

pub mod checker;
mod cluster;
mod machine;
mod network;
mod oracle;
pub mod plan;
mod process;
pub mod recorded;
pub mod recovery;
pub mod run;
pub mod shrink;
pub mod small_world;
pub mod spread;
pub mod tally;
pub mod violation;
mod wall_clock;

pub use violation::Violation;
