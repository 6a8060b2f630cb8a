//! The cluster at rest: all nodes agree, hold the greatest write among those that survived, and
//! show it; the log is complete.

use std::collections::BTreeMap;

use crate::api::{Hero, Stamp};
use crate::history::checker::index::Index;
use crate::history::checker::{Report, Rule};
use crate::history::record::{Copy, Operation, Outcome, Request, shown};
use crate::nodes::{CITIES, NODES};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    nodes_agree(index, report);
    survivors_are_held(index, report);
    let end = &index.history.end;
    for read in index.history.operations().filter(|read| read.invoked >= end.began) {
        if let Request::Read { hero } = &read.request {
            read_shows_held_copies(index, read, hero, report);
        }
    }
    log_is_complete(index, report);
    if end.lost.count != end.last.verdict.lost_writes {
        let text = format!(
            "the verdict counts {} lost writes, the ledger {}",
            end.last.verdict.lost_writes, end.lost.count
        );
        report.add(Rule::VerdictIsTrue, text, []);
    }
}

fn nodes_agree(index: &Index<'_>, report: &mut Report) {
    let last = &index.history.end.last;
    let held = |node: &str| -> BTreeMap<&str, &Hero> {
        let list = last.nodes.lists.get(node).into_iter();
        list.flat_map(|list| &list.heroes).map(|hero| (hero.id.as_str(), hero)).collect()
    };
    let dispatch = held("dispatch");
    for city in CITIES {
        let held = held(city);
        let differing: Vec<&&str> = held
            .keys()
            .chain(dispatch.keys())
            .filter(|id| held.get(*id) != dispatch.get(*id))
            .collect();
        if !differing.is_empty() {
            let text = format!("at rest {city} and dispatch differ in {differing:?}");
            report.add(Rule::Agreement, text, []);
        }
    }
    let is_up = |node: &&str| last.nodes.after.get(*node).is_some_and(|node| node.status == "up");
    if !last.verdict.converged || !NODES.iter().all(is_up) {
        report.add(Rule::Agreement, format!("at rest the verdict is {:?}", last.verdict), []);
    }
}

/// Each write that an incarnation acknowledged or showed, and that runs at the end, is held, or a
/// greater one, or the hero was deleted.
fn survivors_are_held(index: &Index<'_>, report: &mut Report) {
    let mut survivors: BTreeMap<&str, (&Hero, Option<&Operation>)> = BTreeMap::new();
    for sighting in &index.sightings {
        let Some(hero) = sighting.hero else { continue };
        let acknowledged = sighting
            .by
            .filter(|by| matches!(by.outcome, Outcome::Written { .. }))
            .is_some_and(|by| {
                let is_creation = matches!(by.request, Request::Create { .. });
                index.runs_at_the_end(&hero.stamp.origin)
                    || (is_creation && index.is_of_last_run(by))
            });
        let is_shown = sighting.at.is_some_and(|at| index.last.contains(&at));
        if acknowledged || is_shown {
            let greatest = survivors.entry(sighting.id).or_insert((hero, sighting.by));
            if hero.stamp > greatest.0.stamp {
                *greatest = (hero, sighting.by);
            }
        }
    }
    for (id, (survivor, by)) in survivors {
        let involved = index.on.get(id).into_iter().flatten().copied();
        match index.at_the_end(id) {
            Some(held) if held.stamp < survivor.stamp => {
                let text = format!("{} survived, and {} is held", shown(survivor), shown(held));
                report.add(Rule::GreatestSurvives, text, by.into_iter().chain(involved));
            }
            None if index.deletions(id).next().is_none() => {
                let was_refused = involved.clone().any(is_refused_deletion);
                let rule =
                    if was_refused { Rule::RefusedWithoutEffect } else { Rule::CreatedHeroExists };
                let text = format!("{} survived, was not deleted, and is missing", shown(survivor));
                report.add(rule, text, by.into_iter().chain(involved));
            }
            Some(_) | None => {}
        }
    }
}

fn is_refused_deletion(operation: &Operation) -> bool {
    matches!(operation.request, Request::Delete { .. })
        && matches!(operation.outcome, Outcome::Refused { .. })
}

/// A read at rest shows the copy that the nodes hold.
fn read_shows_held_copies(index: &Index<'_>, read: &Operation, id: &str, report: &mut Report) {
    let held = index.at_the_end(id);
    let text = match (&read.outcome, held) {
        (Outcome::Shown { hero, .. }, None) => format!("{} is shown, and not held", shown(hero)),
        (Outcome::Shown { hero, cities }, Some(held)) => {
            let differs = |copy: &Option<Copy>| *copy != Some(Copy::Live(held.clone()));
            if hero == held && !cities.values().any(differs) {
                return;
            }
            format!("{} is shown, and {} is held", shown(hero), shown(held))
        }
        (Outcome::Refused { status: 404 | 410, .. }, None) => return,
        (outcome, None) => format!("nothing is held, and the answer is {outcome:?}"),
        (outcome, Some(held)) => format!("{} is held, and the answer is {outcome:?}", shown(held)),
    };
    report.add(Rule::ReadShowsHeldCopies, text, [read]);
}

/// The log of the running dispatch has each write that it acknowledged, based on an older one.
fn log_is_complete(index: &Index<'_>, report: &mut Report) {
    let log = &index.history.end.log;
    let written: BTreeMap<&Stamp, &str> = log
        .iter()
        .filter_map(|event| Some((event.stamp.as_ref()?, event.hero.as_deref()?)))
        .collect();
    for operation in index.history.operations().filter(|write| index.is_of_last_run(write)) {
        if let Outcome::Written { hero } = &operation.outcome
            && written.get(&hero.stamp) != Some(&hero.id.as_str())
        {
            let text = format!("the event log lacks {}", shown(hero));
            report.add(Rule::LogIsComplete, text, [operation]);
        }
    }
    for event in log {
        if event.over.is_some() && event.over >= event.stamp {
            let text = format!("a write is based on a later one: {event:?}");
            report.add(Rule::LogIsComplete, text, []);
        }
    }
}
