//! `superhero`: the command-line client for a superhero cluster.

mod commands;
mod doctor;
mod load;
mod options;
mod outage;
mod output;
mod play;
mod table;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::run(options::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
