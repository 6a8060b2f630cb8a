//! A whole file: its title, its question, its setup, and its steps in order.

use std::time::Duration;

use api_types::Question;

use crate::scenario::{Scenario, Step};
use crate::span::written;

use super::labels::Labels;
use super::mistake::{Mistake, mistake};
use super::step;
use super::table::{File, Predict, Setup};
use super::value::{AT_MAX, short_text, span_within};

const STEPS_MAX: usize = 500;
const HEROES_MAX: u32 = 1_000;
/// The largest number of answers to a question.
const ANSWERS_MAX: usize = 6;

/// Returns the scenario in a file.
pub(super) fn scenario(file: File, name: &str) -> Result<Scenario, Mistake> {
    let File { title, about, takes, keep_heroes, predict, conclude, setup, step: tables } = file;
    let mut labels = Labels::default();
    let (names, invented) = heroes(&setup, &mut labels)?;
    if tables.len() > STEPS_MAX {
        let what = format!("a scenario must have at most {STEPS_MAX} steps, not {}", tables.len());
        return Err(mistake(&title, what));
    }
    if tables.is_empty() {
        return Err(mistake(&title, "a scenario must have at least one [[step]]"));
    }
    let mut steps = Vec::new();
    let mut earliest = Duration::ZERO;
    for table in tables {
        let given = table.get_ref().at.as_ref();
        let at = given.map(|at| span_within(at, AT_MAX)).transpose()?;
        if let (Some(at), Some(given)) = (at, given) {
            if at < earliest {
                let earliest = written(earliest);
                let what =
                    format!("an earlier step is at {earliest}; steps must be in order of time");
                return Err(mistake(given, what));
            }
            earliest = at;
        }
        let say = table.get_ref().say.as_ref().map(short_text).transpose()?.unwrap_or_default();
        steps.push(Step { at, say, kind: step::step(table, &mut labels)?, is_inverted: false });
    }
    Ok(Scenario {
        name: name.to_owned(),
        title: short_text(&title)?,
        about: about.as_ref().map(short_text).transpose()?.unwrap_or_default(),
        takes: takes.as_ref().map(|takes| span_within(takes, AT_MAX)).transpose()?,
        names,
        invented,
        keep_heroes,
        predict: predict.as_ref().map(question).transpose()?,
        conclude: conclude.as_ref().map(short_text).transpose()?.unwrap_or_default(),
        steps,
    })
}

/// Returns the question about the outcome.
fn question(Predict { question, answers, right }: &Predict) -> Result<Question, Mistake> {
    let count = answers.get_ref().len();
    if !(2..=ANSWERS_MAX).contains(&count) {
        let what = format!("a question must have 2 to {ANSWERS_MAX} answers, not {count}");
        return Err(mistake(answers, what));
    }
    let number = u32::try_from(*right.get_ref()).ok();
    let number = number.filter(|number| (1..=count).contains(&(*number as usize)));
    Ok(Question {
        question: short_text(question)?,
        answers: answers.get_ref().iter().map(short_text).collect::<Result<_, _>>()?,
        right: number.ok_or_else(|| {
            let what = format!("right must be 1 to {count}, not {}", right.get_ref());
            mistake(right, format!("{what}; the first answer is 1"))
        })?,
    })
}

/// Returns the names of the setup's heroes, and the number of those with generated names.
fn heroes(setup: &Setup, labels: &mut Labels) -> Result<(Vec<String>, u32), Mistake> {
    let mut names = Vec::new();
    for hero in &setup.names {
        labels.add_hero(hero)?;
        names.push(hero.get_ref().clone());
    }
    let Some(heroes) = &setup.heroes else { return Ok((names, 0)) };
    let invented = u32::try_from(*heroes.get_ref()).ok();
    let invented =
        invented.filter(|heroes| (1..=HEROES_MAX).contains(heroes)).ok_or_else(|| {
            mistake(heroes, format!("heroes must be 1 to {HEROES_MAX}, not {}", heroes.get_ref()))
        })?;
    labels.add_invented(invented);
    Ok((names, invented))
}
