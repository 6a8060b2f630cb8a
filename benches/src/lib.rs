//! The parts that several benchmarks share: figures, and the handling of real processes.

#[cfg(feature = "processes")]
pub mod fixtures;
#[cfg(feature = "processes")]
pub mod http;
#[cfg(feature = "processes")]
pub mod process;
pub mod svg;
#[cfg(feature = "processes")]
pub mod table;
