//! The acceptance of stamps that are ahead of the clocks.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::shortest;

/// A request to accept stamps that are further ahead than the accepted drift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Accept))]
pub struct AcceptRequest {
    /// The time ahead of dispatch's clock up to which stamps are accepted, in milliseconds; rounded
    /// up to seconds.
    #[serde(serialize_with = "shortest")]
    #[cfg_attr(
        feature = "schema",
        schema(minimum = 1, maximum = 3_155_760_000_000_f64, example = 3_600_000)
    )]
    pub ahead_ms: f64,
}

/// The stamps that are accepted from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Accepted {
    /// The latest accepted time, in milliseconds since 1970. The accepted drift is added to it.
    pub until_ms: u64,
    /// The nodes to which the request was sent. A node that connects later is sent it too.
    pub nodes: Vec<String>,
}
