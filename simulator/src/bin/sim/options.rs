//! The command line of `sim`.

use std::ops::Range;
use std::path::PathBuf;

use clap::Parser;
use simulator::plan::Plan;

/// Simulates the whole cluster in virtual time, one run per seed.
///
/// Prints one line per run: the seed; the number of nodes; the length of the fault phase; the
/// number of plan steps; frames and kilobytes sent; writes; rounds merged; the time to converge
/// after healing, and its limit; a hash of all frames sent, which is the same for the same seed on
/// every machine. With more than 200 runs, only failing runs are printed. A summary of the faults
/// and their effect on convergence follows.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Run a single seed and log every event, or record it
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Write a recording of this seed to a file, which `superhero replay` shows
    #[arg(long, value_name = "PATH", requires = "seed")]
    pub(crate) record: Option<PathBuf>,
    /// Add replicas that lose entries, and a member that sends false rounds
    #[arg(long)]
    pub(crate) faulty: bool,
    /// Range of seeds to run, end exclusive
    #[arg(long, value_name = "FROM..TO", default_value = "0..1000", value_parser = parse_range)]
    pub(crate) seeds: Range<u64>,
    /// Nodes per run, dispatch included [default: 3 to 9, drawn from the seed]
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=128))]
    pub(crate) nodes: Option<u64>,
    /// Run for this many minutes, starting at the first seed of the range and ignoring its end
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Worker threads [default: number of processors]
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

impl Options {
    /// Returns the plan of a seed.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        if self.faulty {
            Plan::draw_faulty(seed, self.nodes())
        } else {
            Plan::draw(seed, self.nodes())
        }
    }

    /// Returns the number of nodes if the option is set.
    pub(crate) fn nodes(&self) -> Option<usize> {
        self.nodes.map(|nodes| usize::try_from(nodes).expect("at most 128"))
    }
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}
