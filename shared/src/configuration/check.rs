//! Checks a configuration file against a command line: every key must be an option, and every value
//! must be valid for its option.
//!
//! The options of this process are known from clap. The options of other nodes are known by name
//! from the annotated example file; a test ensures that the example names every option of every
//! node. So one file serves all nodes, and every node reports a misspelt key.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::ops::Range;
use std::sync::LazyLock;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Id};
use toml::de::{DeTable, DeValue};

use super::file::{Entry, File, entries};
use super::{Invalid, LAUNCHER, NOT_CONFIGURED, Place};
use crate::well_known::{DISPATCH, LOCATION, WELL_KNOWN_CITIES};

/// The least Jaro similarity, from 0 to 1, at which a key is suggested; clap uses the same for
/// flags.
const ALIKE_MIN: f64 = 0.7;
/// The longest part of an invalid key or value in an error text, in characters.
const ODD_CHARS_MAX: usize = 60;

/// The keys of all nodes: every key that the example assigns, commented out or not.
static KEYS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let line = |line: &'static str| line.trim_start_matches(['#', ' ']).split_once(" = ");
    let is_key = |key: &str| {
        !key.is_empty() && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    include_str!("../../../deploy/superhero.toml")
        .lines()
        .filter_map(line)
        .map(|(key, _)| key)
        .filter(|key| is_key(key))
        .collect()
});

/// The values that the file sets for a process, with their locations, by the id of the option.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<Id, (Place, Vec<String>)>);

impl Given {
    /// Returns the location of this option in the file, if the file sets it.
    pub(super) fn place(&self, option: &Arg) -> Option<Place> {
        self.0.get(option.get_id()).map(|(place, _)| *place)
    }

    /// Returns the command line with the values of the file as defaults.
    pub(super) fn defaults_of(&self, command: Command) -> Command {
        command.mut_args(|option| match self.0.get(option.get_id()) {
            Some((_, values)) => option.default_values(values),
            None => option,
        })
    }
}

/// Returns the values that the file sets for the process `me`, whose command line is `command`.
///
/// # Errors
/// Returns the first error in the file.
pub(super) fn check(command: &Command, me: &str, file: &File) -> Result<Given, Invalid> {
    let table = file.parse()?;
    let mut own = None;
    let mut given = Given::default();
    for entry in entries(&table) {
        if let DeValue::Table(table) = entry.value {
            check_table(file, &entry)?;
            if entry.key == me {
                own = Some(table);
            } else {
                check_foreign(file, table)?;
            }
        } else if is_table(entry.key) {
            return Err(
                file.mistake(&entry.value_at, format!("{0} must be a table: [{0}]", entry.key))
            );
        } else if option(command, entry.key).is_some() {
            set(command, me, file, &entry, &mut given)?;
        } else if !KEYS.contains(entry.key) {
            let of_all = KEYS.iter().copied().chain(command.get_arguments().filter_map(configured));
            return Err(unknown(file, &entry, of_all));
        }
    }
    // The node's own table is read last, since its values replace the common ones.
    for entry in own.map(entries).unwrap_or_default() {
        set(command, me, file, &entry, &mut given)?;
    }
    Ok(given)
}

fn is_table(name: &str) -> bool {
    WELL_KNOWN_CITIES.into_iter().chain([LOCATION, DISPATCH, LAUNCHER]).any(|table| table == name)
}

fn check_table(file: &File, entry: &Entry<'_>) -> Result<(), Invalid> {
    if is_table(entry.key) {
        return Ok(());
    }
    if KEYS.contains(entry.key) {
        return Err(
            file.mistake(&entry.key_at, format!("{} is an option and not a table", entry.key))
        );
    }
    let tables = WELL_KNOWN_CITIES.into_iter().chain([LOCATION, DISPATCH, LAUNCHER]);
    Err(file.mistake(
        &entry.key_at,
        format!("there is no node {}{}", odd(entry.key), instead(entry.key, tables)),
    ))
}

/// Checks the keys in the table of another node. Only that node can check the values.
fn check_foreign(file: &File, table: &DeTable<'_>) -> Result<(), Invalid> {
    match entries(table).into_iter().find(|entry| !KEYS.contains(entry.key)) {
        Some(entry) => Err(unknown(file, &entry, KEYS.iter().copied())),
        None => Ok(()),
    }
}

fn set(
    command: &Command,
    me: &str,
    file: &File,
    entry: &Entry<'_>,
    given: &mut Given,
) -> Result<(), Invalid> {
    let Some(option) = option(command, entry.key) else {
        if KEYS.contains(entry.key) {
            return Err(
                file.mistake(&entry.key_at, format!("{me} has no {}; other nodes do", entry.key))
            );
        }
        return Err(unknown(file, entry, command.get_arguments().filter_map(configured)));
    };
    let values = texts(file, entry, matches!(option.get_action(), ArgAction::Append))?;
    for (value, at) in &values {
        check_value(option, value).map_err(|reason| {
            file.mistake(at, format!("{} cannot be {}: {reason}", entry.key, odd(value)))
        })?;
    }
    let values = values.into_iter().map(|(value, _)| value).collect();
    given.0.insert(option.get_id().clone(), (file.place(&entry.key_at), values));
    Ok(())
}

fn unknown<'k>(file: &File, entry: &Entry<'_>, keys: impl Iterator<Item = &'k str>) -> Invalid {
    file.mistake(
        &entry.key_at,
        format!("there is no option {}{}", odd(entry.key), instead(entry.key, keys)),
    )
}

/// Returns the option that this key sets.
fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|option| configured(option) == Some(key))
}

/// Returns the key of this option in a file; `None` if a file cannot set it.
pub(super) fn configured(option: &Arg) -> Option<&str> {
    option.get_long().filter(|key| !NOT_CONFIGURED.contains(key))
}

/// Returns the value as command-line texts, with their locations: several for an array, which only
/// a repeatable option accepts.
fn texts(
    file: &File,
    entry: &Entry<'_>,
    repeats: bool,
) -> Result<Vec<(String, Range<usize>)>, Invalid> {
    let text = |value: &DeValue<'_>, at: &Range<usize>| match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string()),
            Err(error) => Err(file.mistake(at, format!("{}: {error}", entry.key))),
        },
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(value) => Ok(value.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(file.mistake(at, format!("{} must be a string, a number or a boolean", entry.key)))
        }
    };
    match entry.value {
        DeValue::Array(values) if repeats => values
            .iter()
            .map(|value| Ok((text(value.get_ref(), &value.span())?, value.span())))
            .collect(),
        DeValue::Array(_) => Err(file
            .mistake(&entry.value_at, format!("{} takes a single value, not an array", entry.key))),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => {
            Ok(vec![(text(entry.value, &entry.value_at)?, entry.value_at.clone())])
        }
    }
}

/// Checks a value with the option's own parser. The option is parsed alone, so the error concerns
/// this value only.
fn check_value(option: &Arg, value: &str) -> Result<(), String> {
    let mut alone = Arg::new("value")
        .long("value")
        .action(ArgAction::Append)
        .value_parser(option.get_value_parser().clone());
    if let Some(delimiter) = option.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let parsed = Command::new("value")
        .no_binary_name(true)
        .arg(alone)
        .try_get_matches_from([format!("--value={value}")]);
    let Err(error) = parsed else { return Ok(()) };
    if let Some(reason) = error.source() {
        return Err(reason.to_string().lines().collect::<Vec<_>>().join(" "));
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(allowed)) if !allowed.is_empty() => {
            Err(format!("expected one of {}", allowed.join(", ")))
        }
        _ => Err("expected a value".into()),
    }
}

/// Returns a suggestion of the most similar key; empty if none is similar.
fn instead<'k>(key: &str, keys: impl Iterator<Item = &'k str>) -> String {
    let alike = |known: &'k str| (strsim::jaro(&short(key), known), known);
    let nearest = keys.map(alike).max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest
        .filter(|(alike, _)| *alike > ALIKE_MIN)
        .map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"))
}

fn short(text: &str) -> String {
    text.chars().take(ODD_CHARS_MAX).collect()
}

fn odd(text: &str) -> String {
    format!("{:?}", short(text))
}
