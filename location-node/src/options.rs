//! What a city can be told on its command line or by environment variables.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};

use shared::options::{Interval, NodeOptions, duration, well_known_address};

/// A city of the superhero cluster
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Where to listen for nodes and probes; port 0 picks one and prints it
    #[arg(long, value_name = "ADDR", env = "SUPERHERO_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,

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
    /// Parses the command line of the city `name`. Ends the process for `--help`, `--version` and what cannot be used.
    pub(crate) fn parse_for(name: &'static str) -> Self {
        let matches = Self::command().name(name).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn listen(&self, name: &str) -> SocketAddr {
        self.listen.unwrap_or_else(|| well_known_address(name))
    }
}
