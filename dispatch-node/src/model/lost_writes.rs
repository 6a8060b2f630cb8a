//! The lost writes: acknowledged, and later gone everywhere, overwritten by a writer that had not
//! seen them. That is the price of acknowledging without asking the other nodes; it is counted.
//!
//! Invariant: a write is counted at most once, and only when no node holds it that could bring it
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::Vector;

use gossip::{Incarnation, NodeName, UnixMillis};
use shared::hero::HeroId;
use shared::{Entry, EntryRef};

/// The number of heroes whose acknowledged writes may be open, for example while a city is away;
/// further ones are not counted.
const OPEN_MAX: usize = 1_000_000;

/// The number of lost writes that are listed; all are counted.
const LISTED_MAX: usize = 1_000;

/// The acknowledged writes whose fate is open, and those that were lost.
#[derive(Debug, Default)]
pub(crate) struct LostWrites {
    open: BTreeMap<HeroId, Vec<Open>>,
    /// The open ones whose fate may have changed since it was last decided.
    due: BTreeSet<HeroId>,
    /// The incarnation of each member at the last decision.
    incarnations: BTreeMap<NodeName, Incarnation>,
    lost: u64,
    listed: Vector<Arc<Lost>>,
}

/// A write that was acknowledged and that no node holds any more, though no writer that had seen it
/// replaced it.
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
    /// The time at which it was found to be lost.
    pub found: UnixMillis,
    /// The entry in its place, or the one that beat it and was collected since; none if it went
    /// with its only holder.
    pub to: Option<Arc<Entry>>,
}

/// An acknowledged write whose fate is open.
#[derive(Debug)]
struct Open {
    entry: Arc<Entry>,
    saved: UnixMillis,
    /// A tombstone that beats it, and that may be collected before the fate is decided; one whose
    /// writer had seen the write, if there is one.
    killed_by: Option<Arc<Entry>>,
}

impl Open {
    /// Remembers this tombstone if it beats the write, and no other is known whose writer had seen
    /// the write. Returns whether it does.
    fn note_death(&mut self, death: &EntryRef<'_, '_>) -> bool {
        let write = self.entry.stamp;
        let tells_more = self
            .killed_by
            .as_ref()
            .is_none_or(|known| !known.had_seen(write) && death.had_seen(write));
        let is_remembered = death.rank() > self.entry.rank() && tells_more;
        if is_remembered {
            self.killed_by = Some(Arc::new(death.to_entry()));
        }
        is_remembered
    }
}

impl LostWrites {
    /// Notes a write that was acknowledged.
    pub(crate) fn acknowledged(&mut self, at: UnixMillis, key: HeroId, entry: &Arc<Entry>) {
        if self.open.len() < OPEN_MAX || self.open.contains_key(&key) {
            let writes = self.open.entry(key).or_default();
            let mut open = Open { entry: Arc::clone(entry), saved: at, killed_by: None };
            for death in writes.iter().map(|open| &open.entry).filter(|death| death.is_tombstone())
            {
                open.note_death(&death.as_entry_ref());
            }
            writes.push(open);
            self.due.insert(key);
        }
        self.seen(key, &entry.as_entry_ref());
    }

    /// Notes an entry that some node holds. A tombstone is remembered by the writes that it beats,
    /// since it may be collected.
    pub(crate) fn seen(&mut self, key: HeroId, entry: &EntryRef<'_, '_>) {
        if entry.rank().is_tombstone {
            for open in self.open.get_mut(&key).into_iter().flatten() {
                if open.note_death(entry) {
                    self.due.insert(key);
                }
            }
        }
    }

    /// Notes that some node holds another entry of the hero than before.
    pub(crate) fn changed(&mut self, key: HeroId) {
        if self.open.contains_key(&key) {
            self.due.insert(key);
        }
    }

    /// Returns the number of writes that were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the newest of them, the newest last.
    pub(crate) fn listed(&self) -> &Vector<Arc<Lost>> {
        &self.listed
    }

    /// Decides the fate of the writes to at most `at_most` heroes. Returns whether these were all.
    /// `holdings` gives each node's entry of a hero, `incarnations` the incarnation of each node. Call it
    /// only when every city has been read to its end.
    pub(crate) fn settle(
        &mut self,
        at: UnixMillis,
        at_most: usize,
        holdings: impl Fn(HeroId) -> Vec<Option<Arc<Entry>>>,
        incarnations: BTreeMap<NodeName, Incarnation>,
    ) -> bool {
        // The fate of a write depends on what is held of its hero, on what beat it, and on which
        // incarnations run.
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
                    let stands = held
                        .iter()
                        .flatten()
                        .chain(&open.killed_by)
                        .max_by_key(|entry| entry.rank());
                    lost.push((key, Arc::clone(&open.entry), open.saved, stands.cloned()));
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
    /// Still held somewhere, or still on its way.
    Open,
    /// Overwritten by a writer that had seen it.
    Succeeded,
    /// Gone, and the writer that overwrote it had not seen it.
    Lost,
}

fn fate(
    open: &Open,
    held: &[Option<Arc<Entry>>],
    incarnations: &BTreeMap<NodeName, Incarnation>,
) -> Fate {
    let write = open.entry.stamp;
    // A later death takes the place of this one, whether its writer had seen it or had collected
    // it.
    let follows = |entry: &Entry| {
        entry.had_seen(write) || (open.entry.is_tombstone() && entry.is_tombstone())
    };
    // A hero that no node holds alive does not come back; where no node holds anything, all have
    // seen its death, and collected it.
    if held.iter().flatten().all(|entry| entry.is_tombstone()) {
        let is_collected = held.iter().all(Option::is_none);
        match &open.killed_by {
            Some(death) if follows(death) => return Fate::Succeeded,
            Some(_) if is_collected => return Fate::Lost,
            None if is_collected && open.entry.is_tombstone() => return Fate::Succeeded,
            Some(_) | None => {}
        }
    }
    // An entry written over it may itself lose against others: only what all nodes hold decides.
    let know = held
        .iter()
        .filter(|entry| entry.as_ref().is_some_and(|entry| entry.stamp != write && follows(entry)))
        .count();
    if know > 0 {
        return if know == held.len() { Fate::Succeeded } else { Fate::Open };
    }
    let beaten = |entry: &Entry| entry.beats(&open.entry);
    let forgotten = incarnations
        .get(&write.origin.node)
        .is_some_and(|incarnation| *incarnation != write.origin.incarnation);
    // Beaten where something newer is held; elsewhere gone only if its writer's memory is gone too.
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
    fn a_write_overwritten_by_one_who_saw_it_is_no_loss() {
        let first = live(stamp("gotham", 1, 10), None);
        let second = live(stamp("capitol", 1, 20), Some(&first));
        assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (0, true));
    }

    #[test]
    fn a_write_overwritten_everywhere_by_one_who_had_not_seen_it_is_lost_once() {
        let base = live(stamp("dispatch", 1, 1), None);
        let first = live(stamp("gotham", 1, 10), Some(&base));
        let second = live(stamp("capitol", 1, 20), Some(&base));
        assert_eq!(lost_after(&first, [Some(&first), Some(&second)], 1), (0, false));
        assert_eq!(lost_after(&first, [Some(&second), Some(&second)], 1), (1, true));
        assert_eq!(lost_after(&second, [Some(&second), Some(&second)], 1), (0, false));
    }

    #[test]
    fn a_write_that_was_followed_up_is_lost_with_what_followed_it() {
        let base = live(stamp("dispatch", 1, 1), None);
        let ours = live(stamp("gotham", 1, 10), Some(&base));
        let ours_again = live(stamp("gotham", 1, 30), Some(&ours));
        let theirs = live(stamp("capitol", 1, 20), Some(&base));
        let theirs_again = live(stamp("capitol", 1, 40), Some(&theirs));
        assert_eq!(
            lost_after(&ours, [Some(&ours_again), Some(&theirs_again)], 1),
            (0, false),
            "they are apart"
        );
        assert_eq!(lost_after(&ours, [Some(&theirs_again), Some(&theirs_again)], 1), (1, true));
        assert_eq!(lost_after(&theirs, [Some(&theirs_again), Some(&theirs_again)], 1), (0, true));
        // Where what followed it dies with a bombed city, so does it.
        assert_eq!(lost_after(&ours, [Some(&base), None], 2), (1, true));
    }

    #[test]
    fn a_write_beaten_by_a_death_is_lost_even_when_the_tombstone_is_collected_before_anybody_looks()
    {
        let key = HeroId::MIN;
        let base = live(stamp("dispatch", 1, 1), None);
        let unseen = live(stamp("gotham", 1, 10), Some(&base));
        let death =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
        for (writes, lost) in [([&unseen, &death], 1), ([&death, &unseen], 1), ([&base, &death], 0)]
        {
            let mut lost_writes = LostWrites::default();
            writes.iter().for_each(|write| lost_writes.acknowledged(NOW, key, write));
            lost_writes.settle(NOW, usize::MAX, |_| vec![None, None], BTreeMap::new());
            assert_eq!((lost_writes.lost(), lost_writes.open.len()), (lost, 0), "{writes:?}");
        }
        // One that a city wrote is heard of only.
        let mut lost_writes = LostWrites::default();
        lost_writes.acknowledged(NOW, key, &unseen);
        lost_writes.seen(key, &death.as_entry_ref());
        lost_writes.settle(NOW, usize::MAX, |_| vec![None, None], BTreeMap::new());
        assert_eq!(lost_writes.lost(), 1);
    }

    #[test]
    fn a_death_is_not_lost_to_another_death() {
        let base = live(stamp("dispatch", 1, 1), None);
        let death =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&base)));
        // Who had collected it buried a late write of gotham's with a death that has seen neither.
        let late = live(stamp("gotham", 1, 10), Some(&base));
        let burial =
            Arc::new(Entry::written(Value::Tombstone, stamp("capitol", 1, 20), Some(&base)));
        assert_eq!(lost_after(&death, [Some(&burial), Some(&burial)], 1), (0, true));
        assert_eq!(
            lost_after(&death, [Some(&death), Some(&burial)], 1),
            (0, false),
            "gotham has not heard of the other"
        );
        assert_eq!(
            lost_after(&death, [None, Some(&burial)], 1),
            (0, false),
            "gotham has not heard of any"
        );
        for held in [Some(&burial), None] {
            let key = HeroId::MIN;
            let mut lost_writes = LostWrites::default();
            lost_writes.acknowledged(NOW, key, &death);
            lost_writes.seen(key, &burial.as_entry_ref());
            lost_writes.settle(NOW, usize::MAX, |_| vec![held.cloned(); 2], BTreeMap::new());
            assert_eq!((lost_writes.lost(), lost_writes.open.len()), (0, 0), "{held:?}");
        }
        // What the first death had seen is not lost to the second, though that knows only of the
        // birth.
        let moved = live(stamp("dispatch", 1, 3), Some(&base));
        let death =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 5), Some(&moved)));
        let mut lost_writes = LostWrites::default();
        [&base, &moved, &death, &late]
            .iter()
            .for_each(|write| lost_writes.acknowledged(NOW, HeroId::MIN, write));
        lost_writes.settle(
            NOW,
            usize::MAX,
            |_| vec![Some(Arc::clone(&burial)); 2],
            BTreeMap::new(),
        );
        let lost: Vec<Stamp> = lost_writes.listed().iter().map(|lost| lost.entry.stamp).collect();
        assert_eq!((lost, lost_writes.open.len()), (vec![late.stamp], 0));
    }

    #[test]
    fn of_two_deaths_one_that_had_seen_a_write_keeps_it_from_being_lost_in_whatever_order_they_are_heard()
     {
        let base = live(stamp("dispatch", 1, 1), None);
        let write = live(stamp("gotham", 1, 10), Some(&base));
        let blind =
            Arc::new(Entry::written(Value::Tombstone, stamp("dispatch", 1, 20), Some(&base)));
        let fell = Arc::new(Entry::written(Value::Tombstone, stamp("gotham", 1, 15), Some(&write)));
        for deaths in [[&blind, &fell], [&fell, &blind]] {
            for held in [Some(&blind), None] {
                let key = HeroId::MIN;
                let mut lost_writes = LostWrites::default();
                lost_writes.acknowledged(NOW, key, &write);
                deaths.iter().for_each(|death| lost_writes.seen(key, &death.as_entry_ref()));
                lost_writes.settle(NOW, usize::MAX, |_| vec![held.cloned(); 2], BTreeMap::new());
                assert_eq!(
                    (lost_writes.lost(), lost_writes.open.len()),
                    (0, 0),
                    "{deaths:?} {held:?}"
                );
            }
        }
    }

    #[test]
    fn a_write_that_only_a_bombed_city_held_is_lost_and_one_under_way_is_not() {
        let base = live(stamp("dispatch", 1, 1), None);
        let first = live(stamp("gotham", 1, 10), Some(&base));
        assert_eq!(lost_after(&first, [Some(&base), None], 1), (0, false));
        assert_eq!(lost_after(&first, [Some(&base), None], 2), (1, true));
    }
}
