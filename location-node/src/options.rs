//! The options of a city, set by flags, environment variables or the configuration file.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Command, CommandFactory, Parser};

use node_api::access::options::AccessOptions;
use shared::node;
use shared::options::{Interval, NodeOptions, duration, well_known_address};

/// A city of the superhero cluster
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Listening address for nodes, clients and probes; port 0 picks a free port and prints it
    #[arg(long, value_name = "ADDR", required = false, env = "SUPERHERO_LISTEN")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) node: NodeOptions,

    #[command(flatten)]
    pub(crate) access: AccessOptions,

    /// Interval between pulls from a random peer; with 0 the city answers but never pulls
    #[arg(long, value_name = "TIME", default_value = "1s", env = "SUPERHERO_GOSSIP_INTERVAL")]
    pub(crate) gossip_interval: Interval,

    /// Interval at which a hero goes on patrol; 0 switches patrols off
    #[arg(long, value_name = "TIME", default_value = "5s", env = "SUPERHERO_PATROL_INTERVAL")]
    pub(crate) patrol_interval: Interval,

    /// Interval at which a patrolling hero fights; 0 switches fights off
    #[arg(long, value_name = "TIME", default_value = "5s", env = "SUPERHERO_FIGHT_INTERVAL")]
    pub(crate) fight_interval: Interval,

    /// Maximum restarts within --max-restart-window; one more crash ends the process
    #[arg(long, value_name = "N", default_value = "3", env = "SUPERHERO_MAX_RESTARTS")]
    pub(crate) max_restarts: usize,

    /// Time window of --max-restarts
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = duration,
        env = "SUPERHERO_MAX_RESTART_WINDOW"
    )]
    pub(crate) max_restart_window: Duration,
}

impl Options {
    /// Returns the command line of the city `name`. The default listening port depends on the city.
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
