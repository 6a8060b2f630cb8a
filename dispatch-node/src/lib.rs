//! Dispatch: the [`dispatch::Dispatch`] machine (its own replica, a mirror of each city, the gossip and poll timers), and the
//! web around it.

pub mod dispatch;
mod ledger;
mod mirror;
pub mod verdict;
pub mod view;
