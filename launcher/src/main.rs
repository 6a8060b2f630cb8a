//! `superhero-cluster`: starts gotham, metropolis, capitol and dispatch from its own directory,
//! shows their lines behind their names, and stops all four when it is stopped.
//!
//! - `supervise`: the life of the launcher, from the first start to the last stop.
//! - `children`: which nodes run. One that ends by itself is reported and not started again, unless
//!   dispatch asks.
//! - `child`: one process; `layout`: its command and its address; `node`: its name.
//! - `socket`: the requests of dispatch, when its page is asked to rebuild a city.
//! - `lines`: the output.
//!
//! Each child is a process group of its own: Ctrl-C reaches this process alone, which then asks
//! each child once.

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

/// The longest wait at the end for a terminal that takes no more lines.
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
        // Not by `eprintln!`, which panics where the terminal is gone.
        let error = format_args!("error: {error:#}\n");
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), error);
        ExitCode::FAILURE
    })
}
