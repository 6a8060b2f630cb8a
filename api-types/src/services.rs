//! Members, calls, work lists, rate limits, the cache and frequent events. Every node serves them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::number::{whole, whole_or_null};

/// The members of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Members {
    pub members: Vec<Member>,
}

/// A member, as the node that answers sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Member {
    /// The name.
    pub name: String,
    /// `city` or `dispatch`.
    pub role: String,
    /// `up`: there is a link; `suspect`: it was lost less than 3 s ago; `down`: there is none.
    pub state: String,
    /// The incarnation; null if there was never a link to it.
    pub incarnation: Option<u64>,
    /// The time of the last change of `state`, in milliseconds since 1970, by the clock of this node.
    pub since_ms: u64,
    /// The address; null of this node itself.
    pub address: Option<String>,
    /// The reason why there is no link; null while it is up.
    pub cause: Option<String>,
}

/// A call of a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CallRequest {
    /// The node that executes the handler: its name, `any` (in turn), `least_loaded`, or `owner:KEY`.
    #[serde(default = "any")]
    pub to: String,
    /// The arguments: any JSON.
    #[serde(default)]
    pub args: Value,
    /// The time limit in milliseconds. Default: 5000.
    #[serde(default, deserialize_with = "whole_or_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 60_000))]
    pub timeout_ms: Option<u64>,
}

fn any() -> String {
    "any".to_owned()
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CallDone {
    /// The node that has executed the handler.
    pub from: String,
    /// The result of the handler: any JSON.
    pub result: Value,
}

/// A list of work for a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct MapRequest {
    /// The arguments of each call: any JSON.
    #[cfg_attr(feature = "schema", schema(max_items = 1_000))]
    pub items: Vec<Value>,
    /// `round_robin` or `least_loaded`. Default: `round_robin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// The time limit of an attempt in milliseconds. Default: 5000.
    #[serde(default, deserialize_with = "whole_or_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 60_000))]
    pub timeout_ms: Option<u64>,
    /// The number of attempts at an item whose node does not execute it or does not answer. Default: 3.
    #[serde(default, deserialize_with = "whole_or_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    pub attempts: Option<u32>,
}

/// The results of a list of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct MapDone {
    /// One result for each item, in the order of the items.
    pub results: Vec<MapResult>,
}

/// The result of a work item: `from` and `result`, or `problem`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct MapResult {
    /// The node that has executed the handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The result of the handler: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The reason why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The quota of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct LimitRequest {
    /// The number of hits that are allowed at once, and in each period.
    #[serde(deserialize_with = "whole")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 1_000_000))]
    pub limit: u32,
    /// The period in seconds, at most 30 days.
    #[serde(deserialize_with = "whole")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 2_592_000))]
    pub per_s: u64,
}

/// The decision about a hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct LimitVerdict {
    /// True if the hit is allowed, and counted.
    pub allowed: bool,
    /// The number of hits that are allowed now.
    pub remaining: u32,
    /// The node that has decided.
    pub decided_by: String,
    /// True if the owner of the key did not answer, so that the node decided with its own count.
    pub local: bool,
}

/// A value for the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CacheRequest {
    /// The value: any JSON.
    pub value: Value,
    /// The time for which it is held, in milliseconds. Default: one minute.
    #[serde(default, deserialize_with = "whole_or_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 86_400_000))]
    pub ttl_ms: Option<u64>,
}

/// A value in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CacheEntry {
    /// The key.
    pub key: String,
    /// The value: any JSON.
    pub value: Value,
    /// The node that holds it.
    pub owner: String,
}

/// An event to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct TrackRequest {
    /// The name of the event.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 100))]
    pub event: String,
}

/// The most frequent events of a stream in the last minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Top {
    /// The events, the most frequent one first.
    pub top: Vec<Frequency>,
    /// The number of nodes that have answered. What the others have counted is missing.
    pub answered: usize,
    /// The number of nodes that were asked.
    pub of: usize,
}

/// How often an event has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Frequency {
    pub event: String,
    pub count: u64,
}
