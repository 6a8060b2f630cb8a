//! `superhero`: the superhero cluster from a terminal.

mod commands;
mod doctor;
mod load;
mod options;
mod output;
mod play;
mod table;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::run(options::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}
