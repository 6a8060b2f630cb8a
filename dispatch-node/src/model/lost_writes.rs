//! The lost writes: acknowledged, and later overwritten everywhere by a writer that had not seen
//! them. They are the price of acknowledging without asking other nodes, and are counted.
//!
//! Invariant: an acknowledged write of a command counts as lost, once, if and only if no entry that
//! survives is this write or is based on it. A deletion also counts as surviving if another deletion
//! does, and a live write if a deletion that was acknowledged or observed had seen it, and the hero
//! is deleted.
//!
//! A write is *settled* only by facts that no later observation contradicts. Dispatch observes the
//! cities at different times, and entries are under way meanwhile, so the present copies decide
//! nothing alone. The ledger chooses a *ground*, an entry that every node holds or has based its own
//! on, and waits until:
//!
//! - Each city has answered a question that was asked after the choice. So all nodes were running at
//!   the time of the choice, and held the ground.
//! - The vector of each node covers everything that any node covered at the choice. So an entry that
//!   competes with the ground, and was under way then, has arrived and was beaten.
//! - The vector of each node contains the present incarnation of every node. So no entry of an ended
//!   incarnation is under way.
//! - Each known entry that competes with the ground is covered by every node, or is gone: its
//!   incarnation has ended, and no node covers it.
//!
//! From then on each node holds the ground, or an entry based on it. Writes that the ground had seen
//! are kept, those based on it stay open, and all others are lost. Only a write that dispatch has
//! neither acknowledged nor observed, as of a patrol or of a client of a city, can contradict that,
//! since it competes without being known.
//!
//! Records of the library's types are treated like heroes, with two differences. The key of a room's
//! message belongs to one incarnation, so its later entries are based on all earlier ones, and a
//! message that the members had when they closed its incarnation was not lost, but pruned. A register
//! may be set again after its deletion was collected, so that a birth after a deletion is based on it.

mod ancestry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use imbl::Vector;

use gossip::{Key, Kind, Now, Origin, Stamp, UnixMillis, VersionVector};
use shared::{Entry, EntryRef};

use ancestry::{Ancestry, Chain};

use crate::model::counterfactual::Outcome;
use crate::text::title;

/// The maximum number of open writes and of known ancestors, for example while a city is
/// unreachable. Further writes are not counted; at half of it, no further ancestors are kept.
const KEPT_MAX: usize = 1_000_000;

/// The number of writes to heroes that count as much as one write to a record, which may have 4 KiB.
const RECORD_WEIGHT: usize = 100;

/// The maximum number of open writes of one hero. Beyond it, the oldest writes that the newest one
/// has overwritten knowingly count as settled; without any, the oldest write.
const OPEN_PER_KEY_MAX: usize = 256;

/// The number of writes that count as settled at once, since their search costs as much as one
/// comparison with every known ancestor.
const DROPPED_AT_ONCE: usize = 16;

/// The number of lost writes that are listed. All are counted.
const LISTED_MAX: usize = 1_000;

/// The acknowledged writes that are not settled, and those that were lost.
#[derive(Debug, Default)]
pub(crate) struct LostWrites {
    open: BTreeMap<Key, OpenKey>,
    /// The heroes with open writes whose entries have changed since their ground was last chosen.
    due: BTreeSet<Key>,
    /// The heroes with a ground, by the time of the choice.
    chosen: BTreeSet<(Duration, Key)>,
    /// The number of open writes and of known ancestors.
    kept: usize,
    /// The incarnation of each node at the last check.
    present: Vec<Origin>,
    lost: u64,
    listed: Vector<Arc<Lost>>,
}

/// An acknowledged write that no node holds any more, although no writer that had seen it replaced
/// it.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The number of the lost write; the first is 1.
    pub number: u64,
    /// The hero, or the key of a table.
    pub key: Key,
    /// The entry that was written.
    pub entry: Arc<Entry>,
    /// The time of the acknowledgement, by dispatch's clock.
    pub saved: UnixMillis,
    /// The time at which the loss was found, by dispatch's clock.
    pub found: UnixMillis,
    /// The entry that replaced it, or the tombstone that beat it and was collected since; `None` if
    /// it was lost with its only holder.
    pub to: Option<Arc<Entry>>,
    /// What would have become of it under other rules; empty if that is not recorded.
    pub outcomes: Vec<Outcome>,
}

impl Lost {
    /// Returns the entry that beat it; none if only an older entry remains.
    #[must_use]
    pub fn beaten_by(&self) -> Option<&Entry> {
        self.to.as_deref().filter(|to| to.beats(&self.entry))
    }

    /// Returns the reason for which it is lost, as a clause.
    #[must_use]
    pub fn why(&self) -> String {
        match self.beaten_by() {
            Some(to) => format!("{} had not seen it", title(to.stamp.origin.node)),
            None => "lost with its only holder".to_owned(),
        }
    }
}

/// The nodes as last observed.
pub(crate) struct Nodes<'a> {
    /// The present incarnation of each node, and its vector.
    pub(crate) observed: Vec<(Origin, &'a VersionVector)>,
    /// Returns whether dispatch has seen a write, or the members had it when they closed its
    /// incarnation.
    pub(crate) seen: &'a dyn Fn(Stamp) -> bool,
    /// Each city has answered a question that was asked at this time or later.
    pub(crate) answered: Duration,
}

impl Nodes<'_> {
    /// Returns whether each node has seen the present incarnation of every node, and none a later
    /// one. It then accepts no round of an ended incarnation.
    fn are_fenced(&self) -> bool {
        self.observed.iter().all(|(_, vector)| {
            self.observed.iter().all(|(present, _)| {
                vector.newest_incarnation(present.node) == Some(present.incarnation)
            })
        })
    }

    /// Returns the vector that covers everything that any node covers.
    fn covered(&self) -> VersionVector {
        let mut covered = VersionVector::new();
        self.observed.iter().for_each(|(_, vector)| covered.merge(vector));
        covered
    }

    fn all_cover(&self, vector: &VersionVector) -> bool {
        self.observed.iter().all(|(_, covered)| covered.covers_all(vector))
    }

    /// Returns whether no node receives this write any more: each covers it, or its incarnation has
    /// ended without any that does.
    fn is_at_rest(&self, write: Stamp) -> bool {
        self.observed.iter().all(|(_, vector)| vector.covers(write)) || self.is_gone(write)
    }

    /// Returns whether the incarnation of a write has ended, and no node covers the write.
    fn is_gone(&self, write: Stamp) -> bool {
        !self.runs(write) && !self.observed.iter().any(|(_, vector)| vector.covers(write))
    }

    fn runs(&self, write: Stamp) -> bool {
        self.observed.iter().any(|(present, _)| *present == write.origin)
    }
}

/// The fact that decides the fate of writes, once it is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Every node holds this entry, or one that is based on it.
    Held(Stamp),
    /// Every node holds a tombstone, or has collected it.
    Deleted,
    /// No node holds any entry, and no tombstone is known.
    Absent,
}

/// A ground, and what was known when it was chosen.
#[derive(Clone, Debug)]
struct Choice {
    ground: Ground,
    at: Duration,
    /// What any node covered.
    covered: Arc<VersionVector>,
}

/// The open writes of one hero, and the entries from which their fate follows.
#[derive(Debug, Default)]
struct OpenKey {
    is_record: bool,
    writes: Vec<Open>,
    ancestry: Ancestry,
    choice: Option<Choice>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A node holds it, or an entry based on it.
    Open,
    /// No node holds it or an entry based on it, but may still receive one.
    Awaited,
    /// It survives: overwritten by a writer that had seen it.
    Kept,
    /// No node holds it, and the writer that overwrote it had not seen it.
    Lost,
}

/// The result of settling the writes of one hero.
#[derive(Debug)]
struct Settled {
    /// The lost writes, each with the entry that replaced it.
    lost: Vec<(Open, Option<Arc<Entry>>)>,
    /// Whether the fate of a write is open although no node holds it.
    any_awaited: bool,
}

impl Open {
    /// Stores this tombstone if it beats the write, and none is stored whose writer had seen the
    /// write.
    fn note_tombstone(&mut self, tombstone: &EntryRef<'_, '_>, chain: &Chain, ancestry: &Ancestry) {
        let is_better = self.beaten_by.as_ref().is_none_or(|known| {
            known.stamp != tombstone.stamp
                && ancestry.includes(tombstone.stamp, chain, &self.entry)
                && !ancestry.had_seen(&known.as_entry_ref(), &self.entry)
        });
        if tombstone.rank() > self.entry.rank() && is_better {
            self.beaten_by = Some(Arc::new(tombstone.to_entry()));
        }
    }
}

impl OpenKey {
    /// Returns the number of writes and ancestors, by their weight.
    fn kept(&self) -> usize {
        (self.writes.len() + self.ancestry.len()) * if self.is_record { RECORD_WEIGHT } else { 1 }
    }

    fn acknowledged(&mut self, at: UnixMillis, entry: &Arc<Entry>) {
        let mut open = Open { entry: Arc::clone(entry), saved: at, beaten_by: None };
        for earlier in self.writes.iter().filter(|earlier| earlier.entry.is_tombstone()) {
            let tombstone = earlier.entry.as_entry_ref();
            let chain = self.ancestry.chain(tombstone.stamp, tombstone.seen);
            open.note_tombstone(&tombstone, &chain, &self.ancestry);
        }
        self.writes.push(open);
        if self.writes.len() > OPEN_PER_KEY_MAX {
            self.drop_oldest(entry);
        }
    }

    fn drop_oldest(&mut self, newest: &Entry) {
        let chain = self.ancestry.chain(newest.stamp, newest.seen.stamps());
        let mut dropped = 0;
        let ancestry = &self.ancestry;
        self.writes.retain(|open| {
            let is_dropped = dropped < DROPPED_AT_ONCE
                && open.entry.stamp != newest.stamp
                && ancestry.includes(newest.stamp, &chain, &open.entry);
            dropped += usize::from(is_dropped);
            !is_dropped
        });
        if dropped == 0 {
            self.writes.remove(0);
        }
    }

    fn note(&mut self, entry: &EntryRef<'_, '_>, keeps_ancestors: bool) {
        if keeps_ancestors {
            self.ancestry.note(entry);
        }
        if entry.value.is_tombstone() {
            let chain = self.ancestry.chain(entry.stamp, entry.seen);
            for open in &mut self.writes {
                open.note_tombstone(entry, &chain, &self.ancestry);
            }
        }
    }

    /// Returns the chain of each different entry.
    fn chains(&self, held: &[Option<Arc<Entry>>]) -> Vec<(Stamp, Chain)> {
        let mut chains: Vec<(Stamp, Chain)> = Vec::new();
        for entry in held.iter().flatten() {
            if chains.iter().all(|(stamp, _)| *stamp != entry.stamp) {
                let chain = self.ancestry.chain(entry.stamp, entry.seen.stamps());
                chains.push((entry.stamp, chain));
            }
        }
        chains
    }

    /// Returns the newest ground on which these entries stand.
    fn ground(&self, held: &[Option<Arc<Entry>>]) -> Option<Ground> {
        if held.iter().flatten().all(|entry| entry.is_tombstone()) {
            // A city that has not received the tombstone is waited for until it covers it.
            let is_deleted =
                held.iter().any(Option::is_some) || self.ancestry.tombstone().is_some();
            return Some(if is_deleted { Ground::Deleted } else { Ground::Absent });
        }
        let are_live = held.iter().all(|cell| cell.as_ref().is_some_and(|e| !e.is_tombstone()));
        if !are_live {
            return None;
        }
        Chain::newest_common(&self.chains(held)).map(Ground::Held)
    }

    /// Returns whether these entries, of which `newest` is the newest ground, still stand on the
    /// chosen one.
    fn still_stands(&self, newest: Option<Ground>, held: &[Option<Arc<Entry>>]) -> bool {
        match (self.choice.as_ref().map(|choice| choice.ground), newest) {
            (Some(Ground::Held(chosen)), Some(Ground::Held(_))) => {
                self.chains(held).iter().all(|(_, chain)| chain.contains(chosen))
            }
            (chosen, newest) => chosen.is_some() && chosen == newest,
        }
    }

    /// Returns whether an entry is known that competes with the ground and may still arrive at a
    /// node.
    fn may_be_contradicted(&self, key: Key, ground: Ground, nodes: &Nodes<'_>) -> bool {
        let writes = self.writes.iter().map(|open| (open.entry.stamp, open.entry.is_tombstone()));
        let mut moving =
            self.ancestry.known().chain(writes).filter(|(stamp, _)| !nodes.is_at_rest(*stamp));
        match ground {
            Ground::Held(held) => moving.any(|(stamp, is_tombstone)| {
                let competes = stamp > held || is_tombstone;
                competes && !self.is_based_on(stamp, held)
            }),
            // A deleted hero stays deleted; a register can be set again.
            Ground::Deleted if key.kind() != Kind::Register => false,
            Ground::Deleted | Ground::Absent => moving.next().is_some(),
        }
    }

    fn is_based_on(&self, stamp: Stamp, ground: Stamp) -> bool {
        let written = self.writes.iter().find(|open| open.entry.stamp == stamp);
        let chain = written.map_or_else(
            || self.ancestry.chain_of(stamp),
            |open| self.ancestry.chain(stamp, open.entry.seen.stamps()),
        );
        self.ancestry.may_include(stamp, &chain, ground)
    }

    /// Returns the fate of a write, now that the ground is certain. `chains` are those of the held
    /// entries.
    fn fate(
        &self,
        key: Key,
        open: &Open,
        ground: Ground,
        held: &[Option<Arc<Entry>>],
        chains: &[(Stamp, Chain)],
        nodes: &Nodes<'_>,
    ) -> Fate {
        let write = &open.entry;
        let is_later = |held: Stamp| held.origin == write.stamp.origin && held >= write.stamp;
        let is_followed = chains.iter().any(|(held, chain)| {
            self.ancestry.includes(*held, chain, write) || key.kind().is_owned() && is_later(*held)
        });
        // Born again after this deletion, which was collected.
        let is_reborn = write.is_tombstone()
            && held.iter().flatten().all(|held| held.born > write.stamp)
            && key.kind() == Kind::Register;
        let had_seen = |entry: &Arc<Entry>| self.ancestry.had_seen(&entry.as_entry_ref(), write);
        match ground {
            Ground::Deleted => {
                let is_kept = write.is_tombstone()
                    || is_followed
                    || open.beaten_by.as_ref().is_some_and(had_seen);
                if is_kept { Fate::Kept } else { Fate::Lost }
            }
            // A running writer that does not hold it any more has collected an unknown tombstone.
            Ground::Absent if write.is_tombstone() || nodes.runs(write.stamp) => Fate::Kept,
            Ground::Absent if key.kind().is_owned() && (nodes.seen)(write.stamp) => Fate::Kept,
            Ground::Absent => Fate::Lost,
            // The ground is an ancestor of each entry, so all agree on what it had seen.
            Ground::Held(ground) if write.stamp <= ground => {
                let was_deleted =
                    key.kind() == Kind::Register && open.beaten_by.as_ref().is_some_and(had_seen);
                if is_followed || is_reborn || was_deleted { Fate::Kept } else { Fate::Lost }
            }
            Ground::Held(_) if is_followed => Fate::Open,
            Ground::Held(ground) if !self.is_based_on(write.stamp, ground) => Fate::Lost,
            Ground::Held(_) => {
                let mut moving =
                    self.ancestry.known().filter(|(later, _)| !nodes.is_at_rest(*later));
                let may_return = !nodes.is_at_rest(write.stamp)
                    || moving.any(|(later, _)| self.is_based_on(later, write.stamp));
                if may_return { Fate::Awaited } else { Fate::Lost }
            }
        }
    }

    /// Removes the writes whose fate follows from the ground.
    fn settle(
        &mut self,
        key: Key,
        ground: Ground,
        held: &[Option<Arc<Entry>>],
        nodes: &Nodes<'_>,
    ) -> Settled {
        let chains = self.chains(held);
        let fate = |open: &Open| self.fate(key, open, ground, held, &chains, nodes);
        let fates: Vec<Fate> = self.writes.iter().map(fate).collect();
        let any_awaited = fates.contains(&Fate::Awaited);
        let mut settled = Settled { lost: Vec::new(), any_awaited };
        for (open, fate) in std::mem::take(&mut self.writes).into_iter().zip(fates) {
            match fate {
                Fate::Open | Fate::Awaited => self.writes.push(open),
                Fate::Kept => {}
                Fate::Lost => {
                    let winners = held.iter().flatten().chain(&open.beaten_by);
                    let to = winners.max_by_key(|entry| entry.rank()).cloned();
                    settled.lost.push((open, to));
                }
            }
        }
        if let Ground::Held(ground) = ground {
            self.ancestry.drop_before(ground);
        }
        settled
    }
}

impl LostWrites {
    /// Notes a write that was acknowledged at `at`.
    pub(crate) fn acknowledged(&mut self, at: UnixMillis, key: Key, entry: &Arc<Entry>) {
        if self.kept < KEPT_MAX {
            let hero = self.open.entry(key).or_default();
            hero.is_record = key.table().is_some();
            self.kept -= hero.kept();
            hero.acknowledged(at, entry);
            self.kept += hero.kept();
            self.due.insert(key);
        }
        self.seen(key, &entry.as_entry_ref());
    }

    /// Notes an entry that some node holds. A tombstone is stored with the writes that it beats,
    /// since it may be collected before they are settled.
    pub(crate) fn seen(&mut self, key: Key, entry: &EntryRef<'_, '_>) {
        let Some(hero) = self.open.get_mut(&key) else { return };
        self.kept -= hero.kept();
        hero.note(entry, self.kept < KEPT_MAX / 2);
        self.kept += hero.kept();
    }

    /// Notes that some node's entry of the hero has changed.
    pub(crate) fn changed(&mut self, key: Key) {
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

    /// Returns whether a further observation of the nodes may settle writes.
    pub(crate) fn awaits_observations(&self) -> bool {
        !self.due.is_empty() || !self.chosen.is_empty()
    }

    /// Settles the writes to at most `at_most` heroes. Returns whether none is left that could be
    /// settled without a further observation. `holdings` returns each node's entry of a hero, in the
    /// order of `nodes`. Must be called only while every city has been read completely.
    pub(crate) fn settle(
        &mut self,
        now: Now,
        at_most: usize,
        holdings: impl Fn(Key) -> Vec<Option<Arc<Entry>>>,
        nodes: &Nodes<'_>,
    ) -> bool {
        if self.open.is_empty() {
            return true;
        }
        self.note_incarnations(nodes);
        if !self.awaits_observations() || !nodes.are_fenced() {
            return true;
        }
        let covered = Arc::new(nodes.covered());
        for number in 0.. {
            if number == at_most {
                return false;
            }
            if let Some(key) = self.due.pop_first() {
                self.choose(now, key, &holdings(key), &covered);
            } else if let Some(key) = self.next_certain(nodes) {
                self.settle_hero(now, key, &holdings(key), nodes, &covered);
            } else {
                break;
            }
        }
        true
    }

    /// Starts over if a node runs another incarnation than at the last check.
    fn note_incarnations(&mut self, nodes: &Nodes<'_>) {
        let present = nodes.observed.iter().map(|(present, _)| present);
        if !present.clone().eq(&self.present) {
            self.present = present.copied().collect();
            self.chosen.clear();
            self.open.values_mut().for_each(|hero| hero.choice = None);
            self.due.extend(self.open.keys());
        }
    }

    /// Chooses the ground of a hero, unless its entries still stand on the chosen one.
    fn choose(
        &mut self,
        now: Now,
        key: Key,
        held: &[Option<Arc<Entry>>],
        covered: &Arc<VersionVector>,
    ) {
        let Some(hero) = self.open.get_mut(&key) else { return };
        self.kept -= hero.kept();
        let keeps_ancestors = self.kept < KEPT_MAX / 2;
        held.iter().flatten().for_each(|entry| hero.note(&entry.as_entry_ref(), keeps_ancestors));
        self.kept += hero.kept();
        let newest = hero.ground(held);
        if !hero.still_stands(newest, held) {
            self.put_choice(now, key, newest, covered);
        }
    }

    fn put_choice(
        &mut self,
        now: Now,
        key: Key,
        ground: Option<Ground>,
        covered: &Arc<VersionVector>,
    ) {
        let Some(hero) = self.open.get_mut(&key) else { return };
        if let Some(before) = hero.choice.take() {
            self.chosen.remove(&(before.at, key));
        }
        hero.choice =
            ground.map(|ground| Choice { ground, at: now.mono, covered: Arc::clone(covered) });
        if hero.choice.is_some() {
            self.chosen.insert((now.mono, key));
        }
    }

    /// Returns the next hero whose ground is certain, except for known entries that compete with it.
    fn next_certain(&self, nodes: &Nodes<'_>) -> Option<Key> {
        // Later choices need later answers, and more covered writes.
        let (at, key) = self.chosen.first()?;
        let choice = self.open.get(key)?.choice.as_ref()?;
        (*at < nodes.answered && nodes.all_cover(&choice.covered)).then_some(*key)
    }

    fn settle_hero(
        &mut self,
        now: Now,
        key: Key,
        held: &[Option<Arc<Entry>>],
        nodes: &Nodes<'_>,
        covered: &Arc<VersionVector>,
    ) {
        let Some(hero) = self.open.get_mut(&key) else { return };
        let Some(Choice { ground, .. }) = hero.choice else { return };
        let newest = hero.ground(held);
        if hero.may_be_contradicted(key, ground, nodes) {
            return self.put_choice(now, key, newest, covered);
        }
        self.kept -= hero.kept();
        let Settled { lost, any_awaited } = hero.settle(key, ground, held, nodes);
        let is_settled = hero.writes.is_empty();
        self.kept += if is_settled { 0 } else { hero.kept() };
        // What is based on the ground waits for the next one.
        let next = newest.filter(|newest| any_awaited || *newest != ground);
        self.put_choice(now, key, next, covered);
        if is_settled {
            self.open.remove(&key);
            self.chosen.remove(&(now.mono, key));
        }
        for (Open { entry, saved, .. }, to) in lost {
            self.count(Lost {
                number: self.lost + 1,
                key,
                entry,
                saved,
                found: now.wall,
                to,
                outcomes: Vec::new(),
            });
        }
    }

    /// Notes what would have become of a listed lost write under other rules.
    pub(crate) fn explain(&mut self, number: u64, outcomes: Vec<Outcome>) {
        if let Some(lost) = self.listed.iter_mut().rev().find(|lost| lost.number == number) {
            Arc::make_mut(lost).outcomes = outcomes;
        }
    }

    fn count(&mut self, lost: Lost) {
        self.lost = lost.number;
        self.listed.push_back(Arc::new(lost));
        if self.listed.len() > LISTED_MAX {
            self.listed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
