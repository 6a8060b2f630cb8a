//! An expectation: one condition, with its timeout and duration.

use std::time::Duration;

use toml::Spanned;

use crate::expectation::{Condition, Expectation};

use super::labels::Labels;
use super::mistake::{Mistake, mistake};
use super::table::Expect;
use super::value::{cities, compared_nodes, one_of, only_true, place, span_within};

/// The longest timeout and duration of an expectation.
const WITHIN_MAX: Duration = Duration::from_secs(600);
/// The default timeout of an expectation: several gossip intervals (one second) and pull intervals
/// of dispatch (two seconds).
const WITHIN: Duration = Duration::from_secs(10);
/// The fields of which an expectation must have exactly one.
const FIELDS: &str = "converged, lost_writes, only_copies, city (with holds, lacks, dead or is), \
    agree, apart, event or text, one_winner, same_millisecond";

/// Returns the expectation in a table.
pub(super) fn expectation(
    table: &Spanned<Expect>,
    labels: &Labels,
) -> Result<Expectation, Mistake> {
    let expect = table.get_ref();
    let condition = only_condition(table, labels)?;
    let span = |text: &Option<Spanned<String>>| {
        text.as_ref().map(|text| span_within(text, WITHIN_MAX)).transpose()
    };
    let holds_for = span(&expect.holds_for)?.unwrap_or_default();
    let within = span(&expect.within)?.unwrap_or(WITHIN);
    Ok(Expectation { condition, within, holds_for })
}

/// Returns the condition in a table that must have neither timeout nor duration.
pub(super) fn condition(table: &Spanned<Expect>, labels: &Labels) -> Result<Condition, Mistake> {
    let Expect { within, holds_for, .. } = table.get_ref();
    if let Some(span) = within.as_ref().or(holds_for.as_ref()) {
        return Err(mistake(span, "`until` takes a condition without `within` and `holds_for`"));
    }
    only_condition(table, labels)
}

fn only_condition(table: &Spanned<Expect>, labels: &Labels) -> Result<Condition, Mistake> {
    let mut found = conditions(table.get_ref())?;
    found.extend(conditions_of_cities(table.get_ref(), labels)?);
    let count = found.len();
    match (found.pop(), count) {
        (Some(condition), 1) => Ok(condition),
        (None, _) => Err(mistake(table, format!("no condition; expected one of {FIELDS}"))),
        (Some(_), _) => {
            let what = format!("{count} conditions in one expectation; use a step for each");
            Err(mistake(table, what))
        }
    }
}

/// Returns the conditions that concern the whole cluster.
fn conditions(expect: &Expect) -> Result<Vec<Condition>, Mistake> {
    let mut found = Vec::new();
    found.extend(expect.converged.map(Condition::Converged));
    found.extend(expect.lost_writes.map(Condition::LostWrites));
    found.extend(expect.only_copies.map(Condition::OnlyCopies));
    if let Some(agree) = &expect.agree {
        found.push(Condition::Agree(compared_nodes(agree)?));
    }
    if let Some(apart) = &expect.apart {
        found.push(Condition::Apart(compared_nodes(apart)?));
    }
    if expect.event.is_some() || expect.text.is_some() {
        found.push(Condition::Event { kind: expect.event.clone(), text: expect.text.clone() });
    }
    if let Some(winner) = &expect.one_winner {
        found.push(only_true(winner, "one_winner", Condition::OneWinner)?);
    }
    if let Some(count) = &expect.same_millisecond {
        if *count.get_ref() == 0 {
            return Err(mistake(count, "same_millisecond must be at least 1"));
        }
        found.push(Condition::SameMillisecond(*count.get_ref()));
    }
    Ok(found)
}

/// Returns the conditions that concern named cities.
fn conditions_of_cities(expect: &Expect, labels: &Labels) -> Result<Vec<Condition>, Mistake> {
    let Expect { city: which, holds, location, lacks, dead, is, .. } = expect;
    if let (Some(location), None) = (location, holds) {
        return Err(mistake(location, "`location` requires `holds`"));
    }
    let given = [holds, lacks, dead, is].into_iter().flatten().next();
    let cities = match (which, given) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(given)) => {
            let what = "this condition requires a city: city = \"gotham\", or \"*\" for all";
            return Err(mistake(given, what));
        }
        (Some(which), None) => {
            let what = "no condition for the city; expected one of holds, lacks, dead, is";
            return Err(mistake(which, what));
        }
        (Some(which), Some(_)) => cities(which)?,
    };
    let mut found = Vec::new();
    if let Some(hero) = holds {
        let location = location.as_ref().map(place).transpose()?;
        let hero = labels.hero(hero)?;
        found.push(Condition::Holds { cities: cities.clone(), hero, location });
    }
    if let Some(hero) = lacks {
        found.push(Condition::Lacks { cities: cities.clone(), hero: labels.hero(hero)? });
    }
    if let Some(hero) = dead {
        found.push(Condition::Dead { cities: cities.clone(), hero: labels.hero(hero)? });
    }
    if let Some(is) = is {
        let status = one_of(is, "status", &["up", "unreachable", "down"])?;
        found.push(Condition::Is { cities, status });
    }
    Ok(found)
}
