//! Command-line options and environment variables of dispatch.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};

use shared::hero::HERO_NAME_CHARS_MAX;
use shared::node;
use shared::options::{Bounds, Interval, NodeOptions, Share, duration};

use crate::web::{Authority, Origin};

/// The accepted length of a token in bytes: a shorter one could be guessed, a longer one is most
/// likely the wrong file.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 256;

/// The longest time for which browsers may be told to insist on TLS, in seconds.
const HSTS_S_MAX: u64 = 2 * 31_557_600;

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
        value_delimiter = ',',
        value_parser = trimmed::<Authority>
    )]
    pub(crate) allow_hosts: Vec<Authority>,

    /// Other origin whose pages may read and change the cluster, as https://HOST or https://HOST:PORT;
    /// repeatable
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "SUPERHERO_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_parser = trimmed::<Origin>
    )]
    pub(crate) allow_origins: Vec<Origin>,

    /// Time for which browsers that have once used TLS insist on it, for every port of this host; 0
    /// ends it. Requires TLS; not sent by default
    #[arg(long, value_name = "TIME", env = "SUPERHERO_HSTS", value_parser = hsts)]
    pub(crate) hsts: Option<Duration>,

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

/// Parses one value of a list, in which blanks may follow the commas.
fn trimmed<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// Parses the time for which browsers insist on TLS.
fn hsts(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a duration such as 1h or 365d"))?;
    if (1..=HSTS_S_MAX).contains(&time.as_secs()) {
        Ok(time)
    } else {
        Err("expected 0, or 1s to 2years".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance(arguments: &[&str]) -> Result<EntranceOptions, String> {
        let all = ["dispatch"].into_iter().chain(arguments.iter().copied());
        Options::try_parse_from(all)
            .map(|options| options.entrance)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lists_of_hosts_and_origins_may_contain_blanks_but_no_empty_entries() {
        let options = entrance(&[
            "--allow-host=heroes.example, b\u{fc}cher.example ,[::1]",
            "--allow-origin= https://class.example , http://Class.example:80",
        ])
        .expect("valid options");
        let hosts: Vec<String> = options.allow_hosts.iter().map(ToString::to_string).collect();
        let origins: Vec<String> = options.allow_origins.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["heroes.example", "xn--bcher-kva.example", "[::1]"]);
        assert_eq!(origins, ["https://class.example", "http://class.example"]);
        for (argument, rule) in [
            ("--allow-host=heroes.example,,b.example", "expected a host"),
            ("--allow-host=", "expected a host"),
            ("--allow-host= ", "expected a host"),
            ("--allow-host=https://heroes.example/", "without a scheme"),
            ("--allow-origin=https://class.example/", "trailing slash"),
            ("--allow-origin=https://class.example,", "https://HOST"),
            ("--allow-origin=*", "https://HOST"),
        ] {
            let error = entrance(&[argument]).expect_err(argument);
            assert!(error.contains(rule), "{argument}: {error}");
        }
    }

    #[test]
    fn time_of_hsts_is_unset_zero_or_within_two_years() {
        assert_eq!(entrance(&[]).unwrap().hsts, None);
        for (text, seconds) in [("0", Some(0)), ("365d", Some(31_536_000)), ("1h", Some(3_600))] {
            let given = entrance(&["--hsts", text]).unwrap().hsts;
            assert_eq!(given.map(|time| time.as_secs()), seconds, "{text}");
        }
        for text in ["", "1", "10ms", "forever", "-1h", "100years"] {
            assert!(entrance(&[&format!("--hsts={text}")]).is_err(), "{text}");
        }
    }
}
