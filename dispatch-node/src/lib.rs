//! Dispatch: the [`dispatch::Dispatch`] machine (its own replica, a mirror of each city, the gossip and poll timers), and the
//! web around it.

pub mod ask;
pub mod dispatch;
pub mod exchange;
pub mod happening;
mod ledger;
mod mirror;
mod node;
mod options;
pub mod trouble;
pub mod verdict;
pub mod view;
pub mod web;

pub use mirror::Status;
pub use node::main;
