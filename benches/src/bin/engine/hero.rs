//! The test data: the same keys and records in every run, for every contestant.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// The creation time of the first heroes, in milliseconds since the Unix epoch.
pub(crate) const START_MS: u64 = 1_790_000_000_000;
/// The number of heroes created per millisecond, so that stamps differ as in production.
const PER_MS: u32 = 1_000;
/// The time from the first creations to the first changes, in milliseconds.
const CHANGES_AFTER_MS: u64 = 10_000;

/// The location of a hero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Home,
}

/// The time and node of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) wall_ms: u64,
    pub(crate) logical: u32,
    pub(crate) node: u8,
}

/// The record of a hero. Peers hold it as one opaque value, encoded with postcard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) is_patrolling: bool,
    pub(crate) health: u8,
    pub(crate) stamp: Stamp,
}

/// One write: a record under a key.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Uuid,
    pub(crate) record: Record,
}

/// Returns the key of the hero with this number, spread like a random UUID.
pub(crate) fn key(number: u32) -> Uuid {
    let bits = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    // With the version of random UUIDs, which is not that of the library's tables.
    Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

/// Returns the health that `node` writes to a hero in this turn. Two nodes never write the same
/// health in one turn.
pub(crate) fn health(node: u8, turn: u32) -> u8 {
    u8::try_from((2 * turn + u32::from(node)) % 100).unwrap_or(0) + 1
}

/// Returns the writes of `node` to these heroes in this turn. Turn 0 creates them.
pub(crate) fn writes(numbers: Range<u32>, node: u8, turn: u32) -> Vec<Write> {
    let write = |number: u32| {
        let wall_ms = START_MS
            + if turn == 0 {
                u64::from(number / PER_MS)
            } else {
                CHANGES_AFTER_MS + u64::from(turn)
            };
        let stamp = Stamp { wall_ms, logical: number % PER_MS, node };
        let name = format!("Hero number {number:05}");
        Write {
            key: key(number),
            record: Record {
                name,
                place: Place::Home,
                is_patrolling: turn > 0,
                health: health(node, turn),
                stamp,
            },
        }
    };
    numbers.map(write).collect()
}

impl Record {
    /// Encodes the record as one opaque value.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("postcard can encode a record")
    }

    #[cfg(feature = "peers")]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).expect("an encoded record can be decoded")
    }
}
