//! What a city can be told on its command line or by environment variables.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Command, CommandFactory, Parser};

use shared::node;
use shared::options::{Interval, NodeOptions, duration, well_known_address};

/// A city of the superhero cluster
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Where to listen for nodes and probes; port 0 picks one and prints it
    #[arg(long, value_name = "ADDR", required = false, env = "SUPERHERO_LISTEN")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) node: NodeOptions,

    /// Between two exchanges with a random peer; 0 leaves gossip to dispatch
    #[arg(long, value_name = "TIME", default_value = "1s", env = "SUPERHERO_GOSSIP_INTERVAL")]
    pub(crate) gossip_interval: Interval,

    /// Between two heroes sent on patrol; 0 for never
    #[arg(long, value_name = "TIME", default_value = "5s", env = "SUPERHERO_PATROL_INTERVAL")]
    pub(crate) patrol_interval: Interval,

    /// Between two fights; 0 for never
    #[arg(long, value_name = "TIME", default_value = "5s", env = "SUPERHERO_FIGHT_INTERVAL")]
    pub(crate) fight_interval: Interval,

    /// Crashes survived within --max-restart-window; one more ends the process
    #[arg(long, value_name = "N", default_value = "3", env = "SUPERHERO_MAX_RESTARTS")]
    pub(crate) max_restarts: usize,

    /// See --max-restarts
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration, env = "SUPERHERO_MAX_RESTART_WINDOW")]
    pub(crate) max_restart_window: Duration,
}

impl Options {
    /// The command line of the city `name`. Each city listens at a port of its own when nobody says
    /// otherwise.
    pub(crate) fn of(name: &'static str) -> Command {
        Self::command().name(name).mut_args(|option| match option.get_id().as_str() {
            "listen" => option.default_value(well_known_address(name).to_string()),
            _ => option,
        })
    }
}

impl node::Options for Options {
    fn node(&self) -> &NodeOptions {
        &self.node
    }

    fn listen(&self) -> SocketAddr {
        self.listen
    }
}
