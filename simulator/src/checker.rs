//! What must hold. One claim a file; each takes plain data and names what is wrong with it, so that each can be shown a broken history, and
//! so that the tests on real processes use the very same ones.

pub mod agreement;
pub mod answers;
pub mod bounds;
pub mod claims;
pub mod collection;
pub mod deaths;
pub mod monotonic;
pub mod restarts;
pub mod survival;
pub mod writers;

use shared::clock::Stamp;
use shared::crdt::Entry;

/// What decides between two entries of a key: the dead beat the living, and within a kind the later stamp wins.
pub type Rank = (bool, Stamp);

/// The rank of an entry.
#[must_use]
pub fn rank(entry: &Entry) -> Rank {
    (entry.is_tombstone(), entry.stamp)
}

/// What is remembered of one life of one replica, to compare the next look with.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) deaths: deaths::Deaths,
    pub(crate) reads: monotonic::Reads,
    pub(crate) writers: writers::Writers,
    pub(crate) changes_seen: u64,
}

#[cfg(test)]
mod tests {
    //! Histories for the checkers to object to.

    use shared::clock::{Hlc, Stamp};
    use shared::crdt::{Entry, Map, Value};
    use shared::hero::Hero;
    use shared::id::{HeroId, Incarnation, Origin};
    use shared::time::UnixMillis;

    pub(crate) const KEY: HeroId = HeroId(uuid::Uuid::nil());

    pub(crate) fn stamp(node: &str, wall: u64) -> Stamp {
        Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical: 0 },
            origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation(1) },
        }
    }

    pub(crate) fn map_with(stamp: Stamp) -> Map {
        let mut map = Map::default();
        map.merge(KEY, &Entry::written(Value::Live(Hero::new("Granite".into())), stamp, None).as_entry_ref());
        map
    }
}
