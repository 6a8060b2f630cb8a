//! `superhero-cluster`: starts gotham, metropolis, capitol and dispatch from its own directory,
//! prints their output prefixed with their names, and stops all four when it is stopped.
//!
//! - `supervise`: the main loop, from the first start to the last stop.
//! - `children`: the set of running nodes. A node that exits is reported and restarted only on
//!   the request of dispatch.
//! - `child`: one process; `layout`: its command and its address; `node`: its name.
//! - `socket`: the requests of dispatch to rebuild a city.
//! - `lines`: the output.
//!
//! Each child has its own process group: Ctrl-C reaches only the launcher, which then signals each
//! child once.

mod child;
mod children;
mod layout;
mod lines;
mod node;
mod options;
mod socket;
mod supervise;

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory as _;
use shared::configuration;
use shared::configuration::{LAUNCHER, Loaded};

use options::Options;

/// The time limit at exit for a terminal that accepts no more output.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let Loaded { options, config, printout } =
        configuration::load::<Options>(LAUNCHER, Options::command());
    if let Some(printout) = printout {
        return printout.print();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(supervise::run(options, config));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended.unwrap_or_else(|error| {
        // Not with `eprintln!`, which panics when the terminal is closed.
        let error = format_args!("error: {error:#}\n");
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), error);
        ExitCode::FAILURE
    })
}
