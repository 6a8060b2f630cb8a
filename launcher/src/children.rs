//! The children of one cluster: which run, which have ended, and how all are stopped.
//!
//! Invariant: a node has at most one child at a time, and none is started over a process that
//! already listens on its port.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use shared::well_known::DISPATCH;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::child::Child;
use crate::layout::Layout;
use crate::node::Node;

/// The longest time that a child may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time that a child may take to end after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time that a port may take to answer.
const PORT_TIMEOUT: Duration = Duration::from_millis(500);

/// A reason for which a node is not started. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is a child, and has not ended.
    Running(&'static str),
    /// Another process listens on its port, most likely one that was started by hand.
    PortTaken(SocketAddr),
    /// The system did not start it, for this reason.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(name) => write!(f, "{name} is running"),
            Self::PortTaken(address) => write!(f, "another process has its port, {address}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// The processes of one cluster.
pub(crate) struct Children {
    layout: Layout,
    tasks: JoinSet<(&'static Node, ExitStatus)>,
    running: BTreeSet<&'static str>,
    /// The last signal to all children.
    signal: watch::Sender<Option<Signal>>,
}

impl Children {
    /// Returns a cluster of this layout, of which no node is started.
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            tasks: JoinSet::new(),
            running: BTreeSet::new(),
            signal: watch::Sender::new(None),
        }
    }

    /// Starts a node.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(crate) fn start(&mut self, node: &'static Node) -> anyhow::Result<()> {
        let child = Child::start(&self.layout, node)?;
        self.tasks.spawn(child.end(self.signal.subscribe()));
        self.running.insert(node.name);
        Ok(())
    }

    /// Starts a node that has ended.
    ///
    /// # Errors
    /// Returns the reason for which it is not started.
    pub(crate) async fn start_again(&mut self, node: &'static Node) -> Result<(), Refusal> {
        if self.running.contains(node.name) {
            return Err(Refusal::Running(node.name));
        }
        let address = self.layout.address(node.name);
        if is_taken(address).await {
            return Err(Refusal::PortTaken(address));
        }
        self.start(node).map_err(|error| Refusal::Failed(format!("{error:#}")))
    }

    /// Waits until a child has ended; `None` when none runs.
    pub(crate) async fn ended(&mut self) -> Option<(&'static Node, ExitStatus)> {
        let ended = self.tasks.join_next().await?;
        let (node, status) = ended.expect("a child's task neither panics nor is cancelled");
        self.running.remove(node.name);
        Some((node, status))
    }

    /// Reports whether all have ended.
    pub(crate) fn none_runs(&self) -> bool {
        self.running.is_empty()
    }

    /// Returns a line about a child that has ended by itself, and what can be done about it.
    pub(crate) async fn report(&self, Node { name, .. }: &Node, status: ExitStatus) -> String {
        let address = self.layout.address(name);
        if is_taken(address).await {
            return format!("{name} has ended ({status}): {}", Refusal::PortTaken(address));
        }
        let remedy = if self.none_runs() {
            "nobody is left".to_owned()
        } else if *name == DISPATCH {
            format!("the page is gone with it; in another terminal, make {name} brings it back")
        } else if self.layout.socket.is_some() && self.running.contains(DISPATCH) {
            format!("the page can rebuild it, and so can make {name} in another terminal")
        } else {
            format!("make {name} in another terminal brings it back")
        };
        format!("{name} has ended ({status}); {remedy}")
    }

    /// Stops all, and waits until they have ended.
    ///
    /// # Errors
    /// When some did not stop after SIGTERM. They were killed.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if self.all_end(Signal::SIGTERM, STOP_TIMEOUT).await {
            return Ok(());
        }
        let stubborn: Vec<&str> = self.running.iter().copied().collect();
        let stubborn = stubborn.join(", ");
        let killed = self.all_end(Signal::SIGKILL, KILL_TIMEOUT).await;
        anyhow::ensure!(killed, "not even killing ends {stubborn}");
        let seconds = STOP_TIMEOUT.as_secs();
        anyhow::bail!("did not stop within {seconds} s and were killed: {stubborn}");
    }

    async fn all_end(&mut self, signal: Signal, limit: Duration) -> bool {
        self.signal.send_replace(Some(signal));
        timeout(limit, async { while self.ended().await.is_some() {} }).await.is_ok()
    }
}

/// Reports whether a process listens there, even if it gives no answer.
async fn is_taken(address: SocketAddr) -> bool {
    let connected = timeout(PORT_TIMEOUT, TcpStream::connect(address)).await;
    connected.map_or(true, |connected| connected.is_ok())
}
