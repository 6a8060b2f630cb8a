//! The lost writes: acknowledged, and later overwritten everywhere by a writer that had not seen
//! them. They are the price of acknowledging without asking other nodes, and are counted.
//!
//! Invariant: a write is counted at most once, and only when no node holds it that could restore
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::Vector;

use gossip::{Incarnation, NodeName, UnixMillis};
use shared::hero::HeroId;
use shared::{Entry, EntryRef};

/// The maximum number of heroes with open acknowledged writes, for example while a city is
/// unreachable; writes to further heroes are not counted.
const OPEN_MAX: usize = 1_000_000;

/// The number of lost writes that are listed. All are counted.
const LISTED_MAX: usize = 1_000;

/// The acknowledged writes that are not settled, and those that were lost.
#[derive(Debug, Default)]
pub(crate) struct LostWrites {
    open: BTreeMap<HeroId, Vec<Open>>,
    /// The heroes with open writes whose fate may have changed since they were last checked.
    due: BTreeSet<HeroId>,
    /// The incarnation of each node at the last check.
    incarnations: BTreeMap<NodeName, Incarnation>,
    lost: u64,
    listed: Vector<Arc<Lost>>,
}

/// An acknowledged write that no node holds any more, although no writer that had seen it replaced
/// it.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The number of the lost write; the first is 1.
    pub number: u64,
    /// The hero.
    pub hero: HeroId,
    /// The entry that was written.
    pub entry: Arc<Entry>,
    /// The time of the acknowledgement, by dispatch's clock.
    pub saved: UnixMillis,
    /// The time at which the loss was found, by dispatch's clock.
    pub found: UnixMillis,
    /// The entry that replaced it, or the tombstone that beat it and was collected since; `None` if
    /// it was lost with its only holder.
    pub to: Option<Arc<Entry>>,
}

/// An acknowledged write that is not settled.
#[derive(Debug)]
struct Open {
    entry: Arc<Entry>,
    saved: UnixMillis,
    /// A tombstone that beats it, and that may be collected before the write is settled; preferably
    /// one whose writer had seen the write.
    beaten_by: Option<Arc<Entry>>,
}

impl Open {
    /// Stores this tombstone if it beats the write, and none is stored whose writer had seen the
    /// write. Returns whether it was stored.
    fn note_tombstone(&mut self, tombstone: &EntryRef<'_, '_>) -> bool {
        let write = self.entry.stamp;
        let is_better = self
            .beaten_by
            .as_ref()
            .is_none_or(|known| !known.had_seen(write) && tombstone.had_seen(write));
        let is_stored = tombstone.rank() > self.entry.rank() && is_better;
        if is_stored {
            self.beaten_by = Some(Arc::new(tombstone.to_entry()));
        }
        is_stored
    }
}

impl LostWrites {
    /// Notes a write that was acknowledged at `at`.
    pub(crate) fn acknowledged(&mut self, at: UnixMillis, key: HeroId, entry: &Arc<Entry>) {
        if self.open.len() < OPEN_MAX || self.open.contains_key(&key) {
            let writes = self.open.entry(key).or_default();
            let mut open = Open { entry: Arc::clone(entry), saved: at, beaten_by: None };
            for tombstone in
                writes.iter().map(|open| &open.entry).filter(|tombstone| tombstone.is_tombstone())
            {
                open.note_tombstone(&tombstone.as_entry_ref());
            }
            writes.push(open);
            self.due.insert(key);
        }
        self.seen(key, &entry.as_entry_ref());
    }

    /// Notes an entry that some node holds. A tombstone is stored with the writes that it beats,
    /// since it may be collected before they are settled.
    pub(crate) fn seen(&mut self, key: HeroId, entry: &EntryRef<'_, '_>) {
        if entry.rank().is_tombstone {
            for open in self.open.get_mut(&key).into_iter().flatten() {
                if open.note_tombstone(entry) {
                    self.due.insert(key);
                }
            }
        }
    }

    /// Notes that some node's entry of the hero has changed.
    pub(crate) fn changed(&mut self, key: HeroId) {
        if self.open.contains_key(&key) {
            self.due.insert(key);
        }
    }

    /// Returns the number of all lost writes.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the newest lost writes, newest last.
    pub(crate) fn listed(&self) -> &Vector<Arc<Lost>> {
        &self.listed
    }

    /// Settles the writes to at most `at_most` heroes. Returns whether none is left to settle.
    /// `holdings` returns each node's entry of a hero, `incarnations` contains the incarnation of
    /// each node. Must be called only while every city has been read completely.
    pub(crate) fn settle(
        &mut self,
        at: UnixMillis,
        at_most: usize,
        holdings: impl Fn(HeroId) -> Vec<Option<Arc<Entry>>>,
        incarnations: BTreeMap<NodeName, Incarnation>,
    ) -> bool {
        // The fate of a write depends on the entries of its hero, on the tombstones that beat it,
        // and on the running incarnations.
        if self.incarnations != incarnations {
            self.incarnations = incarnations;
            self.due.extend(self.open.keys());
        }
        let mut lost = Vec::new();
        for _ in 0..at_most {
            let Some(key) = self.due.pop_first() else { break };
            let Some(writes) = self.open.get_mut(&key) else { continue };
            let held = holdings(key);
            writes.retain(|open| {
                let fate = fate(open, &held, &self.incarnations);
                if fate == Fate::Lost {
                    let winner = held
                        .iter()
                        .flatten()
                        .chain(&open.beaten_by)
                        .max_by_key(|entry| entry.rank());
                    lost.push((key, Arc::clone(&open.entry), open.saved, winner.cloned()));
                }
                fate == Fate::Open
            });
            if writes.is_empty() {
                self.open.remove(&key);
            }
        }
        for (hero, entry, saved, to) in lost {
            self.lost += 1;
            self.listed.push_back(Arc::new(Lost {
                number: self.lost,
                hero,
                entry,
                saved,
                found: at,
                to,
            }));
            if self.listed.len() > LISTED_MAX {
                self.listed.pop_front();
            }
        }
        self.due.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A node still holds it, or may still receive it.
    Open,
    /// Overwritten by a writer that had seen it.
    Succeeded,
    /// No node holds it, and the writer that overwrote it had not seen it.
    Lost,
}

fn fate(
    open: &Open,
    held: &[Option<Arc<Entry>>],
    incarnations: &BTreeMap<NodeName, Incarnation>,
) -> Fate {
    let write = open.entry.stamp;
    // A later tombstone replaces an earlier one, whether or not its writer had seen it: both delete
    // the hero.
    let follows = |entry: &Entry| {
        entry.had_seen(write) || (open.entry.is_tombstone() && entry.is_tombstone())
    };
    // A hero that no node holds live does not return. If no node holds any entry, every node has
    // seen the tombstone and collected it.
    if held.iter().flatten().all(|entry| entry.is_tombstone()) {
        let is_collected = held.iter().all(Option::is_none);
        match &open.beaten_by {
            Some(tombstone) if follows(tombstone) => return Fate::Succeeded,
            Some(_) if is_collected => return Fate::Lost,
            None if is_collected && open.entry.is_tombstone() => return Fate::Succeeded,
            Some(_) | None => {}
        }
    }
    // An entry based on it may itself be beaten by others, so only the entries of all nodes decide.
    let followed = held
        .iter()
        .filter(|entry| entry.as_ref().is_some_and(|entry| entry.stamp != write && follows(entry)))
        .count();
    if followed > 0 {
        return if followed == held.len() { Fate::Succeeded } else { Fate::Open };
    }
    let beaten = |entry: &Entry| entry.beats(&open.entry);
    let forgotten = incarnations
        .get(&write.origin.node)
        .is_some_and(|incarnation| *incarnation != write.origin.incarnation);
    // Where a newer entry is held, it is beaten; where none is, it is gone only if its writer lost
    // its memory as well.
    let gone = held.iter().all(|entry| {
        entry
            .as_ref()
            .map_or(forgotten, |entry| entry.stamp != write && (beaten(entry) || forgotten))
    });
    if gone { Fate::Lost } else { Fate::Open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::{Hlc, Origin, Stamp};
    use shared::Value;
    use shared::hero::Hero;

    const NOW: UnixMillis = UnixMillis(99);

    fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
        let origin = Origin { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) };
        Stamp { hlc: Hlc { wall: UnixMillis(wall), logical: 0 }, origin }
    }

    fn live(stamp: Stamp, over: Option<&Entry>) -> Arc<Entry> {
        Arc::new(Entry::written(Value::Live(Hero::new("Granite".into())), stamp, over))
    }

    fn lost_after(
        written: &Arc<Entry>,
        held: [Option<&Arc<Entry>>; 2],
        gotham_incarnation: u64,
    ) -> (u64, bool) {
        let key = HeroId::MIN;
        let incarnations =
            BTreeMap::from([("gotham".parse().unwrap(), Incarnation(gotham_incarnation))]);
        let mut lost_writes = LostWrites::default();
        lost_writes.acknowledged(NOW, key, written);
        lost_writes.settle(
            NOW,
            usize::MAX,
            |_| held.iter().map(|entry| entry.cloned()).collect(),
            incarnations,
        );
        (lost_writes.lost(), lost_writes.open.is_empty())
    }

    #[test]
    fn write_overwritten_by_a_writer_that_saw_it_is_not_lost() {
        let first = live(stamp("gotham", 1, 10), None);
        let second = live(stamp("capitol", 1, 20), Some(&first));
        assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (0, true));
    }

    #[test]
    fn write_overwritten_everywhere_unseen_is_lost_once() {
        let base = live(stamp("dispatch", 1, 1), None);
        let first = live(stamp("gotham", 1, 10), Some(&base));
        let second = live(stamp("capitol", 1, 20), Some(&base));
        assert_eq!(lost_after(&first, [Some(&first), Some(&second)], 1), (0, false));
        assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (1, true));
        assert_eq!(lost_after(&second, [Some(&second), Some(&second)], 1), (0, false));
    }

    #[test]
    fn write_is_lost_together_with_its_successor() {
        let base = live(stamp("dispatch", 1, 1), None);
        let ours = live(stamp("gotham", 1, 10), Some(&base));
        let ours_again = live(stamp("gotham", 1, 30), Some(&ours));
        let theirs = live(stamp("capitol", 1, 20), Some(&base));
        let theirs_again = live(stamp("capitol", 1, 40), Some(&theirs));
        assert_eq!(
            lost_after(&ours, [Some(&ours_again), Some(&theirs_again)], 1),
            (0, false),
            "the two cities differ"
        );
        assert_eq!(lost_after(&ours, [Some(&theirs_again), Some(&theirs_again)], 1), (1, true));
        assert_eq!(lost_after(&theirs, [Some(&theirs_again), Some(&theirs_again)], 1), (0, true));
        // If its successor is lost with a bombed city, so is the write.
        assert_eq!(lost_after(&ours, [Some(&base), None], 2), (1, true));
    }

    #[test]
    fn write_beaten_by_a_collected_tombstone_is_lost() {
        let key = HeroId::MIN;
        let base = live(stamp("dispatch", 1, 1), None);
        let unseen = live(stamp("gotham", 1, 10), Some(&base));
        let tombstone =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
        for (writes, lost) in
            [([&unseen, &tombstone], 1), ([&tombstone, &unseen], 1), ([&base, &tombstone], 0)]
        {
            let mut lost_writes = LostWrites::default();
            writes.iter().for_each(|write| lost_writes.acknowledged(NOW, key, write));
            lost_writes.settle(NOW, usize::MAX, |_| vec![None, None], BTreeMap::new());
            assert_eq!((lost_writes.lost(), lost_writes.open.len()), (lost, 0), "{writes:?}");
        }
        // A tombstone written by a city is only observed, not acknowledged.
        let mut lost_writes = LostWrites::default();
        lost_writes.acknowledged(NOW, key, &unseen);
        lost_writes.seen(key, &tombstone.as_entry_ref());
        lost_writes.settle(NOW, usize::MAX, |_| vec![None, None], BTreeMap::new());
        assert_eq!(lost_writes.lost(), 1);
    }

    #[test]
    fn tombstone_is_not_lost_to_another_tombstone() {
        let base = live(stamp("dispatch", 1, 1), None);
        let tombstone =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
        // A node that had collected it writes a tombstone over gotham's late write; that tombstone
        // has seen neither.
        let late = live(stamp("gotham", 1, 10), Some(&base));
        let second =
            Arc::new(Entry::written(Value::Tombstone, stamp("capitol", 1, 20), Some(&base)));
        assert_eq!(lost_after(&tombstone, [Some(&second), Some(&second)], 1), (0, true));
        assert_eq!(
            lost_after(&tombstone, [Some(&tombstone), Some(&second)], 1),
            (0, false),
            "gotham does not hold the second tombstone"
        );
        assert_eq!(
            lost_after(&tombstone, [None, Some(&second)], 1),
            (0, false),
            "gotham holds no tombstone"
        );
        for held in [Some(&second), None] {
            let key = HeroId::MIN;
            let mut lost_writes = LostWrites::default();
            lost_writes.acknowledged(NOW, key, &tombstone);
            lost_writes.seen(key, &second.as_entry_ref());
            lost_writes.settle(NOW, usize::MAX, |_| vec![held.cloned(); 2], BTreeMap::new());
            assert_eq!((lost_writes.lost(), lost_writes.open.len()), (0, 0), "{held:?}");
        }
        // A write that the first tombstone had seen is not lost to the second one, although that
        // has seen only the creation.
        let moved = live(stamp("dispatch", 1, 3), Some(&base));
        let tombstone =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&moved)));
        let mut lost_writes = LostWrites::default();
        [&base, &moved, &tombstone, &late]
            .iter()
            .for_each(|write| lost_writes.acknowledged(NOW, HeroId::MIN, write));
        lost_writes.settle(
            NOW,
            usize::MAX,
            |_| vec![Some(Arc::clone(&second)); 2],
            BTreeMap::new(),
        );
        let lost: Vec<Stamp> = lost_writes.listed().iter().map(|lost| lost.entry.stamp).collect();
        assert_eq!((lost, lost_writes.open.len()), (vec![late.stamp], 0));
    }

    #[test]
    fn tombstone_that_saw_a_write_prevents_its_loss_in_any_order() {
        let base = live(stamp("dispatch", 1, 1), None);
        let write = live(stamp("gotham", 1, 10), Some(&base));
        let unseeing =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 20), Some(&base)));
        let fell = Arc::new(Entry::written(Value::Tombstone, stamp("gotham", 1, 15), Some(&write)));
        for tombstones in [[&unseeing, &fell], [&fell, &unseeing]] {
            for held in [Some(&unseeing), None] {
                let key = HeroId::MIN;
                let mut lost_writes = LostWrites::default();
                lost_writes.acknowledged(NOW, key, &write);
                tombstones
                    .iter()
                    .for_each(|tombstone| lost_writes.seen(key, &tombstone.as_entry_ref()));
                lost_writes.settle(NOW, usize::MAX, |_| vec![held.cloned(); 2], BTreeMap::new());
                assert_eq!(
                    (lost_writes.lost(), lost_writes.open.len()),
                    (0, 0),
                    "{tombstones:?} {held:?}"
                );
            }
        }
    }

    #[test]
    fn write_held_only_by_a_bombed_city_is_lost() {
        let base = live(stamp("dispatch", 1, 1), None);
        let first = live(stamp("gotham", 1, 10), Some(&base));
        assert_eq!(lost_after(&first, [Some(&base), None], 1), (0, false));
        assert_eq!(lost_after(&first, [Some(&base), None], 2), (1, true));
    }
}
