//! The harness of the tests that start the real binaries. It knows of the product only what it
//! promises outside: commands, HTTP, links, the page.
//!
//! - [`Cluster`] starts gotham, metropolis, capitol and dispatch on a loopback address of its own,
//!   so that tests run at the same time without choosing free ports, and ends them when it goes out
//!   of scope.
//! - [`Certificates`] let a cluster speak TLS.
//! - [`Launched`] is such a cluster under its launcher, as `make run` starts it.
//! - [`Api`] speaks dispatch's HTTP, [`raw`] sends bytes that no HTTP client would send, [`Link`]
//!   plays a node or a page at a WebSocket, [`Browser`] is a real Chromium, and [`axe`] looks at
//!   what it shows for what shuts people out.
//! - [`Load`] is clients that write and somebody who looks, all the time; [`Audit`] holds what they
//!   were told and saw against the claims of the simulator's checkers.
//! - [`Onlooker`] is a user like any other while somebody floods the cluster, and [`resources`]
//!   what its processes take.
//! - [`Network`] is a [`Ground`] of four hosts and a switch that can be cut and unplugged,
//!   [`Forwarder`] makes its lines bad.
//! - [`python_tool`] is a program of others, at the version that this project names.
//! - [`Exposition`] is what a node says at `/metrics`, and [`promtool()`] says whether Prometheus
//!   would like it.
//! - [`Collector`] takes the traces that they send.
//! - [`wait_until`] is how everything here waits: for a condition, with a limit, saying what was
//!   not to be seen.

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
mod launched;
mod link;
mod load;
mod loopback;
#[cfg(target_os = "linux")]
mod netns;
mod nodes;
mod onlooker;
mod page;
mod process;
mod promtool;
pub mod raw;
#[cfg(target_os = "linux")]
pub mod resources;
mod tools;
mod wait;

pub use api::{Api, CityHeroes, Event, Fault, Frames, Hero, NodeState, Reply, Stamp};
pub use audit::{Audit, Fates, Look, entry, look, vector};
pub use browser::{Browser, Element};
pub use certificates::Certificates;
pub use cluster::{Cluster, Ground, Heroes, Options};
pub use collector::{Collector, Span};
pub use exposition::{Exposition, Family, Sample};
#[cfg(target_os = "linux")]
pub use forwarder::{Done, Faults, Forwarder};
pub use launched::{Launched, processes_at};
pub use link::{Ending, Link, hello, incarnation_now};
pub use load::{Load, Requests};
pub use loopback::own_address;
#[cfg(target_os = "linux")]
pub use netns::{Host, Network};
pub use nix::sys::signal::Signal;
pub use nodes::{CITIES, DEVELOPMENT_COOKIE, NODES};
pub use onlooker::{Onlooker, Waits};
pub use page::{no_complaints, page_of, row, settled, wait_row, wait_verdict};
pub use process::{Finished, Process, binary, command, run};
pub use promtool::promtool;
pub use superhero::Stopwatch;
pub use tools::python_tool;
pub use wait::{HANG_TIMEOUT, ensure, wait_until};
