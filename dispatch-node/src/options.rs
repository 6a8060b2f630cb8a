//! What dispatch can be told on its command line or by environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};

use shared::hero::HERO_NAME_CHARS_MAX;
use shared::node;
use shared::options::{Interval, NodeOptions, duration};

/// A shorter token could be guessed; a longer one is a mistake. In bytes.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 256;

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

    #[command(flatten)]
    pub(crate) entrance: EntranceOptions,

    #[command(flatten)]
    pub(crate) web: WebOptions,

    /// The socket of the launcher that started this process; through it the page can start cities
    /// again
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

/// Who may come in by browser or script, and who may press buttons.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Who may come in")]
pub(crate) struct EntranceOptions {
    /// A name by which browsers may reach this dispatch, beside localhost and, beyond loopback, IP
    /// addresses. Repeat it for each
    #[arg(
        long = "allow-host",
        value_name = "NAME",
        env = "SUPERHERO_ALLOW_HOST",
        value_delimiter = ','
    )]
    pub(crate) allow_hosts: Vec<String>,

    /// Another site whose pages may press buttons here: https://HOST or https://HOST:PORT. Repeat
    /// it for each
    #[arg(long = "allow-origin", value_name = "ORIGIN", env = "SUPERHERO_ALLOW_ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub(crate) allow_origins: Vec<String>,

    /// Who knows the token in this file may press buttons; everybody else looks on
    #[arg(long, value_name = "PATH", env = "SUPERHERO_HOST_TOKEN_FILE")]
    pub(crate) host_token_file: Option<PathBuf>,

    /// Only who knows the token in this file, or the host's, may look on
    #[arg(long, value_name = "PATH", env = "SUPERHERO_VIEWER_TOKEN_FILE")]
    pub(crate) viewer_token_file: Option<PathBuf>,
}

/// How much the web may be asked for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of the web")]
pub(crate) struct WebOptions {
    /// Pages and programs on the live socket at once; further ones are refused
    #[arg(long, value_name = "N", default_value = "2000", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000), env = "SUPERHERO_MAX_BROWSERS")]
    pub(crate) max_browsers: usize,

    /// As --max-browsers, from one address (IPv6: one network of 64 bits)
    #[arg(long, value_name = "N", default_value = "1000", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000), env = "SUPERHERO_MAX_BROWSERS_PER_ADDRESS")]
    pub(crate) max_browsers_per_address: usize,

    /// Requests that may wait for dispatch; further ones are refused
    #[arg(long, value_name = "N", default_value = "1024", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000), env = "SUPERHERO_MAX_REQUESTS")]
    pub(crate) max_requests: usize,

    /// Events kept; the oldest are forgotten
    #[arg(long, value_name = "N", default_value = "4000", value_parser = RangedU64ValueParser::<usize>::new().range(20..=1_000_000), env = "SUPERHERO_MAX_EVENTS")]
    pub(crate) max_events: usize,

    /// Characters of a new hero's name
    #[arg(long, value_name = "N", default_value_t = HERO_NAME_CHARS_MAX, value_parser = RangedU64ValueParser::<usize>::new().range(1..=HERO_NAME_CHARS_MAX as u64), env = "SUPERHERO_MAX_NAME_CHARS")]
    pub(crate) max_name_chars: usize,
}

impl EntranceOptions {
    /// The tokens in the files named: that of hosts, and that of viewers.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something that could be guessed.
    pub(crate) fn tokens(&self) -> anyhow::Result<(Option<String>, Option<String>)> {
        let token = |path: &PathBuf| {
            let token = std::fs::read_to_string(path)
                .with_context(|| format!("reading the token in {}", path.display()))?;
            let token = token.trim().to_owned();
            anyhow::ensure!(
                (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()),
                "the token in {} has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} bytes, not {}: openssl rand -hex 32 makes one",
                path.display(),
                token.len()
            );
            anyhow::Ok(token)
        };
        let (host, viewer) = (self.host_token_file.as_ref(), self.viewer_token_file.as_ref());
        anyhow::ensure!(
            host.is_some() || viewer.is_none(),
            "--viewer-token-file is of no use without --host-token-file"
        );
        Ok((host.map(token).transpose()?, viewer.map(token).transpose()?))
    }
}

/// An origin as browsers say it (RFC 6454): scheme, host, and port where it is not the usual one.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_one =
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']));
    if is_one {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected https://HOST or https://HOST:PORT, and no path".into())
    }
}
