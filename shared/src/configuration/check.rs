//! The file against the command line that it is for: every key must be an option, and every value
//! one that the option takes.
//!
//! A process knows its own options from clap. Those of other nodes it knows by name, from the
//! annotated example, which is held by a test to name every option of every node: so one file
//! serves all, and a misspelt key is noticed by each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::ops::Range;
use std::sync::LazyLock;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Id};
use toml::de::{DeTable, DeValue};

use super::file::{Entry, File, entries};
use super::{Invalid, LAUNCHER, NOT_CONFIGURED, Place};
use crate::well_known::{DISPATCH, WELL_KNOWN_CITIES};

/// How alike two keys must be for one to be offered for the other, of 1 (clap's own measure for
/// flags).
const ALIKE_MIN: f64 = 0.7;
/// How much of an odd key or value is repeated, in characters.
const ODD_CHARS_MAX: usize = 60;

/// Every key that any node has: whatever the example assigns, commented out or not.
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

/// What the file says to a process: by the option's id, the values and where they stand.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<Id, (Place, Vec<String>)>);

impl Given {
    /// Where this option is given.
    pub(super) fn place(&self, option: &Arg) -> Option<Place> {
        self.0.get(option.get_id()).map(|(place, _)| *place)
    }

    /// The command line, with what is given for its defaults.
    pub(super) fn defaults_of(&self, command: Command) -> Command {
        command.mut_args(|option| match self.0.get(option.get_id()) {
            Some((_, values)) => option.default_values(values),
            None => option,
        })
    }
}

/// What the file says to the process `me`, whose command line is `command`.
///
/// # Errors
/// The first mistake in the file.
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
                file.mistake(&entry.value_at, format!("{0} is a table: write [{0}]", entry.key))
            );
        } else if option(command, entry.key).is_some() {
            set(command, me, file, &entry, &mut given)?;
        } else if !KEYS.contains(entry.key) {
            let of_all = KEYS.iter().copied().chain(command.get_arguments().filter_map(configured));
            return Err(unknown(file, &entry, of_all));
        }
    }
    // Last, for it beats what is said to all.
    for entry in own.map(entries).unwrap_or_default() {
        set(command, me, file, &entry, &mut given)?;
    }
    Ok(given)
}

fn is_table(name: &str) -> bool {
    WELL_KNOWN_CITIES.into_iter().chain([DISPATCH, LAUNCHER]).any(|table| table == name)
}

fn check_table(file: &File, entry: &Entry<'_>) -> Result<(), Invalid> {
    if is_table(entry.key) {
        return Ok(());
    }
    if KEYS.contains(entry.key) {
        return Err(
            file.mistake(&entry.key_at, format!("{} has a value, and is no table", entry.key))
        );
    }
    let tables = WELL_KNOWN_CITIES.into_iter().chain([DISPATCH, LAUNCHER]);
    Err(file.mistake(
        &entry.key_at,
        format!("there is no node {}{}", odd(entry.key), instead(entry.key, tables)),
    ))
}

/// The table of another node: only that node can say whether the values are right.
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
        check_value(option, value).map_err(|why| {
            file.mistake(at, format!("{} cannot be {}: {why}", entry.key, odd(value)))
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

/// The option that a key of the file sets.
fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|option| configured(option) == Some(key))
}

/// The key by which a file sets this option, if it can.
pub(super) fn configured(option: &Arg) -> Option<&str> {
    option.get_long().filter(|key| !NOT_CONFIGURED.contains(key))
}

/// The value as it would stand on a command line: several where the option may be repeated, and the
/// file has an array.
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
            Err(file.mistake(at, format!("{} is a string, a number, or true or false", entry.key)))
        }
    };
    match entry.value {
        DeValue::Array(values) if repeats => values
            .iter()
            .map(|value| Ok((text(value.get_ref(), &value.span())?, value.span())))
            .collect(),
        DeValue::Array(_) => {
            Err(file
                .mistake(&entry.value_at, format!("{} has one value, and is no array", entry.key)))
        }
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

/// Asks the option's own parser, apart from all other options: so what is said is about this value
/// alone.
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
            Err(format!("it is one of {}", allowed.join(", ")))
        }
        _ => Err("that is no value".into()),
    }
}

/// What may have been meant.
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
