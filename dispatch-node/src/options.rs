//! Command-line options and environment variables of dispatch.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};

use shared::hero::HERO_NAME_CHARS_MAX;
use shared::node;
use shared::options::{Interval, NodeOptions, duration};

/// The accepted length of a token in bytes: a shorter one could be guessed, a longer one is most
/// likely the wrong file.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 256;

/// Dispatch of the superhero cluster: the page, the API, and gossip between the cities
#[derive(Clone, Debug, Parser)]
#[command(name = "dispatch", version, about)]
pub(crate) struct Options {
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
    pub(crate) entrance: EntranceOptions,

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
}

/// Access control of the page and the API.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access")]
pub(crate) struct EntranceOptions {
    /// Host name under which browsers may reach dispatch, in addition to localhost and, beyond
    /// loopback, IP addresses; repeatable
    #[arg(
        long = "allow-host",
        value_name = "NAME",
        env = "SUPERHERO_ALLOW_HOST",
        value_delimiter = ','
    )]
    pub(crate) allow_hosts: Vec<String>,

    /// Other origin whose pages may change the cluster, as https://HOST or https://HOST:PORT;
    /// repeatable
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "SUPERHERO_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_parser = origin
    )]
    pub(crate) allow_origins: Vec<String>,

    /// Admin token file; clients without it are read-only
    #[arg(long, value_name = "PATH", env = "SUPERHERO_HOST_TOKEN_FILE")]
    pub(crate) host_token_file: Option<PathBuf>,

    /// Viewer token file; reading then requires this token or the admin token
    #[arg(long, value_name = "PATH", env = "SUPERHERO_VIEWER_TOKEN_FILE")]
    pub(crate) viewer_token_file: Option<PathBuf>,
}

/// Limits on pages, requests and texts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web limits")]
pub(crate) struct WebOptions {
    /// Maximum pages and programs on the live socket; further ones are refused
    #[arg(
        long,
        value_name = "N",
        default_value = "2000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000),
        env = "SUPERHERO_MAX_BROWSERS"
    )]
    pub(crate) max_browsers: usize,

    /// Maximum pages and programs per address (per /64 network for IPv6)
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000),
        env = "SUPERHERO_MAX_BROWSERS_PER_ADDRESS"
    )]
    pub(crate) max_browsers_per_address: usize,

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
}

impl EntranceOptions {
    /// Returns the admin token and the viewer token from the files given.
    ///
    /// # Errors
    /// If a file cannot be read, a token is too short or too long, or only the viewer token is
    /// given.
    pub(crate) fn tokens(&self) -> anyhow::Result<(Option<String>, Option<String>)> {
        let token = |path: &PathBuf| {
            let token = std::fs::read_to_string(path)
                .with_context(|| format!("reading the token in {}", path.display()))?;
            let token = token.trim().to_owned();
            anyhow::ensure!(
                (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()),
                "the token in {} must have {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} bytes, not {}; \
                 generate one with: openssl rand -hex 32",
                path.display(),
                token.len()
            );
            anyhow::Ok(token)
        };
        let (host, viewer) = (self.host_token_file.as_ref(), self.viewer_token_file.as_ref());
        anyhow::ensure!(
            host.is_some() || viewer.is_none(),
            "--viewer-token-file requires --host-token-file"
        );
        Ok((host.map(token).transpose()?, viewer.map(token).transpose()?))
    }
}

/// Parses an origin as browsers send it (RFC 6454): scheme, host, and port unless it is the
/// default.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_one =
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']));
    if is_one {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected https://HOST or https://HOST:PORT, without a path".into())
    }
}
