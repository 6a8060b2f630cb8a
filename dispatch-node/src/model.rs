//! The state of the cluster as observed by dispatch, separate from the machine that maintains it.
//!
//! Invariant: nothing here sends a frame, reads a clock, or depends on the machine or the web.

pub mod arrival;
pub mod bomb_report;
pub mod city_state;
pub(crate) mod comparison;
pub mod counterfactual;
pub(crate) mod difference_age;
pub mod exchange;
pub mod faults;
pub mod gap;
pub mod history;
pub(crate) mod known_heroes;
pub mod lost_writes;
pub mod node_state;
pub mod recorded;
pub mod rows;
pub mod status;
pub mod tables;
pub mod tape;
pub mod view;
pub(crate) mod write_lag;
