//! What the benchmarks of real processes have in common.

pub mod http;
pub mod process;
pub mod table;
