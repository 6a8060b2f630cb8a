//! Dispatch: the [`dispatch::Dispatch`] machine (its own replica, a mirror of each city, the gossip and poll timers), and the
//! web around it.

pub mod ask;
mod differing;
pub mod dispatch;
pub mod exchange;
pub mod forecast;
pub mod happening;
pub mod history;
mod lag;
mod ledger;
mod measures;
mod mirror;
mod node;
mod options;
pub mod rows;
pub mod trouble;
pub mod verdict;
pub mod view;
pub mod web;

pub use ledger::Lost;
pub use mirror::{Status, Way};
pub use node::main;
