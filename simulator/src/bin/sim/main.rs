//! `sim`: runs seeds, prints which fail, and makes the failing ones small.

mod options;
mod report;
mod seeds;
mod summary;

use std::process::ExitCode;

use clap::Parser as _;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    // A panic is a violation, and reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    match options.seed {
        Some(seed) => seeds::run_one(seed, options.nodes()),
        None => seeds::run_many(&options),
    }
}
