//! Services at the owners of keys: a rate limiter, a cache, and the frequency of events.
//!
//! Each key has one owner among the reachable nodes that run the service (rendezvous hashing, see
//! [`owners`](crate::owners)), and each service is a handler of calls at every node. What an owner holds
//! is in its memory only: it is gone when the owner ends, or when a node joins that owns the key.
//!
//! Invariant: whatever happens to an owner, a caller gets an answer in a limited time, and is told where
//! the answer comes from.

pub mod cache;
pub mod limiter;
mod silence;
pub mod tracker;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a message between two nodes of a service.
fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).expect("postcard supports every type of the services")
}

/// Decodes a message between two nodes of a service. The error is for its sender.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| format!("malformed request: {error}"))
}
