//! The invariants of the cluster, one per file.
//!
//! Invariant: each checker takes plain data and describes the first violation it finds. Its unit
//! test passes it a broken history, which it must reject; the tests on real processes use the same
//! checkers.

pub mod agreement;
pub mod answers;
pub mod bounds;
pub mod causality;
pub mod claims;
pub mod collection;
pub mod counters;
pub mod deletions;
#[cfg(test)]
mod fixtures;
pub mod monotonic;
pub mod rank;
pub mod restarts;
pub mod survival;
pub mod writers;
