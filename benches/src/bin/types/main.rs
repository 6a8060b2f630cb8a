//! `types`: compares the cost of the replicated types of the library with that of other libraries,
//! in the same process and run.
//!
//! Three replicas of each contestant count, keep a set, and chat, and synchronise in rounds. The
//! output is a table in Markdown for each workload. Other libraries need the feature `peers`.

mod chat;
mod contestant;
mod cost;
mod counter;
mod ours;
mod peer;
#[cfg(feature = "peers")]
mod peers;
mod rounds;
mod set;
mod sizes;
mod table;
#[cfg(test)]
mod tests;

use clap::Parser;
use peak_alloc::PeakAlloc;

use contestant::{Contestant, Measured, Workload};
use sizes::Sizes;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[derive(Debug, Parser)]
#[command(about = "Compares the cost of the replicated types with that of other libraries")]
struct Options {
    #[command(flatten)]
    sizes: Sizes,
    /// Measuring time per contestant and workload, in processor time; at least three runs, unless
    /// they take longer than four times this
    #[arg(long, default_value = "2s")]
    duration: humantime::Duration,
    /// Measure only this project
    #[arg(long)]
    alone: bool,
}

fn main() {
    let options = Options::parse();
    table::print_heading();
    for workload in Workload::ALL {
        let contestants = workload.contestants().into_iter();
        let (measured, left_out): (Vec<Contestant>, Vec<Contestant>) = contestants
            .take(if options.alone { 1 } else { usize::MAX })
            .partition(|contestant| contestant.is_within_limits(&options.sizes));
        let measured: Vec<Measured> = measured
            .into_iter()
            .map(|contestant| contestant.measure(&options.sizes, options.duration.into()))
            .collect();
        table::print(workload, &options.sizes, &measured);
        table::print_left_out(&left_out);
    }
}
