//! Command-line options and environment variables of dispatch.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};

use gossip::NodeName;
use node_api::access::options::AccessOptions;
use node_api::access::origin::Origin;
use shared::hero::HERO_NAME_CHARS_MAX;
use shared::node;
use shared::options::{Bounds, Interval, NodeOptions, Share, duration, is_dispatch};

/// Dispatch of the superhero cluster: the page, the API, and gossip between the cities
#[derive(Clone, Debug, Parser)]
#[command(name = "dispatch", version, about)]
pub(crate) struct Options {
    /// Name of a further dispatch, such as dispatch-2
    #[arg(long, value_name = "NAME", value_parser = dispatch_name, env = "SUPERHERO_NAME")]
    pub(crate) name: Option<NodeName>,

    /// Address to listen on for browsers, nodes and probes; port 0 picks a free port and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4900", env = "SUPERHERO_LISTEN")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) node: NodeOptions,

    /// Interval between rounds that dispatch carries between two random cities; 0 disables them
    #[arg(long, value_name = "TIME", default_value = "1s", env = "SUPERHERO_GOSSIP_INTERVAL")]
    pub(crate) gossip_interval: Interval,

    /// Interval at which dispatch pulls from a random city; 0 disables it
    #[arg(long, value_name = "TIME", default_value = "2s", env = "SUPERHERO_POLL_INTERVAL")]
    pub(crate) poll_interval: Interval,

    /// Maximum restarts within --max-restart-window; one more crash ends the process
    #[arg(long, value_name = "N", default_value = "3", env = "SUPERHERO_MAX_RESTARTS")]
    pub(crate) max_restarts: usize,

    /// Period over which --max-restarts counts crashes
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        value_parser = duration,
        env = "SUPERHERO_MAX_RESTART_WINDOW"
    )]
    pub(crate) max_restart_window: Duration,

    #[command(flatten)]
    pub(crate) access: AccessOptions,

    #[command(flatten)]
    pub(crate) web: WebOptions,

    /// Socket of the launcher that started this process; lets the page restart stopped cities
    #[arg(long, value_name = "PATH", env = "SUPERHERO_LAUNCHER")]
    pub(crate) launcher: Option<PathBuf>,
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

fn dispatch_name(text: &str) -> Result<NodeName, String> {
    match text.parse::<NodeName>() {
        Ok(name) if is_dispatch(name) && !text.ends_with('-') => Ok(name),
        Ok(_) => Err("expected dispatch, or a name that begins with dispatch-".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Limits on pages, requests and texts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web limits")]
pub(crate) struct WebOptions {
    /// Maximum pages and programs on the live socket; further ones are refused
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000),
        env = "SUPERHERO_MAX_BROWSERS"
    )]
    pub(crate) max_browsers: Option<usize>,

    /// Maximum pages and programs per address (per /64 network for IPv6)
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000),
        env = "SUPERHERO_MAX_BROWSERS_PER_ADDRESS"
    )]
    pub(crate) max_browsers_per_address: Option<usize>,

    /// Maximum requests queued for dispatch; further ones are refused
    #[arg(
        long,
        value_name = "N",
        default_value = "1024",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000),
        env = "SUPERHERO_MAX_REQUESTS"
    )]
    pub(crate) max_requests: usize,

    /// Events kept in the log; the oldest are dropped
    #[arg(
        long,
        value_name = "N",
        default_value = "4000",
        value_parser = RangedU64ValueParser::<usize>::new().range(20..=1_000_000),
        env = "SUPERHERO_MAX_EVENTS"
    )]
    pub(crate) max_events: usize,

    /// Maximum characters in the name of a new hero
    #[arg(
        long,
        value_name = "N",
        default_value_t = HERO_NAME_CHARS_MAX,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=HERO_NAME_CHARS_MAX as u64),
        env = "SUPERHERO_MAX_NAME_CHARS"
    )]
    pub(crate) max_name_chars: usize,

    /// Another dispatch, http://HOST:PORT: pages opened here go on there if this one ends, and its pages go on here; repeat for each
    #[arg(
        long = "other-dispatch",
        value_name = "URL",
        env = "SUPERHERO_OTHER_DISPATCH",
        value_delimiter = ','
    )]
    pub(crate) others: Vec<Origin>,

    /// Commands a minute and address, counted in the whole cluster; 0 for any number
    #[arg(
        long,
        value_name = "N",
        default_value = "600000",
        value_parser = RangedU64ValueParser::<u32>::new().range(0..=10_000_000),
        env = "SUPERHERO_MAX_COMMANDS"
    )]
    pub(crate) max_commands: u32,
}

/// The share of the memory budget for pages, and the memory of a page with a search of its own.
const PAGES: Share = Share { percent: 15, least: 16, most: 2_000 };
const PAGE_BYTES: u64 = 160 << 10;

impl WebOptions {
    /// Returns the maximum number of live sockets, in all and per address.
    pub(crate) fn browsers(&self, bounds: &mut Bounds) -> (usize, usize) {
        let shares = &mut bounds.shares;
        let per_address = self
            .max_browsers_per_address
            .unwrap_or((shares.derived(&PAGES, PAGE_BYTES) / 2).max(8));
        (shares.bound("--max-browsers", self.max_browsers, &PAGES, PAGE_BYTES), per_address)
    }
}
