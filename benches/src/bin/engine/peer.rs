//! What is asked of everybody who is measured.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::hero::Write;

/// What an exchange sent, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// By the one that catches up.
    pub(crate) asked: usize,
    /// By the one that it catches up with.
    pub(crate) answered: usize,
}

impl Bytes {
    pub(crate) fn total(self) -> usize {
        self.asked + self.answered
    }
}

/// All that a replica holds, in short: two that hold the same have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// How many heroes.
    pub(crate) heroes: usize,
    /// A hash of all of them, in any order.
    pub(crate) hash: u64,
}

impl Held {
    /// These records under these keys.
    pub(crate) fn of(records: impl Iterator<Item = (Uuid, Vec<u8>)>) -> Self {
        records.fold(Self::default(), |held, (key, record)| {
            let hash = xxh3_64(&[key.as_bytes(), &record[..]].concat());
            Self { heroes: held.heroes + 1, hash: held.hash.wrapping_add(hash) }
        })
    }
}

/// A replica of the map of heroes, however it is made.
pub(crate) trait Peer: Sized {
    /// What the tables call it.
    const NAME: &'static str;
    /// The most heroes it is measured with.
    const HEROES_MAX: u32 = u32::MAX;
    /// Why not with more.
    const LEFT_OUT: &'static str = "";

    /// An empty replica, of the node with this number.
    fn empty(node: u8) -> Self;

    /// Writes all of it here, in as many transactions as suits it.
    fn write(&mut self, writes: &[Write]);

    /// Catches up with `source`. All that is sent is encoded and decoded as on a link.
    fn catch_up(&mut self, source: &mut Self) -> Bytes;

    /// Both catch up with each other.
    fn sync(&mut self, other: &mut Self) -> Bytes {
        let there = self.catch_up(other);
        let back = other.catch_up(self);
        Bytes { asked: there.asked + back.answered, answered: there.answered + back.asked }
    }

    /// All it holds.
    fn held(&self) -> Held;

    /// The health of the hero with this number.
    fn health(&self, number: u32) -> Option<u8>;
}
