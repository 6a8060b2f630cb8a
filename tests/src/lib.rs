//! Test harness that starts the real binaries. It uses only the product's public interfaces:
//! commands, HTTP, links and the page.
//!
//! - [`Cluster`] starts gotham, metropolis, capitol and dispatch on a loopback address of its own,
//!   so that tests run in parallel without choosing free ports, and stops them when it is dropped.
//! - [`Certificates`] enable TLS in a cluster.
//! - [`Launched`] is such a cluster under its launcher, as `make run` starts it.
//! - [`Api`] is a client for dispatch's HTTP API, [`raw`] sends bytes that no HTTP client would
//!   send, [`Link`] plays a node or a page at a WebSocket, [`Browser`] drives a real Chromium, and
//!   [`axe`] checks the page for accessibility violations.
//! - [`Load`] runs writing clients and a reader of every node; [`Audit`] checks their acknowledged
//!   writes and observations with the simulator's checkers.
//! - [`history`] records what clients see while all faults are injected, and checks the record.
//! - [`Prober`] measures the response times of an ordinary client during a flood, and [`resources`]
//!   reads and limits the resources of a process.
//! - [`Network`] is a [`Placement`] on four hosts and a switch whose links can be cut and
//!   unplugged; [`Forwarder`] degrades its links.
//! - [`python_tool`] locates an external Python tool, at the version that this project pins.
//! - [`Exposition`] is the parsed text of a node's `/metrics`, and [`promtool()`] checks it with
//!   Prometheus' own tool.
//! - [`Collector`] receives the traces that the nodes export.
//! - [`wait_until`] is the only way of waiting here: for a condition, with a limit, reporting the
//!   last state seen.

mod api;
mod audit;
pub mod axe;
mod browser;
mod certificates;
mod cluster;
mod collector;
mod exposition;
#[cfg(target_os = "linux")]
mod forwarder;
pub mod history;
mod launched;
mod link;
mod load;
mod loopback;
#[cfg(target_os = "linux")]
mod netns;
mod nodes;
mod page;
mod prober;
mod process;
mod promtool;
mod proxy;
pub mod raw;
#[cfg(target_os = "linux")]
pub mod resources;
mod tools;
mod wait;

pub use api::{Api, CityHeroes, Event, Fault, Frames, Hero, NodeState, Reply, Stamp};
pub use audit::{Audit, AuditCounts, NodeReads, NodeSnapshot, entry, read_nodes, vector};
pub use browser::{Browser, Element};
pub use certificates::Certificates;
pub use cluster::{Cluster, Discover, Heroes, Options, Placement};
pub use collector::{Collector, Span};
pub use exposition::{Exposition, Family, Sample};
#[cfg(target_os = "linux")]
pub use forwarder::{Forwarder, LinkFaults, PacketCounts};
pub use launched::{Launched, processes_at};
pub use link::{Disconnect, EncryptedStream, Link, encrypted, hello, incarnation_now};
pub use load::{Load, Requests};
pub use loopback::own_address;
#[cfg(target_os = "linux")]
pub use netns::{Host, Network};
pub use nix::sys::signal::Signal;
pub use nodes::{CITIES, DEVELOPMENT_COOKIE, NODES};
pub use page::{assert_no_problems, open_page, row, wait_row, wait_settled, wait_verdict};
pub use prober::{Latencies, Prober};
pub use process::{Finished, Process, binary, command, run};
pub use promtool::promtool;
pub use proxy::{Proxy, Treatment};
pub use superhero::Stopwatch;
pub use tools::python_tool;
pub use wait::{HANG_TIMEOUT, ensure, wait_until};
