//! `engine`: compares the cost of the core with that of other libraries, in the same process and
//! run.
//!
//! Peers hold each hero as one opaque value. Peers from other crates need the feature `peers`,
//! since the rest of the project is built without them. The output is tables in Markdown, then each
//! target with its measurement; a missed target is not a failure.

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
mod whole_map;
mod workload;

use std::io;
use std::path::PathBuf;

use clap::Parser;

use measured::Measured;
use once::Once;

#[derive(Debug, Parser)]
#[command(about = "Compares the cost of the core with that of other libraries")]
struct Options {
    /// Numbers of heroes, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000", value_parser = clap::value_parser!(u32).range(1..))]
    heroes: Vec<u32>,
    /// Measuring time per cost, in processor time; at least three runs, unless they take longer
    /// than four times this
    #[arg(long, alias = "patience", default_value = "500ms")]
    duration: humantime::Duration,
    /// Measure only this project
    #[arg(long)]
    alone: bool,
    /// Also measure the curves and write their figures into this directory
    #[arg(long)]
    curves: Option<PathBuf>,
    /// Run one workload of the core once, to count its instructions
    #[arg(long, conflicts_with_all = ["duration", "alone", "curves"])]
    once: Option<Once>,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(once) = options.once {
        once.run();
        return Ok(());
    }
    let duration = options.duration.into();
    let contestants =
        contestants::all().into_iter().take(if options.alone { 1 } else { usize::MAX });
    let all: Vec<Measured> = contestants
        .map(|contestant| Measured::new(contestant, &options.heroes, duration))
        .collect();
    table::print(&all, &options.heroes);
    if let [ours, ..] = &all[..] {
        targets::print(ours, &options.heroes);
    }
    options.curves.map_or(Ok(()), |directory| figures::draw(&all, duration, &directory))
}
