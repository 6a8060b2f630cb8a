//! The command line of `sim`.

use std::ops::Range;

use clap::Parser;

/// Runs the whole cluster in virtual time, from seeds.
///
/// Prints one line a run: the seed; the nodes; the time for which it was hurt; the steps of its
/// plan; frames and kilobytes sent; writes; rounds merged; the time to converge after healing, and
/// the longest allowed; a hash of all that was sent, the same for the same seed on every machine.
/// Of more than 200 runs only the failing ones get a line. Then the number of faults, and their
/// cost.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Run this seed alone and print everything that happens.
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Run these seeds: from..to, without the last.
    #[arg(long, default_value = "0..1000", value_parser = parse_range)]
    pub(crate) seeds: Range<u64>,
    /// The nodes of each run, dispatch included, instead of 3 to 9.
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=128))]
    pub(crate) nodes: Option<u64>,
    /// Go on for this many minutes, beginning with the first of the seeds.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Threads; all processors by default.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

impl Options {
    /// Returns the number of nodes, if it is given.
    pub(crate) fn nodes(&self) -> Option<usize> {
        self.nodes.map(|nodes| usize::try_from(nodes).expect("at most 128"))
    }
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("a range reads from..to")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(from)?..number(to)?)
}
