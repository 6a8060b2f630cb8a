//! The heroes that everybody holds: the same keys and the same records, in every run.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// When the first heroes are made, in milliseconds since the Unix epoch.
pub(crate) const START_MS: u64 = 1_790_000_000_000;
/// How many heroes are made in a millisecond, so that stamps differ as they would.
const A_MILLISECOND: u32 = 1_000;
/// How long after the first heroes were made they begin to change, in milliseconds.
const CHANGES_AFTER_MS: u64 = 10_000;

/// Where a hero is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Home,
}

/// When a record was written, and by which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) wall_ms: u64,
    pub(crate) logical: u32,
    pub(crate) node: u8,
}

/// What is known of a hero. Peers hold it as one value, in postcard's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) is_patrolling: bool,
    pub(crate) health: u8,
    pub(crate) stamp: Stamp,
}

/// One write: this record under this key.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Uuid,
    pub(crate) record: Record,
}

/// The key of the hero with this number: as random as a real one.
pub(crate) fn key(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

/// The health that a hero has after `node` has written it in this turn; two nodes never write the
/// same in one.
pub(crate) fn health(node: u8, turn: u32) -> u8 {
    u8::try_from((2 * turn + u32::from(node)) % 100).unwrap_or(0) + 1
}

/// What `node` writes to these heroes in this turn. In turn 0 they are made.
pub(crate) fn writes(numbers: Range<u32>, node: u8, turn: u32) -> Vec<Write> {
    let write = |number: u32| {
        let wall_ms = START_MS
            + if turn == 0 {
                u64::from(number / A_MILLISECOND)
            } else {
                CHANGES_AFTER_MS + u64::from(turn)
            };
        let stamp = Stamp { wall_ms, logical: number % A_MILLISECOND, node };
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
    /// As one value, for those who do not look into it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a record has no types that postcard cannot write")
    }

    #[cfg(feature = "peers")]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).expect("what was written can be read")
    }
}
