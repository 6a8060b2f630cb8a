//! `--print-config`: all options as a file that can be read again, each with where it comes from.
//!
//! Invariant: read again by the same node, it gives the same values; and no secret is in it.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::check::{Given, configured};

/// What only the environment says, and whether that is a secret.
const ENVIRONMENT_ALONE: [(&str, bool); 2] = [("SUPERHERO_COOKIE", true), ("RUST_LOG", false)];

/// The text that `--print-config` asks for.
#[derive(Clone, Debug)]
pub struct Printout(String);

impl fmt::Display for Printout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Printout {
    /// All options of the process `me`.
    pub(super) fn of(
        me: &str,
        command: &Command,
        matches: &ArgMatches,
        file: &str,
        given: &Given,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let mut lines = vec![format!(
            "# {me} {version}: a flag beats the environment, that beats the file, and that beats the default."
        )];
        lines.extend(command.get_arguments().filter_map(|option| {
            let key = configured(option)?;
            Some(line(option, key, matches, origin(option, matches, file, given)))
        }));
        lines.push("# From the environment alone:".into());
        lines.extend(ENVIRONMENT_ALONE.iter().map(|(name, is_secret)| {
            match std::env::var_os(name) {
                None => format!("#   {name} is not set"),
                Some(_) if *is_secret => format!("#   {name} is set, and not shown"),
                Some(value) => format!("#   {name} is {value:?}"),
            }
        }));
        Self(lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect())
    }

    /// Prints it.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        // Not by `print!`, which panics where nobody reads to the end.
        match std::io::stdout().lock().write_all(self.0.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }
}

fn line(option: &Arg, key: &str, matches: &ArgMatches, origin: Option<String>) -> String {
    let (Some(values), Some(origin)) = (matches.get_raw(option.get_id().as_str()), origin) else {
        return format!("# {key} = {}  # not set: {}", placeholder(option), help(option));
    };
    if option.is_hide_env_values_set() {
        return format!("# {key} is set, and not shown  # {origin}");
    }
    let Some(texts) = values.map(OsStr::to_str).collect::<Option<Vec<_>>>() else {
        return format!("# {key} is set, and no file can say so: it is not UTF-8  # {origin}");
    };
    let mut values = texts.into_iter().map(|text| value(option, text));
    let value = if repeats(option) {
        Value::Array(values.collect())
    } else {
        values.next_back().unwrap_or_else(|| Value::from(""))
    };
    format!("{key} = {value}  # {origin}")
}

fn origin(option: &Arg, matches: &ArgMatches, file: &str, given: &Given) -> Option<String> {
    match matches.value_source(option.get_id().as_str())? {
        ValueSource::CommandLine => Some("flag".into()),
        ValueSource::EnvVariable => Some(format!(
            "environment {}",
            option.get_env().map(OsStr::to_string_lossy).unwrap_or_default()
        )),
        ValueSource::DefaultValue => Some(match given.place(option) {
            Some(place) => format!("file {}:{}", file.escape_debug(), place.line),
            None => "default".into(),
        }),
        _ => None,
    }
}

fn repeats(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

/// The value in the form in which people would write it. Read again, all forms are the same text.
fn value(option: &Arg, text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Value::Integer(number),
        _ if is_switch(option) => Value::Boolean(text == "true"),
        _ => Value::from(text),
    }
}

fn is_switch(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

fn placeholder(option: &Arg) -> Value {
    let names = option.get_value_names().unwrap_or_default();
    let name = Value::from(names.first().map_or("VALUE", |name| name.as_str()));
    if is_switch(option) {
        Value::Boolean(true)
    } else if repeats(option) {
        Value::Array(vec![name])
    } else {
        name
    }
}

/// What the option would do, in one line.
fn help(option: &Arg) -> String {
    option
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .lines()
        .collect::<Vec<_>>()
        .join(" ")
}
