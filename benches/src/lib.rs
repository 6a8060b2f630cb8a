//! What the benchmarks of real processes have in common.

#[cfg(feature = "processes")]
pub mod http;
#[cfg(feature = "processes")]
pub mod process;
#[cfg(feature = "processes")]
pub mod scene;
#[cfg(feature = "processes")]
pub mod table;
