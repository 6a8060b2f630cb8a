//! The nodes of the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
#[cfg(feature = "schema")]
use utoipa::ToSchema;

#[cfg(feature = "schema")]
use crate::words::{Reached, Role};

/// The nodes: the cities first, dispatch last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Cluster {
    /// Which dispatch answers.
    // An old dispatch does not say.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(value_type = String, required = true, example = "0.1.0")
    )]
    pub version: Option<String>,
    pub nodes: Vec<Node>,
}

/// A node, as dispatch last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Node {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub name: String,
    #[cfg_attr(feature = "schema", schema(value_type = Role))]
    pub role: String,
    #[cfg_attr(feature = "schema", schema(value_type = Reached))]
    pub status: String,
    /// Which life of the node this is; null where it was never heard.
    pub incarnation: Option<u64>,
    /// How many lives of its process have crashed.
    pub crashes: u32,
    pub heroes: u64,
    pub tombstones: u64,
    /// Of all that it holds: nodes with the same one hold the same.
    #[cfg_attr(feature = "schema", schema(example = "8b9d2f60c1a4e7d3"))]
    pub fingerprint: String,
    /// What it covers of each life that is open: the highest stamp, as milliseconds and counter.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(required = true, example = json!({ "gotham/1790000000000": "1790000012345+0" }))
    )]
    pub version_vector: BTreeMap<String, String>,
    /// The first life of each node that is not closed: of all earlier ones it covers everything.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schema(required = true, example = json!({ "gotham": 1_790_000_000_000_u64 }))
    )]
    pub closed_before: BTreeMap<String, u64>,
    /// How old this is, in milliseconds.
    pub age_ms: Option<u64>,
    /// How far its wall clock is ahead of dispatch's, where that is known and more than a little.
    pub clock_ahead_ms: Option<i64>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub frozen: bool,
}

/// Which city it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct City {
    #[cfg_attr(feature = "schema", schema(example = "gotham"))]
    pub city: String,
}
