//! The writes that were answered as saved and are gone.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::hero::{Held, Stamp};

/// The writes lost for good, newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct LostWrites {
    /// How many there were since dispatch began.
    pub count: u64,
    pub lost: Vec<LostWrite>,
}

/// A write lost for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct LostWrite {
    /// Counts from 1.
    pub number: u64,
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    pub hero: String,
    pub name: String,
    /// What was saved and is gone.
    pub wrote: Held,
    pub stamp: Stamp,
    pub saved_at_ms: u64,
    pub found_at_ms: u64,
    /// What was found in its place. Where that does not beat what was saved, or is null, the write went with its only holder.
    pub to: Held,
}
