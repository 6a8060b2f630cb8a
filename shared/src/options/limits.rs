//! What a node may be made to hold, to wait for and to believe, whoever asks.

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
    /// Connections served at once; further ones are refused
    #[arg(long, value_name = "N", default_value = "4096", value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000), env = "SUPERHERO_MAX_CONNECTIONS")]
    pub max_connections: usize,

    /// As --max-connections, from one address (IPv6: one network of 64 bits)
    #[arg(long, value_name = "N", default_value = "2048", value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000), env = "SUPERHERO_MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: usize,

    /// How long a client may take to begin, to send the headers of a request, and to think between
    /// two
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout, env = "SUPERHERO_HEADER_TIMEOUT")]
    pub header_timeout: Duration,

    /// How long a client may take nothing of what it is sent
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout, env = "SUPERHERO_IDLE_TIMEOUT")]
    pub idle_timeout: Duration,

    /// The largest message that another node may send, in bytes; the same on all nodes
    #[arg(long, value_name = "N", default_value_t = FRAME_BYTES_MAX, value_parser = RangedU64ValueParser::<usize>::new().range(256 * 1024..=16 * 1024 * 1024), env = "SUPERHERO_MAX_FRAME_BYTES")]
    pub max_frame_bytes: usize,

    /// Roughly how many bytes of what another node lacks are sent to it in one piece; eight pieces
    /// are under way at most
    #[arg(long, value_name = "N", default_value = "65536", value_parser = RangedU64ValueParser::<usize>::new().range(1_024..=128 * 1024), env = "SUPERHERO_MAX_DELTA_BYTES")]
    pub max_delta_bytes: usize,

    /// Heroes that may live; beyond that none is created
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000), env = "SUPERHERO_MAX_HEROES")]
    pub max_heroes: usize,

    /// Tombstones that may wait for every city to hear of them; beyond that nobody is terminated,
    /// and nobody falls
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000), env = "SUPERHERO_MAX_TOMBSTONES")]
    pub max_tombstones: usize,

    /// How far ahead of this node's clock another's may be; what is stamped later is refused. The
    /// same on all nodes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = drift, env = "SUPERHERO_MAX_DRIFT")]
    pub max_drift: Duration,
}

impl LimitOptions {
    /// What connections may cost.
    #[must_use]
    pub fn connections(&self) -> link::Limits {
        link::Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
        }
    }

    /// What replication may cost, and whom it believes.
    #[must_use]
    pub fn replica(&self) -> replica::Config {
        replica::Config {
            drift_max: self.max_drift,
            chunk_bytes: self.max_delta_bytes,
            // On two sides of a cut, each may come to hold as many.
            live_max: self.max_heroes,
            tombstones_max: self.max_tombstones,
            staged_max: 2 * (self.max_heroes + self.max_tombstones),
            ..replica::Config::default()
        }
    }
}

/// How long somebody is waited for.
fn timeout(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(3_600))
}

/// How far apart clocks may be. Less than this is not to be had by machines that ask each other for
/// the time; with more, a wrong clock wins over right ones for too long.
fn drift(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(50), Duration::from_secs(60))
}

fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let span = duration(text)?;
    let shown = humantime::format_duration;
    if (least..=most).contains(&span) {
        Ok(span)
    } else {
        Err(format!("it is {} to {}", shown(least), shown(most)))
    }
}
