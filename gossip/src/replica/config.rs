//! The configuration of a replica.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::NodeName;
use crate::replica::rules::Rules;

/// The default number of pull records that a replica keeps: about one minute of pulls.
pub const PULL_LOG_MAX: usize = 256;

/// The members of a replica's cluster, and the bounds of its rounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The members of the cluster from the start, running or not. A tombstone is kept until all
    /// members have it. A node that is not a member never collects. A further node does not list
    /// itself here; without any member, a node that starts first founds a cluster of its own.
    pub members: BTreeSet<NodeName>,
    /// The number of names, those of `members` and of forgotten nodes included, up to which further
    /// nodes may become members while the cluster runs. Default: 0, so none may.
    pub members_max: usize,
    /// The families of the nodes that may pass on rounds between others; see
    /// [`NodeName::is_of`]. From all other nodes, a replica accepts only rounds of their own.
    pub carriers: BTreeSet<NodeName>,
    /// The accepted drift: the maximum by which a stamp may be ahead of this node's wall clock. It
    /// must be the same on all nodes of a cluster: a node with a larger drift would relay stamps
    /// that the others refuse. Default: 2 s.
    pub drift_max: Duration,
    /// The time for which a new incarnation looks for a joined member before it joins as the first.
    /// Also the interval at which it repeats its requests to linked members that have not answered.
    /// Default: 1 s.
    pub join_timeout: Duration,
    /// The time without progress after which a round is given up. Default: 3 s.
    pub round_timeout: Duration,
    /// The approximate size of a chunk, in bytes of entries. Default: 64 KiB.
    pub chunk_bytes: usize,
    /// The maximum number of unacknowledged chunks of a round. Default: 8.
    pub window: u32,
    /// The maximum number of entries in a round; a larger round is given up. Default: 4,000,000.
    pub staged_max: usize,
    /// The number of live entries at which local writes of new keys are refused. Rounds are merged
    /// regardless. Default: 1,000,000.
    pub live_max: usize,
    /// The number of tombstones at which local deletions are refused. Rounds are merged regardless.
    /// Default: 1,000,000.
    pub tombstones_max: usize,
    /// The limits of each table of records. Default: 20,000 live entries, 20,000 tombstones, 8 MiB.
    pub table_limits: TableLimits,
    /// The maximum number of incarnations of one node that are not closed. A round that would add
    /// more is refused. Default: 1,024.
    pub incarnations_max: usize,
    /// The number of pull records that the replica keeps. Default: [`PULL_LOG_MAX`].
    pub pull_log_max: usize,
    /// The rules in force: all of them, except in tests.
    #[doc(hidden)]
    pub rules: Rules,
}

/// The sizes of a table at which local writes are refused. Rounds are merged regardless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// The number of live entries.
    pub live: usize,
    /// The number of tombstones.
    pub tombstones: usize,
    /// The number of bytes of all records.
    pub bytes: usize,
}

impl Config {
    /// Returns the limits of the application's own table.
    pub(super) fn application_limits(&self) -> TableLimits {
        let (live, tombstones) = (self.live_max, self.tombstones_max);
        TableLimits { live, tombstones, bytes: usize::MAX }
    }

    /// Returns whether this node may pass on rounds of others.
    pub(super) fn carries(&self, node: NodeName) -> bool {
        self.carriers.iter().any(|family| node.is_of(*family))
    }

    /// Returns whether this node is a member from the start, or a carrier.
    pub(super) fn knows(&self, node: NodeName) -> bool {
        self.members.contains(&node) || self.carriers.contains(&node)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            members: BTreeSet::new(),
            members_max: 0,
            carriers: BTreeSet::new(),
            drift_max: Duration::from_secs(2),
            join_timeout: Duration::from_secs(1),
            round_timeout: Duration::from_secs(3),
            chunk_bytes: 64 * 1024,
            window: 8,
            staged_max: 4_000_000,
            live_max: 1_000_000,
            tombstones_max: 1_000_000,
            table_limits: TableLimits { live: 20_000, tombstones: 20_000, bytes: 8 << 20 },
            incarnations_max: 1_024,
            pull_log_max: PULL_LOG_MAX,
            rules: Rules::default(),
        }
    }
}
