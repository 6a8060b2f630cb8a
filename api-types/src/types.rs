//! The library's types: counters, sets, tables, rooms, presence and names. Every node serves them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
#[cfg(feature = "schema")]
use utoipa::ToSchema;

use crate::hero::Stamp;
use crate::number::whole;

/// All counters that the node knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Counters {
    pub counters: Vec<CounterTotal>,
}

/// A counter in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct CounterTotal {
    /// The name.
    pub name: String,
    /// What the node that answers has added, in all its incarnations.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub local: i128,
    /// What all nodes have added, as far as this node knows.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub total: i128,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Counter {
    /// The name.
    pub name: String,
    /// What the node that answers has added, in all its incarnations.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub local: i128,
    /// What all nodes have added, as far as this node knows.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub total: i128,
    /// What each node has added, in all its incarnations.
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, i64>))]
    pub shares: BTreeMap<String, i128>,
    /// What this run of the node has added and no other node is known to have. It would be lost with
    /// this node.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = i64, required = true))]
    pub unheard: i128,
}

/// A request to add to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Add))]
pub struct AddRequest {
    /// The amount, not 0. A negative one is subtracted.
    #[serde(deserialize_with = "whole")]
    #[cfg_attr(
        feature = "schema",
        schema(minimum = -9_007_199_254_740_992_i64, maximum = 9_007_199_254_740_992_i64)
    )]
    pub add: i64,
}

/// All sets that have elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Sets {
    pub sets: Vec<SetSize>,
}

/// A set in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct SetSize {
    /// The name.
    pub name: String,
    /// The number of elements.
    pub elements: usize,
}

/// A set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = ElementSet))]
pub struct Set {
    /// The name.
    pub name: String,
    /// The elements, sorted.
    pub elements: Vec<String>,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Element {
    pub name: String,
    pub element: String,
}

/// All tables that have keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Tables {
    pub tables: Vec<TableSize>,
}

/// A table in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct TableSize {
    /// The name.
    pub name: String,
    /// The number of keys.
    pub keys: usize,
}

/// The keys of a table, with their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct TableEntries {
    pub entries: Vec<TableEntry>,
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct TableEntry {
    /// The key.
    pub key: String,
    /// The value: any JSON.
    pub value: Value,
    /// The stamp of the newest write.
    pub stamp: Stamp,
}

/// A value: any JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = PutValue))]
pub struct ValueRequest {
    /// At most 4096 bytes as JSON without blanks.
    pub value: Value,
}

/// Changes of one table, made all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Batch))]
pub struct BatchRequest {
    /// The keys to set, with their values.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, Value>))]
    pub put: Puts,
    /// The keys to delete. Absent ones are ignored.
    #[serde(default)]
    pub delete: Vec<String>,
}

/// The keys to set, with their values, none of them twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Puts(pub BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Puts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = Puts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Puts, A::Error> {
                let mut puts = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if puts.insert(key, value).is_some() {
                        // One of the two values would be lost without a word.
                        return Err(A::Error::custom("a key is given twice"));
                    }
                }
                Ok(Puts(puts))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

/// What a batch changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct BatchDone {
    /// The number of keys that were set.
    pub put: usize,
    /// The number of keys given to delete.
    pub deleted: usize,
}

/// All rooms that have messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Rooms {
    pub rooms: Vec<RoomSize>,
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct RoomSize {
    /// The name.
    pub name: String,
    /// The number of messages that it shows, at most 100.
    pub messages: usize,
}

/// The newest messages of a room, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Messages {
    pub messages: Vec<RoomMessage>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct RoomMessage {
    /// The id: the stamp as text.
    pub id: String,
    /// The name that the sender has given.
    pub sender: String,
    /// The text.
    pub text: String,
    /// The stamp, by which messages are ordered.
    pub stamp: Stamp,
    /// The node at which the message was sent.
    pub node: String,
    /// The id of the message to which this one replies.
    #[cfg_attr(feature = "schema", schema(required))]
    pub reply_to: Option<String>,
}

/// A request to send a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(ToSchema), schema(as = Send))]
pub struct SendRequest {
    /// The name of the sender.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 100))]
    pub sender: String,
    /// The text, 1 to 1024 bytes.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 1_024))]
    pub text: String,
    /// The id of the message to which this one replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// All topics in which somebody is tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Topics {
    pub topics: Vec<TopicSize>,
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct TopicSize {
    /// The name.
    pub name: String,
    /// The number of those who are tracked, at unreachable nodes too.
    pub tracked: usize,
}

/// Those who are present in a topic, sorted by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Presence {
    pub present: Vec<Present>,
}

/// Somebody who is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Present {
    /// Who is present.
    pub key: String,
    /// What is known of them: any JSON.
    pub meta: Value,
    /// The node that tracks them.
    pub node: String,
    /// The time at which tracking began, in milliseconds since 1970.
    pub since: u64,
}

/// The owner of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Owner {
    /// The key.
    pub key: String,
    /// The node that owns it.
    pub owner: String,
    /// All reachable nodes, the owner first.
    pub order: Vec<String>,
}

/// The response to a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Published {
    /// The number of nodes to which the message was sent, the node itself included.
    pub nodes: usize,
}

/// A message of a topic, or a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicEvent {
    /// The publisher. Of a gap: the node whose messages, of any topic, did not arrive; absent if the
    /// listener was too slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The message: any JSON; absent for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The number of missing messages; absent for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// All names that are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
#[expect(missing_docs, reason = "a doc comment would be a new description in openapi.json")]
pub struct Names {
    pub names: Vec<Name>,
}

/// A name that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(ToSchema))]
pub struct Name {
    /// The name.
    pub name: String,
    /// The node that holds it.
    pub owner: String,
    /// What the owner has registered: any JSON.
    pub value: Value,
    /// The stamp of the registration: a fencing token. A later registration has a higher one.
    pub token: Stamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_with_a_key_twice_is_refused() {
        let parsed = serde_json::from_str::<BatchRequest>(r#"{"put":{"a":1,"a":2}}"#);
        assert!(parsed.expect_err("twice").to_string().contains("twice"));
        let batch: BatchRequest = serde_json::from_str(r#"{"put":{"a":null}}"#).expect("valid");
        assert_eq!(batch.put.0["a"], Value::Null);
    }

    #[test]
    fn value_may_be_null_but_not_absent() {
        assert!(serde_json::from_str::<ValueRequest>(r#"{"value":null}"#).is_ok());
        assert!(serde_json::from_str::<ValueRequest>("{}").is_err());
    }
}
