//! `superhero`: the command-line client for a superhero cluster.

mod cluster;
mod commands;
mod complete;
mod confirm;
mod doctor;
mod explain;
mod fault;
mod find;
mod gossip;
mod load;
mod lost;
mod options;
mod outage;
mod output;
mod play;
mod printer;
mod progress;
mod record;
mod reset;
mod socket;
mod table;
mod types;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    complete::answer_shell();
    let ran = options::Options::read().map_err(output::Failure::from).and_then(commands::run);
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
