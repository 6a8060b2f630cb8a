//! One key's state, and the order that decides between two of them.
//!
//! Invariant: the order is total over the entries of a key, so merging (taking the greater) is commutative,
//! associative and idempotent, whoever merges and in whatever order.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::crdt::version_vector::INCARNATION_MAX;
use crate::hero::{Hero, HeroRef};

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
    /// The writes to this key that the writer had seen. Never decides who wins; tells afterwards whether the losing write was
    /// overwritten knowingly or lost unseen.
    pub seen: Seen,
}

/// The newest write of each origin that somebody had seen under one key, of no more than the [`SEEN_MAX`] origins that wrote last.
///
/// Invariant: in the order of the origins, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seen(Vec<Stamp>);

/// What decides between two entries of a key: the higher one wins. A tombstone is above every live entry, whatever the stamps:
/// the dead stay dead. Within a kind the later stamp is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Whether the hero is dead.
    pub is_tombstone: bool,
    /// When and by whom it was written.
    pub stamp: Stamp,
}

/// An [`Entry`] that lies somewhere in another form: in a [`Batch`](super::Batch), or in a map.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    /// The hero, if it lives.
    pub hero: Option<HeroRef<'a>>,
    /// When and by whom it was written.
    pub stamp: Stamp,
    /// The write that made the hero.
    pub born: Stamp,
    /// What the writer had seen, as [`Seen`] has it.
    pub seen: &'a [Stamp],
}

impl Seen {
    /// What one has seen who writes over this entry.
    fn after(over: &Entry) -> Self {
        let Self(mut seen) = over.seen.clone();
        match seen.binary_search_by_key(&over.stamp.origin, |stamp| stamp.origin) {
            Ok(at) => seen[at].hlc = seen[at].hlc.max(over.stamp.hlc),
            Err(at) => seen.insert(at, over.stamp),
        }
        while seen.len() > SEEN_MAX
            && let Some(oldest) = seen.iter().min().copied()
        {
            seen.retain(|stamp| *stamp != oldest);
        }
        Self(seen)
    }

    /// The writes, in the order of their origins.
    #[must_use]
    pub fn stamps(&self) -> &[Stamp] {
        &self.0
    }

    /// The newest of them.
    #[must_use]
    pub fn newest(&self) -> Option<Stamp> {
        self.0.iter().max().copied()
    }
}

impl Entry {
    /// A write with this stamp by somebody who saw `over` (nothing, for a new key).
    #[must_use]
    pub fn written(value: Value, stamp: Stamp, over: Option<&Self>) -> Self {
        Self { value, stamp, born: over.map_or(stamp, |over| over.born), seen: over.map(Seen::after).unwrap_or_default() }
    }

    /// What decides between this entry and another one of its key.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank { is_tombstone: self.is_tombstone(), stamp: self.stamp }
    }

    /// Whether this entry wins over `other`.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    /// Whether the hero is dead.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.value, Value::Tombstone)
    }

    /// Whether this is an entry that a node of this version can have written.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.as_entry_ref().is_possible()
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
        self.as_entry_ref().had_seen(stamp)
    }

    /// This entry as one that lies somewhere.
    #[must_use]
    pub fn as_entry_ref(&self) -> EntryRef<'_> {
        EntryRef { hero: self.hero().map(Hero::as_hero_ref), stamp: self.stamp, born: self.born, seen: self.seen.stamps() }
    }
}

impl EntryRef<'_> {
    /// What decides between this entry and another one of its key.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank { is_tombstone: self.hero.is_none(), stamp: self.stamp }
    }

    /// Whether the writer of this entry knew of the write with this stamp, as [`Entry::had_seen`] has it.
    #[must_use]
    pub fn had_seen(&self, stamp: Stamp) -> bool {
        let forgotten = self.seen.len() == SEEN_MAX && self.seen.iter().all(|remembered| stamp.hlc < remembered.hlc);
        stamp == self.stamp || forgotten || self.seen.iter().any(|seen| seen.origin == stamp.origin && stamp.hlc <= seen.hlc)
    }

    /// Whether this is an entry that a node of this version can have written.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.seen.len() <= SEEN_MAX
            && self.seen.is_sorted_by(|a, b| a.origin < b.origin)
            && self.born.hlc <= self.stamp.hlc
            && self.seen.iter().chain([&self.stamp, &self.born]).all(|stamp| stamp.origin.incarnation <= INCARNATION_MAX)
            && self.hero.is_none_or(|hero| hero.is_possible())
    }

    /// This entry, standing by itself.
    #[must_use]
    pub fn to_entry(&self) -> Entry {
        let value = self.hero.map_or(Value::Tombstone, |hero| Value::Live(hero.to_hero()));
        Entry { value, stamp: self.stamp, born: self.born, seen: Seen(self.seen.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hlc;
    use crate::id::{Incarnation, Origin};
    use crate::time::UnixMillis;

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
            entry.seen.stamps().iter().map(|seen| seen.hlc.wall.0).collect::<Vec<_>>(),
            [11, 12, 13, 14, 15, 16, 17, 18],
            "a's was forgotten"
        );
        assert!(entry.had_seen(stamp("a", 10)) && entry.had_seen(stamp("z", 10)));
        assert!(!entry.had_seen(stamp("z", 11)) && !entry.had_seen(stamp("z", 15)));
        let shorter = chain(writes().skip(2));
        assert_eq!(shorter.seen.stamps().len(), SEEN_MAX - 1);
        assert!(!shorter.had_seen(stamp("z", 5)), "it has forgotten nothing");
    }

    #[test]
    fn an_entry_that_no_node_can_have_written_is_told() {
        let possible = chain([stamp("a", 10), stamp("b", 20)]);
        assert!(possible.is_possible() && chain([stamp("a", 10)]).is_possible());
        assert!(Entry { value: Value::Tombstone, ..possible.clone() }.is_possible());
        let nameless = Entry { value: live(""), ..possible.clone() };
        let unborn = Entry { born: stamp("a", 21), ..possible.clone() };
        let seen = |nodes: &[&str]| Seen(nodes.iter().map(|node| stamp(node, 5)).collect());
        let nodes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert!(Entry { seen: seen(&nodes[..SEEN_MAX]), ..possible.clone() }.is_possible());
        let all_seeing = Entry { seen: seen(&nodes), ..possible.clone() };
        let twice = Entry { seen: seen(&["a", "a"]), ..possible.clone() };
        let unsorted = Entry { seen: seen(&["b", "a"]), ..possible.clone() };
        let late = Stamp { origin: Origin { incarnation: Incarnation(u64::MAX), ..stamp("z", 1).origin }, ..stamp("z", 1) };
        let by_a_late_life = [
            Entry { stamp: Stamp { origin: late.origin, ..possible.stamp }, ..possible.clone() },
            Entry { born: late, ..possible.clone() },
            Entry { seen: Seen(vec![late]), ..possible },
        ];
        for impossible in [nameless, unborn, all_seeing, twice, unsorted].into_iter().chain(by_a_late_life) {
            assert!(!impossible.is_possible(), "{impossible:?}");
        }
    }
}
