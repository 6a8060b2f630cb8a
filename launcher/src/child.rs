//! One child process: start, output, signals and exit.
//!
//! Invariant: only the task that waits for a child sends it signals, so a signal never goes to a
//! process id that the system has reused.

use std::io::IsTerminal as _;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{self, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::layout::Layout;
use crate::lines::{Terminal, show};
use crate::node::Node;

/// The time limit for reading the last lines of a child.
const LINES_TIMEOUT: Duration = Duration::from_millis(500);

/// A started child process.
pub(crate) struct Child {
    node: &'static Node,
    process: process::Child,
    lines: JoinHandle<((), ())>,
}

impl Child {
    /// Starts a node as a child process. `founded` are the founded cities that run.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(crate) fn start(
        layout: &Layout,
        node: &'static Node,
        founded: &[&Node],
        terminal: Terminal,
    ) -> anyhow::Result<Self> {
        let mut command = Command::from(layout.command(node, founded));
        // Killed on drop, so that an error in the launcher leaves no child behind.
        let process = command.kill_on_drop(true).spawn();
        let mut process = process.with_context(|| layout.starting(node.name))?;
        let Node { name, colour, .. } = *node;
        let prefix = if std::io::stdout().is_terminal() {
            format!("\u{1b}[38;5;{colour}m{name:<10}\u{1b}[0m | ")
        } else {
            format!("{name:<10} | ")
        };
        let out = process.stdout.take().context("taking the child's stdout")?;
        let err = process.stderr.take().context("taking the child's stderr")?;
        let lines = tokio::spawn(async move {
            tokio::join!(show(out, &prefix, &terminal), show(err, &prefix, &terminal))
        });
        Ok(Self { node, process, lines })
    }

    /// Waits for the child to exit; meanwhile sends it the signals from `signals`.
    pub(crate) async fn end(
        mut self,
        signals: watch::Receiver<Option<Signal>>,
    ) -> (&'static Node, ExitStatus) {
        let status = wait(&mut self.process, signals).await;
        // The last lines are printed before the exit is reported, unless another process keeps the
        // child's output open.
        let _ = timeout(LINES_TIMEOUT, self.lines).await;
        (self.node, status)
    }
}

async fn wait(
    process: &mut process::Child,
    mut signals: watch::Receiver<Option<Signal>>,
) -> ExitStatus {
    loop {
        tokio::select! {
            status = process.wait() => {
                return status.expect("a started child can be waited for");
            }
            Ok(()) = signals.changed() => {
                // Without an id the child has already been waited for.
                if let (Some(id), Some(signal)) = (process.id(), *signals.borrow_and_update()) {
                    // Ignored: the child may have exited just before.
                    let _ = kill(Pid::from_raw(i32::try_from(id).expect("process ids fit")), signal);
                }
            }
        }
    }
}
