//! One key's state, and the order that decides between two of them.
//!
//! Invariant: the order is total over the entries of a key, so merging (taking the greater) is commutative,
//! associative and idempotent, whoever merges and in whatever order.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::VersionVector;
use crate::hero::Hero;

/// How many origins an entry's [`seen`](Entry::seen) remembers.
pub const SEEN_MAX: usize = 8;

/// What a write left behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// The hero lives, like this.
    Live(Hero),
    /// The hero is dead, for good.
    Tombstone,
}

/// What a replica holds under one key: the write that won there so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// What was written.
    pub value: Value,
    /// When and by whom.
    pub stamp: Stamp,
    /// The write that made the hero. A replica that covers it and holds nothing under the key has collected the hero's
    /// tombstone: the hero is dead, without a guess.
    pub born: Stamp,
    /// The writes to this key that the writer had seen, the newest [`SEEN_MAX`] origins of them. Never decides
    /// who wins; tells afterwards whether the losing write was overwritten knowingly or lost unseen.
    pub seen: VersionVector,
}

impl Entry {
    /// A write with this stamp by somebody who saw `over` (nothing, for a new key).
    #[must_use]
    pub fn written(value: Value, stamp: Stamp, over: Option<&Self>) -> Self {
        let mut seen = VersionVector::new();
        if let Some(over) = over {
            seen.merge(&over.seen);
            seen.advance(over.stamp);
            seen.forget_oldest(SEEN_MAX);
        }
        Self { value, stamp, born: over.map_or(stamp, |over| over.born), seen }
    }

    /// Whether this entry wins over `other`. A tombstone wins over every live entry, whatever the stamps: the
    /// dead stay dead. Within a kind the later stamp wins.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        (self.is_tombstone(), self.stamp) > (other.is_tombstone(), other.stamp)
    }

    /// Whether the hero is dead.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.value, Value::Tombstone)
    }

    /// Whether this is an entry that a node of this version can have written.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.seen.len() <= SEEN_MAX
            && self.seen.marks().next().is_none()
            && self.born.hlc <= self.stamp.hlc
            && self.hero().is_none_or(Hero::is_possible)
    }

    /// No less than what this entry takes on the wire, in bytes; not much more.
    #[must_use]
    pub fn size_estimate(&self) -> usize {
        128 + self.hero().map_or(0, |hero| hero.name.len()) + 48 * self.seen.len()
    }

    /// The hero, if it lives.
    #[must_use]
    pub fn hero(&self) -> Option<&Hero> {
        match &self.value {
            Value::Live(hero) => Some(hero),
            Value::Tombstone => None,
        }
    }

    /// Whether the writer of this entry knew of the write with this stamp. What is older than all that `seen`
    /// still remembers counts as known.
    #[must_use]
    pub fn had_seen(&self, stamp: Stamp) -> bool {
        let forgotten = self.seen.len() == SEEN_MAX && self.seen.iter().all(|remembered| stamp.hlc < remembered.hlc);
        stamp == self.stamp || forgotten || self.seen.covers(stamp)
    }
}
