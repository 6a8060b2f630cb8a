//! The event log.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::hero::Stamp;

/// What happened, newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Events {
    pub events: Vec<Event>,
}

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Event {
    /// Counts from 1.
    pub number: u64,
    /// When, by dispatch's wall clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Which node it is about.
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub node: String,
    #[cfg_attr(feature = "schema", schema(example = "assigned"))]
    pub kind: String,
    /// For people.
    pub text: String,
    /// The hero written to, where this was a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    pub hero: Option<String>,
    /// The stamp of that write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// The stamp of the write that it was made over, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Stamp>,
}
