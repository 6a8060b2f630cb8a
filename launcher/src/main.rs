//! `superhero-cluster`: starts gotham, metropolis, capitol and dispatch from the directory that it stands in itself, shows
//! their lines behind their names, and stops all four when it is stopped.
//!
//! Each child is a process group of its own: Ctrl-C reaches this process alone, which then asks each child once. A child that
//! ends by itself is reported and not started again; the others go on.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Who is started, and the colour of each one's name (the page's colours, in a terminal's 256).
const NODES: [(&str, u8); 4] = [("gotham", 98), ("metropolis", 36), ("capitol", 172), ("dispatch", 245)];
/// How long a child may take to stop when asked.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Starts the four processes of the superhero cluster, and stops them together
#[derive(Parser)]
#[command(name = "superhero-cluster", version, about)]
struct Options {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    Options::parse();
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let here = std::env::current_exe().context("finding the directory of the binaries")?;
    let here = here.parent().context("finding the directory of the binaries")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut children = JoinSet::new();
    let mut running = Vec::new();
    for (name, colour) in NODES {
        let child = start(here, name, colour)?;
        running.push((name, Pid::from_raw(i32::try_from(child.id().context("asking for a process id")?)?)));
        children.spawn(wait(name, child));
    }
    println!("The page: http://localhost:4900   (Ctrl-C stops all four)");
    let mut failed = false;
    loop {
        tokio::select! {
            Some(ended) = children.join_next() => {
                let (name, status) = ended.context("waiting for a process")?;
                running.retain(|(other, _)| *other != name);
                failed |= !status.success();
                println!("{name} has ended ({status}); {}", if running.is_empty() { "nobody is left".to_owned() } else { format!("bring it back with: make {name}") });
                if running.is_empty() {
                    return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    stop(&running, Signal::SIGTERM);
    let all_stopped = timeout(STOP_PATIENCE, async {
        while let Some(Ok((name, _))) = children.join_next().await {
            running.retain(|(other, _)| *other != name);
        }
    });
    if all_stopped.await.is_err() {
        stop(&running, Signal::SIGKILL);
        anyhow::bail!("did not stop within {} s and were killed: {running:?}", STOP_PATIENCE.as_secs());
    }
    println!("All have stopped.");
    Ok(ExitCode::SUCCESS)
}

fn start(here: &Path, name: &'static str, colour: u8) -> anyhow::Result<Child> {
    let mut command = std::process::Command::new(here.join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child =
        Command::from(command).kill_on_drop(true).spawn().with_context(|| format!("starting {name} from {}", here.display()))?;
    let prefix = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        format!("\u{1b}[38;5;{colour}m{name:<10}\u{1b}[0m | ")
    } else {
        format!("{name:<10} | ")
    };
    let (out, err) = (child.stdout.take().context("taking its output")?, child.stderr.take().context("taking its errors")?);
    tokio::spawn(show(out, prefix.clone()));
    tokio::spawn(show(err, prefix));
    Ok(child)
}

async fn show(lines: impl AsyncRead + Unpin, prefix: String) {
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        println!("{prefix}{line}");
    }
}

async fn wait(name: &'static str, mut child: Child) -> (&'static str, ExitStatus) {
    let status = child.wait().await.expect("a child that was started can be waited for");
    (name, status)
}

fn stop(running: &[(&str, Pid)], signal: Signal) {
    for (_, pid) in running {
        // One that has just ended needs no signal.
        let _ = kill(*pid, signal);
    }
}
