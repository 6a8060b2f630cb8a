//! The nodes of the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

#[cfg(feature = "schema")]
use crate::words::{CityWord, Reached, Role};

/// The nodes of the cluster: the cities first, dispatch last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Cluster {
    /// The version of dispatch.
    // A dispatch of an older version omits the field.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(value_type = String, required = true, example = "0.1.0")
    )]
    pub version: Option<String>,
    /// True if the cities neither patrol nor fight until that is ended.
    // A dispatch of an older version omits the field.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub quiet: bool,
    pub nodes: Vec<Node>,
}

/// Whether the cities are quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Quiet {
    /// True if the cities neither patrol nor fight until that is ended.
    pub quiet: bool,
}

/// A node as dispatch last observed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Node {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub name: String,
    #[cfg_attr(feature = "schema", schema(value_type = Role))]
    pub role: String,
    /// The address at which dispatch reaches the node, as HOST:PORT; null for dispatch itself.
    // A dispatch of an older version omits the field.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true, example = "127.0.0.1:4901"))]
    pub address: Option<String>,
    #[cfg_attr(feature = "schema", schema(value_type = Reached))]
    pub status: String,
    /// The incarnation of the node; null if it was never observed.
    pub incarnation: Option<u64>,
    /// The number of incarnations of its process that have crashed.
    pub crashes: u32,
    pub heroes: u64,
    pub tombstones: u64,
    /// The fingerprint of all its live entries. Nodes with equal fingerprints hold the same heroes.
    #[cfg_attr(feature = "schema", schema(example = "8b9d2f60c1a4e7d3"))]
    pub fingerprint: String,
    /// The highest stamp that it has seen from each open incarnation, as milliseconds and counter.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(required = true, example = json!({ "gotham/1790000000000": "1790000012345+0" }))
    )]
    pub version_vector: BTreeMap<String, String>,
    /// The first open incarnation of each node. All writes of earlier incarnations are covered.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(required = true, example = json!({ "gotham": 1_790_000_000_000_u64 }))
    )]
    pub closed_before: BTreeMap<String, u64>,
    /// The age of this observation, in milliseconds.
    pub age_ms: Option<u64>,
    /// The lead of its wall clock over dispatch's, in milliseconds; null if unknown or negligible.
    pub clock_ahead_ms: Option<i64>,
    /// The lead of the latest stamp that it has seen over its own wall clock, in milliseconds; 0 if
    /// the stamp is in the past. More than the accepted drift if a clock was ahead when it wrote.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub stamps_ahead_ms: u64,
    /// The nodes whose writes it refuses, because their stamps are too far ahead.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub refuses: Vec<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub frozen: bool,
    /// The newest writes that the city holds and another node lacks; null if its content is not known,
    /// and for dispatch.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub ahead: Option<u64>,
    /// The newest writes that another node holds and the city lacks; null as above.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub behind: Option<u64>,
}

/// A request to found a city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Found))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct FoundRequest {
    #[cfg_attr(feature = "schema", schema(value_type = CityWord, example = "star-city"))]
    pub name: String,
}

/// The city that a request was applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct City {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub city: String,
}
