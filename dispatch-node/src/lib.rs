//! Dispatch: the [`dispatch::Dispatch`] machine, its [`model`] of the cluster, and the [`web`]
//! around both.
//!
//! Imports go one way: `text`, `event_log` and `forecast` import none of the others; `model`
//! imports those; `dispatch` imports `model`; `web` imports all of them.

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
