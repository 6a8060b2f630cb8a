//! Each answer fits its request, a repeated key returns the first outcome, and the stamps of one
//! incarnation increase.

use std::collections::BTreeMap;

use crate::api::{Hero, Stamp};
use crate::history::checker::index::Index;
use crate::history::checker::{Report, Rule};
use crate::history::record::{Operation, Outcome, Request, shown};
use shared::hero::HEALTH_MAX;

/// The problems with which these requests may be refused.
const REFUSALS: [(u16, &str); 9] = [
    (404, "unknown_hero"),
    (409, "not_heard_of"),
    (409, "too_far_ahead"),
    (410, "terminated"),
    (429, "overloaded"),
    (503, "joining"),
    (503, "no_answer"),
    (503, "no_place"),
    (503, "too_many_tombstones"),
];

/// The number of operations after which a key may be forgotten.
const KEYS_KEPT: u64 = 500;

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    index.history.operations().for_each(|operation| answer_fits(index, operation, report));
    index.keys.values().for_each(|attempts| key_yields_first_outcome(index, attempts, report));
    stamps_increase(index, report);
}

fn answer_fits(index: &Index<'_>, operation: &Operation, report: &mut Report) {
    let problem = match (&operation.request, &operation.outcome) {
        (Request::Create { name }, Outcome::Written { hero }) => {
            (hero.name != *name || hero.location != "home" || !is_written_by_its_place(hero))
                .then(|| format!("the created hero is {}", shown(hero)))
        }
        (Request::Assign { hero: id, to }, Outcome::Written { hero }) => {
            (hero.id != *id || hero.location != *to || !is_written_by_its_place(hero))
                .then(|| format!("the assigned hero is {}", shown(hero)))
        }
        (Request::Read { hero: id }, Outcome::Shown { hero, .. }) => {
            (hero.id != *id).then(|| format!("the read hero is {}", shown(hero)))
        }
        (_, Outcome::Refused { status, problem, detail }) => {
            let is_known = REFUSALS.contains(&(*status, problem.as_str()));
            (!is_known).then(|| format!("{status} {problem}: {detail}"))
        }
        (_, Outcome::Unknown { .. }) | (Request::Delete { .. }, Outcome::Deleted) => None,
        (Request::Create { .. } | Request::Assign { .. } | Request::Read { .. }, _)
        | (Request::Delete { .. }, _) => Some("the answer is of another kind".to_owned()),
    };
    if let Some(problem) = problem {
        report.add(Rule::AnswerFits, problem, [operation]);
    }
    if let (Outcome::Refused { status: 404, .. }, Some(hero)) =
        (&operation.outcome, operation.request.hero())
    {
        is_unknown_only_elsewhere(index, operation, hero, report);
    }
}

/// A hero that this process of dispatch created is known to it.
fn is_unknown_only_elsewhere(
    index: &Index<'_>,
    operation: &Operation,
    hero: &str,
    report: &mut Report,
) {
    let Some(run) = index.run(operation) else { return };
    let creation = index.creations.values().flatten().find(|creation| {
        matches!(&creation.outcome, Outcome::Written { hero: created } if created.id == hero)
            && creation.completed < operation.invoked
            && index.run(creation) == Some(run)
    });
    if let Some(creation) = creation {
        let text = format!("dispatch created hero {hero}, and does not know it");
        report.add(Rule::CreatedHeroExists, text, [*creation, operation]);
    }
}

/// Dispatch writes heroes at home, and each city those in it.
fn is_written_by_its_place(hero: &Hero) -> bool {
    let writer = if hero.location == "home" { "dispatch" } else { &hero.location };
    hero.stamp.writer() == writer && is_unhurt(hero)
}

pub(super) fn is_unhurt(hero: &Hero) -> bool {
    hero.health == HEALTH_MAX && !hero.is_patrolling
}

fn key_yields_first_outcome(index: &Index<'_>, attempts: &[&Operation], report: &mut Report) {
    for (position, first) in attempts.iter().enumerate() {
        for second in &attempts[position + 1..] {
            let same_run = index.run(first).is_some() && index.run(first) == index.run(second);
            let ordered = first.completed < second.invoked;
            if !same_run || !ordered || second.number - first.number > KEYS_KEPT {
                continue;
            }
            let is_repeated = match (&first.outcome, &second.outcome) {
                (_, Outcome::Unknown { .. })
                | (Outcome::Unknown { is_answer: false, .. } | Outcome::Refused { .. }, _) => true,
                (Outcome::Unknown { is_answer: true, .. }, _) => false,
                (first, second) => first == second,
            };
            if !is_repeated {
                let text = "the repeated key has another outcome".to_owned();
                report.add(Rule::KeyYieldsFirstOutcome, text, [*first, *second]);
            }
        }
    }
}

fn stamps_increase(index: &Index<'_>, report: &mut Report) {
    let mut by_origin: BTreeMap<&str, Vec<(&Stamp, &Operation)>> = BTreeMap::new();
    // A repeated key returns an older stamp, so only first outcomes count.
    let firsts = index.keys.values().filter_map(|attempts| {
        attempts.iter().find(|attempt| matches!(attempt.outcome, Outcome::Written { .. }))
    });
    for operation in firsts {
        let Outcome::Written { hero } = &operation.outcome else { continue };
        // An earlier attempt may have written.
        let is_first = operation.key.as_ref().and_then(|key| index.keys[key.as_str()].first())
            == Some(operation);
        if is_first {
            by_origin.entry(&hero.stamp.origin).or_default().push((&hero.stamp, operation));
        }
    }
    for mut writes in by_origin.into_values() {
        let mut by_completion = writes.clone();
        by_completion.sort_by_key(|(_, operation)| operation.completed);
        writes.sort_by_key(|(_, operation)| operation.invoked);
        let mut earlier = by_completion.into_iter().peekable();
        let mut greatest: Option<(&Stamp, &Operation)> = None;
        for (stamp, operation) in writes {
            while let Some(write) =
                earlier.next_if(|(_, earlier)| earlier.completed < operation.invoked)
            {
                greatest = greatest.into_iter().chain([write]).max_by_key(|(stamp, _)| *stamp);
            }
            if let Some((before, by)) = greatest.filter(|(before, _)| *before >= stamp) {
                let text = format!("{stamp} follows {before}");
                report.add(Rule::StampsIncrease, text, [by, operation]);
            }
        }
    }
}
