//! The HTTP API that every node serves: the library's [`types`] as resources, behind one access
//! control. Dispatch adds its own calls and pages.
//!
//! Imports go one way: `error` < `name`, `parameters` < `body`, `idempotency` < `access` < `types`
//! < `services` < `router`.
//!
//! Invariants: every input is parsed before it is used, and refused with a problem that names the
//! rule. Every response to a change states whether something was changed.

pub mod access;
pub mod body;
pub mod description;
pub mod error;
pub mod idempotency;
pub mod name;
pub mod parameters;
pub mod problems;
mod router;
pub mod services;
pub mod socket;
pub mod types;

pub use router::{router, routes};
