//! The JSON API, version 1: a file for each thing that can be asked about. What they share is here.
//!
//! Invariant: each handler carries its own description, from which both its route and its place in [`description`] are made.

pub(crate) mod cities;
pub(crate) mod cluster;
pub(crate) mod description;
pub(crate) mod faults;
pub(crate) mod heroes;
pub(crate) mod lost_writes;
pub(crate) mod pace;
pub(crate) mod refusals;
pub(crate) mod scenarios;
