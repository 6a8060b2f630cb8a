//! The options of a process: flags override environment variables, which override the file
//! (`--config`), which overrides the defaults.
//!
//! The options are defined once, for clap. Values from the file are passed to clap as *defaults* of
//! their options. So clap keeps the precedence, the parsing and the error texts, and a new option
//! can be set in the file without any code here.
//!
//! Invariant: no process starts with a file that contains an unknown key or an invalid value.
//!
//! Limitation: clap's `requires` and `conflicts_with` ignore defaults and thus the file. Rules
//! between options are therefore checked on the parsed options.

mod check;
mod file;
mod printout;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command, FromArgMatches, value_parser};

use crate::process::{EXIT_FAILED, EXIT_UNUSABLE};
use check::Given;
use file::File;

pub use printout::Printout;

/// The name of the process that starts all nodes, and of its table in the file.
pub const LAUNCHER: &str = "superhero-cluster";

const CONFIG: &str = "config";
const PRINT: &str = "print-config";
/// Options that a file cannot set, since they select the file or an action other than running.
const NOT_CONFIGURED: [&str; 5] = [CONFIG, PRINT, "healthcheck", "help", "version"];

/// The options of a process, and the output of `--print-config` if requested.
#[derive(Clone, Debug)]
pub struct Loaded<O> {
    /// The options.
    pub options: O,
    /// The configuration file, if given. The launcher passes it on to its children.
    pub config: Option<PathBuf>,
    /// The output of `--print-config`, if given. The process checks its options, prints this and
    /// exits.
    pub printout: Option<Printout>,
}

/// An error in a configuration file, with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Invalid {
    /// The path of the file.
    file: String,
    /// The location in the file; `None` if the error concerns the whole file.
    place: Option<Place>,
    /// The description of the error.
    what: String,
}

/// A location in a text. Both numbers start at 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, what } = self;
        match place {
            Some(Place { line, column }) => write!(f, "{file}:{line}:{column}: {what}"),
            None => write!(f, "{file}: {what}"),
        }
    }
}

/// A reason to exit without running.
#[derive(Debug)]
enum Refusal {
    /// An error of clap, or the output of `--help` or `--version`.
    CommandLine(clap::Error),
    /// An error in the configuration file.
    File(Invalid),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error)
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::File(invalid)
    }
}

/// Loads the options of the process `me`, whose command line is `command`. Exits the process for
/// `--help`, `--version` and invalid options.
#[must_use]
pub fn load<O: FromArgMatches>(me: &str, command: Command) -> Loaded<O> {
    match options(me, command, std::env::args_os().collect()) {
        Ok(loaded) => loaded,
        Err(Refusal::CommandLine(error)) => std::process::exit(answered(&error)),
        Err(Refusal::File(invalid)) => {
            print_error(&invalid);
            std::process::exit(EXIT_UNUSABLE.into())
        }
    }
}

/// Prints an error of clap, or the output of `--help` or `--version`. Returns the exit code.
fn answered(error: &clap::Error) -> i32 {
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(failed) if !error.use_stderr() && failed.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&format_args!("cannot write to standard output: {failed}"));
            EXIT_FAILED.into()
        }
        _ => error.exit_code(),
    }
}

/// Prints an error. Not with `eprintln!`, which panics when standard error is closed.
fn print_error(error: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// Prints the error and returns the exit code of an invalid configuration.
#[must_use]
pub fn unusable(error: &anyhow::Error) -> ExitCode {
    print_error(&format_args!("{error:#}"));
    ExitCode::from(EXIT_UNUSABLE)
}

fn options<O: FromArgMatches>(
    me: &str,
    command: Command,
    arguments: Vec<OsString>,
) -> Result<Loaded<O>, Refusal> {
    let command = command.arg(config()).arg(print_config());
    let (command, empty) = without_empty_variables(command);
    // The path of the file is itself an option, so the command line is parsed twice. Errors in
    // other options are ignored here and reported by the second pass.
    let first = command.clone().ignore_errors(true).try_get_matches_from(&arguments)?;
    let config: Option<PathBuf> = first.get_one(CONFIG).cloned();
    let given = match &config {
        Some(path) => check::check(&command, me, &File::read(path)?)?,
        None => Given::default(),
    };
    let command = given.defaults_of(command);
    let matches = command.clone().try_get_matches_from(arguments)?;
    let options = O::from_arg_matches(&matches)?;
    let printout = matches.get_flag(PRINT).then(|| {
        let file = config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        Printout::of(me, &command, &matches, &file, &given, &empty)
    });
    Ok(Loaded { options, config, printout })
}

/// Returns the command line without the environment variables that are set but empty, and their
/// names. An empty variable counts as not set: files for containers contain `NAME=${NAME:-}`.
fn without_empty_variables(command: Command) -> (Command, Vec<String>) {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let mut empty = Vec::new();
    let command = command.mut_args(|option| {
        let name = option.get_env().filter(|name| is_empty(name)).map(OsStr::to_owned);
        match name {
            Some(name) => {
                empty.push(name.to_string_lossy().into_owned());
                option.env(Resettable::Reset)
            }
            None => option,
        }
    });
    (command, empty)
}

fn config() -> Arg {
    let help = "TOML file with options; flags and environment variables override it";
    Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("PATH")
        .env("SUPERHERO_CONFIG")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn print_config() -> Arg {
    Arg::new(PRINT)
        .long(PRINT)
        .action(ArgAction::SetTrue)
        .help("Print all options as a configuration file, each with its source, and exit")
}

#[cfg(test)]
mod tests;
