//! The output of `--print-config`: all options as a configuration file, each with its source.
//!
//! Invariants: the same node reads the same values from it; it contains no secret.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::check::{Given, configured};
use super::print_error;

/// Variables without an option, each with whether its value is secret.
const ENVIRONMENT_ALONE: [(&str, bool); 2] = [("SUPERHERO_COOKIE", true), ("RUST_LOG", false)];

/// The output of `--print-config`.
#[derive(Clone, Debug)]
pub struct Printout(String);

impl fmt::Display for Printout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Printout {
    /// Returns the output for all options of the process `me`.
    pub(super) fn of(
        me: &str,
        command: &Command,
        matches: &ArgMatches,
        file: &str,
        given: &Given,
        empty: &[String],
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let mut lines = vec![format!(
            "# {me} {version}: flags override the environment, which overrides the file, which \
             overrides the defaults."
        )];
        lines.extend(command.get_arguments().filter_map(|option| {
            let key = configured(option)?;
            Some(line(option, key, matches, origin(option, matches, file, given)))
        }));
        lines.push("# Only from the environment:".into());
        lines.extend(ENVIRONMENT_ALONE.iter().map(|(name, is_secret)| {
            match std::env::var_os(name).filter(|value| !value.is_empty()) {
                None => format!("#   {name} is not set"),
                Some(_) if *is_secret => format!("#   {name} is set (hidden)"),
                Some(value) => format!("#   {name} is {value:?}"),
            }
        }));
        lines.extend(
            empty.iter().map(|name| format!("# {name} is empty, which counts as not set.")),
        );
        Self(lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect())
    }

    /// Prints the text to standard output.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        // Not with `print!`, which panics when the reader closes the pipe early.
        match std::io::stdout().lock().write_all(self.0.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    print_error(&format_args!("cannot write to standard output: {error}"));
                }
                ExitCode::FAILURE
            }
        }
    }
}

fn line(option: &Arg, key: &str, matches: &ArgMatches, origin: Option<String>) -> String {
    let (Some(values), Some(origin)) = (matches.get_raw(option.get_id().as_str()), origin) else {
        return format!("# {key} = {}  # not set: {}", placeholder(option), help(option));
    };
    if option.is_hide_env_values_set() {
        return format!("# {key} is set (hidden)  # {origin}");
    }
    let Some(texts) = values.map(OsStr::to_str).collect::<Option<Vec<_>>>() else {
        return format!("# {key} is set, but not UTF-8, so a file cannot contain it  # {origin}");
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

/// Returns the value in its usual TOML form. All forms are read as the same text.
fn value(option: &Arg, text: &str) -> Value {
    match text.parse::<i64>() {
        // Only a number that prints as the same text: `007` must stay a string.
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

/// Returns the help text of the option as one line.
fn help(option: &Arg) -> String {
    option
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .lines()
        .collect::<Vec<_>>()
        .join(" ")
}
