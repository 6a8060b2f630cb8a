//! Single values of a file, each checked against its range or its list of valid names.

use std::collections::BTreeSet;
use std::time::Duration;

use api_types::{ALL, CITIES, NODES};
use toml::Spanned;

use crate::span::{duration, written};

use super::mistake::{Mistake, mistake};
use super::table::OneOrMany;

/// The latest start of a step, and the longest duration of a scenario or fault.
pub(super) const AT_MAX: Duration = Duration::from_secs(3_600);
/// The longest text, in characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// The longest problem type, in bytes.
const WORD_BYTES_MAX: usize = 100;

pub(super) fn city(named: &Spanned<String>) -> Result<String, Mistake> {
    one_of(named, "city", &CITIES)
}

pub(super) fn node(named: &Spanned<String>) -> Result<String, Mistake> {
    one_of(named, "node", &NODES)
}

/// Checks the location of a hero: a city, or `home`.
pub(super) fn place(named: &Spanned<String>) -> Result<String, Mistake> {
    one_of(named, "place", &[&CITIES[..], &["home"]].concat())
}

pub(super) fn one_of(
    named: &Spanned<String>,
    what: &str,
    known: &[&str],
) -> Result<String, Mistake> {
    let text = named.get_ref();
    if known.contains(&text.as_str()) {
        return Ok(text.clone());
    }
    let what = format!("unknown {what} {text:?}, expected one of {}", known.join(", "));
    Err(mistake(named, what))
}

pub(super) fn cities(which: &Spanned<OneOrMany>) -> Result<Vec<String>, Mistake> {
    let named = match which.get_ref() {
        OneOrMany::One(all) if all == ALL => return Ok(CITIES.map(str::to_owned).to_vec()),
        OneOrMany::One(one) => std::slice::from_ref(one),
        OneOrMany::Many(many) => many,
    };
    if let Some(unknown) = named.iter().find(|name| !CITIES.contains(&name.as_str())) {
        let known = CITIES.join(", ");
        let what = format!("unknown city {unknown:?}, expected one of {known}, or \"*\" for all");
        return Err(mistake(which, what));
    }
    if named.is_empty() {
        return Err(mistake(which, "at least one city is required"));
    }
    Ok(named.to_vec())
}

/// Checks the names of nodes to compare with each other.
pub(super) fn compared_nodes(named: &Spanned<Vec<String>>) -> Result<Vec<String>, Mistake> {
    let names = named.get_ref();
    if let Some(unknown) = names.iter().find(|name| !NODES.contains(&name.as_str())) {
        let what = format!("unknown node {unknown:?}, expected one of {}", NODES.join(", "));
        return Err(mistake(named, what));
    }
    let different: BTreeSet<&String> = names.iter().collect();
    if different.len() < 2 || different.len() != names.len() {
        return Err(mistake(named, "at least two nodes are required, each named once"));
    }
    Ok(names.clone())
}

/// Returns `meaning` for a field whose only valid value is `true`.
pub(super) fn only_true<T>(given: &Spanned<bool>, name: &str, meaning: T) -> Result<T, Mistake> {
    if *given.get_ref() {
        Ok(meaning)
    } else {
        Err(mistake(given, format!("the only valid value is {name} = true")))
    }
}

/// Checks a problem type.
pub(super) fn problem_type(given: &Spanned<String>) -> Result<String, Mistake> {
    let text = given.get_ref();
    let is_word = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word && (1..=WORD_BYTES_MAX).contains(&text.len()) {
        return Ok(text.clone());
    }
    Err(mistake(
        given,
        format!("invalid problem type {text:?}, expected for example \"terminated\""),
    ))
}

/// Checks a human-readable text, and returns it without surrounding whitespace.
pub(super) fn short_text(given: &Spanned<String>) -> Result<String, Mistake> {
    let text = given.get_ref().trim();
    if (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(mistake(given, format!("a text must have 1 to {TEXT_CHARS_MAX} characters")))
}

pub(super) fn span_within(text: &Spanned<String>, limit: Duration) -> Result<Duration, Mistake> {
    let span = duration(text.get_ref()).map_err(|error| mistake(text, error))?;
    if span > limit {
        return Err(mistake(text, format!("at most {}", written(limit))));
    }
    Ok(span)
}
