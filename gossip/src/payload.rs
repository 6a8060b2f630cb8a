//! The contract of a replicated value: its forms in a map and in a batch, and its hash.
//!
//! The replication core merges entries by their stamps and never inspects a value. A type that
//! implements [`Payload`] controls its own encoding; [`Plain`](crate::Plain) implements it for all
//! serde types.

use std::fmt::Debug;
use std::hash::Hash;

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::NODE_NAME_BYTES_MAX;

/// The size of the header that is hashed in front of a value: its key and stamp.
pub const DIGEST_HEADER_BYTES: usize = 16 + NODE_NAME_BYTES_MAX + 8 + 8 + 4;

/// A value that can be replicated.
///
/// A value has three forms:
/// - the owned value (`Self`);
/// - the form in a map's record ([`Stored`](Self::Stored)), with data common to many records kept
///   once in [`Shared`](Self::Shared);
/// - the bytes in a batch, with repeated parts in a [`Dictionary`](Self::Dictionary).
///
/// [`Ref`](Self::Ref) is a view of any of them, so values are converted between forms without an
/// owned value in between.
///
/// An implementation must satisfy these laws, and its tests should check them:
/// - `to_owned(borrow(v)) == v`;
/// - `load(store(v)) == v`;
/// - `decode(encode(v)) == v`;
/// - views of equal values have the same `digest`, and views of different values have different
///   ones, hash collisions aside.
pub trait Payload: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// A borrowed view of a value.
    type Ref<'a>: Copy + Debug;
    /// The form of a value in a record of a map.
    type Stored: Clone + Debug + Send + Sync;
    /// The data shared by the stored values of one map.
    type Shared: Clone + Debug + Default + Send + Sync;
    /// The data shared by the rows of one batch.
    type Dictionary: Debug + Default;

    /// Borrows the value.
    fn borrow(&self) -> Self::Ref<'_>;

    /// Returns the owned value of a view.
    fn to_owned(view: Self::Ref<'_>) -> Self;

    /// Returns whether a node of this version could have written the value. A batch that contains
    /// an invalid value is refused as a whole.
    fn is_valid(view: Self::Ref<'_>) -> bool;

    /// Hashes `header`, which encodes the key and stamp, together with the value.
    fn digest(view: Self::Ref<'_>, header: &[u8; DIGEST_HEADER_BYTES]) -> u128;

    /// Returns the stored form, and adds its references to shared data.
    fn store(view: Self::Ref<'_>, shared: &mut Self::Shared) -> Self::Stored;

    /// Borrows a stored value.
    fn load<'a>(stored: &'a Self::Stored, shared: &'a Self::Shared) -> Self::Ref<'a>;

    /// Releases the references to shared data that [`store`](Self::store) added.
    fn release(stored: &Self::Stored, shared: &mut Self::Shared);

    /// Returns the value's two bits in the flags of a row: 0 to 3.
    fn flags(view: Self::Ref<'_>) -> u8;

    /// Writes the rest of the value, which [`flags`](Self::flags) does not express.
    fn encode(view: Self::Ref<'_>, out: &mut Writer, dictionary: &mut Self::Dictionary);

    /// Reads a value that was encoded with these flags.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not a value. The caller checks [`is_valid`](Self::is_valid)
    /// afterwards.
    fn decode<'a>(
        flags: u8,
        input: &mut Reader<'a>,
        dictionary: &mut Self::Dictionary,
    ) -> Result<Self::Ref<'a>, DecodeError>;
}
