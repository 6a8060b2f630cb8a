//! The contract of a replicated value: how it is stored in a map, packed into a batch, and hashed.
//!
//! The replication core merges entries by their stamps and never looks inside a value. A type that
//! implements [`Payload`] decides about its bytes; [`Plain`](crate::Plain) implements it for every
//! serde type.

use std::fmt::Debug;
use std::hash::Hash;

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::NODE_NAME_BYTES_MAX;

/// The number of bytes in front of a value's own when an entry is hashed: its key and stamp.
pub const DIGEST_HEADER_BYTES: usize = 16 + NODE_NAME_BYTES_MAX + 8 + 8 + 4;

/// A value that can be replicated.
///
/// Three forms of the same value exist: the owned value (`Self`), the form in a map's record
/// ([`Stored`](Self::Stored), with what many records share kept once in [`Shared`](Self::Shared)),
/// and the bytes in a batch (with repeated parts in a [`Dictionary`](Self::Dictionary)).
/// [`Ref`](Self::Ref) is a view of any of them, so a value moves from one form to another
/// without an owned value in between.
///
/// Laws, which the tests of an implementation should check: `to_owned(borrow(v)) == v`;
/// `load(store(v)) == v`; `decode(encode(v)) == v`; views of equal values have the same `digest`,
/// views of different values differ in it but for hash collisions.
pub trait Payload: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// A borrowed view of a value.
    type Ref<'a>: Copy + Debug;
    /// The form of a value in a record of a map.
    type Stored: Clone + Debug + Send + Sync;
    /// The data that the stored values of one map have in common.
    type Shared: Clone + Debug + Default + Send + Sync;
    /// The data that the rows of one batch have in common.
    type Dictionary: Debug + Default;

    /// Borrows the value.
    fn borrow(&self) -> Self::Ref<'_>;

    /// Returns the value behind a view.
    fn to_owned(view: Self::Ref<'_>) -> Self;

    /// Returns whether a node of this version can have written the value. A batch with any other
    /// value is refused as a whole.
    fn is_valid(view: Self::Ref<'_>) -> bool;

    /// Hashes the value behind `header`, which names its key and stamp.
    fn digest(view: Self::Ref<'_>, header: &[u8; DIGEST_HEADER_BYTES]) -> u128;

    /// Returns the stored form, and counts its uses of shared data.
    fn store(view: Self::Ref<'_>, shared: &mut Self::Shared) -> Self::Stored;

    /// Borrows a stored value.
    fn load<'a>(stored: &'a Self::Stored, shared: &'a Self::Shared) -> Self::Ref<'a>;

    /// Gives back the uses of shared data that [`store`](Self::store) counted.
    fn release(stored: &Self::Stored, shared: &mut Self::Shared);

    /// Returns two bits that a row's flags carry for the value: 0 to 3.
    fn flags(view: Self::Ref<'_>) -> u8;

    /// Writes what [`flags`](Self::flags) does not say.
    fn encode(view: Self::Ref<'_>, out: &mut Writer, dictionary: &mut Self::Dictionary);

    /// Reads a value with these flags.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are not a value. Validity is checked by
    /// [`is_valid`](Self::is_valid) afterwards.
    fn decode<'a>(
        flags: u8,
        input: &mut Reader<'a>,
        dictionary: &mut Self::Dictionary,
    ) -> Result<Self::Ref<'a>, DecodeError>;
}
