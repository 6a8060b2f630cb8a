//! The main loop of the launcher: starts all nodes, reports exits, answers requests, stops all
//! nodes.
//!
//! Invariant: no child outlives the launcher, on any exit path. The signal handlers are installed
//! before the first child starts. After SIGKILL, which runs no code here, the system stops the
//! children (on Linux). That follows the thread that starts them, so all of them are started from
//! the main thread, by a runtime without further threads.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use shared::process::EXIT_UNUSABLE;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::SHUTDOWN_TIMEOUT;
use crate::children::Children;
use crate::layout::Layout;
use crate::lines::{Terminal, print_error};
use crate::listening::{Taken, accepts, is_taken};
use crate::options::Options;
use crate::socket::{Operation, Request, Socket};

/// Runs the cluster until all nodes have exited or a signal stops it.
///
/// # Errors
/// When a node cannot be started, a signal handler cannot be installed, or a child did not stop.
pub(crate) async fn run(
    options: Options,
    config: Option<PathBuf>,
    terminal: &Terminal,
) -> anyhow::Result<ExitCode> {
    let binary = std::env::current_exe().context("finding the directory of the binaries")?;
    let binaries = binary.parent().context("finding the directory of the binaries")?;
    let mut stops = StopSignals::listen()?;
    let (sender, mut requests) = mpsc::channel(1);
    // Dropping the socket removes its directory, so it is kept until the end of this function.
    let socket = open_socket(sender, terminal);
    let layout = Layout {
        binaries: binaries.to_owned(),
        nodes: Layout::nodes(options.dispatches),
        host: options.host,
        port: options.port,
        config,
        certificates: options.certs,
        socket: socket.as_ref().map(|socket| socket.path().to_owned()),
    };
    if let Some(error) = layout.configuration_error().await? {
        print_error(error, SHUTDOWN_TIMEOUT);
        return Ok(ExitCode::from(EXIT_UNUSABLE));
    }
    for dispatch in layout.nodes.iter().filter(|node| node.is_dispatch()) {
        let address = layout.address(dispatch);
        // The other nodes run without a city, but without dispatch there is no page.
        if is_taken(address).await {
            let (name, taken) = (dispatch.name, Taken::at(address));
            anyhow::bail!(
                "{name} is not started: {taken}; --port 5900 (make run PORT=5900) starts a second \
                 cluster next to it"
            );
        }
    }
    let mut pages = JoinSet::new();
    for dispatch in layout.nodes.iter().filter(|node| node.is_dispatch()) {
        let (address, page) = (layout.address(dispatch), layout.page(dispatch));
        pages.spawn(async move {
            accepts(address).await;
            page
        });
    }
    let nodes = layout.nodes.clone();
    let mut children = Children::new(layout, terminal.clone());
    for node in nodes {
        children.start(node)?;
    }
    let mut failed = false;
    loop {
        tokio::select! {
            Some(Ok(page)) = pages.join_next() => {
                terminal.print(&format!("Page: {page}   (Ctrl-C stops all nodes)"));
            }
            Some((node, status)) = children.ended() => {
                failed |= !status.success();
                terminal.print(&children.report(node, status).await);
                // The launcher stays while any node runs: it must stop the node later, and dispatch
                // may send requests.
                if children.none_runs() {
                    return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
                }
            }
            Some(request) = requests.recv() => answer(&mut children, request, terminal).await,
            () = stops.next() => break,
        }
    }
    // Later requests are refused, so none can start a child while the others stop.
    drop(requests);
    children.stop().await?;
    terminal.print("All nodes have stopped.");
    Ok(ExitCode::SUCCESS)
}

fn open_socket(requests: mpsc::Sender<Request>, terminal: &Terminal) -> Option<Socket> {
    match Socket::open(requests) {
        Ok(socket) => Some(socket),
        Err(error) => {
            // The cluster works without the socket, so this is no reason to exit.
            terminal.print(&format!("The page cannot rebuild cities: {error:#}"));
            None
        }
    }
}

async fn answer(
    children: &mut Children,
    Request { node, operation, answer }: Request,
    terminal: &Terminal,
) {
    let (outcome, done) = match operation {
        Operation::Start => (children.restart(node).await, "restarted"),
        Operation::Kill => (children.kill(node).await, "killed"),
        Operation::Found => (children.found(node).await, "founded"),
    };
    let line = match &outcome {
        Ok(()) => format!("{node} {done}"),
        Err(refusal) => format!("{node} not {done}: {refusal}"),
    };
    // Ignored: the client may have closed its connection, and the request is executed anyway.
    let _ = answer.send(outcome);
    terminal.print(&line);
}

/// The signals that stop the launcher.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// Sent when the terminal closes. Only the launcher receives it, since the children have their
    /// own process groups.
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
