//! The options of every node, set by flags, environment variables or the configuration file.

mod discovery;
mod limits;
mod memory;
mod security;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use gossip::link::discovery::Discovery;
use gossip::link::{ClusterConfig, Secret, Tls};
use gossip::wire::COOKIE_BYTES_MAX;
use gossip::{NodeName, Roster};

use crate::spans::{self, ExportGuard};
use crate::telemetry::LogFormat;
use crate::well_known::{CLUSTER, DISPATCH, SECRET_DOMAIN, WELL_KNOWN_CITIES};

pub use discovery::Way;
pub use limits::{Bounds, Costs, LimitOptions, Share};
pub use memory::{Budget, MemorySize};
pub use security::SecurityOptions;

/// The default cookie. It is public, so it is accepted on loopback only.
const DEVELOPMENT_COOKIE: &str = "superhero-cluster-development";
/// The shortest cookie, in bytes. A shorter one could be guessed offline from a recorded proof.
const COOKIE_BYTES_MIN: usize = 16;
/// The part of a cookie file that is read, in bytes. It is more than the longest cookie.
const COOKIE_FILE_BYTES_MAX: u64 = 1 << 20;
/// The shortest interval of a repeated activity.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The options of every node.
#[derive(Args, Clone, Debug)]
pub struct NodeOptions {
    /// Address of another node; repeat for each. If given, only the given peers are used, instead of the default addresses on this machine
    #[arg(
        long = "peer",
        value_name = "NAME=HOST:PORT",
        env = "SUPERHERO_PEER",
        value_delimiter = ','
    )]
    pub peers: Vec<Peer>,

    /// The ways to find other nodes.
    #[arg(
        long,
        value_name = "WAY",
        env = "SUPERHERO_DISCOVER",
        value_delimiter = ',',
        help = "Way to find other nodes: static:HOST:PORT, dns:NAME:PORT, dns:_SERVICE._tcp.NAME, \
                multicast[:GROUP:PORT], kubernetes:[NAMESPACE/]SERVICE[:PORT]; repeat for several. If \
                given, the default addresses on this machine are not used"
    )]
    pub discover: Vec<Way>,

    /// Address at which other nodes reach this one, if it is no well-known node [default: the listening address, unless that is all addresses of the machine]
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_parser = host_and_port,
        env = "SUPERHERO_ADVERTISE"
    )]
    pub advertise: Option<String>,

    /// Name of the cluster; nodes of another one are refused
    #[arg(long = "cluster", value_name = "NAME", default_value = CLUSTER, env = "SUPERHERO_CLUSTER")]
    pub cluster_name: NodeName,

    /// File with the cluster's cookie; replaces SUPERHERO_COOKIE
    #[arg(long, value_name = "PATH", env = "SUPERHERO_COOKIE_FILE")]
    pub cookie_file: Option<PathBuf>,

    /// The security options.
    #[command(flatten)]
    pub security: SecurityOptions,

    /// The limits.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// Seed of this node's random choices, for reproducible runs
    #[arg(long, value_name = "N", env = "SUPERHERO_SEED")]
    pub seed: Option<u64>,

    /// Address of the OpenTelemetry collector for traces (OTLP/HTTP); OTEL_EXPORTER_OTLP_ENDPOINT
    /// is read too
    #[arg(long, value_name = "URL", env = "SUPERHERO_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// Format of log lines; RUST_LOG selects the lines
    #[arg(long, value_enum, default_value = "text", env = "SUPERHERO_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// Start nothing; exit with 0 if the node at --listen has joined its cluster, otherwise with 1
    // No environment variable: with it set, no node would start.
    #[arg(long)]
    pub healthcheck: bool,
}

/// A peer and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name of the peer.
    pub name: NodeName,
    /// HOST:PORT, resolved again on every attempt.
    pub address: String,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("expected NAME=HOST:PORT")?;
        let name = name.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { name, address: host_and_port(address)? })
    }
}

/// Parses HOST:PORT, with a name or an address and a port other than 0.
fn host_and_port(address: &str) -> Result<String, String> {
    let (host, port) = address.rsplit_once(':').ok_or("expected HOST:PORT, :PORT is missing")?;
    if host.is_empty() || host.contains('/') {
        return Err("expected HOST:PORT, HOST is not a host name or an address".into());
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(address.to_owned()),
        Ok(0) | Err(_) => Err(format!("expected a PORT from 1 to 65535, not {port:?}")),
    }
}

/// The interval of a repeated activity; `None` (`0` on the command line) switches it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Option<Duration>);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = duration(text)?;
        if span.is_zero() {
            return Ok(Self(None));
        }
        if span < INTERVAL_MIN {
            return Err(format!(
                "an interval is 0 (off) or at least {}",
                humantime::format_duration(INTERVAL_MIN)
            ));
        }
        Ok(Self(Some(span)))
    }
}

/// Parses a duration with its unit (`250ms`, `1s`, `2m`) or `0`; at most one day.
///
/// # Errors
/// When the text is not such a duration; the error gives the expected form.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a duration such as 250ms, 1s or 2m"))?;
    if span > Duration::from_secs(24 * 3600) {
        Err("expected at most one day".into())
    } else {
        Ok(span)
    }
}

impl NodeOptions {
    /// Returns the addresses of the peers: those given, or the default nodes on this machine if there
    /// is no other way to find them.
    ///
    /// # Errors
    /// When a peer is given twice or is `me`.
    pub fn peers(&self, me: NodeName) -> anyhow::Result<BTreeMap<NodeName, String>> {
        if self.peers.is_empty() && self.discover.is_empty() {
            let well_known = WELL_KNOWN_CITIES.into_iter().chain([DISPATCH]);
            let addresses = well_known
                .map(|name| (well_known_name(name), well_known_address(name).to_string()));
            return Ok(addresses.filter(|(name, _)| *name != me).collect());
        }
        let mut addresses = BTreeMap::new();
        for Peer { name, address } in &self.peers {
            anyhow::ensure!(*name != me, "--peer {name}={address}: {name} is this node");
            anyhow::ensure!(
                addresses.insert(*name, address.clone()).is_none(),
                "--peer {name}={address}: {name} is given twice"
            );
        }
        Ok(addresses)
    }

    /// Returns the secret shared by all nodes of the cluster.
    fn cookie(&self) -> anyhow::Result<String> {
        let cookie = match &self.cookie_file {
            Some(path) => {
                let mut text = String::new();
                File::open(path)
                    .and_then(|file| file.take(COOKIE_FILE_BYTES_MAX).read_to_string(&mut text))
                    .with_context(|| format!("reading the cookie from {}", path.display()))?;
                // Some editors write a byte order mark.
                text.trim_start_matches('\u{feff}').trim().to_owned()
            }
            None => {
                let cookie = std::env::var("SUPERHERO_COOKIE").ok();
                // Empty counts as not set, as for every option.
                cookie
                    .filter(|cookie| !cookie.is_empty())
                    .unwrap_or_else(|| DEVELOPMENT_COOKIE.to_owned())
            }
        };
        anyhow::ensure!(
            (COOKIE_BYTES_MIN..=COOKIE_BYTES_MAX).contains(&cookie.len()),
            "expected a cookie of {COOKIE_BYTES_MIN} to {COOKIE_BYTES_MAX} bytes, got {}: generate \
             one with openssl rand -hex 32",
            cookie.len()
        );
        Ok(cookie)
    }

    /// Returns the cluster of the node `me` that listens at `listen`, with the well-known members. A
    /// node of another name becomes a further one. The second value describes the accepted risks, if
    /// any.
    ///
    /// # Errors
    /// As [`peers`](Self::peers); when a file is unusable or the cookie has the wrong length; and
    /// when other machines could reach `listen` without the secret or could read the traffic, and
    /// `--insecure` is not given.
    pub fn cluster(
        &self,
        me: NodeName,
        listen: SocketAddr,
    ) -> anyhow::Result<(ClusterConfig, Option<String>)> {
        let addresses = self.peers(me)?;
        let well_known = well_known_cities().into_iter().chain([well_known_name(DISPATCH)]);
        let roster = if well_known.clone().any(|member| member == me) {
            Roster::new(me, well_known)
        } else {
            Roster::further(me, well_known)
        };
        let cookie = self.cookie()?;
        let tls = self.security.files()?.map(|files| Tls::load(me, &files)).transpose()?;
        let asked = self.discover.iter().filter_map(|way| way.dials(listen));
        let unsafe_for = self.security.check(
            listen,
            addresses.values().map(String::as_str).chain(asked),
            cookie == DEVELOPMENT_COOKIE,
        )?;
        let cluster = ClusterConfig {
            name: self.cluster_name,
            roster,
            advertised: self.advertise.clone(),
            addresses,
            controller: Some(well_known_name(DISPATCH)),
            secret: Secret::new(SECRET_DOMAIN, &cookie),
            tls,
            frame_bytes_max: self.limits.max_frame_bytes,
        };
        Ok((cluster, unsafe_for))
    }

    /// Starts the export of traces of the node `me` if an endpoint is given by the option or by
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    ///
    /// # Errors
    /// When the endpoint is unusable.
    pub fn export_traces(&self, me: NodeName) -> anyhow::Result<ExportGuard> {
        let endpoint = self
            .otlp_endpoint
            .clone()
            .or_else(|| std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok());
        // OpenTelemetry specifies that an empty variable counts as not set.
        spans::start(endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()), me.as_str())
    }

    /// Returns the ways to find other nodes.
    #[must_use]
    pub fn discovery(&self) -> Vec<Box<dyn Discovery>> {
        self.discover.iter().map(Way::discovery).collect()
    }

    /// Returns the given seed, or a random one.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }
}

/// Returns the default listening address of a well-known node.
#[must_use]
pub fn well_known_address(name: &str) -> SocketAddr {
    let port = match name {
        "gotham" => 4901,
        "metropolis" => 4902,
        "capitol" => 4903,
        _ => 4900,
    };
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Returns whether this is the name of a dispatch: `dispatch`, or of a further one, `dispatch-2`.
#[must_use]
pub fn is_dispatch(name: NodeName) -> bool {
    name.is_of(well_known_name(DISPATCH))
}

/// Returns the names of the well-known cities, in the order of the page.
#[must_use]
pub fn well_known_cities() -> Vec<NodeName> {
    WELL_KNOWN_CITIES.map(well_known_name).to_vec()
}

/// Parses a built-in node name.
///
/// # Panics
/// When it is not a valid node name.
#[must_use]
pub fn well_known_name(name: &str) -> NodeName {
    name.parse().expect("built-in names are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_needs_a_unit_and_0_is_off() {
        assert_eq!("250ms".parse(), Ok(Interval(Some(Duration::from_millis(250)))));
        assert_eq!("0".parse(), Ok(Interval(None)));
        assert!("5".parse::<Interval>().unwrap_err().contains("1s"), "a number without a unit");
        assert!("1ms".parse::<Interval>().is_err());
        assert!("-1s".parse::<Interval>().is_err());
        assert!("9999y".parse::<Interval>().is_err());
    }

    #[test]
    fn peer_is_a_name_and_an_address_with_a_port() {
        assert_eq!("gotham=[::1]:4901".parse::<Peer>().unwrap().address, "[::1]:4901");
        for wrong in [
            "gotham",
            "gotham=",
            "gotham=localhost",
            "gotham=:1",
            "gotham=h:0",
            "gotham=h:70000",
            "GOTHAM=h:1",
            "gotham=ws://h:1",
        ] {
            assert!(wrong.parse::<Peer>().is_err(), "{wrong}");
        }
    }
}
