//! Replication of any serde type, stored and sent as its postcard bytes.
//!
//! Invariant: the bytes decode to the value, without trailing bytes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::codec::{DecodeError, Reader, Writer};
use crate::payload::{DIGEST_HEADER_BYTES, Payload};

/// The size limit of a [`Plain`] value, in bytes.
pub const PLAIN_BYTES_MAX: usize = 4 * 1024;

/// A value of type `T`, replicated as its [postcard](https://docs.rs/postcard) bytes.
///
/// This is the quickest way to replicate your own type. For maps with very many values,
/// implementing [`Payload`] directly saves memory and bandwidth.
///
/// ```
/// use gossip::Plain;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
/// struct Setting { name: String, value: u32 }
///
/// let setting = Plain::new(Setting { name: "retries".into(), value: 3 })?;
/// assert_eq!(setting.value, 3);
/// # Ok::<_, gossip::PlainError>(())
/// ```
#[derive(Clone)]
pub struct Plain<T> {
    value: T,
    bytes: Arc<[u8]>,
}

/// The reason why a value cannot be replicated as [`Plain`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// The encoded value exceeds [`PLAIN_BYTES_MAX`].
    #[error("value of {0} bytes exceeds the limit of {PLAIN_BYTES_MAX}")]
    TooLarge(usize),
    /// postcard does not support the type's serde implementation.
    #[error("postcard cannot encode the value: {0}")]
    Encode(String),
}

impl<T: Serialize> Plain<T> {
    /// Encodes `value`.
    ///
    /// # Errors
    /// [`PlainError`]
    pub fn new(value: T) -> Result<Self, PlainError> {
        let bytes =
            postcard::to_stdvec(&value).map_err(|error| PlainError::Encode(error.to_string()))?;
        if bytes.len() > PLAIN_BYTES_MAX {
            return Err(PlainError::TooLarge(bytes.len()));
        }
        Ok(Self { value, bytes: bytes.into() })
    }
}

impl<T> Plain<T> {
    /// Returns the value without its encoding.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Plain<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> PartialEq for Plain<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Plain<T> {}

impl<T> Hash for Plain<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

impl<T> Payload for Plain<T>
where
    T: Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static,
{
    type Ref<'a> = &'a [u8];
    type Stored = Box<[u8]>;
    type Shared = ();
    type Dictionary = ();

    fn borrow(&self) -> &[u8] {
        &self.bytes
    }

    fn to_owned(view: &[u8]) -> Self {
        let value = decoded(view).expect("a valid value decodes");
        Self { value, bytes: view.into() }
    }

    fn is_valid(view: &[u8]) -> bool {
        view.len() <= PLAIN_BYTES_MAX && decoded::<T>(view).is_some()
    }

    fn digest(view: &[u8], header: &[u8; DIGEST_HEADER_BYTES]) -> u128 {
        // The value's hash is the seed: one pass over each part, and no buffer for both.
        xxh3_128_with_seed(header, xxh3_64(view))
    }

    fn store(view: &[u8], (): &mut ()) -> Box<[u8]> {
        view.into()
    }

    fn load<'a>(stored: &'a Box<[u8]>, (): &'a ()) -> &'a [u8] {
        stored
    }

    fn release(_: &Box<[u8]>, (): &mut ()) {}

    fn flags(_: &[u8]) -> u8 {
        0
    }

    fn encode(view: &[u8], out: &mut Writer, (): &mut ()) {
        out.bytes(view);
    }

    fn decode<'a>(flags: u8, input: &mut Reader<'a>, (): &mut ()) -> Result<&'a [u8], DecodeError> {
        if flags == 0 { input.bytes() } else { Err(DecodeError::Flags) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Hlc, Stamp};
    use crate::crdt::batch::Batch;
    use crate::crdt::entry::{Entry, Value};
    use crate::id::{Incarnation, Key, Origin};

    type Text = Plain<String>;

    fn batch(text: &str) -> Batch<Text> {
        let origin = Origin { node: "a".parse().unwrap(), incarnation: Incarnation::at(2) };
        let value = Value::Live(Plain::new(text.to_owned()).unwrap());
        let entry = Entry::written(value, Stamp { hlc: Hlc::default(), origin }, None);
        [(Key::MIN, entry)].into_iter().collect()
    }

    #[test]
    fn value_round_trips_through_batch() {
        let batch = batch("hello");
        let bytes = postcard::to_stdvec(&batch).unwrap();
        let read: Batch<Text> = postcard::from_bytes(&bytes).unwrap();
        let (_, entry) = read.iter().next().unwrap();
        assert_eq!(entry.live().map(|text| text.as_str()), Some("hello"));
        assert_eq!(read, batch);
    }

    #[test]
    fn batch_with_undecodable_value_is_refused() {
        let mut bytes = postcard::to_stdvec(&batch("hello")).unwrap();
        // The last bytes are the text; a lone continuation byte is not UTF-8.
        *bytes.last_mut().unwrap() = 0x80;
        assert!(postcard::from_bytes::<Batch<Text>>(&bytes).is_err());
    }

    #[test]
    fn value_over_limit_is_refused_on_creation() {
        let most = "x".repeat(PLAIN_BYTES_MAX - 2);
        assert!(Plain::new(most.clone()).is_ok());
        assert_eq!(Plain::new(most + "x").err(), Some(PlainError::TooLarge(PLAIN_BYTES_MAX + 1)));
    }
}
