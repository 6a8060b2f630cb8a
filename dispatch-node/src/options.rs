//! What dispatch can be told on its command line or by environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use shared::options::{Interval, NodeOptions, duration};

/// Dispatch of the superhero cluster: the page, the API, and gossip between the cities
#[derive(Clone, Debug, Parser)]
#[command(name = "dispatch", version, about)]
pub(crate) struct Options {
    /// Where to listen for browsers, nodes and probes; port 0 picks one and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4900", env = "SUPERHERO_LISTEN")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) node: NodeOptions,

    /// Between two rounds carried from a random city to another; 0 leaves gossip to the cities
    #[arg(long, value_name = "TIME", default_value = "1s", env = "SUPERHERO_GOSSIP_INTERVAL")]
    pub(crate) gossip_interval: Interval,

    /// Between two exchanges of dispatch's own copy with a random city; 0 for never
    #[arg(long, value_name = "TIME", default_value = "2s", env = "SUPERHERO_POLL_INTERVAL")]
    pub(crate) poll_interval: Interval,

    /// Crashes survived within --max-restart-window; one more ends the process
    #[arg(long, value_name = "N", default_value = "3", env = "SUPERHERO_MAX_RESTARTS")]
    pub(crate) max_restarts: usize,

    /// See --max-restarts
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, env = "SUPERHERO_MAX_RESTART_WINDOW")]
    pub(crate) max_restart_window: Duration,

    /// The socket of the launcher that started this process; through it the page can start cities again
    #[arg(long, value_name = "PATH", env = "SUPERHERO_LAUNCHER")]
    pub(crate) launcher: Option<PathBuf>,
}
