//! `superhero-cluster`: starts gotham, metropolis, capitol and dispatch from its own directory,
//! prints their output prefixed with their names, and stops all four when it is stopped.
//!
//! - `supervise`: the main loop, from the first start to the last stop.
//! - `children`: the set of running nodes. A node that exits is reported and restarted only on
//!   the request of dispatch.
//! - `child`: one process; `layout`: its command and its address; `node`: its name.
//! - `socket`: the requests of dispatch to rebuild a city.
//! - `lines`: the output. `listening`: the process at an address.
//!
//! Each child has its own process group: Ctrl-C reaches only the launcher, which then signals each
//! child once.

mod child;
mod children;
mod layout;
mod lines;
mod listening;
mod node;
mod options;
mod socket;
mod supervise;

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory as _;
use shared::configuration;
use shared::configuration::{LAUNCHER, Loaded};

use lines::Terminal;
use options::Options;

/// The time limit at exit for a terminal that accepts no more output.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let Loaded { options, config, printout } =
        configuration::load::<Options>(LAUNCHER, Options::command());
    if let Some(printout) = printout {
        return printout.print();
    }
    let failed = |error: &anyhow::Error| {
        lines::print_error(format!("error: {error:#}\n").into_bytes(), SHUTDOWN_TIMEOUT);
        ExitCode::FAILURE
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let (terminal, end) = Terminal::new(std::io::stdout());
    let ended = runtime.block_on(supervise::run(options, config, &terminal));
    // The tasks that read from children hold the terminal, too.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    drop(terminal);
    end.wait(SHUTDOWN_TIMEOUT);
    ended.unwrap_or_else(|error| failed(&error))
}
