//! The command line of the launcher.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::Parser;

/// Starts the four processes of the superhero cluster, and stops them together
#[derive(Parser)]
#[command(name = "superhero-cluster", version, about)]
pub(crate) struct Options {
    /// The address whose ports 4900 to 4903 the four listen on; another one of loopback lets
    /// clusters run side by side
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), env = "SUPERHERO_HOST")]
    pub(crate) host: IpAddr,

    /// Speak TLS, with the certificates in this directory: ca.pem, and NODE.pem and NODE-key.pem
    /// for each of the four, as `make certs` makes them
    #[arg(long, value_name = "DIRECTORY", env = "SUPERHERO_CERTS")]
    pub(crate) certs: Option<PathBuf>,
}
