//! The speed of gossip, and single exchanges.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::shortest;
#[cfg(feature = "schema")]
use crate::words::NodeWord;

/// The speed of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Gossip {
    pub paused: bool,
    /// The speed in percent of the configured one; 0 if gossip is paused.
    #[cfg_attr(feature = "schema", schema(maximum = 1_000))]
    pub percent: u16,
}

/// A request to set the speed of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Speed))]
pub struct SpeedRequest {
    /// The speed in percent of the configured one.
    #[serde(serialize_with = "shortest")]
    #[cfg_attr(feature = "schema", schema(value_type = u16, minimum = 10, maximum = 1_000, example = 50))]
    pub percent: f64,
}

/// A request for a single exchange. Nodes that are not given are chosen at random.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = StepRequest, example = json!({ "from": "gotham", "to": "capitol" })))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct ExchangeRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<NodeWord>))]
    pub from: Option<String>,
    /// The other node; must differ from `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<NodeWord>))]
    pub to: Option<String>,
}

/// The progress of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Exchange {
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub from: String,
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub to: String,
    /// True if dispatch saw the end of the exchange within 1.5 s.
    pub completed: bool,
    /// The number of entries of heroes transferred.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub entries: u64,
    /// The number of entries of the types transferred: counters, sets, tables and so on.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub records: u64,
    /// The number of bytes transferred in both directions.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub bytes: u64,
}
