//! `sim`: runs seeds, prints the failing ones, and shrinks their plans.

mod options;
mod report;
mod seeds;
mod summary;

use std::process::ExitCode;

use clap::Parser as _;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    // `run::run` catches a panic and reports it as a violation; the default hook would print it a
    // second time, for each attempt of the shrinker.
    std::panic::set_hook(Box::new(|_| {}));
    match options.seed {
        Some(seed) => seeds::run_one(seed, &options),
        None => seeds::run_many(&options),
    }
}
