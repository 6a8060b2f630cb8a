//! The claims that must hold, one a file.
//!
//! Invariant: each checker takes plain data and names what is wrong with it. So each can be given a
//! broken history and must object, and the tests on real processes use the same ones.

pub mod agreement;
pub mod answers;
pub mod bounds;
pub mod claims;
pub mod collection;
pub mod deaths;
#[cfg(test)]
mod fixtures;
pub mod monotonic;
pub mod rank;
pub mod restarts;
pub mod survival;
pub mod writers;
