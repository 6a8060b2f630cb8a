//! The configuration of a replica: its cluster's members and the bounds of its rounds.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::NodeName;
use crate::replica::rules::Rules;

/// The default number of pull records that a replica keeps: those of about a minute.
pub const PULL_LOG_MAX: usize = 256;

/// The members of a replica's cluster, and the bounds of its rounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// All members of the cluster, this node included, alive or not. A tombstone is kept until all
    /// of them have it; for ever where this node is not among them.
    pub members: BTreeSet<NodeName>,
    /// The accepted drift: how far ahead of this node's wall clock a stamp may be. It must be the
    /// same on every node of a cluster: a laxer one would relay what the others refuse.
    pub drift_max: Duration,
    /// The time for which a new incarnation looks for a member that has joined, before it takes
    /// itself for the first; also the interval at which it asks linked members that have not
    /// answered.
    pub join_timeout: Duration,
    /// The time without progress after which a round is given up.
    pub round_timeout: Duration,
    /// The size of a chunk, in bytes of entries.
    pub chunk_bytes: usize,
    /// The most unacknowledged chunks of a round.
    pub window: u32,
    /// The most entries of a round; a larger round is given up.
    pub staged_max: usize,
    /// The most live entries with which new keys are written here. Rounds are merged regardless.
    pub live_max: usize,
    /// The most tombstones with which keys are deleted here. Rounds are merged regardless.
    pub tombstones_max: usize,
    /// The number of pull records that the replica keeps.
    pub pull_log_max: usize,
    /// The rules that are kept: all of them, outside tests.
    #[doc(hidden)]
    pub rules: Rules,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            members: BTreeSet::new(),
            drift_max: Duration::from_secs(2),
            join_timeout: Duration::from_secs(1),
            round_timeout: Duration::from_secs(3),
            chunk_bytes: 64 * 1024,
            window: 8,
            staged_max: 4_000_000,
            live_max: 1_000_000,
            tombstones_max: 1_000_000,
            pull_log_max: PULL_LOG_MAX,
            rules: Rules::default(),
        }
    }
}
