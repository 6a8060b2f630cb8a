//! Code shared by several benchmarks: figures, tables, and real processes.

#[cfg(feature = "processes")]
pub mod fixtures;
#[cfg(feature = "processes")]
pub mod http;
#[cfg(feature = "processes")]
pub mod process;
pub mod svg;
#[cfg(feature = "processes")]
pub mod table;
