//! The options of the launcher.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Parser;

use crate::node::DISPATCH_PORT;

/// Starts the four processes of the superhero cluster and stops them together
#[derive(Parser)]
#[command(name = "superhero-cluster", version, about)]
pub(crate) struct Options {
    /// Listening address of all nodes; a second cluster on this machine needs another loopback
    /// address, or another port
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST),
        env = "SUPERHERO_HOST"
    )]
    pub(crate) host: IpAddr,

    /// Port of dispatch; the three cities listen on the next three, founded ones above, further
    /// dispatches below
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = DISPATCH_PORT,
        value_parser = clap::value_parser!(u16).range(1_024..=65_400),
        env = "SUPERHERO_PORT"
    )]
    pub(crate) port: u16,

    /// Number of dispatches; further ones are dispatch-2 and so on
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=4),
        env = "SUPERHERO_DISPATCHES"
    )]
    pub(crate) dispatches: u16,

    /// Directory of certificates for all nodes, as created by `make certs`; turns on TLS
    #[arg(long, value_name = "DIRECTORY", env = "SUPERHERO_CERTS")]
    pub(crate) certs: Option<PathBuf>,
}
