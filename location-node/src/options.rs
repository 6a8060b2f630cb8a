//! The options of a city, set by flags, environment variables or the configuration file.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Command, CommandFactory, Parser};

use gossip::NodeName;
use node_api::access::options::AccessOptions;
use shared::node;
use shared::options::{Interval, NodeOptions, duration, is_dispatch, well_known_address};
use shared::well_known::LOCATION;

/// A city of the superhero cluster
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Name of the city; one that is not gotham, metropolis or capitol becomes a further member
    #[arg(value_name = "NAME", value_parser = city_name)]
    pub(crate) name: Option<NodeName>,

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
    /// Returns the command line of a program for cities. One with the name of a city has its port as
    /// the default, and takes no other name.
    pub(crate) fn of(program: &'static str) -> Command {
        let is_any = program == LOCATION;
        let listen =
            if is_any { ANY_PORT.to_owned() } else { well_known_address(program).to_string() };
        Self::command().name(program).mut_args(|option| match option.get_id().as_str() {
            "listen" => option.default_value(listen.clone()),
            "name" if is_any => option.required(true),
            // The name is that of the program.
            "name" => option.value_parser(no_name).hide(true),
            _ => option,
        })
    }
}

/// The default listening address of a further city.
const ANY_PORT: &str = "127.0.0.1:0";

fn city_name(text: &str) -> Result<NodeName, String> {
    match text.parse::<NodeName>() {
        Ok(name) if is_dispatch(name) || name.as_str() == "home" => {
            Err(format!("{name} is not a city"))
        }
        Ok(name) if !name.as_str().starts_with(|first: char| first.is_ascii_lowercase()) => {
            Err("the name of a city begins with a letter".to_owned())
        }
        Ok(name) => Ok(name),
        Err(error) => Err(error.to_string()),
    }
}

fn no_name(_: &str) -> Result<NodeName, String> {
    Err(format!("the name is that of the program; for another one, run {LOCATION}"))
}

impl node::Options for Options {
    fn node(&self) -> &NodeOptions {
        &self.node
    }

    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn name(&self) -> Option<NodeName> {
        self.name
    }
}
