//! What every node can be told on its command line or, with the same meaning, by environment
//! variables.

mod limits;
mod security;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use gossip::link::{ClusterConfig, Secret, Tls};
use gossip::wire::COOKIE_BYTES_MAX;
use gossip::{NodeName, Roster};

use crate::spans::{self, Exporting};
use crate::telemetry::LogFormat;
use crate::well_known::{DISPATCH, SECRET_DOMAIN, WELL_KNOWN_CITIES};

pub use limits::LimitOptions;
pub use security::SecurityOptions;

/// What nodes share when nobody says otherwise. Everybody knows it, so it is accepted on loopback
/// only.
const DEVELOPMENT_COOKIE: &str = "superhero-cluster-development";
/// A shorter cookie could be found by trying, by who has heard a proof of it. In bytes.
const COOKIE_BYTES_MIN: usize = 16;
/// No activity may repeat faster than this.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The options of every node.
#[derive(Args, Clone, Debug)]
pub struct NodeOptions {
    /// Where other nodes dial this one: NAME=HOST:PORT. Repeat it for each; replaces the well-known
    /// ones on this machine
    #[arg(
        long = "peer",
        value_name = "NAME=HOST:PORT",
        env = "SUPERHERO_PEER",
        value_delimiter = ','
    )]
    pub peers: Vec<Peer>,

    /// Read the cluster's cookie from this file instead of SUPERHERO_COOKIE
    #[arg(long, value_name = "PATH", env = "SUPERHERO_COOKIE_FILE")]
    pub cookie_file: Option<PathBuf>,

    /// What keeps strangers out.
    #[command(flatten)]
    pub security: SecurityOptions,

    /// What it may be made to hold, to wait for and to believe.
    #[command(flatten)]
    pub limits: LimitOptions,

    /// Make this node's own choices repeatable
    #[arg(long, value_name = "N", env = "SUPERHERO_SEED")]
    pub seed: Option<u64>,

    /// Send traces to the OpenTelemetry collector at this address, over OTLP/HTTP; also
    /// OTEL_EXPORTER_OTLP_ENDPOINT
    #[arg(long, value_name = "URL", env = "SUPERHERO_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// How log lines look; RUST_LOG says which there are
    #[arg(long, value_enum, default_value = "text", env = "SUPERHERO_LOG_FORMAT")]
    pub log_format: LogFormat,

    /// Start nothing: ask the node that listens at --listen whether it has joined, and exit with 0
    /// if so, 1 if not
    // Without an environment twin: where that were set, no node would ever start.
    #[arg(long)]
    pub healthcheck: bool,
}

/// A peer and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub name: NodeName,
    /// HOST:PORT, looked up anew at every attempt.
    pub address: String,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, address) = text.split_once('=').ok_or("expected NAME=HOST:PORT")?;
        let name = name.parse().map_err(|error| format!("{error}"))?;
        let (host, port) =
            address.rsplit_once(':').ok_or("expected NAME=HOST:PORT, and there is no :PORT")?;
        if host.is_empty() || host.contains('/') {
            return Err("expected NAME=HOST:PORT, and HOST is not a host name or an address".into());
        }
        match port.parse::<u16>() {
            Ok(1..) => Ok(Self { name, address: address.to_owned() }),
            Ok(0) | Err(_) => Err(format!("expected a PORT from 1 to 65535, not {port:?}")),
        }
    }
}

/// How often something happens; `0` on the command line switches it off.
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

/// A span of time as people write it: `250ms`, `1s`, `2m`.
///
/// # Errors
/// Says what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write 250ms, 1s or 2m"))?;
    if span > Duration::from_secs(24 * 3600) { Err("at most a day".into()) } else { Ok(span) }
}

impl NodeOptions {
    /// The peers' addresses: those given, or the well-known nodes on this machine.
    ///
    /// # Errors
    /// When a peer is named twice, or is `me`.
    pub fn peers(&self, me: NodeName) -> anyhow::Result<BTreeMap<NodeName, String>> {
        if self.peers.is_empty() {
            let well_known = WELL_KNOWN_CITIES.into_iter().chain([DISPATCH]);
            let addresses = well_known
                .map(|name| (well_known_name(name), well_known_address(name).to_string()));
            return Ok(addresses.filter(|(name, _)| *name != me).collect());
        }
        let mut addresses = BTreeMap::new();
        for Peer { name, address } in &self.peers {
            anyhow::ensure!(*name != me, "--peer {name}={address}: {name} is this node itself");
            anyhow::ensure!(
                addresses.insert(*name, address.clone()).is_none(),
                "--peer {name}={address}: {name} is named twice"
            );
        }
        Ok(addresses)
    }

    /// What this node shares with all nodes of its cluster.
    fn cookie(&self) -> anyhow::Result<String> {
        let cookie = match &self.cookie_file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("reading the cookie from {}", path.display()))?
                .trim()
                .to_owned(),
            None => {
                std::env::var("SUPERHERO_COOKIE").unwrap_or_else(|_| DEVELOPMENT_COOKIE.to_owned())
            }
        };
        anyhow::ensure!(
            (COOKIE_BYTES_MIN..=COOKIE_BYTES_MAX).contains(&cookie.len()),
            "the cookie has {COOKIE_BYTES_MIN} to {COOKIE_BYTES_MAX} bytes, not {}: openssl rand -hex 32 makes one",
            cookie.len()
        );
        Ok(cookie)
    }

    /// The cluster of the node `me` that listens at `listen`: the well-known members and the peers
    /// given; and what is unsafe about that, in words, where that was asked for.
    ///
    /// # Errors
    /// As [`peers`](Self::peers); when a file cannot be used or the cookie is empty or too long;
    /// and when other machines could reach `listen` without knowing a secret, or overhear what is
    /// said, and nobody has said that this is wanted.
    pub fn cluster(
        &self,
        me: NodeName,
        listen: SocketAddr,
    ) -> anyhow::Result<(ClusterConfig, Option<String>)> {
        let addresses = self.peers(me)?;
        let well_known = well_known_cities().into_iter().chain([well_known_name(DISPATCH)]);
        let roster = Roster::new(me, well_known.chain(addresses.keys().copied()));
        let cookie = self.cookie()?;
        let tls = self.security.files()?.map(|files| Tls::load(me, &files)).transpose()?;
        let unsafe_for = self.security.judge(
            listen,
            addresses.values().map(String::as_str),
            cookie == DEVELOPMENT_COOKIE,
        )?;
        let cluster = ClusterConfig {
            roster,
            addresses,
            controller: Some(well_known_name(DISPATCH)),
            secret: Secret::new(SECRET_DOMAIN, &cookie),
            tls,
            frame_bytes_max: self.limits.max_frame_bytes,
        };
        Ok((cluster, unsafe_for))
    }

    /// Begins to export traces of the node `me`, where an endpoint is given, here or as
    /// OpenTelemetry's own tools read it.
    ///
    /// # Errors
    /// When the endpoint is unusable.
    pub fn export_traces(&self, me: NodeName) -> anyhow::Result<Exporting> {
        let endpoint = self
            .otlp_endpoint
            .clone()
            .or_else(|| std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok());
        spans::start(endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()), me.as_str())
    }

    /// The seed given, or one from the operating system.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }
}

/// Where a well-known node listens when nobody says otherwise.
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

/// The cities that everybody knows, in the order of the page.
#[must_use]
pub fn well_known_cities() -> Vec<NodeName> {
    WELL_KNOWN_CITIES.map(well_known_name).to_vec()
}

/// A built-in name.
///
/// # Panics
/// When it is not a node name.
#[must_use]
pub fn well_known_name(name: &str) -> NodeName {
    name.parse().expect("built-in names are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_as_people_write_them_and_0_is_off() {
        assert_eq!("250ms".parse(), Ok(Interval(Some(Duration::from_millis(250)))));
        assert_eq!("0".parse(), Ok(Interval(None)));
        assert!("5".parse::<Interval>().unwrap_err().contains("1s"), "a number without a unit");
        assert!("1ms".parse::<Interval>().is_err());
        assert!("-1s".parse::<Interval>().is_err());
        assert!("9999y".parse::<Interval>().is_err());
    }

    #[test]
    fn a_peer_is_a_name_and_an_address_with_a_port() {
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
