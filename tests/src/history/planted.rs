//! Errors to plant in a correct history. The checker must find and name each.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{CityHeroes, Hero, Stamp};
use crate::history::checker::{Rule, check};
use crate::history::record::{
    Copy, Effect, Event, History, LostWrite, Observation, Operation, Outcome, Request,
};
use crate::nodes::CITIES;

/// An error to plant.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The error.
    pub name: &'static str,
    /// The rule that it violates.
    pub rule: Rule,
    /// Plants it. Returns false if the history has no place for it.
    pub plant: fn(&mut History) -> bool,
}

/// All errors.
pub const PLANTED: [Planted; 22] = [
    planted("deleted hero is read again", Rule::DeletedStaysDeleted, deleted_is_read),
    planted("deleted hero is live at rest", Rule::DeletedStaysDeleted, deleted_is_live),
    planted("city holds a hero after its tombstone", Rule::DeletedStaysDeleted, tombstone_undone),
    planted("acknowledged hero is missing", Rule::CreatedHeroExists, created_is_missing),
    planted("missing hero is not in the ledger", Rule::LedgerTooLow, created_is_not_listed),
    planted("lost write is not in the ledger", Rule::LedgerTooLow, ledger_is_empty),
    planted("lost count is too high", Rule::LedgerTooHigh, count_is_high),
    planted("held write is in the ledger", Rule::LedgerTooHigh, held_is_listed),
    planted("value that nobody wrote", Rule::ValueWithoutWriter, unwritten_value),
    planted("write by a node elsewhere", Rule::ValueWithoutWriter, foreign_writer),
    planted("older value wins", Rule::GreatestSurvives, older_wins),
    planted("refused assignment took effect", Rule::RefusedWithoutEffect, refused_assignment),
    planted("refused deletion took effect", Rule::RefusedWithoutEffect, refused_deletion),
    planted("assignment is executed twice", Rule::AtMostOnce, assigned_twice),
    planted("creation is executed twice", Rule::AtMostOnce, created_twice),
    planted("key yields another outcome", Rule::KeyYieldsFirstOutcome, other_outcome),
    planted("stamp goes back", Rule::StampsIncrease, stamp_goes_back),
    planted("read goes back", Rule::MonotonicReads, read_goes_back),
    planted("cities differ at rest", Rule::Agreement, cities_differ),
    planted("hero from nowhere", Rule::HeroFromNowhere, hero_from_nowhere),
    planted("verdict is false", Rule::VerdictIsTrue, verdict_is_false),
    planted("read shows what no node holds", Rule::ReadShowsHeldCopies, read_shows_another),
];

const fn planted(name: &'static str, rule: Rule, plant: fn(&mut History) -> bool) -> Planted {
    Planted { name, rule, plant }
}

fn operations(history: &mut History) -> impl DoubleEndedIterator<Item = &mut Operation> {
    history.events.iter_mut().filter_map(|event| match event {
        Event::Operation(operation) => Some(operation),
        Event::Observation(_) | Event::Action(_) => None,
    })
}

/// The heroes at rest, as dispatch holds them.
fn held(history: &History) -> Vec<Hero> {
    history.end.last.nodes.lists["dispatch"].heroes.clone()
}

fn lists(history: &mut History) -> impl Iterator<Item = &mut CityHeroes> {
    history.end.last.nodes.lists.values_mut()
}

/// Replaces a hero at rest in all lists.
fn replace(history: &mut History, hero: &Hero) -> bool {
    let mut is_replaced = false;
    for held in lists(history).flat_map(|list| &mut list.heroes).filter(|held| held.id == hero.id) {
        *held = hero.clone();
        is_replaced = true;
    }
    is_replaced
}

/// The time at which the last dispatch started.
fn last_start(history: &History) -> u64 {
    let starts = history.actions().filter(|action| action.effect == Effect::DispatchStarted);
    starts.map(|action| action.ended).max().unwrap_or(0)
}

/// The ids of the heroes whose deletion was requested.
fn deletions(history: &History) -> BTreeSet<String> {
    let deletions = history.operations().filter_map(|operation| match &operation.request {
        Request::Delete { hero } => Some(hero.clone()),
        Request::Create { .. } | Request::Assign { .. } | Request::Read { .. } => None,
    });
    deletions.collect()
}

/// The first written copy of each hero whose deletion the last dispatch acknowledged.
fn deleted(history: &History) -> Vec<Hero> {
    let start = last_start(history);
    let acknowledged = history.operations().filter_map(|operation| {
        let is_last = operation.outcome == Outcome::Deleted && operation.invoked > start;
        operation.request.hero().filter(|_| is_last)
    });
    let ids: BTreeSet<&str> = acknowledged.collect();
    written(history)
        .into_iter()
        .filter(|(_, hero)| ids.contains(hero.id.as_str()))
        .map(|(_, hero)| hero)
        .collect()
}

/// The number and the copy of each acknowledged write.
fn written(history: &History) -> Vec<(u64, Hero)> {
    let written = history
        .operations()
        .filter_map(|operation| Some((operation.number, operation.outcome.written()?.clone())));
    written.collect()
}

/// The heroes at rest that no node can have adopted: created by the last dispatch, and written by
/// incarnations that run at the end.
fn held_unadopted(history: &History) -> Vec<Hero> {
    let start = last_start(history);
    let nodes = &history.end.last.nodes.after;
    let runs = |stamp: &Stamp| {
        let incarnation = nodes.get(stamp.writer()).and_then(|node| node.incarnation);
        incarnation.is_some_and(|number| stamp.origin == format!("{}/{number}", stamp.writer()))
    };
    let written: Vec<(u64, &Hero, bool)> = history
        .operations()
        .filter_map(|operation| {
            let is_creation = operation.request.hero().is_none();
            Some((operation.invoked, operation.outcome.written()?, is_creation))
        })
        .collect();
    let mut held = held(history);
    held.retain(|hero| {
        let mut own = written.iter().filter(|(_, other, _)| other.id == hero.id);
        own.clone().any(|(invoked, _, is_creation)| *is_creation && *invoked > start)
            && own.all(|(_, other, _)| runs(&other.stamp))
    });
    held
}

/// The final write of a hero at rest that one key with one attempt explains, and no other operation
/// on the hero and place.
fn explained_once(history: &History) -> Option<(u64, Hero)> {
    let held = held_unadopted(history);
    written(history).into_iter().find(|(number, hero)| {
        let others = history.operations().filter(|other| other.number != *number);
        held.contains(hero)
            && hero.location != "home"
            && others.filter(|other| !other.request.is_read()).all(|other| {
                !matches!(&other.request, Request::Assign { hero: id, to }
                    if *id == hero.id && *to == hero.location)
            })
    })
}

fn with_operation(history: &mut History, number: u64, change: impl FnOnce(&mut Operation)) -> bool {
    let found = operations(history).find(|operation| operation.number == number);
    found.map(change).is_some()
}

fn later(Stamp { wall_ms, logical, origin }: &Stamp) -> Stamp {
    Stamp { wall_ms: wall_ms + 1, logical: *logical, origin: origin.clone() }
}

fn deleted_is_read(history: &mut History) -> bool {
    let Some(hero) = deleted(history).into_iter().next() else { return false };
    let shows = Outcome::Shown { hero: hero.clone(), cities: BTreeMap::new() };
    let read = operations(history)
        .rev()
        .find(|read| matches!(&read.request, Request::Read { hero: id } if *id == hero.id));
    read.map(|read| read.outcome = shows).is_some()
}

fn deleted_is_live(history: &mut History) -> bool {
    let Some(hero) = deleted(history).into_iter().next() else { return false };
    lists(history).for_each(|list| list.heroes.push(hero.clone()));
    true
}

fn tombstone_undone(history: &mut History) -> bool {
    let requested = deletions(history);
    let held: Vec<Hero> = held(history);
    let last = held.iter().find(|hero| requested.contains(&hero.id)).cloned();
    let Some(hero) = last.or_else(|| deleted(history).into_iter().next()) else { return false };
    let began = history.end.began;
    let shown = |copy| Outcome::Shown {
        hero: hero.clone(),
        cities: BTreeMap::from([("gotham".to_owned(), Some(copy))]),
    };
    let read = |number, invoked, outcome| {
        Event::Operation(Operation {
            number,
            client: 0,
            key: None,
            request: Request::Read { hero: hero.id.clone() },
            invoked,
            completed: invoked,
            outcome,
        })
    };
    history.events.push(read(u64::MAX - 1, began, shown(Copy::Word("tombstone".into()))));
    history.events.push(read(u64::MAX, began + 1, shown(Copy::Live(hero.clone()))));
    true
}

fn created_is_missing(history: &mut History) -> bool {
    let (start, deletions) = (last_start(history), deletions(history));
    let created = history.operations().find_map(|operation| {
        let is_creation = operation.request.hero().is_none() && operation.invoked > start;
        let id = &operation.outcome.written()?.id;
        (is_creation && !deletions.contains(id)).then(|| id.clone())
    });
    let Some(id) = created else { return false };
    lists(history).for_each(|list| list.heroes.retain(|hero| hero.id != id));
    true
}

/// The ledger lists the newest lost writes only, so what it lacks proves nothing beyond that limit.
fn created_is_not_listed(history: &mut History) -> bool {
    let lost = &history.end.lost;
    lost.lost.len() as u64 == lost.count && created_is_missing(history)
}

fn ledger_is_empty(history: &mut History) -> bool {
    let is_proved = check(history).counts.lost_min > 0;
    history.end.lost.count = 0;
    history.end.lost.lost.clear();
    is_proved
}

fn count_is_high(history: &mut History) -> bool {
    history.end.lost.count += 1_000_000;
    true
}

fn held_is_listed(history: &mut History) -> bool {
    let (start, held) = (last_start(history), held(history));
    let written = written(history);
    let late: BTreeSet<u64> = history
        .operations()
        .filter(|operation| operation.invoked > start)
        .map(|operation| operation.number)
        .collect();
    let Some((_, hero)) =
        written.into_iter().find(|(number, hero)| late.contains(number) && held.contains(hero))
    else {
        return false;
    };
    history.end.lost.count += 1;
    history.end.lost.lost.push(LostWrite {
        number: history.end.lost.count,
        hero: hero.id.clone(),
        stamp: hero.stamp.clone(),
        wrote: Some(Copy::Live(hero)),
        to: None,
    });
    true
}

fn unwritten_value(history: &mut History) -> bool {
    let Some(mut hero) = held(history).into_iter().next() else { return false };
    hero.health = 55;
    replace(history, &hero)
}

fn foreign_writer(history: &mut History) -> bool {
    let Some(mut hero) = held_unadopted(history).into_iter().find(|hero| hero.location != "home")
    else {
        return false;
    };
    hero.location = "home".to_owned();
    replace(history, &hero)
}

fn older_wins(history: &mut History) -> bool {
    let written = written(history);
    for last in held(history) {
        let older =
            written.iter().find(|(_, older)| older.id == last.id && older.stamp < last.stamp);
        let is_acknowledged = written.iter().any(|(_, hero)| *hero == last);
        if let (Some((_, older)), true) = (older, is_acknowledged) {
            return replace(history, older);
        }
    }
    false
}

fn refused_assignment(history: &mut History) -> bool {
    let Some((number, _)) = explained_once(history) else { return false };
    with_operation(history, number, refuse)
}

fn refuse(operation: &mut Operation) {
    let (problem, detail) = ("joining".to_owned(), "nothing was changed".to_owned());
    operation.outcome = Outcome::Refused { status: 503, problem, detail };
}

fn refused_deletion(history: &mut History) -> bool {
    // Of a hero that only one operation deleted, and that a running incarnation created.
    let ids: Vec<String> = deleted(history).into_iter().map(|hero| hero.id).collect();
    let start = last_start(history);
    for id in ids {
        let created = history.operations().any(|operation| {
            operation.invoked > start
                && matches!(&operation.outcome, Outcome::Written { hero }
                    if hero.id == id && operation.request.hero().is_none())
        });
        let numbers: Vec<u64> = history
            .operations()
            .filter(
                |operation| matches!(&operation.request, Request::Delete { hero } if *hero == id),
            )
            .map(|operation| operation.number)
            .collect();
        if created {
            return numbers.into_iter().all(|number| with_operation(history, number, refuse));
        }
    }
    false
}

fn assigned_twice(history: &mut History) -> bool {
    let Some((_, mut hero)) = explained_once(history) else { return false };
    hero.stamp = later(&hero.stamp);
    replace(history, &hero)
}

fn created_twice(history: &mut History) -> bool {
    let names: BTreeMap<String, usize> = history
        .operations()
        .filter_map(|operation| match &operation.request {
            Request::Create { name } => Some(name.clone()),
            Request::Assign { .. } | Request::Delete { .. } | Request::Read { .. } => None,
        })
        .fold(BTreeMap::new(), |mut names, name| {
            *names.entry(name).or_default() += 1;
            names
        });
    let Some(mut hero) = held(history).into_iter().find(|hero| names.get(&hero.name) == Some(&1))
    else {
        return false;
    };
    hero.id = NOWHERE.to_owned();
    lists(history).for_each(|list| list.heroes.push(hero.clone()));
    true
}

/// An id that no hero has.
const NOWHERE: &str = "00000000-0000-4000-8000-0000000000ff";

fn other_outcome(history: &mut History) -> bool {
    let mut firsts: BTreeMap<String, (u64, Hero)> = BTreeMap::new();
    let start = last_start(history);
    for operation in operations(history).filter(|operation| operation.invoked > start) {
        let Operation { key: Some(key), completed, invoked, outcome, .. } = operation else {
            continue;
        };
        let Outcome::Written { hero } = outcome else { continue };
        match firsts.get(key) {
            Some((first, earlier)) if *first < *invoked && earlier == hero => {
                hero.stamp = later(&hero.stamp);
                return true;
            }
            Some(_) => {}
            None => {
                firsts.insert(key.clone(), (*completed, hero.clone()));
            }
        }
    }
    false
}

fn stamp_goes_back(history: &mut History) -> bool {
    let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
    for operation in history.operations() {
        *attempts.entry(operation.key.clone().unwrap_or_default()).or_default() += 1;
    }
    let mut firsts: BTreeMap<String, (u64, Stamp)> = BTreeMap::new();
    for operation in operations(history) {
        let Outcome::Written { hero } = &mut operation.outcome else { continue };
        if attempts.get(operation.key.as_deref().unwrap_or_default()) != Some(&1) {
            continue;
        }
        match firsts.get(&hero.stamp.origin) {
            Some((completed, stamp)) if *completed < operation.invoked => {
                hero.stamp.wall_ms = stamp.wall_ms - 1;
                return true;
            }
            Some(_) => {}
            None => {
                firsts.insert(hero.stamp.origin.clone(), (operation.completed, hero.stamp.clone()));
            }
        }
    }
    false
}

fn read_goes_back(history: &mut History) -> bool {
    let Some(mut hero) = held(history).into_iter().next() else { return false };
    hero.stamp.wall_ms -= 1;
    let list = history.end.last.nodes.lists.get_mut("gotham");
    let copy = list.and_then(|list| list.heroes.iter_mut().find(|held| held.id == hero.id));
    copy.map(|copy| *copy = hero).is_some()
}

fn cities_differ(history: &mut History) -> bool {
    let list = history.end.last.nodes.lists.get_mut("capitol");
    list.and_then(|list| list.heroes.pop()).is_some()
}

fn hero_from_nowhere(history: &mut History) -> bool {
    let Some(mut hero) = held(history).into_iter().next() else { return false };
    hero.id = NOWHERE.to_owned();
    hero.name = "Nobody".to_owned();
    lists(history).for_each(|list| list.heroes.push(hero.clone()));
    true
}

fn verdict_is_false(history: &mut History) -> bool {
    let observation = history.events.iter_mut().find_map(|event| match event {
        Event::Observation(observation) => Some(observation),
        Event::Operation(_) | Event::Action(_) => None,
    });
    let Some(observation) = observation else { return false };
    let Observation { nodes, verdict, .. } = &mut **observation;
    for city in CITIES {
        if let Some(node) = nodes.before.get_mut(city) {
            node.fingerprint = format!("of {city}");
        }
    }
    nodes.after = nodes.before.clone();
    verdict.converged = true;
    true
}

fn read_shows_another(history: &mut History) -> bool {
    let (began, held) = (history.end.began, held(history));
    let read = operations(history).find(|read| {
        read.invoked >= began
            && matches!(&read.outcome, Outcome::Shown { hero, .. } if held.contains(hero))
    });
    let Some(Operation { outcome: Outcome::Shown { cities, .. }, .. }) = read else { return false };
    cities.insert("metropolis".to_owned(), None);
    true
}
