//! The state of the whole cluster in a few numbers.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

/// Whether the nodes agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = VerdictAnswer))]
pub struct Verdict {
    /// Every city answers, and all of them and dispatch hold the same.
    pub converged: bool,
    /// For people.
    pub sentence: String,
    /// Heroes of which the answering cities do not say the same.
    pub differences: u64,
    /// Heroes that one node alone holds; dispatch counts.
    pub only_copies: u64,
    /// Writes answered as saved, and later overwritten everywhere by a write that had not seen them, or gone with a bombed city.
    pub lost_writes: u64,
    /// For how long the oldest difference has been there, in milliseconds; null where there is none.
    pub oldest_difference_ms: Option<u64>,
}
