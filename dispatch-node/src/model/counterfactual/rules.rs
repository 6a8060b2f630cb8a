//! The rules. Each is a small replicated object, run over the steps of a story.

use std::collections::{BTreeMap, BTreeSet};

use super::{Changes, Fate, Step, Story, Write};

/// The numbers of writes.
type Numbers = BTreeSet<usize>;

/// Where a majority keeps what it has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Memory,
    Disk,
}

/// One register at one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Register {
    /// The write that it holds.
    held: Option<usize>,
    /// The writes that have arrived since the node last lost its memory.
    arrived: Numbers,
}

/// The registers of all nodes, and what the writer of each write had seen.
#[derive(Debug)]
struct Registers<'a> {
    story: &'a Story,
    nodes: Vec<Register>,
    /// For each write the writes that it replaced knowingly, itself included; empty if it does not
    /// concern the register.
    seen: Vec<Numbers>,
}

impl<'a> Registers<'a> {
    /// Returns the registers after the story, and after a full exchange. `concerns` returns whether a
    /// write sets the register; `wins` returns whether a received write replaces the held one.
    fn after(
        story: &'a Story,
        concerns: impl Fn(&Write) -> bool,
        wins: impl Fn(&Write, &Write) -> bool,
    ) -> Self {
        let nodes = vec![Register::default(); story.nodes];
        let mut registers = Self { story, nodes, seen: vec![Numbers::new(); story.writes.len()] };
        for step in &story.steps {
            match *step {
                Step::Write(number) if concerns(&story.writes[number]) => registers.write(number),
                Step::Write(_) => {}
                Step::Pull { puller, source } => registers.pull(puller, source, &wins),
                Step::Forget(node) => registers.nodes[node] = Register::default(),
            }
        }
        // Enough for the winner to reach every node; a rule that swaps equal copies never settles.
        for puller in (0..story.nodes).chain(0..story.nodes) {
            (0..story.nodes).for_each(|source| registers.pull(puller, source, &wins));
        }
        registers
    }

    fn write(&mut self, number: usize) {
        let register = &mut self.nodes[self.story.writes[number].node];
        let mut seen = register.held.map(|held| self.seen[held].clone()).unwrap_or_default();
        seen.insert(number);
        self.seen[number] = seen;
        register.arrived.insert(number);
        register.held = Some(number);
    }

    fn pull(&mut self, puller: usize, source: usize, wins: impl Fn(&Write, &Write) -> bool) {
        if self.nodes[puller] == self.nodes[source] {
            return;
        }
        let Register { held, arrived } = self.nodes[source].clone();
        let register = &mut self.nodes[puller];
        register.arrived.extend(arrived);
        let writes = &self.story.writes;
        if let Some(theirs) = held
            && register.held.is_none_or(|mine| wins(&writes[theirs], &writes[mine]))
        {
            register.held = Some(theirs);
        }
    }

    /// Returns the fate of a write that concerns the register.
    fn fate(&self, number: usize) -> Fate {
        let held: BTreeSet<Option<usize>> = self.nodes.iter().map(|node| node.held).collect();
        let held: Vec<Option<usize>> = held.into_iter().collect();
        let had_seen = |held: usize| self.seen[held].contains(&number);
        match held[..] {
            [Some(held)] if had_seen(held) => Fate::Saved,
            [Some(_)] if !self.has_arrived(number) => Fate::Forgotten,
            [Some(held)] => Fate::Replaced(held),
            [None] | [] => Fate::Forgotten,
            _ if held.iter().all(|held| held.is_some_and(had_seen)) => Fate::Saved,
            _ => Fate::Undecided,
        }
    }

    /// Returns whether a node holds the write, or held it without losing its memory since.
    fn has_arrived(&self, number: usize) -> bool {
        self.nodes.iter().any(|node| node.arrived.contains(&number))
    }
}

/// Returns whether the last write wins, and a deletion over every write.
fn is_later(theirs: &Write, mine: &Write) -> bool {
    theirs.entry.beats(&mine.entry)
}

/// One register for each field.
pub(super) fn fields(story: &Story) -> Vec<Fate> {
    let fields: [fn(&Changes) -> bool; 3] =
        [|changes| changes.location, |changes| changes.health, |changes| changes.patrol];
    let registers =
        fields.map(|field| Registers::after(story, |write| field(&write.changes), is_later));
    let fate = |(number, write): (usize, &Write)| {
        let Changes { location, health, patrol } = write.changes;
        let changed = [location, health, patrol];
        let fates = changed.iter().zip(&registers);
        let fates: Vec<Option<Fate>> =
            fates.map(|(changed, register)| changed.then(|| register.fate(number))).collect();
        let is_lost = |field: usize| fates[field].as_ref().is_some_and(|fate| *fate != Fate::Saved);
        let lost = Changes { location: is_lost(0), health: is_lost(1), patrol: is_lost(2) };
        let first = fates.iter().flatten().find(|fate| **fate != Fate::Saved).cloned();
        match first {
            None => Fate::Saved,
            Some(Fate::Replaced(to)) if lost != write.changes => Fate::SavedInPart { lost, to },
            Some(fate) => fate,
        }
    };
    story.writes.iter().enumerate().map(fate).collect()
}

/// A register for the location and the patrol, and a sum for the health.
pub(super) fn health_counter(story: &Story) -> Vec<Fate> {
    let concerns = |write: &Write| write.changes.location || write.changes.patrol;
    let rest = Registers::after(story, concerns, is_later);
    let sum = Registers::after(story, |_| true, is_later);
    let fate = |(number, write): (usize, &Write)| {
        if !sum.has_arrived(number) {
            return Fate::Forgotten;
        }
        if write.entry.is_tombstone() || !concerns(write) {
            return Fate::Saved;
        }
        let fate = rest.fate(number);
        if let Fate::Replaced(to) = fate
            && write.changes.health
        {
            return Fate::SavedInPart { lost: Changes { health: false, ..write.changes }, to };
        }
        fate
    };
    story.writes.iter().enumerate().map(fate).collect()
}

/// Returns the second of a write's stamp.
pub(super) fn second(write: &Write) -> u64 {
    write.entry.stamp.hlc.wall.0 / 1_000
}

/// One register with stamps of whole seconds, whose second argument wins. A deletion removes the copy
/// and leaves no trace.
pub(super) fn whole_seconds(story: &Story) -> Vec<Fate> {
    let is_live = |write: &Write| !write.entry.is_tombstone();
    let registers = Registers::after(story, is_live, |theirs, mine| second(theirs) >= second(mine));
    let fate = |(number, write): (usize, &Write)| {
        // Without a tombstone, a copy elsewhere brings the hero back.
        if is_live(write) { registers.fate(number) } else { Fate::Forgotten }
    };
    story.writes.iter().enumerate().map(fate).collect()
}

/// All writes are kept of which no other had seen the one.
pub(super) fn keep_both(story: &Story) -> Vec<Fate> {
    let all = Registers::after(story, |_| true, is_later);
    let fate = |number| if all.has_arrived(number) { Fate::Saved } else { Fate::Forgotten };
    (0..story.writes.len()).map(fate).collect()
}

/// A write is accepted by a majority, which tells the writer of what it has accepted before.
pub(super) fn majority(story: &Story, store: Store) -> Vec<Fate> {
    /// A write that was accepted.
    struct Accepted {
        holders: Numbers,
        /// A later writer has seen it.
        was_seen: bool,
    }
    let mut refused: Vec<Option<usize>> = vec![None; story.writes.len()];
    let mut accepted: BTreeMap<usize, Accepted> = BTreeMap::new();
    for step in &story.steps {
        match *step {
            Step::Write(number) => {
                let reached = &story.writes[number].reached;
                let reached: Numbers =
                    (0..story.nodes).filter(|node| reached.get(*node) == Some(&true)).collect();
                if 2 * reached.len() <= story.nodes {
                    refused[number] = Some(reached.len());
                    continue;
                }
                for earlier in accepted.values_mut() {
                    earlier.was_seen |= !earlier.holders.is_disjoint(&reached);
                }
                accepted.insert(number, Accepted { holders: reached, was_seen: false });
            }
            Step::Pull { puller, source } => {
                for Accepted { holders, .. } in accepted.values_mut() {
                    if holders.contains(&source) {
                        holders.insert(puller);
                    }
                }
            }
            Step::Forget(node) if store == Store::Memory => {
                accepted.values_mut().for_each(|accepted| {
                    accepted.holders.remove(&node);
                });
            }
            Step::Forget(_) => {}
        }
    }
    let fate = |(number, refused): (usize, &Option<usize>)| match (refused, accepted.get(&number)) {
        (Some(reached), _) => Fate::Refused { reached: *reached },
        (None, Some(write)) if write.was_seen || !write.holders.is_empty() => Fate::Saved,
        (None, _) => Fate::Forgotten,
    };
    refused.iter().enumerate().map(fate).collect()
}
