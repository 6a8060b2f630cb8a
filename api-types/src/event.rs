//! The event log.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::hero::Stamp;

/// Events, newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Events {
    pub events: Vec<Event>,
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Event {
    /// The number of the event, starting at 1.
    pub number: u64,
    /// The time by dispatch's wall clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// The node that the event concerns.
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub node: String,
    #[cfg_attr(feature = "schema", schema(example = "assigned"))]
    pub kind: String,
    /// A human-readable description.
    pub text: String,
    /// The hero that was written, if the event is a write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    pub hero: Option<String>,
    /// The stamp of the write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// The stamp of the write that it replaced, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Stamp>,
}
