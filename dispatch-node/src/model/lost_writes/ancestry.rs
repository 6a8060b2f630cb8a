//! The ancestors of the entries of one hero: the writes that their writers had seen.
//!
//! An entry alone remembers only the newest ancestor of each origin, so an earlier write of the same
//! origin looks like an ancestor too, although another write may have beaten it in between. Each
//! entry overwrites exactly one other: its newest ancestor. With the entries in between, the chain
//! of ancestors is exact.
//!
//! Invariant: bounded, and no input makes it loop: entries of a city may name any stamps.

use std::collections::{BTreeMap, BTreeSet};

use gossip::{SEEN_MAX, Seen, Stamp};
use shared::{Entry, EntryRef};

/// The maximum number of entries of one hero whose ancestors are known exactly.
pub(super) const KNOWN_PER_HERO_MAX: usize = 256;

/// The entries of one hero that were acknowledged or observed, by stamp.
#[derive(Debug, Default)]
pub(super) struct Ancestry(BTreeMap<Stamp, Known>);

#[derive(Debug)]
struct Known {
    seen: Seen,
    is_tombstone: bool,
}

/// An entry and its ancestors, as far as they are certain.
#[derive(Debug)]
pub(super) struct Chain {
    certain: BTreeSet<Stamp>,
    /// Whether ancestors may be missing, because an entry names only some of its ancestors.
    is_cut: bool,
}

impl Ancestry {
    /// Notes an entry. Drops the oldest one if there are too many.
    pub(super) fn note(&mut self, entry: &EntryRef<'_, '_>) {
        self.0.entry(entry.stamp).or_insert_with(|| {
            let entry = entry.to_entry();
            Known { is_tombstone: entry.is_tombstone(), seen: entry.seen }
        });
        if self.0.len() > KNOWN_PER_HERO_MAX {
            self.0.pop_first();
        }
    }

    /// Drops the entries that are older than this one.
    pub(super) fn drop_before(&mut self, stamp: Stamp) {
        self.0 = self.0.split_off(&stamp);
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Iterates over the entries: their stamps, and whether they are tombstones.
    pub(super) fn known(&self) -> impl Iterator<Item = (Stamp, bool)> {
        self.0.iter().map(|(stamp, known)| (*stamp, known.is_tombstone))
    }

    /// Returns the newest tombstone.
    pub(super) fn tombstone(&self) -> Option<Stamp> {
        self.known().filter(|(_, is_tombstone)| *is_tombstone).map(|(stamp, _)| stamp).last()
    }

    /// Returns the ancestors of an entry, and the entry itself.
    pub(super) fn chain(&self, stamp: Stamp, seen: &[Stamp]) -> Chain {
        let mut chain = Chain { certain: BTreeSet::from([stamp]), is_cut: seen.len() == SEEN_MAX };
        let mut next: BTreeSet<Stamp> = seen.iter().copied().collect();
        while let Some(ancestor) = next.pop_last() {
            if chain.certain.insert(ancestor)
                && let Some(known) = self.0.get(&ancestor)
            {
                chain.is_cut |= known.seen.stamps().len() == SEEN_MAX;
                next.extend(known.seen.stamps());
            }
        }
        chain
    }

    /// Returns the ancestors of a known entry, and the entry itself.
    pub(super) fn chain_of(&self, stamp: Stamp) -> Chain {
        self.chain(stamp, self.0.get(&stamp).map_or(&[], |known| known.seen.stamps()))
    }

    /// Returns whether the writer of `entry` had seen `write`.
    pub(super) fn had_seen(&self, entry: &EntryRef<'_, '_>, write: &Entry) -> bool {
        let chain = self.chain(entry.stamp, entry.seen);
        self.includes(entry.stamp, &chain, write)
    }

    /// Returns whether the chain of the entry `of` includes `write`.
    ///
    /// Between two ancestors that are certain, others may be missing if the newer of the two was
    /// never known: a city overwrote it before it was observed. Then an entry names the newest write
    /// of an origin, and the earlier ones of this origin count as seen, unless they were not based
    /// on the next older ancestor, since all ancestors are based on each other.
    pub(super) fn includes(&self, of: Stamp, chain: &Chain, write: &Entry) -> bool {
        let stamp = write.stamp;
        if chain.certain.contains(&stamp) {
            return true;
        }
        if !self.may_miss(of, chain, stamp) {
            return false;
        }
        chain.certain.range(..stamp).next_back().is_none_or(|older| {
            let own = self.chain(stamp, write.seen.stamps());
            own.certain.contains(older) || self.may_miss(stamp, &own, *older)
        })
    }

    /// Returns whether the chain of the entry `of` includes this write or may include it.
    pub(super) fn may_include(&self, of: Stamp, chain: &Chain, stamp: Stamp) -> bool {
        chain.certain.contains(&stamp) || self.may_miss(of, chain, stamp)
    }

    fn may_miss(&self, of: Stamp, chain: &Chain, stamp: Stamp) -> bool {
        let Some(newer) = chain.certain.range(stamp..).find(|newer| **newer != stamp) else {
            return false;
        };
        // The newest ancestor of a known entry is certain, so none is missing just before it.
        let is_known = *newer == of || self.0.contains_key(newer);
        let is_oldest = chain.certain.first() == Some(newer);
        !is_known && (newer.origin == stamp.origin || chain.is_cut && is_oldest)
    }
}

impl Chain {
    /// Returns whether the entry with this stamp is certainly an ancestor, or the entry itself.
    pub(super) fn contains(&self, stamp: Stamp) -> bool {
        self.certain.contains(&stamp)
    }

    /// Returns the newest entry that is in all these chains.
    pub(super) fn newest_common(chains: &[(Stamp, Self)]) -> Option<Stamp> {
        let ((_, first), others) = chains.split_first()?;
        let is_common = |stamp: &&Stamp| others.iter().all(|(_, chain)| chain.contains(**stamp));
        first.certain.iter().rev().find(is_common).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{Hlc, Incarnation, Origin, UnixMillis};
    use shared::Value;

    fn stamp(node: &str, wall: u64) -> Stamp {
        let origin = Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(2) };
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
    }

    fn written(stamp: Stamp, over: Option<&Entry>) -> Entry {
        Entry::written(Value::Tombstone, stamp, over)
    }

    #[test]
    fn write_before_an_unknown_one_of_its_origin_counts_as_seen_unless_it_was_beaten() {
        let base = written(stamp("dispatch", 1), None);
        let first = written(stamp("gotham", 10), Some(&base));
        let other = written(stamp("capitol", 20), Some(&base));
        let mut ancestry = Ancestry::default();
        [&base, &first, &other].iter().for_each(|entry| ancestry.note(&entry.as_entry_ref()));
        for (over, expected) in [(&first, true), (&other, false)] {
            // Gotham overwrites its write before it is observed.
            let unknown = written(stamp("gotham", 30), Some(over));
            let last = written(stamp("gotham", 40), Some(&unknown));
            assert_eq!(ancestry.had_seen(&last.as_entry_ref(), &first), expected, "{over:?}");
            assert!(
                !ancestry.had_seen(&last.as_entry_ref(), &written(stamp("metropolis", 5), None))
            );
        }
    }

    #[test]
    fn entries_that_name_each_other_end_the_search() {
        let base = written(stamp("dispatch", 1), None);
        let later = written(stamp("gotham", 30), Some(&base));
        let mut ancestry = Ancestry::default();
        for (first, second) in [(20, 25), (25, 20)] {
            let seen = written(stamp("metropolis", second), None);
            ancestry.note(&written(stamp("metropolis", first), Some(&seen)).as_entry_ref());
        }
        let last =
            written(stamp("gotham", 40), Some(&written(stamp("metropolis", 25), Some(&later))));
        assert!(ancestry.had_seen(&last.as_entry_ref(), &later));
        assert!(!ancestry.had_seen(&last.as_entry_ref(), &written(stamp("capitol", 22), None)));
    }
}
