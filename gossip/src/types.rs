//! The replicated types of the library, each a choice of keys in a [table](crate::Table).
//!
//! All are functions of a [`Replica`](crate::Replica): a write is one step of it, and a read looks at
//! its map. Rounds are merged whole, so a replica never shows a write before the writes that its
//! writer had seen, across all types.
//!
//! Invariants: a refused write changes nothing. What a type shows depends only on the replica's
//! entries and vector, never on the order of arrival.

pub mod addresses;
pub mod counter;
pub mod desk;
pub mod names;
pub mod only;
pub mod peers;
pub mod presence;
pub mod registers;
pub mod request;
pub mod room;
pub mod set;
pub mod snapshot;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::replica::WriteError;
use crate::table::{CONTENT_BYTES_MAX, NAME_BYTES_MAX};

/// The reason why a write was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TypeError {
    /// A name is empty or too long.
    #[error("a name must have 1 to {NAME_BYTES_MAX} bytes, not {bytes}")]
    Name {
        /// The number of bytes.
        bytes: usize,
    },
    /// The content is too large.
    #[error("the content must have at most {CONTENT_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// The number of bytes.
        bytes: usize,
    },
    /// A batch both sets and deletes a key.
    #[error("a key of {bytes} bytes is both set and deleted")]
    Contradiction {
        /// The number of bytes of the key.
        bytes: usize,
    },
    /// The replica refused the write.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Checks the name of a counter, a set, a table, a room or a topic.
fn check_name(name: &str) -> Result<(), TypeError> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        bytes => Err(TypeError::Name { bytes }),
    }
}

fn check_content(content: &[u8]) -> Result<(), TypeError> {
    match content.len() {
        0..=CONTENT_BYTES_MAX => Ok(()),
        bytes => Err(TypeError::TooLarge { bytes }),
    }
}

/// Returns the bytes of a content that the library itself defines.
fn encoded<T: Serialize + fmt::Debug>(content: &T) -> Vec<u8> {
    postcard::to_allocvec(content).expect("memory is the only limit")
}

/// Returns the content of these bytes; `None` if another version of the library wrote them.
fn decoded<'a, T: Deserialize<'a>>(content: &'a [u8]) -> Option<T> {
    postcard::from_bytes(content).ok()
}
