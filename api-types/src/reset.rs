//! The reset of the cluster.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// What a reset has done, and what it could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Reset))]
pub struct ResetDone {
    /// The scenario that was ended; null if none was running.
    pub scenario: Option<String>,
    /// The number of faults that were healed.
    pub healed: u64,
    /// True if gossip was paused or ran at another pace than the configured one.
    pub resumed: bool,
    /// True if the cities were quiet.
    pub quiet_ended: bool,
    /// The stopped cities whose processes were started.
    pub rebuilt: Vec<String>,
    /// The number of heroes that were terminated.
    pub terminated: u64,
    /// The number of heroes that were not: `problems` has the reasons.
    pub left: u64,
    /// What could not be done, at most 100 entries.
    pub problems: Vec<ResetProblem>,
}

/// Something that a reset could not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct ResetProblem {
    /// What it is about: a city, a hero's ID, `faults`, `gossip`, `quiet`, `scenario` or `heroes`.
    pub about: String,
    /// The type of the problem, as that of a refused request.
    #[serde(rename = "type")]
    pub kind: String,
    /// What was wrong.
    pub detail: String,
}
