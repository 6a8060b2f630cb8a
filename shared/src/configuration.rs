//! How a process comes to its options: a flag beats the environment, that beats the file
//! (`--config`), and that beats the default.
//!
//! There is one definition of the options, clap's. What the file says is given to clap as the
//! *defaults* of the options that it names; so clap keeps the order above, the parsing and the
//! words of every error, and an option that is added later can be configured without a line here.
//!
//! Invariant: nothing is started with a file that is not understood to its last key.
//!
//! One thing clap cannot do: its `requires` and `conflicts_with` look past defaults, and so past
//! the file. Rules between options are checked on the options themselves, when all is known.

mod check;
mod file;
mod printout;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, FromArgMatches, value_parser};

use crate::process::EXIT_UNUSABLE;
use check::Given;
use file::File;

pub use printout::Printout;

/// The process that starts all nodes. Like the nodes it has a table of its own name.
pub const LAUNCHER: &str = "superhero-cluster";

const CONFIG: &str = "config";
const PRINT: &str = "print-config";
/// Options that ask for something else than to run as configured.
const NOT_CONFIGURED: [&str; 5] = [CONFIG, PRINT, "healthcheck", "help", "version"];

/// A process's options, and what there is to print if that was asked for.
#[derive(Clone, Debug)]
pub struct Loaded<O> {
    /// The options.
    pub options: O,
    /// The file that was given, to be passed on to children.
    pub config: Option<PathBuf>,
    /// `--print-config` was given: the process prints this, once it has found nothing wrong with
    /// the options, and ends.
    pub printout: Option<Printout>,
}

/// Why a configuration file cannot be used, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Invalid {
    /// Which file.
    file: String,
    /// Where in it; nowhere if the file as a whole is meant.
    place: Option<Place>,
    /// What was found, and what is allowed.
    what: String,
}

/// A place in a text, both from 1; columns in characters.
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

/// Why there are no options.
#[derive(Debug)]
enum Refusal {
    /// Help and versions come this way too.
    CommandLine(clap::Error),
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

/// The options of the process `me`, whose command line is `command`. Ends the process for `--help`,
/// `--version` and whatever cannot be used.
#[must_use]
pub fn load<O: FromArgMatches>(me: &str, command: Command) -> Loaded<O> {
    match options(me, command, std::env::args_os().collect()) {
        Ok(loaded) => loaded,
        Err(Refusal::CommandLine(error)) => error.exit(),
        Err(Refusal::File(invalid)) => {
            eprintln!("error: {invalid}");
            std::process::exit(EXIT_UNUSABLE.into())
        }
    }
}

/// Ends well, or as an unusable configuration does.
#[must_use]
pub fn unusable(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(EXIT_UNUSABLE)
}

fn options<O: FromArgMatches>(
    me: &str,
    command: Command,
    arguments: Vec<OsString>,
) -> Result<Loaded<O>, Refusal> {
    let command = command.arg(config()).arg(print_config());
    // Where the file is may itself be said by a flag or the environment. Whatever is wrong with the
    // others is said below.
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
        Printout::of(me, &command, &matches, &file, &given)
    });
    Ok(Loaded { options, config, printout })
}

fn config() -> Arg {
    let help = "Read options from this TOML file: flags and environment variables go before it, defaults behind it";
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
        .help("Print all options as such a file, each with where it comes from, and end")
}

#[cfg(test)]
mod tests;
