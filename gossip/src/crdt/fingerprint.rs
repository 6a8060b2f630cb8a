//! An incremental hash of a whole map: a change of one entry costs one addition.

use std::fmt;

use serde::{Deserialize, Serialize};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::clock::Stamp;
use crate::crdt::entry::ValueRef;
use crate::id::Key;
use crate::payload::{DIGEST_HEADER_BYTES, Payload};

/// The hash of all live entries of a map: the sum of the entries' hashes. It does not depend on the
/// order of arrival, and a change of one entry costs one addition. Tombstones are excluded, since
/// replicas that cover the same writes may have collected different ones.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Returns the hash of one entry; zero for a tombstone. The stamp alone identifies the value;
    /// the value is hashed as well to detect a stamp that was used twice.
    pub(super) fn of<V: Payload>(key: Key, stamp: Stamp, value: ValueRef<'_, V>) -> Self {
        if value.is_tombstone() {
            return Self::default();
        }
        // Each field has a fixed position, so different entries have different headers.
        let mut header = [0; DIGEST_HEADER_BYTES];
        let mut rest = &mut header[..];
        let mut put = |bytes: &[u8]| {
            let (field, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            field.copy_from_slice(bytes);
            rest = after;
        };
        put(key.as_bytes());
        put(stamp.origin.node.padded());
        // Without the random bits, which the API of an application need not publish: so clients can
        // compute the hash.
        put(&stamp.origin.incarnation.number().to_le_bytes());
        put(&stamp.hlc.wall.0.to_le_bytes());
        put(&stamp.hlc.logical.to_le_bytes());
        Self(match value {
            ValueRef::Live(value) => V::digest(value, &header),
            ValueRef::Record(bytes) => xxh3_128_with_seed(&header, xxh3_64(bytes)),
            ValueRef::Tombstone | ValueRef::Unset => 0,
        })
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    pub(super) fn subtract(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
