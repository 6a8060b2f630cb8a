//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use api_types::ALL;
use scenario::{Fault, FaultKind, span};
use superhero::{Access, Api};

use crate::load::LoadOptions;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused; or an expectation failed, or the cluster did not come to be as waited for
  2  the command line or a scenario file cannot be used; nothing was asked of dispatch
  3  dispatch does not answer (within 5 s)

Tables have columns and headings on a terminal; elsewhere they are lines with tabs. NO_COLOR is respected.";

/// The superhero cluster from a terminal
#[derive(Clone, Debug, Parser)]
#[command(name = "superhero", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Options {
    /// Where dispatch answers
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:4900",
        env = "SUPERHERO_URL"
    )]
    pub(crate) url: String,

    /// Believe the certificates that those in this file (PEM) have signed; https needs it
    #[arg(long, global = true, value_name = "PATH", env = "SUPERHERO_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// Send the token in this file, where dispatch asks for one
    #[arg(long, global = true, value_name = "PATH", env = "SUPERHERO_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Print the API's JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// List the living heroes, as dispatch or as one city knows them
    Heroes {
        /// As this city knows them
        #[arg(long)]
        city: Option<String>,
    },
    /// Create a hero, or many
    Create {
        /// The hero's name; an invented one where none is given
        #[arg(conflicts_with = "count")]
        name: Option<String>,
        /// Create so many, with invented names
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: Option<u32>,
    },
    /// Send a hero to a city, or home
    Assign {
        /// Id, the beginning of an id, or a name that only one hero has
        hero: String,
        /// A city, or home
        place: String,
    },
    /// End a hero
    Terminate {
        /// Id, the beginning of an id, or a name that only one hero has
        hero: String,
    },
    /// Crash a city: it loses its memory and starts over
    Bomb {
        /// Which; a random one where none is named
        city: Option<String>,
    },
    /// End a city's process, as if asked to
    Stop {
        /// Which
        city: String,
    },
    /// End a city's process at once, as by kill -9
    Kill {
        /// Which
        city: String,
    },
    /// Start the process of a city again
    Rebuild {
        /// Which
        city: String,
    },
    /// Stop waiting for a city that is gone for good
    Forget {
        /// Which
        city: String,
    },
    /// Show every node
    Cluster,
    /// Say whether the cities agree
    Verdict {
        /// Wait until all agree, for at most this long; exit code 1 when they do not
        #[arg(long, value_name = "TIME", value_parser = span::duration, conflicts_with = "wait_apart")]
        wait_converged: Option<Duration>,
        /// Wait until they do not all agree, for at most this long; exit code 1 when they do
        #[arg(long, value_name = "TIME", value_parser = span::duration)]
        wait_apart: Option<Duration>,
    },
    /// Disturb what passes between nodes, a city, or a clock
    #[command(subcommand)]
    Fault(FaultCommand),
    /// List the faults in force
    Faults,
    /// Heal a fault, or all of them
    Heal {
        /// As `faults` lists it; all where none is given
        id: Option<String>,
    },
    /// Stop gossip
    Pause,
    /// Let gossip go on
    Resume,
    /// Make gossip faster or slower
    Speed {
        /// Of the configured rate
        #[arg(value_parser = clap::value_parser!(u32).range(10..=1_000))]
        percent: u32,
    },
    /// Have one node pull from another, once
    Step {
        /// Who is asked; a random pair where none is named
        #[arg(requires = "to")]
        from: Option<String>,
        /// Who asks
        to: Option<String>,
    },
    /// List what has happened, newest last
    Events {
        /// Only what came after this one
        #[arg(long, value_name = "N", default_value_t = 0)]
        since: u64,
    },
    /// Print what changes as it changes, until Ctrl-C
    Watch,
    /// Play scenarios: shipped ones by name, or files
    Play {
        /// As `scenarios` lists them, or the path of a file
        #[arg(required = true, value_name = "NAME|FILE")]
        scenarios: Vec<String>,
        /// Write a JUnit report there
        #[arg(long, value_name = "PATH")]
        junit: Option<PathBuf>,
    },
    /// List the shipped scenarios
    Scenarios,
    /// Put a load on the cluster: say how long writes take, and how soon all cities have heard of
    /// them
    Load(LoadOptions),
    /// Say what is wrong with a set-up, and what to do about it; exit code 1 when something is
    Doctor {
        /// Also say whether each node can use this configuration file, and whether the files that
        /// it names are in order
        #[arg(long, value_name = "PATH", env = "SUPERHERO_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Print what makes a shell complete these commands
    Completions {
        /// Which
        shell: Shell,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Nothing passes
    Cut {
        #[command(flatten)]
        link: Link,
    },
    /// Everything is late
    Delay {
        #[command(flatten)]
        link: Link,
        /// How late: 300ms
        #[arg(long, value_name = "TIME", value_parser = span::duration)]
        by: Duration,
        /// How much more or less
        #[arg(long, value_name = "TIME", default_value = "0", value_parser = span::duration)]
        jitter: Duration,
    },
    /// Some is lost
    Loss(Part),
    /// Some arrives twice
    Duplicate(Part),
    /// Some is overtaken
    Reorder(Part),
    /// No more than so much passes
    Throttle {
        #[command(flatten)]
        link: Link,
        /// How much
        #[arg(long, value_name = "N")]
        bytes_per_s: u64,
    },
    /// A city takes no part in replication
    Freeze {
        /// Which
        city: String,
        #[command(flatten)]
        lasts: Lasts,
    },
    /// A node's clock is wrong
    Skew {
        /// Whose
        node: String,
        /// How far it is ahead (3s) or behind (-3s)
        #[arg(long, value_name = "TIME", value_parser = span::signed_ms, allow_hyphen_values = true)]
        by: i64,
        #[command(flatten)]
        lasts: Lasts,
    },
}

/// A fault of a part of what passes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Part {
    #[command(flatten)]
    link: Link,
    /// How much of it; 0.5 will do
    #[arg(long, value_name = "N")]
    percent: f64,
}

/// Between whom.
#[derive(Args, Clone, Debug)]
pub(crate) struct Link {
    /// The one end
    from: String,
    /// The other end; `all` for every other node
    to: String,
    /// Disturb only what goes from FROM to TO
    #[arg(long)]
    one_way: bool,
    #[command(flatten)]
    lasts: Lasts,
}

/// For how long.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Lasts {
    /// Heal by itself after this long [default: 30s]
    #[arg(long = "for", value_name = "TIME", value_parser = span::duration)]
    lasts: Option<Duration>,
}

impl Options {
    /// The dispatch that is to be asked.
    pub(crate) fn api(&self) -> Result<Api, superhero::Error> {
        Api::with(&self.url, Access::read(self.token_file.as_deref(), self.ca.as_deref())?)
    }
}

impl FaultCommand {
    /// The fault that is asked for. Its amounts are not checked yet.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Cut { link } => link.fault(FaultKind::Cut),
            Self::Delay { link, by, jitter } => link.fault(FaultKind::Delay { by, jitter }),
            Self::Loss(Part { link, percent }) => link.fault(FaultKind::Loss { percent }),
            Self::Duplicate(Part { link, percent }) => link.fault(FaultKind::Duplicate { percent }),
            Self::Reorder(Part { link, percent }) => link.fault(FaultKind::Reorder { percent }),
            Self::Throttle { link, bytes_per_s } => link.fault(FaultKind::Throttle { bytes_per_s }),
            Self::Freeze { city, lasts } => of_node(FaultKind::Freeze, city, lasts),
            Self::Skew { node, by, lasts } => of_node(FaultKind::Skew { by_ms: by }, node, lasts),
        }
    }
}

impl Link {
    fn fault(self, kind: FaultKind) -> Fault {
        let to = if self.to == "all" { ALL.to_owned() } else { self.to };
        Fault {
            kind,
            from: self.from,
            to: Some(to),
            one_way: self.one_way,
            lasts: self.lasts.lasts,
        }
    }
}

fn of_node(kind: FaultKind, node: String, Lasts { lasts }: Lasts) -> Fault {
    Fault { kind, from: node, to: None, one_way: false, lasts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    fn fault(line: &str) -> Fault {
        let words = ["superhero", "fault"].into_iter().chain(line.split(' '));
        let Command::Fault(command) = Options::try_parse_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .command
        else {
            panic!("{line} is a fault")
        };
        command.fault()
    }

    #[test]
    fn faults_are_worded_as_people_say_them() {
        let cut = fault("cut gotham all --one-way --for 20s");
        assert_eq!(
            (cut.to.as_deref(), cut.one_way, cut.lasts),
            (Some("*"), true, Some(Duration::from_secs(20)))
        );
        let delay = fault("delay gotham capitol --by 300ms --jitter 50ms");
        assert_eq!(
            delay.kind,
            FaultKind::Delay { by: Duration::from_millis(300), jitter: Duration::from_millis(50) }
        );
        assert_eq!(fault("loss gotham * --percent 0.5").kind, FaultKind::Loss { percent: 0.5 });
        assert_eq!(
            fault("duplicate gotham * --percent 5").kind,
            FaultKind::Duplicate { percent: 5.0 }
        );
        assert_eq!(fault("reorder gotham * --percent 5").kind, FaultKind::Reorder { percent: 5.0 });
        assert_eq!(
            fault("throttle gotham * --bytes-per-s 8192").kind,
            FaultKind::Throttle { bytes_per_s: 8_192 }
        );
        assert_eq!(
            fault("freeze gotham"),
            of_node(FaultKind::Freeze, "gotham".into(), Lasts { lasts: None })
        );
        assert_eq!(fault("skew dispatch --by -3s").kind, FaultKind::Skew { by_ms: -3_000 });
        assert_eq!(fault("skew dispatch --by=+3s").kind, FaultKind::Skew { by_ms: 3_000 });
    }
}
