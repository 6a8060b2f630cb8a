//! `superhero-cluster`: starts gotham, metropolis, capitol and dispatch from the directory that it stands in itself, shows
//! their lines behind their names, and stops all four when it is stopped.
//!
//! - `children`: the processes. One that ends by itself is reported and not started again, unless somebody asks.
//! - `socket`: where dispatch asks, when its page is told to rebuild a city.
//! - `lines`: what is shown.
//!
//! Each child is a process group of its own: Ctrl-C reaches this process alone, which then asks each child once.

mod children;
mod lines;
mod socket;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use shared::configuration::{self, LAUNCHER, Loaded};
use shared::link::process::EXIT_UNUSABLE;

use children::{Children, NODES};
use lines::say;
use socket::{Request, Socket};

/// How long the end waits for a terminal that takes no more lines.
const GOODBYE_PATIENCE: Duration = Duration::from_millis(200);

/// Starts the four processes of the superhero cluster, and stops them together
#[derive(Parser)]
#[command(name = "superhero-cluster", version, about)]
struct Options {
    /// The address whose ports 4900 to 4903 the four listen on; another one of loopback lets clusters run side by side
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), env = "SUPERHERO_HOST")]
    host: IpAddr,

    /// Speak TLS, with the certificates in this directory: ca.pem, and NODE.pem and NODE-key.pem for each of the four, as `make certs` makes them
    #[arg(long, value_name = "DIRECTORY", env = "SUPERHERO_CERTS")]
    certs: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Loaded { options, config, printout } = configuration::load::<Options>(LAUNCHER, Options::command());
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
    let ended = runtime.block_on(run(&options, config.as_deref()));
    runtime.shutdown_timeout(GOODBYE_PATIENCE);
    ended.unwrap_or_else(|error| {
        // Not by `eprintln!`, which panics where the terminal is gone.
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error:#}\n"));
        ExitCode::FAILURE
    })
}

async fn run(options: &Options, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let here = std::env::current_exe().context("finding the directory of the binaries")?;
    let here = here.parent().context("finding the directory of the binaries")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    // A terminal that is closed takes its foreground with it, and the children are not in there.
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let (asks, mut asked) = mpsc::channel(1);
    // The directory goes when this goes: however `run` is left.
    let socket = match Socket::open(asks) {
        Ok(socket) => Some(socket),
        Err(error) => {
            say(&format!("The page cannot rebuild cities: {error:#}")).await;
            None
        }
    };
    let mut children = Children::new(here, options.host, config, options.certs.as_deref(), socket.as_ref().map(Socket::path));
    if let Some(refusal) = children.refusal().await? {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &refusal);
        return Ok(ExitCode::from(EXIT_UNUSABLE));
    }
    for node in &NODES {
        children.start(node)?;
    }
    say(&format!("The page: {}   (Ctrl-C stops all four)", children.page())).await;
    let mut failed = false;
    loop {
        tokio::select! {
            Some((node, status)) = children.ended() => {
                failed |= !status.success();
                say(&children.report(node, status).await).await;
                // While any of them runs, dispatch above all, there is something to stop, and somebody who may ask.
                if children.none_runs() {
                    return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
                }
            }
            Some(Request { node, answer }) = asked.recv() => {
                let outcome = children.start_again(node).await;
                let line = match &outcome {
                    Ok(()) => format!("{} is started again", node.name),
                    Err(refusal) => format!("{} is not started again: {refusal}", node.name),
                };
                // Whoever asked may have lost patience; the city is started all the same.
                let _ = answer.send(outcome);
                say(&line).await;
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hang_up.recv() => break,
        }
    }
    // From here on whoever asks is refused.
    drop(asked);
    children.stop().await?;
    say("All have stopped.").await;
    Ok(ExitCode::SUCCESS)
}
