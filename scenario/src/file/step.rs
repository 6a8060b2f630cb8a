//! A step: one operation, several at once, or an expectation.

use toml::Spanned;

use crate::operation::{Action, Operation};
use crate::scenario::StepKind;

use super::labels::Labels;
use super::mistake::{Mistake, mistake};
use super::table::{Assign, Exchange, Heal, Step};
use super::value::{city, node, only_true, place, problem_type};
use super::{expectation, fault};

const TOGETHER_MAX: usize = 16;
/// The fields of which a step must have exactly one.
const FIELDS: &str = "create, assign, terminate, bomb, stop, kill, rebuild, fault, heal, pause, \
    resume, speed, exchange, together, expect";

/// Returns the content of a step.
pub(super) fn step(table: Spanned<Step>, labels: &mut Labels) -> Result<StepKind, Mistake> {
    let span = table.span();
    if let Some(refused) = &table.get_ref().refused {
        if table.get_ref().expect.is_some() {
            let what = "`refused` requires an action and cannot be combined with `expect`";
            return Err(mistake(refused, what));
        }
        if table.get_ref().together.is_some() {
            let what = "`refused` belongs to a single action inside `together`";
            return Err(mistake(refused, what));
        }
    }
    let table = table.into_inner();
    let refused = table.refused.as_ref().map(problem_type).transpose()?;
    let actions = actions(&table, labels)?.into_iter();
    let mut found: Vec<StepKind> = actions
        .map(|action| StepKind::Run(Operation { action, refused: refused.clone() }))
        .collect();
    if let Some(together) = table.together {
        let operations = operations(together, labels)?;
        let until = table.until.as_ref().map(|until| expectation::condition(until, labels));
        found.push(StepKind::RunTogether { operations, until: until.transpose()? });
    } else if let Some(until) = &table.until {
        return Err(mistake(until, "`until` requires `together`"));
    }
    if let Some(expect) = &table.expect {
        found.push(StepKind::Expect(expectation::expectation(expect, labels)?));
    }
    let count = found.len();
    let what = match (found.pop(), count) {
        (Some(kind), 1) => return Ok(kind),
        (None, _) => format!("empty step; expected one of {FIELDS}"),
        (Some(_), _) => {
            format!("this step has {count} of {FIELDS}; use one, or several inside `together`")
        }
    };
    Err(Mistake { span, what })
}

/// Returns the actions in the fields of a step. A valid step has at most one.
fn actions(table: &Step, labels: &mut Labels) -> Result<Vec<Action>, Mistake> {
    let mut found = Vec::new();
    if let Some(name) = &table.create {
        labels.add_hero(name)?;
        found.push(Action::Create { name: name.get_ref().clone() });
    }
    if let Some(Assign { hero, to }) = &table.assign {
        found.push(Action::Assign { hero: labels.heroes(hero)?, to: place(to)? });
    }
    if let Some(hero) = &table.terminate {
        found.push(Action::Terminate { hero: labels.heroes(hero)? });
    }
    if let Some(at) = &table.bomb {
        found.push(Action::Bomb { city: city(at)? });
    }
    if let Some(at) = &table.stop {
        found.push(Action::Stop { city: city(at)? });
    }
    if let Some(at) = &table.kill {
        found.push(Action::Kill { city: city(at)? });
    }
    if let Some(at) = &table.rebuild {
        found.push(Action::Rebuild { city: city(at)? });
    }
    if let Some(table) = &table.fault {
        found.push(fault::inject(table, labels)?);
    }
    if let Some(table) = &table.heal {
        found.push(heal(table, labels)?);
    }
    if let Some(pause) = &table.pause {
        found.push(only_true(pause, "pause", Action::Pause)?);
    }
    if let Some(resume) = &table.resume {
        found.push(only_true(resume, "resume", Action::Resume)?);
    }
    if let Some(percent) = &table.speed {
        found.push(speed(percent)?);
    }
    if let Some(table) = &table.exchange {
        found.push(exchange(table)?);
    }
    Ok(found)
}

fn heal(heal: &Spanned<Heal>, labels: &Labels) -> Result<Action, Mistake> {
    match heal.get_ref() {
        Heal::All(true) => Ok(Action::Heal { name: None }),
        Heal::All(false) => {
            Err(mistake(heal, "heal must be true (all faults) or the name of a fault"))
        }
        Heal::One(name) if labels.has_fault(name) => Ok(Action::Heal { name: Some(name.clone()) }),
        Heal::One(name) => {
            let what = format!("no earlier step injects a fault {name:?}; true heals all faults");
            Err(mistake(heal, what))
        }
    }
}

fn speed(speed: &Spanned<i64>) -> Result<Action, Mistake> {
    let percent = u32::try_from(*speed.get_ref()).ok();
    match percent.filter(|percent| (10..=1_000).contains(percent)) {
        Some(percent) => Ok(Action::Speed { percent }),
        None => {
            let what = format!("speed must be 10 to 1000 (percent), not {}", speed.get_ref());
            Err(mistake(speed, what))
        }
    }
}

fn exchange(Exchange { from, to, completed }: &Exchange) -> Result<Action, Mistake> {
    let (source, puller) = (node(from)?, node(to)?);
    if source == puller {
        return Err(mistake(to, format!("{puller} cannot pull from itself")));
    }
    Ok(Action::Exchange { from: source, to: puller, completed: *completed })
}

fn operations(
    together: Spanned<Vec<Spanned<Step>>>,
    labels: &mut Labels,
) -> Result<Vec<Operation>, Mistake> {
    let count = together.get_ref().len();
    if !(2..=TOGETHER_MAX).contains(&count) {
        let what = format!("`together` must have 2 to {TOGETHER_MAX} actions, not {count}");
        return Err(mistake(&together, what));
    }
    let mut operations = Vec::new();
    for table in together.into_inner() {
        let span = table.span();
        if let Some(at) = &table.get_ref().at {
            let what = "`at` belongs to the step, not to an action inside `together`";
            return Err(mistake(at, what));
        }
        if let Some(say) = &table.get_ref().say {
            let what = "`say` belongs to the step, not to an action inside `together`";
            return Err(mistake(say, what));
        }
        if let Some(until) = &table.get_ref().until {
            let what = "`until` belongs to the step, not to an action inside `together`";
            return Err(mistake(until, what));
        }
        match step(table, labels)? {
            StepKind::Run(operation) => operations.push(operation),
            StepKind::RunTogether { .. } | StepKind::Expect(_) => {
                let what = "`together` takes only actions, neither `together` nor `expect`";
                return Err(Mistake { span, what: what.into() });
            }
        }
    }
    Ok(operations)
}
