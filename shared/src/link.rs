//! Links: the only asynchronous part. It owns sockets, clocks and tasks, and knows of machines only their contract.
//!
//! - [`listener`]: a node's one port: HTTP, and at `/cluster` the door for other nodes.
//! - [`places`]: how many may come, in all and from one address.
//! - [`problem`]: what went wrong, for whoever asked by HTTP.
//! - [`upgrade`], [`farewell`]: how a WebSocket begins, and how it is ended so that the other side learns why.
//! - [`secret`], [`tls`]: what proves who belongs to the cluster, and what keeps its talk to itself.
//! - `handshake`: how two ends come to know each other. `connection`: one WebSocket to one peer, from hello to close.
//! - `dialer`: keeps trying to have a link to one peer.
//! - `faults`, `controls`: the faults in force at this process, and all that dispatch asks of it rather than of its machine.
//! - [`freeze`]: a process that does nothing, and how it is woken.
//! - `traced`: the spans of commands that pass a link.
//! - `errand`: one request to one node, for what is not said over a link. `probe`: asks the node at this machine's own port whether it has joined.
//! - [`driver`]: owns a machine and its table of links for one life.
//! - [`process`]: life after life, with supervision, until told to stop.

mod connection;
mod controls;
mod dialer;
pub mod driver;
#[cfg(feature = "echo")]
pub mod echo;
mod errand;
pub mod farewell;
mod faults;
pub mod freeze;
mod handshake;
pub mod listener;
pub mod places;
mod probe;
pub mod problem;
pub mod process;
pub mod secret;
pub mod tls;
mod traced;
pub mod upgrade;
