//! Frames as bytes: postcard behind a hello that every version can read.
//!
//! A link carries binary messages. The first in each direction is a [`Hello`]: four bytes `SHC1`, the protocol version as
//! two bytes little-endian, then postcard. Every later one is a postcard [`Frame`]. A peer of another version is told so
//! by name, because the first six bytes never change their meaning.

use serde::{Deserialize, Serialize};

use crate::crdt::Entry;
use crate::id::Origin;
use crate::message::{Command, Done, Envelope, Frame, Observation, Step};

/// The version of everything after the first six bytes of a hello.
pub const PROTOCOL_VERSION: u16 = 1;
/// The largest message a node reads, in bytes; a peer that sends more is cut off.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// The longest cookie, in bytes.
pub const COOKIE_BYTES_MAX: usize = 256;

const MAGIC: [u8; 4] = *b"SHC1";

/// How a node introduces itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is.
    pub node: Origin,
    /// What it shares with every node of its cluster.
    pub cookie: String,
}

/// Why bytes from a peer make no sense. The link ends; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first message is not a hello.
    #[error("expected a hello")]
    NotHello,
    /// The peer speaks another version.
    #[error("speaks protocol version {theirs}, this node speaks {PROTOCOL_VERSION}")]
    Version {
        /// The peer's version.
        theirs: u16,
    },
    /// The bytes are not a frame of this version.
    #[error("malformed frame: {0}")]
    Malformed(String),
}

impl Hello {
    /// The bytes of this hello.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(PROTOCOL_VERSION.to_le_bytes());
        postcard::to_extend(self, bytes).expect("a hello has no types that postcard cannot write")
    }

    /// The hello in these bytes.
    ///
    /// # Errors
    /// [`WireError`] says what they are instead.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(WireError::NotHello)?;
        let (version, rest) = rest.split_first_chunk().ok_or(WireError::NotHello)?;
        let theirs = u16::from_le_bytes(*version);
        if theirs != PROTOCOL_VERSION {
            return Err(WireError::Version { theirs });
        }
        whole(rest)
    }
}

/// The bytes of a frame.
#[must_use]
pub fn encode(frame: &Frame) -> Vec<u8> {
    postcard::to_stdvec(frame).expect("a frame has no types that postcard cannot write")
}

/// The frame in these bytes. Costs no more memory than the bytes justify: the lengths in them are not believed.
///
/// # Errors
/// [`WireError::Malformed`] says what is wrong.
pub fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
    let frame = whole(bytes)?;
    let possible = entries(&frame).all(Entry::is_possible);
    if possible { Ok(frame) } else { Err(WireError::Malformed("an entry that no node can have written".into())) }
}

/// The entries that a frame carries.
fn entries(frame: &Frame) -> Box<dyn Iterator<Item = &Entry> + '_> {
    match frame {
        Frame::Round(Envelope { step: Step::Chunk { entries, .. }, .. }) | Frame::Observation(Observation { entries, .. }) => {
            Box::new(entries.iter().map(|(_, entry)| &**entry))
        }
        Frame::Command { command: Command::Assign { copy, .. }, .. } => Box::new(copy.iter().map(|entry| &**entry)),
        Frame::Answer { result: Ok(Done::Assigned(entry)), .. } => Box::new(std::iter::once(&**entry)),
        Frame::Round(_) | Frame::Command { .. } | Frame::Answer { .. } | Frame::Observe { .. } => Box::new(std::iter::empty()),
    }
}

fn whole<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(WireError::Malformed(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    fn hello() -> Hello {
        Hello { node: Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(1_795_217_670_917) }, cookie: "c".into() }
    }

    #[test]
    fn a_hello_is_read_as_it_was_written() {
        assert!(Hello::decode(&hello().encode()) == Ok(hello()));
    }

    #[test]
    fn a_peer_of_another_version_is_told_apart_from_garbage() {
        let mut other = hello().encode();
        other[4] = 9;
        assert_eq!(Hello::decode(&other).err(), Some(WireError::Version { theirs: 9 }));
        assert_eq!(Hello::decode(b"GET / HTTP/1.1").err(), Some(WireError::NotHello));
        assert_eq!(Hello::decode(b"SHC1").err(), Some(WireError::NotHello));
    }

    #[test]
    fn bytes_after_a_frame_are_an_error_and_a_lying_length_is_not_believed() {
        let mut bytes = encode(&Frame::Observe { since: 3 });
        assert_eq!(decode(&bytes), Ok(Frame::Observe { since: 3 }));
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(WireError::Malformed(_))));
        // An answer to an observation that declares 2^60 entries in a few bytes.
        let lie = [4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert!(matches!(decode(&lie), Err(WireError::Malformed(_))));
    }
}
