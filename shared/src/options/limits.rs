//! The limits on connections, message sizes, stored entries and clock drift of a node.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::duration;
use gossip::link;
use gossip::replica;
use gossip::wire::FRAME_BYTES_MAX;

/// The limits of every node.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Maximum concurrent connections; further ones are refused
    #[arg(
        long,
        value_name = "N",
        default_value = "4096",
        value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000),
        env = "SUPERHERO_MAX_CONNECTIONS"
    )]
    pub max_connections: usize,

    /// Maximum concurrent connections per client address (IPv6: per /64 network)
    #[arg(
        long,
        value_name = "N",
        default_value = "2048",
        value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000),
        env = "SUPERHERO_MAX_CONNECTIONS_PER_ADDRESS"
    )]
    pub max_connections_per_address: usize,

    /// Time limit for the TLS handshake, for request headers, and between two requests
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = timeout,
        env = "SUPERHERO_HEADER_TIMEOUT"
    )]
    pub header_timeout: Duration,

    /// Time after which a connection is closed if the client reads nothing
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        value_parser = timeout,
        env = "SUPERHERO_IDLE_TIMEOUT"
    )]
    pub idle_timeout: Duration,

    /// Maximum size of a message between nodes, in bytes; must be equal on all nodes
    #[arg(
        long,
        value_name = "N",
        default_value_t = FRAME_BYTES_MAX,
        value_parser = RangedU64ValueParser::<usize>::new().range(256 * 1024..=16 * 1024 * 1024),
        env = "SUPERHERO_MAX_FRAME_BYTES"
    )]
    pub max_frame_bytes: usize,

    /// Approximate size of a gossip chunk, in bytes; at most eight chunks are in flight
    #[arg(
        long,
        value_name = "N",
        default_value = "65536",
        value_parser = RangedU64ValueParser::<usize>::new().range(1_024..=128 * 1024),
        env = "SUPERHERO_MAX_DELTA_BYTES"
    )]
    pub max_delta_bytes: usize,

    /// Maximum number of heroes; at the limit, creating one is refused
    #[arg(
        long,
        value_name = "N",
        default_value = "1000000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000),
        env = "SUPERHERO_MAX_HEROES"
    )]
    pub max_heroes: usize,

    /// Maximum number of tombstones not yet seen by every member; at the limit, deletions are
    /// refused and heroes do not die in fights
    #[arg(
        long,
        value_name = "N",
        default_value = "1000000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000),
        env = "SUPERHERO_MAX_TOMBSTONES"
    )]
    pub max_tombstones: usize,

    /// Maximum clock drift between nodes; stamps further ahead are refused. Must be equal on all nodes
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2s",
        value_parser = drift,
        env = "SUPERHERO_MAX_DRIFT"
    )]
    pub max_drift: Duration,
}

impl LimitOptions {
    /// Returns the limits of connections.
    #[must_use]
    pub fn connections(&self) -> link::Limits {
        link::Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
        }
    }

    /// Returns the configuration of the replica with these limits.
    #[must_use]
    pub fn replica(&self) -> replica::Config {
        replica::Config {
            carriers: [super::well_known_name(crate::well_known::DISPATCH)].into(),
            drift_max: self.max_drift,
            chunk_bytes: self.max_delta_bytes,
            // While a cut lasts, each of its two sides can fill up to the limit; afterwards a round
            // may have to stage the entries of both.
            live_max: self.max_heroes,
            tombstones_max: self.max_tombstones,
            staged_max: 2 * (self.max_heroes + self.max_tombstones),
            ..replica::Config::default()
        }
    }
}

/// Parses a timeout.
fn timeout(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(3_600))
}

/// Parses the maximum drift. Network time synchronization cannot guarantee less than the lower
/// bound; above the upper bound, writes of a wrong clock win over correct ones for too long.
fn drift(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(50), Duration::from_secs(60))
}

fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let span = duration(text)?;
    let shown = humantime::format_duration;
    if (least..=most).contains(&span) {
        Ok(span)
    } else {
        Err(format!("expected {} to {}", shown(least), shown(most)))
    }
}
