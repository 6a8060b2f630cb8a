//! `engine`: the cost of the core, beside the cost of others in its place, in the same process and
//! run.
//!
//! Peers hold each hero as one opaque value. Those that are libraries of their own are there with
//! the feature `peers` only: the rest of the project is built without them. It prints tables in
//! Markdown, then each target with the measurement; a target that is missed is no failure.

mod contestant;
mod contestants;
mod cost;
mod figures;
mod hero;
mod measured;
mod memory;
mod once;
mod ours;
mod peer;
#[cfg(feature = "peers")]
mod peers;
mod plot;
mod scaling;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod text;
mod whole_map;
mod workload;

use std::io;
use std::path::PathBuf;

use clap::Parser;

use measured::Measured;
use once::Once;

#[derive(Debug, Parser)]
#[command(about = "What the core costs, beside what others would cost in its place")]
struct Options {
    /// The numbers of heroes, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000", value_parser = clap::value_parser!(u32).range(1..))]
    heroes: Vec<u32>,
    /// The time for measuring one cost of one peer. It is measured three times at least, if that
    /// takes no longer than four times this.
    #[arg(long, default_value = "500ms")]
    timeout: humantime::Duration,
    /// Leave the peers out.
    #[arg(long)]
    alone: bool,
    /// Draw the curves too, into this directory.
    #[arg(long)]
    curves: Option<PathBuf>,
    /// Only run one workload of this project's core, once, to count its instructions.
    #[arg(long, conflicts_with_all = ["patience", "alone", "curves"])]
    once: Option<Once>,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(once) = options.once {
        once.run();
        return Ok(());
    }
    let timeout = options.timeout.into();
    let contestants =
        contestants::all().into_iter().take(if options.alone { 1 } else { usize::MAX });
    let all: Vec<Measured> =
        contestants.map(|contestant| Measured::new(contestant, &options.heroes, timeout)).collect();
    table::print(&all, &options.heroes);
    if let [ours, ..] = &all[..] {
        targets::print(ours, &options.heroes);
    }
    options.curves.map_or(Ok(()), |directory| figures::draw(&all, timeout, &directory))
}
