//! A hash of a whole map that costs one addition when one entry changes.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::clock::Stamp;
use crate::hero::{HeroRef, Location};
use crate::id::{HeroId, NODE_NAME_BYTES_MAX};

/// A hash of every living hero a map holds. It is a sum of the entries' hashes, so it does not depend on the order in which
/// they arrived, and one change costs one addition. Tombstones are left out: replicas that cover the same may have collected
/// different ones, and differ in nothing that anybody can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Of one entry alone. The stamp names the value; hashing the value too makes a broken promise show.
    pub(super) fn of(key: HeroId, stamp: Stamp, hero: Option<HeroRef<'_>>) -> Self {
        let Some(HeroRef { name, location, is_patrolling, health }) = hero else { return Self::default() };
        // Every field has its own place in a row of fixed width, so no two entries have the same row and name.
        let mut row = [0; 16 + NODE_NAME_BYTES_MAX + 8 + 8 + 4 + 1 + 1 + NODE_NAME_BYTES_MAX];
        let mut rest = &mut row[..];
        let mut put = |bytes: &[u8]| {
            let (field, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            field.copy_from_slice(bytes);
            rest = after;
        };
        put(key.0.as_bytes());
        put(stamp.origin.node.padded());
        put(&stamp.origin.incarnation.0.to_le_bytes());
        put(&stamp.hlc.wall.0.to_le_bytes());
        put(&stamp.hlc.logical.to_le_bytes());
        put(&[u8::from(is_patrolling), health]);
        if let Location::City(city) = location {
            put(city.padded());
        }
        Self(xxh3_128_with_seed(&row, xxh3_64(name.as_bytes())))
    }

    pub(super) fn add(&mut self, other: Self) {
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
