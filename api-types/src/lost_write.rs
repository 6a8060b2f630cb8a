//! The lost writes: acknowledged writes that no node stores any more.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::explanation::UnderRule;
use crate::hero::{Held, Stamp};

/// The lost writes, newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct LostWrites {
    /// The number of lost writes since dispatch started.
    pub count: u64,
    /// The lost writes to heroes.
    pub lost: Vec<LostWrite>,
    /// The lost writes to sets, tables, rooms and names.
    #[serde(default)]
    pub records: Vec<LostRecord>,
}

/// A lost write to one of the library's types. The numbers are those of all lost writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct LostRecord {
    /// The number of the lost write, starting at 1.
    pub number: u64,
    /// `sets`, `tables`, `radio` or `names`.
    pub table: String,
    /// The names of the table and of the row, as the page shows them.
    pub name: String,
    /// The lost value.
    pub wrote: String,
    pub stamp: Stamp,
    pub saved_at_ms: u64,
    pub found_at_ms: u64,
    /// The value found instead. If it is null, the write was lost with its only holder.
    pub to: Option<String>,
}

/// A lost write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct LostWrite {
    /// The number of the lost write, starting at 1.
    pub number: u64,
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    pub hero: String,
    pub name: String,
    /// The lost value.
    pub wrote: Held,
    pub stamp: Stamp,
    pub saved_at_ms: u64,
    pub found_at_ms: u64,
    /// The value found instead. If it is null or older, the write was lost with its only holder.
    pub to: Held,
    /// What would have become of it under other rules; empty if that is not recorded.
    #[serde(default)]
    pub under: Vec<UnderRule>,
}
