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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hlc;
    use crate::hero::HERO_NAME_CHARS_MAX;
    use crate::id::{HeroId, Incarnation, Origin};
    use crate::message::{Envelope, Frame, Step};
    use crate::time::UnixMillis;
    use crate::wire;

    fn stamp(node: &str, wall: u64) -> Stamp {
        Stamp {
            hlc: Hlc { wall: UnixMillis(wall), logical: 0 },
            origin: Origin { node: node.parse().unwrap(), incarnation: Incarnation(1) },
        }
    }

    fn live(name: &str) -> Value {
        Value::Live(Hero::new(name.into()))
    }

    /// One write after the other, each over the one before.
    fn chain(writes: impl IntoIterator<Item = Stamp>) -> Entry {
        let last = writes.into_iter().fold(None, |over: Option<Entry>, stamp| Some(Entry::written(live("Ada"), stamp, over.as_ref())));
        last.expect("at least one write")
    }

    #[test]
    fn a_write_has_seen_itself_and_what_it_was_written_over_and_nothing_beside() {
        let entry = chain([stamp("a", 10), stamp("b", 20), stamp("c", 30)]);
        for known in [stamp("a", 10), stamp("a", 9), stamp("b", 20), stamp("c", 30)] {
            assert!(entry.had_seen(known), "{known}");
        }
        for unknown in [stamp("a", 11), stamp("b", 21), stamp("c", 29), stamp("c", 31), stamp("d", 5), stamp("d", 30)] {
            assert!(!entry.had_seen(unknown), "{unknown}");
        }
    }

    #[test]
    fn what_is_older_than_all_that_is_remembered_counts_as_known() {
        let writers = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let writes = || writers.iter().zip(10..).map(|(node, wall)| stamp(node, wall));
        let entry = chain(writes());
        assert_eq!(
            entry.seen.iter().map(|seen| seen.hlc.wall.0).collect::<Vec<_>>(),
            [11, 12, 13, 14, 15, 16, 17, 18],
            "a's was forgotten"
        );
        assert!(entry.had_seen(stamp("a", 10)) && entry.had_seen(stamp("z", 10)));
        assert!(!entry.had_seen(stamp("z", 11)) && !entry.had_seen(stamp("z", 15)));
        let shorter = chain(writes().skip(2));
        assert_eq!(shorter.seen.len(), SEEN_MAX - 1);
        assert!(!shorter.had_seen(stamp("z", 5)), "it has forgotten nothing");
    }

    #[test]
    fn an_entry_that_no_node_can_have_written_is_told() {
        let possible = chain([stamp("a", 10), stamp("b", 20)]);
        assert!(possible.is_possible() && chain([stamp("a", 10)]).is_possible());
        assert!(Entry { value: Value::Tombstone, ..possible.clone() }.is_possible());
        let nameless = Entry { value: live(""), ..possible.clone() };
        let unborn = Entry { born: stamp("a", 21), ..possible.clone() };
        let mut closed = possible.clone();
        closed.seen.close(stamp("c", 0).origin);
        let seen = |count| ["a", "b", "c", "d", "e", "f", "g", "h", "i"][..count].iter().map(|node| stamp(node, 5)).collect();
        assert!(Entry { seen: seen(SEEN_MAX), ..possible.clone() }.is_possible());
        let all_seeing = Entry { seen: seen(SEEN_MAX + 1), ..possible };
        for impossible in [nameless, unborn, closed, all_seeing] {
            assert!(!impossible.is_possible(), "{impossible:?}");
        }
    }

    #[test]
    fn the_size_estimate_is_no_less_than_the_bytes_on_the_wire_and_not_twice_as_much() {
        let widest = |node: u8| {
            let name = format!("a-name-so-wide-{node}");
            let origin = Origin { node: name.parse().unwrap(), incarnation: Incarnation(u64::MAX) };
            Stamp { hlc: Hlc { wall: UnixMillis(u64::MAX - u64::from(node)), logical: u32::MAX }, origin }
        };
        let bytes_of_a_chunk = |entries: Vec<_>| {
            let step = Step::Chunk { serving: 1, number: 1, entries };
            wire::encode(&Frame::Round(Envelope { from: widest(1).origin, to: widest(2).origin, round: 1, step })).len()
        };
        let id = HeroId(uuid::Uuid::max());
        for name in ["A".to_owned(), "\u{1f9b8}".repeat(HERO_NAME_CHARS_MAX)] {
            for seen in [0, SEEN_MAX as u8] {
                let Entry { value, .. } = Entry::written(live(&name), widest(9), None);
                for value in [value, Value::Tombstone] {
                    let entry = Entry { value, stamp: widest(9), born: widest(9), seen: (0..seen).map(widest).collect() };
                    let estimate = entry.size_estimate();
                    let bytes = bytes_of_a_chunk(vec![(id, entry.into())]) - bytes_of_a_chunk(vec![]);
                    assert!((bytes..2 * bytes).contains(&estimate), "{estimate} for {bytes} bytes");
                }
            }
        }
    }
}
