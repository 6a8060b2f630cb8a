//! A summary of the state of the whole cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// The agreement of the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = VerdictAnswer))]
pub struct Verdict {
    /// True if every city is up, and all cities and dispatch store the same entries.
    pub converged: bool,
    /// A human-readable summary.
    pub sentence: String,
    /// The number of heroes whose entries differ between the reachable cities.
    pub differences: u64,
    /// The numbers of differing entries of the tables `counters`, `sets`, `tables`, `radio`,
    /// `presence` and `names` between the reachable cities, of each table that has any.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(required = true, example = json!({ "counters": 2 }))
    )]
    pub tables: BTreeMap<String, u64>,
    /// The number of heroes stored by a single node, dispatch included.
    pub only_copies: u64,
    /// The number of lost writes: acknowledged, then overwritten by a write that had not seen them,
    /// or lost with the only city that stored them.
    pub lost_writes: u64,
    /// The age of the oldest difference, in milliseconds; null if there is none.
    pub oldest_difference_ms: Option<u64>,
}
