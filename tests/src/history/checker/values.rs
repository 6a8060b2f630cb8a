//! Every hero was created and every value written by an operation, at most once for each key, and
//! by none that was refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Hero, Stamp};
use crate::history::checker::answers::is_unhurt;
use crate::history::checker::index::Index;
use crate::history::checker::{Report, Rule};
use crate::history::record::{Copy, Operation, Outcome, Request, shown};

/// The stamps seen with each hero and location.
type Seen<'a> = BTreeMap<(&'a str, &'a str), BTreeMap<&'a Stamp, &'a Hero>>;

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let lost = index.history.end.lost.lost.iter().filter_map(|lost| match &lost.wrote {
        Some(Copy::Live(hero)) => Some(hero),
        Some(Copy::Word(_)) | None => None,
    });
    let mut seen: Seen<'_> = BTreeMap::new();
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for hero in index.sightings.iter().filter_map(|sighting| sighting.hero).chain(lost) {
        let place = (hero.id.as_str(), hero.location.as_str());
        let is_new = seen.entry(place).or_default().insert(&hero.stamp, hero).is_none();
        names.entry(&hero.id).or_default().insert(&hero.name);
        ids.entry(&hero.name).or_default().insert(&hero.id);
        if is_new || !is_unhurt(hero) {
            value_is_possible(hero, report);
        }
    }
    for (id, names) in &names {
        if names.len() > 1 {
            let text = format!("hero {id} has the names {names:?}");
            report.add(Rule::ValueWithoutWriter, text, []);
        }
    }
    for (name, ids) in &ids {
        heroes_were_created(index, name, ids, report);
    }
    for ((hero, place), stamps) in &seen {
        values_were_written(index, hero, place, stamps, report);
    }
}

/// Nothing hurts a hero.
fn value_is_possible(hero: &Hero, report: &mut Report) {
    if !is_unhurt(hero) {
        let text = format!("nobody can have written {}: {hero:?}", shown(hero));
        report.add(Rule::ValueWithoutWriter, text, []);
    }
}

/// Returns the stamps at which no node can have adopted a write to this hero and location.
///
/// A node rewrites a write as its own if the write, or the creation of its hero, belongs to an
/// ended incarnation and has not reached every node. The new stamp is later, the value is the same.
fn not_adopted<'a>(
    index: &Index<'_>,
    hero: &str,
    seen: &BTreeMap<&'a Stamp, &Hero>,
    acknowledged: &BTreeSet<&Stamp>,
) -> Vec<&'a Stamp> {
    let has_ended_creator = index.created(hero).is_none_or(|created| index.has_ended(created));
    let is_adoptable = |stamp: &Stamp| has_ended_creator || index.has_ended(&stamp.origin);
    let is_adopted = |stamp: &Stamp| {
        let before = seen.keys().copied().chain(acknowledged.iter().copied());
        before.filter(|before| *before < stamp).any(is_adoptable)
    };
    seen.keys()
        .filter(|stamp| !acknowledged.contains(**stamp) && !is_adopted(stamp))
        .copied()
        .collect()
}

fn heroes_were_created(index: &Index<'_>, name: &str, ids: &BTreeSet<&str>, report: &mut Report) {
    let Some(attempts) = index.creations.get(name) else {
        report.add(Rule::HeroFromNowhere, format!("no client created {name}: {ids:?}"), []);
        return;
    };
    let executed = index.effects_max(attempts);
    if ids.len() > executed {
        let rule = if executed == 0 { Rule::RefusedWithoutEffect } else { Rule::AtMostOnce };
        let text = format!("{name} exists {} times, at most {executed} expected", ids.len());
        report.add(rule, text, attempts.iter().copied());
    }
    for attempt in attempts {
        if let Outcome::Written { hero } = &attempt.outcome
            && !ids.contains(hero.id.as_str())
        {
            report.add(Rule::AtMostOnce, format!("{name} is not {}", hero.id), [*attempt]);
        }
    }
}

/// Compares the writes of one hero to one location with the operations that may have written them.
fn values_were_written(
    index: &Index<'_>,
    hero: &str,
    place: &str,
    seen: &BTreeMap<&Stamp, &Hero>,
    report: &mut Report,
) {
    let mut attempts: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let assignments = index.on.get(hero).into_iter().flatten().filter(
        |operation| matches!(&operation.request, Request::Assign { to, .. } if to == place),
    );
    let creations = seen.values().next().and_then(|hero| index.creations.get(hero.name.as_str()));
    let creations = creations.filter(|_| place == "home").into_iter().flatten();
    for operation in assignments.chain(creations) {
        let key = operation.key.as_deref().unwrap_or_default();
        attempts.entry(key).or_default().push(operation);
    }
    let mut acknowledged: BTreeSet<&Stamp> = BTreeSet::new();
    let mut open = 0;
    for attempts in attempts.values() {
        let stamps: BTreeSet<&Stamp> = attempts
            .iter()
            .filter_map(|attempt| attempt.outcome.written())
            .filter(|written| written.id == hero)
            .map(|written| &written.stamp)
            .collect();
        let effects = index.effects_max(attempts);
        if stamps.len() > effects {
            let text = format!("one key wrote {stamps:?}");
            report.add(Rule::AtMostOnce, text, attempts.iter().copied());
        }
        open += effects.saturating_sub(stamps.len());
        acknowledged.extend(stamps);
    }
    let others = not_adopted(index, hero, seen, &acknowledged);
    let writer = if place == "home" { "dispatch" } else { place };
    if let Some(foreign) = others.iter().find(|stamp| stamp.writer() != writer) {
        let text = format!("{foreign} does not write hero {hero} at {place}");
        report.add(Rule::ValueWithoutWriter, text, []);
    }
    if others.len() <= open {
        return;
    }
    let operations: Vec<&Operation> = attempts.values().flatten().copied().collect();
    let was_refused = |operation: &&Operation| matches!(operation.outcome, Outcome::Refused { .. });
    let rule = if operations.is_empty() {
        Rule::ValueWithoutWriter
    } else if acknowledged.is_empty() && operations.iter().all(was_refused) {
        Rule::RefusedWithoutEffect
    } else {
        Rule::AtMostOnce
    };
    let text = format!(
        "hero {hero} was written at {place} with {others:?}; operations explain at most {open} \
         such writes"
    );
    report.add(rule, text, operations);
}
