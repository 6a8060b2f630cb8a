//! One child: started, its lines forwarded, signalled, and waited for.
//!
//! Invariant: a signal is sent only by the task that waits for its child, so never to a process id
//! that belongs to another process by now.

use std::io::IsTerminal as _;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::stdout;
use tokio::process::{self, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::layout::Layout;
use crate::lines::show;
use crate::node::Node;

/// The longest time that a terminal may take to show the last lines of a child.
const LINES_TIMEOUT: Duration = Duration::from_millis(500);

/// A child that was started.
pub(crate) struct Child {
    node: &'static Node,
    process: process::Child,
    lines: JoinHandle<((), ())>,
}

impl Child {
    /// Starts a node.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(crate) fn start(layout: &Layout, node: &'static Node) -> anyhow::Result<Self> {
        let mut command = Command::from(layout.command(node.name));
        let process = command.kill_on_drop(true).spawn();
        let mut process = process.with_context(|| layout.starting(node.name))?;
        let Node { name, colour } = *node;
        let prefix = if std::io::stdout().is_terminal() {
            format!("\u{1b}[38;5;{colour}m{name:<10}\u{1b}[0m | ")
        } else {
            format!("{name:<10} | ")
        };
        let out = process.stdout.take().context("taking its output")?;
        let err = process.stderr.take().context("taking its errors")?;
        let lines = tokio::spawn(async move {
            tokio::join!(show(out, &prefix, stdout()), show(err, &prefix, stdout()))
        });
        Ok(Self { node, process, lines })
    }

    /// Waits for its end, and passes signals on to it meanwhile.
    pub(crate) async fn end(
        mut self,
        signals: watch::Receiver<Option<Signal>>,
    ) -> (&'static Node, ExitStatus) {
        let status = wait(&mut self.process, signals).await;
        // Its last lines are shown before its end is reported, unless the terminal takes none.
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
                return status.expect("a child that was started can be waited for");
            }
            Ok(()) = signals.changed() => {
                // No id: it has been waited for.
                if let (Some(id), Some(signal)) = (process.id(), *signals.borrow_and_update()) {
                    // One that has just ended needs no signal.
                    let _ = kill(Pid::from_raw(i32::try_from(id).expect("process ids fit")), signal);
                }
            }
        }
    }
}
