//! The command line.

mod fault;
pub(crate) mod value;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{ArgGroup, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use scenario::span;
use superhero::{Access, Api};

use crate::complete;
use crate::confirm::Confirmation;
use crate::load::LoadOptions;
use crate::options::fault::FaultCommand;
use crate::types::TypeCommand;

// A heading of their own: clap would otherwise mix them with the options of a command.
const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
Exit codes:
  0  Success
  1  Request refused, expectation or check failed, or wait timed out
  2  Invalid command line or file; nothing was changed
  3  No response (within 5 s); nothing was changed
  4  Outcome unknown: the request may have taken effect, but no answer arrived

A request whose answer is lost is sent again, for up to 5 s and without further effect.

Commands that destroy something ask first; --yes is the answer where there is no terminal.
Names of nodes and heroes may be in any letter case.
A sentence says what a change did; next to a table, it is on standard error.
Tables have aligned columns and headings on a terminal, and are tab-separated otherwise.
Times are in the local time zone (TZ), with date and offset: 2026-09-21T16:13:20.123+02:00.
Set NO_COLOR to disable bold headings.";

/// Command-line client for a superhero cluster
#[derive(Clone, Debug, Parser)]
#[command(
    name = "superhero",
    version,
    after_help = AFTER_HELP,
    arg_required_else_help = true
)]
pub(crate) struct Options {
    /// URL of dispatch
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "URL",
        default_value = "http://127.0.0.1:4900",
        env = "SUPERHERO_URL"
    )]
    pub(crate) url: String,

    /// CA certificates to trust (PEM); required for https
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "PATH",
        env = "SUPERHERO_CA"
    )]
    pub(crate) ca: Option<PathBuf>,

    /// File with the access token to send
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "PATH",
        env = "SUPERHERO_TOKEN_FILE"
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// List heroes, as held by dispatch or by one city
    Heroes {
        /// List the heroes that this city holds
        #[arg(long, value_parser = value::node, add = complete::cities())]
        city: Option<String>,
    },
    /// Create a hero, or several
    Create {
        /// Name of the hero; generated if omitted
        #[arg(conflicts_with = "count")]
        name: Option<String>,
        /// Create N heroes with generated names
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: Option<u32>,
    },
    /// Assign a hero to a city, or send it home
    Assign {
        /// ID, unique ID prefix, or unique name of the hero
        #[arg(add = complete::heroes())]
        hero: String,
        /// Name of a city, or `home`
        #[arg(value_parser = value::node, add = complete::places())]
        place: String,
    },
    /// Terminate a hero
    Terminate {
        /// ID, unique ID prefix, or unique name of the hero
        #[arg(add = complete::heroes())]
        hero: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Crash a city: it loses its memory and restarts
    #[command(group(ArgGroup::new("target").args(["city", "random"]).required(true)))]
    Bomb {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: Option<String>,
        /// Choose a city at random
        #[arg(long)]
        random: bool,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Stop a city's process gracefully
    Stop {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Kill a city's process, like kill -9
    Kill {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Start the process of a stopped city
    Rebuild {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: String,
    },
    /// Forget a city or a further dispatch that will not return, so that tombstones can be collected
    Forget {
        /// Name of the city or dispatch
        #[arg(value_parser = value::node, add = complete::nodes())]
        city: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Found a city, or remove one
    #[command(subcommand)]
    City(CityCommand),
    /// Show the state of each node, the writes that it lacks, and the faults in force
    Cluster,
    /// Show whether all nodes agree
    Verdict {
        /// Wait until all nodes agree, also while dispatch is unreachable; exit with 1 on timeout
        #[arg(
            long,
            value_name = "TIMEOUT",
            value_parser = span::duration,
            conflicts_with = "wait_diverged"
        )]
        wait_converged: Option<Duration>,
        /// Wait until the nodes disagree, also while dispatch is unreachable; exit with 1 on timeout
        #[arg(long, alias = "wait-apart", value_name = "TIMEOUT", value_parser = span::duration)]
        wait_diverged: Option<Duration>,
    },
    /// List the lost writes: acknowledged, but no node stores them any more
    Lost {
        /// List only lost writes after number N
        #[arg(long, value_name = "N", default_value_t = 0)]
        since: u64,
        /// Compare the commands of the last minute under other rules instead
        #[arg(long, conflicts_with = "since")]
        rules: bool,
    },
    /// Explain which write to a hero wins, and what would have saved the lost ones
    Explain {
        /// ID, unique ID prefix, or unique name of the hero
        #[arg(add = complete::heroes())]
        hero: String,
    },
    /// Write the last minutes to a file, which `replay` shows
    Record {
        /// File to create; named after the time if omitted
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Record only the last minutes or seconds, up to 10m
        #[arg(long, value_name = "DURATION", value_parser = value::kept)]
        last: Option<Duration>,
    },
    /// Make a page of a recording, which a browser shows without a cluster
    Replay {
        /// File written by `superhero record`, by the page, or by the simulator
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Page to write; FILE.html in this directory if omitted
        #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
        html: Option<PathBuf>,
    },
    /// Inject a fault into a link, a city or a clock
    #[command(subcommand)]
    Fault(FaultCommand),
    /// List the faults in force
    Faults,
    /// Heal a fault, or all faults
    Heal {
        /// ID of the fault, see `superhero faults`; `all`, or nothing, for all faults
        #[arg(value_name = "ID|all", value_parser = value::node, add = complete::faults())]
        id: Option<String>,
    },
    /// Pause gossip
    Pause,
    /// Resume gossip
    Resume,
    /// Stop the patrols and fights of the cities; commands are executed as always
    Quiet {
        /// Let the cities patrol and fight again
        #[arg(long)]
        off: bool,
    },
    /// Return to a cluster without faults and heroes
    Reset {
        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Set the gossip rate
    Speed {
        /// Percentage of the configured rate, 10 to 1000, such as 300 or 300%
        #[arg(value_parser = value::speed)]
        percent: u32,
    },
    /// Accept stamps up to this time ahead of dispatch's clock, after clocks were ahead
    ///
    /// Set the clocks right first. Nodes then exchange the writes that were made while a clock was
    /// ahead; nothing is lost. Such a write beats the writes to the same hero that were made since
    /// and had not seen it.
    AcceptStamps {
        /// How far ahead, for example 1h; at most 100 years
        #[arg(value_name = "DURATION", value_parser = span::duration)]
        ahead: Duration,
    },
    /// Run one gossip exchange between two nodes
    Step {
        /// Source of the entries; a random pair if omitted
        #[arg(requires = "to", value_parser = value::node, add = complete::nodes())]
        from: Option<String>,
        /// Node that pulls
        #[arg(value_parser = value::node, add = complete::nodes())]
        to: Option<String>,
    },
    /// List events, newest last
    Events {
        /// List only events after number N
        #[arg(long, value_name = "N", default_value_t = 0)]
        since: u64,
        /// List only the last N events
        #[arg(long, value_name = "N", conflicts_with = "since")]
        last: Option<usize>,
    },
    /// Print the last 20 events, then each change as it happens, until Ctrl-C; reconnect if
    /// dispatch restarts
    ///
    /// With --json, each change is an object in a line of its own, with the field `change`: event,
    /// missing, fault, healed, gossip, or verdict with those of its fields that have changed.
    Watch,
    /// Play scenarios and check their expectations
    Play {
        /// Name of a shipped scenario, see `superhero scenarios`, or path of a file
        #[arg(required = true, value_name = "NAME|FILE", add = complete::scenarios())]
        scenarios: Vec<String>,
        /// Write a JUnit report to this file
        #[arg(long, value_name = "PATH")]
        junit: Option<PathBuf>,
        /// Keep the heroes of the scenarios
        #[arg(long)]
        keep: bool,
    },
    /// List the shipped scenarios
    Scenarios,
    /// Run a load test: measure write latency and convergence time
    Load(LoadOptions),
    /// Diagnose a setup and suggest remedies; exit with 1 if a check fails
    Doctor {
        /// Also check this configuration file for each node, and the files that it names
        #[arg(long, value_name = "PATH", env = "SUPERHERO_CONFIG")]
        config: Option<PathBuf>,
    },
    #[command(flatten)]
    Type(TypeCommand),
    /// Generate a shell completion script, which also completes the names of heroes and nodes
    #[command(after_help = "Example, in ~/.bashrc: source <(superhero completions bash)")]
    Completions {
        /// Shell to generate the script for
        shell: Shell,
    },
}

impl Options {
    /// Parses the command line of this process.
    ///
    /// # Errors
    /// The command line is invalid, or requests help or the version.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::definition().try_get_matches()?)
    }

    /// Returns the definition of the command line.
    pub(crate) fn definition() -> clap::Command {
        without_empty_variables(Self::command())
    }

    /// Returns the client that the global options describe.
    pub(crate) fn api(&self) -> Result<Api, superhero::Error> {
        Api::with(&self.url, Access::read(self.token_file.as_deref(), self.ca.as_deref())?)
    }
}

/// Returns the command line without the environment variables that are set but empty: these count
/// as not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command.mut_subcommands(without_empty_variables).mut_args(|option| {
        if option.get_env().is_some_and(is_empty) { option.env(Resettable::Reset) } else { option }
    })
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CityCommand {
    /// Start a further city, which joins the others; dispatch needs a launcher (`make run`)
    #[command(after_help = "Example: superhero city found star-city")]
    Found {
        /// Name of the new city: a letter, then letters, digits and hyphens, at most 16
        #[arg(value_parser = value::node)]
        name: String,
    },
    /// Stop a city and forget it
    #[command(after_help = "Example: superhero city remove star-city")]
    Remove {
        /// Name of the city
        #[arg(value_parser = value::node, add = complete::cities())]
        city: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Options::command().debug_assert();
    }
}
