//! The calls of the replicated types, which every node serves.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::http::Method;

use api_types::{
    AddRequest, BatchDone, BatchRequest, Counter, Counters, Element, Messages, Name, Names, Owner,
    Presence, Published, RoomMessage, Rooms, SendRequest, Set, Sets, Stamp, TableEntries,
    TableEntry, Tables, Topics, ValueRequest,
};

use crate::api::{Answer, Api, body};
use crate::error::Error;
use crate::http::segment;

/// A key of a table after a write to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenEntry {
    /// The key.
    pub key: String,
    /// The value that was written.
    pub value: Value,
    /// The stamp of the write; `None` if the key was deleted again at once.
    #[serde(default)]
    pub stamp: Option<Stamp>,
}

#[expect(clippy::missing_errors_doc, reason = "all calls fail in the same ways")]
impl Api {
    /// Returns all counters.
    pub fn counters(&self) -> Result<Answer<Counters>, Error> {
        self.get("/counters")
    }

    /// Returns a counter.
    pub fn counter(&self, name: &str) -> Result<Answer<Counter>, Error> {
        self.get(&format!("/counters/{}", segment(name)))
    }

    /// Adds to a counter.
    pub fn add(&self, name: &str, add: i64) -> Result<Answer<Counter>, Error> {
        self.post(&format!("/counters/{}", segment(name)), &AddRequest { add })
    }

    /// Returns all sets.
    pub fn sets(&self) -> Result<Answer<Sets>, Error> {
        self.get("/sets")
    }

    /// Returns a set.
    pub fn set(&self, name: &str) -> Result<Answer<Set>, Error> {
        self.get(&format!("/sets/{}", segment(name)))
    }

    /// Adds an element to a set.
    pub fn insert(&self, set: &str, element: &str) -> Result<Answer<Element>, Error> {
        let path = format!("/sets/{}/{}", segment(set), segment(element));
        self.call(Method::PUT, &path, None)
    }

    /// Removes an element from a set.
    pub fn remove(&self, set: &str, element: &str) -> Result<(), Error> {
        self.delete(&format!("/sets/{}/{}", segment(set), segment(element)))
    }

    /// Returns all tables.
    pub fn tables(&self) -> Result<Answer<Tables>, Error> {
        self.get("/tables")
    }

    /// Returns the keys of a table that start with `prefix`.
    pub fn table(&self, table: &str, prefix: &str) -> Result<Answer<TableEntries>, Error> {
        let query =
            if prefix.is_empty() { String::new() } else { format!("?prefix={}", segment(prefix)) };
        self.get(&format!("/tables/{}{query}", segment(table)))
    }

    /// Returns a key of a table.
    pub fn entry(&self, table: &str, key: &str) -> Result<Answer<TableEntry>, Error> {
        self.get(&format!("/tables/{}/{}", segment(table), segment(key)))
    }

    /// Sets a key of a table.
    pub fn put(&self, table: &str, key: &str, value: Value) -> Result<Answer<WrittenEntry>, Error> {
        let path = format!("/tables/{}/{}", segment(table), segment(key));
        self.call(Method::PUT, &path, Some(&body(&ValueRequest { value })))
    }

    /// Deletes a key of a table.
    pub fn delete_key(&self, table: &str, key: &str) -> Result<(), Error> {
        self.delete(&format!("/tables/{}/{}", segment(table), segment(key)))
    }

    /// Sets and deletes keys of a table, all at once.
    pub fn batch(&self, table: &str, batch: &BatchRequest) -> Result<Answer<BatchDone>, Error> {
        self.post(&format!("/tables/{}", segment(table)), batch)
    }

    /// Returns all rooms.
    pub fn rooms(&self) -> Result<Answer<Rooms>, Error> {
        self.get("/rooms")
    }

    /// Returns the newest messages of a room; `limit` of them, or as many as the node chooses.
    pub fn room(&self, room: &str, limit: Option<u64>) -> Result<Answer<Messages>, Error> {
        let query = limit.map_or_else(String::new, |limit| format!("?limit={limit}"));
        self.get(&format!("/rooms/{}{query}", segment(room)))
    }

    /// Sends a message to a room.
    pub fn say(&self, room: &str, message: &SendRequest) -> Result<Answer<RoomMessage>, Error> {
        self.post(&format!("/rooms/{}", segment(room)), message)
    }

    /// Returns all topics in which somebody is tracked.
    pub fn topics(&self) -> Result<Answer<Topics>, Error> {
        self.get("/presence")
    }

    /// Returns who is present in a topic.
    pub fn presence(&self, topic: &str) -> Result<Answer<Presence>, Error> {
        self.get(&format!("/presence/{}", segment(topic)))
    }

    /// Returns the path of the WebSocket that tracks `key` in a topic.
    #[must_use]
    pub fn tracking_path(&self, topic: &str, key: &str, meta: &Value) -> String {
        let meta = segment(&meta.to_string());
        format!("/api/v1/presence/{}/track?key={}&meta={meta}", segment(topic), segment(key))
    }

    /// Returns the owner of a key.
    pub fn owner(&self, key: &str) -> Result<Answer<Owner>, Error> {
        self.get(&format!("/owners/{}", segment(key)))
    }

    /// Publishes a message in a topic, to all nodes or to one.
    pub fn publish(
        &self,
        topic: &str,
        message: &Value,
        to: Option<&str>,
    ) -> Result<Answer<Published>, Error> {
        let to = to.map_or_else(String::new, |to| format!("?to={}", segment(to)));
        self.post(&format!("/topics/{}{to}", segment(topic)), message)
    }

    /// Returns the path at which a topic is listened to.
    #[must_use]
    pub fn topic_path(&self, topic: &str) -> String {
        format!("/api/v1/topics/{}/listen", segment(topic))
    }

    /// Returns all names that are held.
    pub fn names(&self) -> Result<Answer<Names>, Error> {
        self.get("/names")
    }

    /// Returns a name that is held.
    pub fn name(&self, name: &str) -> Result<Answer<Name>, Error> {
        self.get(&format!("/names/{}", segment(name)))
    }

    /// Registers a name for the node.
    pub fn register(&self, name: &str, value: Value) -> Result<Answer<Name>, Error> {
        let path = format!("/names/{}", segment(name));
        self.call(Method::PUT, &path, Some(&body(&ValueRequest { value })))
    }

    /// Releases a name that the node holds.
    pub fn release(&self, name: &str) -> Result<(), Error> {
        self.delete(&format!("/names/{}", segment(name)))
    }
}
