//! The JSON API, version 1: one module per resource, and the shared description and refusals.
//!
//! Invariant: the route and the entry in [`description`] are both generated from the handler.

pub(crate) mod cities;
pub(crate) mod cluster;
pub(crate) mod description;
pub(crate) mod explanation;
pub(crate) mod faults;
pub(crate) mod heroes;
pub(crate) mod lost_writes;
pub(crate) mod pace;
pub(crate) mod quiet;
pub(crate) mod recording;
pub(crate) mod refusals;
pub(crate) mod reset;
pub(crate) mod scenarios;
pub(crate) mod stamps;
