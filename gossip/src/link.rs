//! The network layer: the only asynchronous part of the crate. It owns sockets, clocks and tasks,
//! and depends only on the [`Machine`](crate::Machine) contract.
//!
//! A [`Supervisor`] runs a node: its machine, one incarnation after the other. The node's port
//! serves HTTP and, at `/cluster`, the WebSockets of other nodes ([`serve`]).

mod calling;
mod calls;
mod clock;
mod close;
mod cluster;
mod config;
mod connection;
mod connection_limit;
mod control;
mod dialer;
pub mod discovery;
mod driver;
#[cfg(feature = "echo")]
pub mod echo;
mod event_log;
mod faults;
mod freeze;
mod handlers;
mod handles;
mod handshake;
mod header_timer;
mod healthcheck;
mod host;
mod http_request;
mod listener;
mod loads;
mod log_limit;
mod members;
mod node;
mod numbers;
mod outcome;
mod problem;
mod progress;
mod secret;
mod spread;
mod start;
mod supervisor;
mod table;
mod telemetry;
mod tls;
mod topics;
mod upgrade;

pub use close::{close, close_code};
pub use cluster::{AskError, Cluster, ClusterServer, Loss};
pub use config::ClusterConfig;
pub use connection_limit::{ConnectionLimit, LimitReached, Permit, network};
pub use freeze::thaw;
pub use handlers::{Context, Handled};
pub use handles::{
    Claim, CounterHandle, Diffs, Messages, NameHandle, PresenceHandle, RoomHandle, SetHandle,
    TableHandle, TopicHandle,
};
pub use healthcheck::ready;
pub use listener::{Limits, Port, serve};
pub use loads::Target;
pub use log_limit::{Due, LogLimit};
pub use members::{MemberState, MemberStatus, Membership};
pub use node::Node;
pub use problem::{Problem, shortened, unknown_path, wrong_method};
pub use progress::Progress;
pub use secret::{Purpose, Secret};
pub use spread::{Returned, Work};
pub use start::{Builder, MEMBERS_MAX, RunningNode, local_cluster};
pub use supervisor::{IncarnationEnd, NodeConfig, NodeEnd, Supervisor};
pub use telemetry::{Direction, FrameStats, Hooks, NoHooks, NoTelemetry, Telemetry};
pub use tls::{Expiry, Files as TlsFiles, Reloader as TlsReloader, Tls, Use as CertificateUse};
pub use topics::{News, Subscription};
pub use upgrade::{Socket, not_upgraded, upgrade, upgrade_problem};
