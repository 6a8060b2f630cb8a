//! The limits on connections, message sizes, stored entries and clock drift of a node.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use tracing::{info, warn};

use super::duration;
use super::memory::{Budget, MemorySize};
use gossip::link;
use gossip::replica::{self, TableLimits};
use gossip::wire::FRAME_BYTES_MAX;

/// The memory that one thing takes, at most, in bytes. docs/limits.md has the measurements.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// A hero.
    pub hero: u64,
    /// A tombstone.
    pub tombstone: u64,
    /// A connection with a request of which the last byte is missing.
    pub connection: u64,
    /// A record and a tombstone in each of the library's tables.
    pub record: u64,
}

impl Costs {
    /// The costs at a city.
    pub const CITY: Self = Self {
        hero: 1 << 10,
        tombstone: 1 << 9,
        connection: CONNECTION_BYTES,
        record: TABLES << 10,
    };
    /// The costs at dispatch, which holds the entries of all nodes.
    pub const DISPATCH: Self = Self {
        hero: 3 << 10,
        tombstone: 2 << 10,
        connection: CONNECTION_BYTES,
        record: TABLES << 12,
    };
}

/// The buffers of a request: its headers, its body, and the connection itself.
const CONNECTION_BYTES: u64 = 112 << 10;

/// The number of the library's tables, rounded up.
const TABLES: u64 = 8;
/// The number of entries in all of them at their greatest limits, so that a round with all of them
/// is never too large.
const RECORDS_MAX: usize = 8 * (20_000 + 20_000);
/// The bytes of a record for which a table has room.
const RECORD_BYTES: usize = 420;

/// The share of the memory that one kind of thing may take.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The percentage of the budget.
    pub percent: u64,
    /// The least derived limit.
    pub least: usize,
    /// The greatest derived limit, with however much memory.
    pub most: usize,
}

const CONNECTIONS: Share = Share { percent: 25, least: 64, most: 4_096 };
const HEROES: Share = Share { percent: 35, least: 1_000, most: 1_000_000 };
const TOMBSTONES: Share = Share { percent: 10, least: 1_000, most: 1_000_000 };
const RECORDS: Share = Share { percent: 8, least: 500, most: 20_000 };

/// The limits in force that depend on memory.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// See [`LimitOptions::max_connections`].
    pub connections: usize,
    /// See [`LimitOptions::max_connections_per_address`].
    pub connections_per_address: usize,
    /// See [`LimitOptions::max_heroes`].
    pub heroes: usize,
    /// See [`LimitOptions::max_tombstones`].
    pub tombstones: usize,
    /// The number of records, and of tombstones, in each of the library's tables.
    pub records: usize,
    /// The budget.
    pub shares: Shares,
}

impl Bounds {
    /// Logs the limits in one line, `further` ones included, and a warning for each given limit
    /// that is beyond its share.
    pub fn log(&self, further: &str) {
        let Self { connections, connections_per_address, heroes, tombstones, records, shares } =
            self;
        let Budget { size, source } = shares.budget;
        info!(
            "memory budget {size} ({source}): at most {heroes} heroes, {tombstones} tombstones, \
             {records} records in each table, \
             {connections} connections ({connections_per_address} per address){further}"
        );
        for warning in &shares.warnings {
            warn!("{warning}");
        }
    }
}

/// A memory budget, and the limits that exceed their shares of it.
#[derive(Clone, Debug)]
pub struct Shares {
    budget: Budget,
    warnings: Vec<String>,
}

impl Shares {
    fn of(budget: Budget) -> Self {
        Self { budget, warnings: Vec::new() }
    }

    /// Returns the limit of things that take `cost` bytes each.
    #[must_use]
    pub fn derived(&self, share: &Share, cost: u64) -> usize {
        let number = self.budget.size.0 / 100 * share.percent / cost;
        usize::try_from(number).unwrap_or(usize::MAX).clamp(share.least, share.most)
    }

    /// Returns the given limit, or else the derived one. Notes a given one that may take more than
    /// its share.
    pub fn bound(&mut self, flag: &str, given: Option<usize>, share: &Share, cost: u64) -> usize {
        let derived = self.derived(share, cost);
        let limit = given.unwrap_or(derived);
        let percent = share.percent;
        let fits = self.budget.size.0 / 100 * percent / cost;
        if given.is_some() && limit as u64 > fits.max(derived as u64) {
            let needed = MemorySize((limit as u64).saturating_mul(cost) * 100 / percent);
            let Budget { size, source } = self.budget;
            self.warnings.push(format!(
                "{flag} {limit} may exceed the memory budget {size} ({source}): \
                 it fits from --memory-max {needed} on"
            ));
        }
        limit
    }
}

/// The limits of every node.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Maximum number of names of members, those of forgotten ones included; with 0 no city can be founded, and only gotham, metropolis, capitol and dispatch can link
    #[arg(
        long,
        value_name = "N",
        default_value_t = link::MEMBERS_MAX,
        env = "SUPERHERO_MAX_MEMBERS"
    )]
    pub max_members: usize,

    /// Memory that the node may use, such as 512MiB; default: the limit of its cgroup, or else a quarter of the machine's memory. Limits without a default follow from it
    #[arg(long, value_name = "SIZE", env = "SUPERHERO_MEMORY_MAX")]
    pub memory_max: Option<MemorySize>,

    /// Maximum concurrent connections; further ones are refused
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000),
        env = "SUPERHERO_MAX_CONNECTIONS"
    )]
    pub max_connections: Option<usize>,

    /// Maximum concurrent connections per client address (IPv6: per /64 network)
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(8..=1_000_000),
        env = "SUPERHERO_MAX_CONNECTIONS_PER_ADDRESS"
    )]
    pub max_connections_per_address: Option<usize>,

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
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000),
        env = "SUPERHERO_MAX_HEROES"
    )]
    pub max_heroes: Option<usize>,

    /// Maximum number of tombstones not yet seen by every member; at the limit, deletions are
    /// refused and heroes do not die in fights
    #[arg(
        long,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000),
        env = "SUPERHERO_MAX_TOMBSTONES"
    )]
    pub max_tombstones: Option<usize>,

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
    /// Returns the limits that follow from the memory budget, except those that are given.
    #[must_use]
    pub fn bounds(&self, costs: Costs) -> Bounds {
        let budget = Budget::find(self.memory_max);
        let mut shares = Shares::of(budget);
        let connections =
            shares.bound("--max-connections", self.max_connections, &CONNECTIONS, costs.connection);
        let connections_per_address = self
            .max_connections_per_address
            .unwrap_or((shares.derived(&CONNECTIONS, costs.connection) / 2).max(8));
        let heroes = shares.bound("--max-heroes", self.max_heroes, &HEROES, costs.hero);
        let tombstones =
            shares.bound("--max-tombstones", self.max_tombstones, &TOMBSTONES, costs.tombstone);
        let records = shares.derived(&RECORDS, costs.record);
        Bounds { connections, connections_per_address, heroes, tombstones, records, shares }
    }

    /// Returns the limits of connections.
    #[must_use]
    pub fn connections(&self, bounds: &Bounds) -> link::Limits {
        link::Limits {
            connections: bounds.connections,
            connections_per_address: bounds.connections_per_address,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
        }
    }

    /// Returns the configuration of the replica with these limits.
    #[must_use]
    pub fn replica(&self, bounds: &Bounds) -> replica::Config {
        replica::Config {
            members_max: self.max_members,
            carriers: [super::well_known_name(crate::well_known::DISPATCH)].into(),
            drift_max: self.max_drift,
            chunk_bytes: self.max_delta_bytes,
            // While a cut lasts, each of its two sides can fill up to the limit; afterwards a round
            // may have to stage the entries of both.
            live_max: bounds.heroes,
            tombstones_max: bounds.tombstones,
            table_limits: TableLimits {
                live: bounds.records,
                tombstones: bounds.records,
                bytes: bounds.records * RECORD_BYTES,
            },
            staged_max: 2 * (bounds.heroes + bounds.tombstones) + RECORDS_MAX,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(mib: u64) -> Shares {
        Shares::of(Budget { size: MemorySize(mib << 20), source: "--memory-max" })
    }

    #[test]
    fn derived_limits_fit_the_budget_together() {
        let costs = Costs::DISPATCH;
        for mib in [64, 128, 512, 1_024, 4_096, 65_536] {
            let shares = shares(mib);
            let bytes = [
                (&CONNECTIONS, costs.connection),
                (&HEROES, costs.hero),
                (&TOMBSTONES, costs.tombstone),
            ]
            .map(|(share, cost)| shares.derived(share, cost) as u64 * cost);
            assert!(bytes.iter().sum::<u64>() <= (mib << 20) * 70 / 100, "{mib} MiB: {bytes:?}");
        }
        let ample = shares(65_536);
        assert_eq!(ample.derived(&HEROES, costs.hero), 1_000_000);
        assert_eq!(ample.derived(&CONNECTIONS, costs.connection), 4_096);
    }

    #[test]
    fn given_limit_beyond_its_share_is_named_with_the_budget() {
        let mut shares = shares(512);
        assert_eq!(shares.bound("--max-heroes", Some(1_000_000), &HEROES, 3 << 10), 1_000_000);
        let [warning] = shares.warnings.as_slice() else { panic!("{:?}", shares.warnings) };
        for part in ["--max-heroes 1000000", "512MiB", "--memory-max 8371MiB"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
        assert_eq!(shares.bound("--max-heroes", Some(5), &HEROES, 3 << 10), 5);
        assert_eq!(shares.bound("--max-heroes", None, &HEROES, 3 << 10), 61_166);
        assert_eq!(shares.warnings.len(), 1);
    }
}
