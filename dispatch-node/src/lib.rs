//! Dispatch: the [`dispatch::Dispatch`] machine, the [`model`] of the cluster that it keeps, and
//! the [`web`] around it.
//!
//! Imports go one way: `text`, `event_log` and `forecast` know none of the others, the model knows
//! those, the machine knows the model, the web knows all of them.

pub mod dispatch;
pub mod event_log;
#[cfg(test)]
mod fixtures;
pub mod forecast;
mod metrics;
pub mod model;
mod node;
mod options;
pub mod request;
pub mod text;
pub mod web;

pub use node::main;
