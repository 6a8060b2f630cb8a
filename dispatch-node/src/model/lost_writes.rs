//! The lost writes: acknowledged, and later overwritten everywhere by a writer that had not seen
//! them. They are the price of acknowledging without asking other nodes, and are counted.
//!
//! Invariant: a write is counted at most once, and only when no node holds it that could restore
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::Vector;

use gossip::{Incarnation, NodeName, Seen, Stamp, UnixMillis};
use shared::hero::HeroId;
use shared::{Entry, EntryRef};

/// The maximum number of open writes and of known ancestors, for example while a city is
/// unreachable. Further writes are not counted; at half of it, no further ancestors are kept.
const KEPT_MAX: usize = 1_000_000;

/// The maximum number of open writes of one hero. Beyond it, the oldest write that the newest one
/// has overwritten knowingly counts as settled; without one, the oldest write.
const OPEN_PER_HERO_MAX: usize = 32;

/// The maximum number of entries of one hero whose ancestors are known exactly.
const KNOWN_PER_HERO_MAX: usize = 64;

/// The number of lost writes that are listed. All are counted.
const LISTED_MAX: usize = 1_000;

/// The acknowledged writes that are not settled, and those that were lost.
#[derive(Debug, Default)]
pub(crate) struct LostWrites {
    open: BTreeMap<HeroId, OpenHero>,
    /// The heroes with open writes whose fate may have changed since they were last checked.
    due: BTreeSet<HeroId>,
    /// The number of open writes and of known ancestors.
    kept: usize,
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

/// The open writes of one hero, and the entries from which their fate follows.
#[derive(Debug, Default)]
struct OpenHero {
    writes: Vec<Open>,
    ancestry: Ancestry,
}

impl OpenHero {
    /// Returns the number of writes and ancestors.
    fn kept(&self) -> usize {
        self.writes.len() + self.ancestry.0.len()
    }
}

/// The entries of one hero that were acknowledged or observed, by stamp, each with the writes that
/// its writer had seen.
///
/// An entry alone remembers only the newest ancestor of each origin, so an earlier write of the same
/// origin looks like an ancestor too, although another write may have beaten it in between. Each
/// entry overwrites exactly one other: its newest ancestor. With the entries in between, the chain
/// of ancestors is exact.
#[derive(Debug, Default)]
struct Ancestry(BTreeMap<Stamp, Seen>);

impl Ancestry {
    fn note(&mut self, stamp: Stamp, seen: impl FnOnce() -> Seen) {
        self.0.entry(stamp).or_insert_with(seen);
        if self.0.len() > KNOWN_PER_HERO_MAX {
            self.0.pop_first();
        }
    }

    /// Returns whether the writer of `entry` had seen `write`.
    fn had_seen(&self, entry: &EntryRef<'_, '_>, write: Stamp) -> bool {
        if entry.stamp == write {
            return true;
        }
        let mut seen = entry.seen;
        loop {
            match seen.iter().max() {
                None => return false,
                Some(parent) if *parent == write => return true,
                // Ancestors are older than their successors.
                Some(parent) if parent.hlc <= write.hlc => return false,
                Some(parent) => match self.0.get(parent) {
                    Some(known) => seen = known.stamps(),
                    None => return EntryRef { seen, ..*entry }.had_seen(write),
                },
            }
        }
    }
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
    fn note_tombstone(&mut self, tombstone: &EntryRef<'_, '_>, ancestry: &Ancestry) -> bool {
        let had_seen = |entry: &EntryRef<'_, '_>| ancestry.had_seen(entry, self.entry.stamp);
        let is_better = self
            .beaten_by
            .as_ref()
            .is_none_or(|known| !had_seen(&known.as_entry_ref()) && had_seen(tombstone));
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
        if self.kept < KEPT_MAX {
            let hero = self.open.entry(key).or_default();
            self.kept -= hero.kept();
            let OpenHero { writes, ancestry } = hero;
            let mut open = Open { entry: Arc::clone(entry), saved: at, beaten_by: None };
            for tombstone in
                writes.iter().map(|open| &open.entry).filter(|tombstone| tombstone.is_tombstone())
            {
                open.note_tombstone(&tombstone.as_entry_ref(), ancestry);
            }
            writes.push(open);
            limit(writes, ancestry);
            self.kept += hero.kept();
            self.due.insert(key);
        }
        self.seen(key, &entry.as_entry_ref());
    }

    /// Notes an entry that some node holds. A tombstone is stored with the writes that it beats,
    /// since it may be collected before they are settled.
    pub(crate) fn seen(&mut self, key: HeroId, entry: &EntryRef<'_, '_>) {
        let Some(hero) = self.open.get_mut(&key) else { return };
        self.kept -= hero.kept();
        let OpenHero { writes, ancestry } = hero;
        if self.kept < KEPT_MAX / 2 {
            ancestry.note(entry.stamp, || entry.to_entry().seen);
        }
        if entry.rank().is_final {
            for open in writes {
                if open.note_tombstone(entry, ancestry) {
                    self.due.insert(key);
                }
            }
        }
        self.kept += hero.kept();
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
            let Some(hero) = self.open.get_mut(&key) else { continue };
            self.kept -= hero.kept();
            let OpenHero { writes, ancestry } = hero;
            let held = holdings(key);
            writes.retain(|open| {
                let fate = fate(open, &held, ancestry, &self.incarnations);
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
            } else {
                self.kept += hero.kept();
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

/// Settles the oldest write if there are too many.
fn limit(writes: &mut Vec<Open>, ancestry: &Ancestry) {
    if writes.len() <= OPEN_PER_HERO_MAX {
        return;
    }
    let (newest, earlier) = writes.split_last().expect("more writes than the limit");
    let newest = newest.entry.as_entry_ref();
    let overwritten = earlier.iter().position(|open| ancestry.had_seen(&newest, open.entry.stamp));
    writes.remove(overwritten.unwrap_or(0));
}

fn fate(
    open: &Open,
    held: &[Option<Arc<Entry>>],
    ancestry: &Ancestry,
    incarnations: &BTreeMap<NodeName, Incarnation>,
) -> Fate {
    let write = open.entry.stamp;
    // A later tombstone replaces an earlier one, whether or not its writer had seen it: both delete
    // the hero.
    let follows = |entry: &Entry| {
        ancestry.had_seen(&entry.as_entry_ref(), write)
            || (open.entry.is_tombstone() && entry.is_tombstone())
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
    use gossip::{Hlc, Origin};
    use shared::Value;
    use shared::hero::Hero;

    const NOW: UnixMillis = UnixMillis(99);

    fn stamp(node: &str, incarnation: u64, wall: u64) -> Stamp {
        let origin =
            Origin { node: node.parse().unwrap(), incarnation: Incarnation::at(incarnation) };
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
            BTreeMap::from([("gotham".parse().unwrap(), Incarnation::at(gotham_incarnation))]);
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

    #[test]
    fn open_writes_of_one_hero_are_bounded() {
        let (key, mut lost_writes) = (HeroId::MIN, LostWrites::default());
        let mut last: Option<Arc<Entry>> = None;
        for wall in 1..=80_000 {
            let write = live(stamp("gotham", 1, wall), last.as_deref());
            lost_writes.acknowledged(NOW, key, &write);
            last = Some(write);
        }
        let OpenHero { writes, ancestry } = &lost_writes.open[&key];
        assert_eq!((writes.len(), ancestry.0.len()), (OPEN_PER_HERO_MAX, KNOWN_PER_HERO_MAX));
        assert_eq!(lost_writes.kept, OPEN_PER_HERO_MAX + KNOWN_PER_HERO_MAX);
        // The newest ones are kept. The last of them vanishes with its writer.
        lost_writes.settle(
            NOW,
            usize::MAX,
            |_| vec![None],
            BTreeMap::from([("gotham".parse().unwrap(), Incarnation::at(2))]),
        );
        assert_eq!(lost_writes.lost(), OPEN_PER_HERO_MAX as u64);
        assert_eq!(lost_writes.kept, 0);
        let last = last.map(|last| last.stamp);
        assert_eq!(lost_writes.listed().last().map(|lost| lost.entry.stamp), last);
    }

    /// One step of a history: a write at a node, or a node that takes the other's entry.
    #[derive(Clone, Copy)]
    enum Act {
        Write { node: usize, from_copy: bool },
        Sync { from: usize, to: usize },
    }

    /// Plays a history, and compares the number of lost writes with a recount that knows the exact
    /// ancestors of every write. With `fast`, the clock of the first node is ahead.
    fn check_history(history: &[Act], fast: bool, settles_often: bool) {
        const NAMES: [&str; 3] = ["gotham", "metropolis", "capitol"];
        let key = HeroId::MIN;
        let base = live(stamp("dispatch", 1, 1), None);
        let mut held = [0; 3].map(|_| Arc::clone(&base));
        let mut ancestors: BTreeMap<Stamp, Vec<Stamp>> = BTreeMap::from([(base.stamp, vec![])]);
        let mut lost_writes = LostWrites::default();
        let mut newest = Arc::clone(&base);
        let mut saved = Vec::new();
        let settle = |lost_writes: &mut LostWrites, held: &[Arc<Entry>; 3]| {
            let cells: Vec<_> = held.iter().cloned().map(Some).collect();
            lost_writes.changed(key);
            lost_writes.settle(NOW, usize::MAX, |_| cells.clone(), BTreeMap::new());
        };
        for (step, act) in (1..).zip(history) {
            match *act {
                Act::Write { node, from_copy } => {
                    let is_newer = from_copy && newest.beats(&held[node]);
                    let over = Arc::clone(if is_newer { &newest } else { &held[node] });
                    let clock = 10 * step + if fast && node == 0 { 25 } else { 0 };
                    let wall = clock.max(over.stamp.hlc.wall.0 + 1);
                    let write = live(stamp(NAMES[node], 1, wall), Some(&over));
                    let mut seen = ancestors[&over.stamp].clone();
                    seen.push(over.stamp);
                    ancestors.insert(write.stamp, seen);
                    lost_writes.acknowledged(NOW, key, &write);
                    saved.push(write.stamp);
                    if write.beats(&newest) {
                        newest = Arc::clone(&write);
                    }
                    held[node] = write;
                }
                Act::Sync { from, to } => {
                    if held[from].beats(&held[to]) {
                        held[to] = Arc::clone(&held[from]);
                    }
                }
            }
            if settles_often {
                settle(&mut lost_writes, &held);
            }
        }
        let last = held.iter().max_by_key(|entry| entry.rank()).map(Arc::clone).unwrap();
        held = held.map(|_| Arc::clone(&last));
        settle(&mut lost_writes, &held);
        let survives =
            |write: &Stamp| *write == last.stamp || ancestors[&last.stamp].contains(write);
        let expected: Vec<Stamp> = saved.into_iter().filter(|write| !survives(write)).collect();
        let mut lost: Vec<Stamp> =
            lost_writes.listed().iter().map(|lost| lost.entry.stamp).collect();
        lost.sort_unstable();
        let mut sorted = expected.clone();
        sorted.sort_unstable();
        assert_eq!(lost, sorted, "fast: {fast}, settles often: {settles_often}");
    }

    /// All histories of four writes at three nodes, with an exchange between two nodes, or none, or
    /// among all, before each write.
    #[test]
    fn lost_writes_of_all_short_histories_are_counted_exactly() {
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let exchanges: Vec<Vec<(usize, usize)>> = std::iter::once(vec![])
            .chain(pairs.iter().map(|(a, b)| vec![(*a, *b), (*b, *a)]))
            .chain(pairs.iter().map(|(a, b)| vec![(*a, *b)]))
            .chain([[pairs, pairs]
                .concat()
                .iter()
                .flat_map(|(a, b)| [(*a, *b), (*b, *a)])
                .collect()])
            .collect();
        let mut histories: Vec<Vec<Act>> = vec![vec![]];
        for number in 0..4 {
            let mut longer = Vec::new();
            for history in histories {
                for exchange in &exchanges[..if number == 0 { 1 } else { exchanges.len() }] {
                    for (node, from_copy) in [(0, false), (1, false), (2, false), (0, true)] {
                        let syncs =
                            exchange.iter().map(|(from, to)| Act::Sync { from: *from, to: *to });
                        let write = Act::Write { node, from_copy };
                        longer.push(history.iter().copied().chain(syncs).chain([write]).collect());
                    }
                }
            }
            histories = longer;
        }
        for history in &histories {
            for (fast, settles_often) in [(false, false), (true, false), (true, true)] {
                check_history(history, fast, settles_often);
            }
        }
    }
}
