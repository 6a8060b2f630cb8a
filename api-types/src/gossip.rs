//! The pace of gossip, and single rounds.

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::shortest;
#[cfg(feature = "schema")]
use crate::words::NodeWord;

/// How fast gossip goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Gossip {
    pub paused: bool,
    /// Of the pace that the nodes were started with; 0 where it is paused.
    #[cfg_attr(feature = "schema", schema(maximum = 1_000))]
    pub percent: u16,
}

/// How fast gossip is to go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Speed))]
pub struct SpeedRequest {
    /// Of the pace that the nodes were started with.
    #[serde(serialize_with = "shortest")]
    #[cfg_attr(feature = "schema", schema(minimum = 10, maximum = 1_000, example = 50))]
    pub percent: f64,
}

/// Who is to exchange with whom; at random where they are not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = StepWish))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct ExchangeRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<NodeWord>))]
    pub from: Option<String>,
    /// Not the same node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<NodeWord>))]
    pub to: Option<String>,
}

/// An exchange, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Exchange {
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub from: String,
    #[cfg_attr(feature = "schema", schema(value_type = NodeWord))]
    pub to: String,
    /// Whether its end passed dispatch within 1.5 s.
    pub completed: bool,
    /// How many entries passed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub entries: u64,
    /// How many bytes passed, both ways.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub bytes: u64,
}
