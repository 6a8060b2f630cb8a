//! The life of the launcher: starts all, reports ends and answers requests, stops all.
//!
//! Invariant: whatever way it is left, no child outlives it. Signals are listened for before the
//! first child starts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use shared::process::EXIT_UNUSABLE;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::children::Children;
use crate::layout::Layout;
use crate::lines::say;
use crate::node::NODES;
use crate::options::Options;
use crate::socket::{Request, Socket};

/// Runs the cluster until it has ended or is stopped.
///
/// # Errors
/// When the system refuses something, or a child did not stop.
pub(crate) async fn run(options: Options, config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let here = std::env::current_exe().context("finding the directory of the binaries")?;
    let here = here.parent().context("finding the directory of the binaries")?;
    let mut stops = StopSignals::listen()?;
    let (asks, mut asked) = mpsc::channel(1);
    // The directory of the socket is removed when this is dropped, whatever way this is left.
    let socket = open_socket(asks).await;
    let layout = Layout {
        binaries: here.to_owned(),
        host: options.host,
        config,
        certificates: options.certs,
        socket: socket.as_ref().map(|socket| socket.path().to_owned()),
    };
    if let Some(error) = layout.configuration_error().await? {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &error);
        return Ok(ExitCode::from(EXIT_UNUSABLE));
    }
    let page = layout.page();
    let mut children = Children::new(layout);
    for node in &NODES {
        children.start(node)?;
    }
    say(&format!("The page: {page}   (Ctrl-C stops all four)")).await;
    let mut failed = false;
    loop {
        tokio::select! {
            Some((node, status)) = children.ended() => {
                failed |= !status.success();
                say(&children.report(node, status).await).await;
                // While one runs, dispatch above all, there is something to stop, and requests.
                if children.none_runs() {
                    return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
                }
            }
            Some(request) = asked.recv() => answer(&mut children, request).await,
            () = stops.next() => break,
        }
    }
    // From here on requests are refused.
    drop(asked);
    children.stop().await?;
    say("All have stopped.").await;
    Ok(ExitCode::SUCCESS)
}

async fn open_socket(asks: mpsc::Sender<Request>) -> Option<Socket> {
    match Socket::open(asks) {
        Ok(socket) => Some(socket),
        Err(error) => {
            say(&format!("The page cannot rebuild cities: {error:#}")).await;
            None
        }
    }
}

async fn answer(children: &mut Children, Request { node, answer }: Request) {
    let outcome = children.start_again(node).await;
    let line = match &outcome {
        Ok(()) => format!("{} is started again", node.name),
        Err(refusal) => format!("{} is not started again: {refusal}", node.name),
    };
    // The client may have given up; the city is started all the same.
    let _ = answer.send(outcome);
    say(&line).await;
}

/// The signals that stop the launcher.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// A terminal that is closed takes its foreground with it, and the children are not in there.
    hang_up: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            hang_up: signal(SignalKind::hangup()).context("listening for SIGHUP")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
