//! The interface of every measured implementation.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::hero::Write;

/// The bytes sent in an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// Bytes sent by the replica that catches up.
    pub(crate) asked: usize,
    /// Bytes sent by the replica that it catches up with.
    pub(crate) answered: usize,
}

impl Bytes {
    pub(crate) fn total(self) -> usize {
        self.asked + self.answered
    }
}

/// A digest of the content of a replica: equal contents have equal digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The number of heroes.
    pub(crate) heroes: usize,
    /// A hash of all records, independent of their order.
    pub(crate) hash: u64,
}

impl Held {
    /// Returns the digest of these records.
    pub(crate) fn of(records: impl Iterator<Item = (Uuid, Vec<u8>)>) -> Self {
        records.fold(Self::default(), |held, (key, record)| {
            let hash = xxh3_64(&[key.as_bytes(), &record[..]].concat());
            Self { heroes: held.heroes + 1, hash: held.hash.wrapping_add(hash) }
        })
    }
}

/// An implementation of the replicated map of heroes.
pub(crate) trait Peer: Sized {
    /// The name in the tables.
    const NAME: &'static str;
    /// The maximum number of heroes to measure.
    const HEROES_MAX: u32 = u32::MAX;
    /// The reason for `HEROES_MAX`, printed in the tables.
    const LEFT_OUT: &'static str = "";

    /// Returns an empty replica of the node with this number.
    fn empty(node: u8) -> Self;

    /// Applies local writes, in as many transactions as suit the implementation.
    fn write(&mut self, writes: &[Write]);

    /// Catches up with `source`. All messages are encoded and decoded as on a link.
    fn catch_up(&mut self, source: &mut Self) -> Bytes;

    /// Lets both replicas catch up with each other.
    fn sync(&mut self, other: &mut Self) -> Bytes {
        let there = self.catch_up(other);
        let back = other.catch_up(self);
        Bytes { asked: there.asked + back.answered, answered: there.answered + back.asked }
    }

    /// Returns the digest of the content.
    fn held(&self) -> Held;

    /// Returns the health of the hero with this number.
    fn health(&self, number: u32) -> Option<u8>;
}
