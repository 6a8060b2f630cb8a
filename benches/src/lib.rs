//! Code shared by several benchmarks: measurements, figures, tables, and real processes.

#[cfg(feature = "processes")]
pub mod fixtures;
#[cfg(feature = "processes")]
pub mod http;
pub mod measure;
#[cfg(feature = "processes")]
pub mod process;
pub mod svg;
#[cfg(feature = "processes")]
pub mod table;
pub mod text;
