//! The ledger of lost writes counts those that the history proves to be lost, and no other.
//!
//! The event log names the write on which each write is based. Followed from the final write of a
//! hero, or from its tombstone, that shows which writes were seen. What lies behind a write that is
//! missing in the log is not known.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Event, Hero, Stamp};
use crate::history::checker::index::Index;
use crate::history::checker::{Report, Rule};
use crate::history::record::{Copy, Operation, Outcome, shown};
use gossip::SEEN_MAX;

/// The fate of a write, as far as the history proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    NotProved,
}

/// The writes on which the decisive write of a hero is based, itself included. Each is based on an
/// older one.
#[derive(Debug)]
struct Chain<'a> {
    writes: BTreeSet<&'a Stamp>,
    /// Whether the oldest is the creation.
    is_complete: bool,
}

#[derive(Debug)]
struct Ledger<'a> {
    index: &'a Index<'a>,
    /// Each write in the log, with its event.
    written: BTreeMap<&'a Stamp, &'a Event>,
    tombstones: BTreeMap<&'a str, Vec<&'a Stamp>>,
    /// The chain of each hero whose decisive write is known.
    chains: BTreeMap<&'a str, Chain<'a>>,
}

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let ledger = Ledger::of(index);
    let mut acknowledged: BTreeMap<&Stamp, (&Hero, &Operation)> = BTreeMap::new();
    for operation in index.history.operations().filter(|write| index.is_of_last_run(write)) {
        if let Outcome::Written { hero } = &operation.outcome {
            acknowledged.entry(&hero.stamp).or_insert((hero, operation));
        }
    }
    let counted = &index.history.end.lost;
    let listed: BTreeSet<&Stamp> = counted.lost.iter().map(|lost| &lost.stamp).collect();
    let all_listed = counted.lost.len() as u64 == counted.count;
    let mut min = 0;
    for (stamp, (hero, operation)) in &acknowledged {
        let fate = ledger.fate(&hero.id, stamp);
        min += usize::from(fate == Fate::Lost);
        if fate == Fate::Lost && all_listed && !listed.contains(*stamp) {
            let text = format!("the ledger lacks {}, {}", shown(hero), ledger.winner(&hero.id));
            report.add(Rule::LedgerTooLow, text, [*operation]);
        }
    }
    let max = ledger.lost_max(acknowledged.iter().map(|(stamp, (hero, _))| (*stamp, &*hero.id)));
    report.counts.lost = counted.count;
    (report.counts.lost_min, report.counts.lost_max) = (min, max);
    if (counted.count as usize) < min {
        let text = format!("{} lost writes are counted, at least {min} are", counted.count);
        report.add(Rule::LedgerTooLow, text, []);
    }
    if counted.count as usize > max {
        let text = format!("{} lost writes are counted, at most {max} are", counted.count);
        report.add(Rule::LedgerTooHigh, text, []);
    }
    ledger.list_is_true(&acknowledged, report);
}

impl<'a> Ledger<'a> {
    fn of(index: &'a Index<'a>) -> Self {
        let mut written = BTreeMap::new();
        let mut tombstones: BTreeMap<&str, Vec<&Stamp>> = BTreeMap::new();
        for event in &index.history.end.log {
            let (Some(stamp), Some(hero)) = (&event.stamp, &event.hero) else { continue };
            written.insert(stamp, event);
            if event.kind == "terminated" {
                tombstones.entry(hero).or_default().push(stamp);
            }
        }
        let chains = BTreeMap::new();
        let mut ledger = Self { index, written, tombstones, chains };
        let created =
            index.creations.values().flatten().filter_map(|creation| match &creation.outcome {
                Outcome::Written { hero } => Some(hero.id.as_str()),
                Outcome::Deleted
                | Outcome::Shown { .. }
                | Outcome::Refused { .. }
                | Outcome::Unknown { .. } => None,
            });
        let heroes: BTreeSet<&str> = index.on.keys().copied().chain(created).collect();
        ledger.chains = heroes
            .into_iter()
            .filter_map(|hero| Some((hero, ledger.chain(ledger.decisive(hero)?))))
            .collect();
        ledger
    }

    /// Returns the write that decides the fate of the others; `None` if it is not known.
    fn decisive(&self, hero: &str) -> Option<&'a Stamp> {
        if let Some(held) = self.index.at_the_end(hero) {
            return Some(&held.stamp);
        }
        let own = self.index.deletions(hero).all(|deletion| self.index.is_of_last_run(deletion));
        match self.tombstones.get(hero).map(Vec::as_slice) {
            Some([tombstone]) if own => Some(tombstone),
            Some(_) | None => None,
        }
    }

    fn winner(&self, hero: &str) -> String {
        match (self.index.at_the_end(hero), self.decisive(hero)) {
            (Some(held), _) => format!("and {} is held", shown(held)),
            (None, Some(tombstone)) => format!("and the tombstone is {tombstone}"),
            (None, None) => "and nothing is held".to_owned(),
        }
    }

    fn chain(&self, from: &'a Stamp) -> Chain<'a> {
        let mut writes = BTreeSet::from([from]);
        let mut next = self.written.get(from);
        while let Some(event) = next {
            let Some(over) = &event.over else { return Chain { writes, is_complete: true } };
            // A write that is based on a later one is reported with the log.
            next = if writes.insert(over) { self.written.get(over) } else { None };
        }
        Chain { writes, is_complete: false }
    }

    fn fate(&self, hero: &str, write: &Stamp) -> Fate {
        let is_tombstone =
            self.tombstones.get(hero).is_some_and(|tombstones| tombstones.contains(&write));
        if is_tombstone {
            // The running dispatch holds it, and two tombstones are both in effect.
            return Fate::Kept;
        }
        let Some(Chain { writes, is_complete }) = self.chains.get(hero) else {
            let is_deleted =
                self.tombstones.contains_key(hero) || self.index.deletions(hero).next().is_some();
            return if is_deleted { Fate::NotProved } else { Fate::Lost };
        };
        if writes.contains(write) {
            return Fate::Kept;
        }
        if !is_complete && writes.first().is_some_and(|oldest| *oldest > write) {
            return Fate::NotProved;
        }
        // A decisive live write does not count as seen by itself.
        let is_held = self.index.at_the_end(hero).is_some();
        let seen = writes.iter().rev().skip(usize::from(is_held));
        let later = seen.filter(|seen| **seen > write);
        let origins: BTreeSet<&str> = later.map(|seen| seen.origin.as_str()).collect();
        // An entry names so many origins only. Older writes count as seen.
        if origins.len() >= SEEN_MAX { Fate::NotProved } else { Fate::Lost }
    }

    /// Returns the number of writes that are not known to be kept.
    fn lost_max(&self, acknowledged: impl Iterator<Item = (&'a Stamp, &'a str)>) -> usize {
        let logged =
            self.written.iter().filter_map(|(stamp, event)| Some((*stamp, event.hero.as_deref()?)));
        let writes: BTreeSet<(&Stamp, &str)> = logged.chain(acknowledged).collect();
        writes.into_iter().filter(|(stamp, hero)| self.fate(hero, stamp) != Fate::Kept).count()
    }

    fn list_is_true(
        &self,
        acknowledged: &BTreeMap<&Stamp, (&Hero, &Operation)>,
        report: &mut Report,
    ) {
        let mut listed = BTreeSet::new();
        for lost in &self.index.history.end.lost.lost {
            let known = acknowledged.get(&lost.stamp);
            let operation = known.map(|(_, operation)| *operation);
            let is_logged = self
                .written
                .get(&lost.stamp)
                .is_some_and(|event| event.hero.as_deref() == Some(lost.hero.as_str()));
            let fate = self.fate(&lost.hero, &lost.stamp);
            let is_again = !listed.insert(&lost.stamp);
            let problem = if is_again {
                "twice"
            } else if !is_logged && known.is_none() {
                "though nobody acknowledged it"
            } else if fate == Fate::Kept {
                "though it is held, or a writer that had seen it replaced it"
            } else if known.is_some_and(|(hero, _)| lost.wrote != Some(Copy::Live((*hero).clone())))
            {
                "with another value than it had"
            } else {
                continue;
            };
            let text = format!(
                "the ledger lists {} of hero {} {problem}, {}",
                lost.stamp,
                lost.hero,
                self.winner(&lost.hero)
            );
            report.add(Rule::LedgerTooHigh, text, operation);
        }
    }
}
