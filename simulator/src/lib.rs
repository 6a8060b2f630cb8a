//! The whole cluster in one process: the very machines that run in production, driven in virtual time over a network that
//! delays, loses, repeats and reorders, by one random generator from one seed.
//!
//! A run hurts the cluster for a while, then heals it, and checks all along what must always hold and at the end what must
//! come true. A failing seed replays exactly.

pub mod checks;
pub mod cluster;
pub mod faults;
pub mod run;
