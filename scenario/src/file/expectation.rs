//! An expectation: one condition, and its times.

use std::time::Duration;

use toml::Spanned;

use crate::expectation::{Condition, Expectation};

use super::labels::Labels;
use super::mistake::{Mistake, mistake};
use super::table::Expect;
use super::value::{cities, compared_nodes, one_of, only_true, place, span_within};

/// The longest time of an expectation.
const WITHIN_MAX: Duration = Duration::from_secs(600);
/// The default time of an expectation. A round takes a second, and dispatch pulls every two.
const WITHIN: Duration = Duration::from_secs(10);
/// The fields of which an expectation has one.
const FIELDS: &str = "converged, lost_writes, only_copies, city (with holds, lacks, dead or is), \
    agree, apart, event or text, one_winner, same_millisecond";

/// Returns the expectation in a table.
pub(super) fn expectation(
    table: &Spanned<Expect>,
    labels: &Labels,
) -> Result<Expectation, Mistake> {
    let expect = table.get_ref();
    let mut found = conditions(expect)?;
    found.extend(conditions_of_cities(expect, labels)?);
    let count = found.len();
    let condition = match (found.pop(), count) {
        (Some(condition), 1) => condition,
        (None, _) => {
            return Err(mistake(table, format!("this expects nothing; it has one of {FIELDS}")));
        }
        (Some(_), _) => {
            let what = format!("this expects {count} things at once; make a step of each");
            return Err(mistake(table, what));
        }
    };
    let span = |text: &Option<Spanned<String>>| {
        text.as_ref().map(|text| span_within(text, WITHIN_MAX)).transpose()
    };
    let holds_for = span(&expect.holds_for)?.unwrap_or_default();
    let within = span(&expect.within)?.unwrap_or(WITHIN);
    Ok(Expectation { condition, within, holds_for })
}

/// Returns the conditions of the cluster as a whole.
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
            return Err(mistake(count, "same_millisecond is at least 1"));
        }
        found.push(Condition::SameMillisecond(*count.get_ref()));
    }
    Ok(found)
}

/// Returns the conditions of cities.
fn conditions_of_cities(expect: &Expect, labels: &Labels) -> Result<Vec<Condition>, Mistake> {
    let Expect { city: which, holds, location, lacks, dead, is, .. } = expect;
    if let (Some(location), None) = (location, holds) {
        return Err(mistake(location, "`location` stands beside `holds`"));
    }
    let given = [holds, lacks, dead, is].into_iter().flatten().next();
    let cities = match (which, given) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(given)) => {
            let what = "this is expected of a city; say which: city = \"gotham\", or \"*\" for all";
            return Err(mistake(given, what));
        }
        (Some(which), None) => {
            let what = "say what is expected of the city: holds, lacks, dead, or is";
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
