//! The child processes of one cluster.
//!
//! Invariant: a node has at most one child at a time, and is not started while another process
//! listens on its port.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::RangeInclusive;
use std::process::ExitStatus;
use std::time::Duration;

use gossip::NodeName;
use nix::sys::signal::Signal;
use shared::well_known::DISPATCH;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::child::Child;
use crate::layout::Layout;
use crate::lines::Terminal;
use crate::listening::{Taken, is_taken};
use crate::node::Node;

/// The ports of cities that are founded, if dispatch has its default one.
const PORTS: RangeInclusive<u16> = 4904..=4999;
/// The number of cities that can be founded; each has a port of its own.
const FOUNDED_MAX: usize = 96;
/// The time limit for children to exit after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for children to exit after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason why a node is not started. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The node is running as a child.
    Running(&'static str),
    /// No child runs as this node.
    NotRunning(&'static str),
    /// The child was killed, and has not exited in time.
    StillRunning(&'static str),
    /// Another process listens on its port, most likely a node started by hand.
    PortTaken(Taken),
    /// There is no node of this name.
    Unknown(NodeName),
    /// There are too many cities that were founded.
    TooMany,
    /// The process could not be started, for this reason.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(name) => write!(f, "{name} is running"),
            Self::NotRunning(name) => write!(f, "{name} is not running"),
            Self::StillRunning(name) => write!(f, "{name} has not exited yet"),
            Self::PortTaken(taken) => taken.fmt(f),
            Self::Unknown(name) => write!(f, "there is no node \"{name}\""),
            Self::TooMany => write!(f, "{FOUNDED_MAX} cities were founded already"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// The child processes of one cluster.
pub(crate) struct Children {
    layout: Layout,
    terminal: Terminal,
    tasks: JoinSet<(&'static Node, ExitStatus)>,
    /// The running nodes, each with the last signal to its child.
    running: BTreeMap<&'static str, watch::Sender<Option<Signal>>>,
    /// The cities that were founded, running or not.
    founded: BTreeMap<NodeName, &'static Node>,
    /// The children that have exited and are not reported yet.
    exited: VecDeque<(&'static Node, ExitStatus)>,
}

impl Children {
    /// Returns a cluster with this layout, without any running node. Output of nodes goes to the
    /// terminal.
    pub(crate) fn new(layout: Layout, terminal: Terminal) -> Self {
        Self {
            layout,
            terminal,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            founded: BTreeMap::new(),
            exited: VecDeque::new(),
        }
    }

    /// Starts a node.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(crate) fn start(&mut self, node: &'static Node) -> anyhow::Result<()> {
        let founded = self.founded.values().copied();
        let founded: Vec<&Node> =
            founded.filter(|city| self.running.contains_key(city.name)).collect();
        let child = Child::start(&self.layout, node, &founded, self.terminal.clone())?;
        let (signal, signals) = watch::channel(None);
        self.tasks.spawn(child.end(signals));
        self.running.insert(node.name, signal);
        Ok(())
    }

    /// Starts a further city: one that was founded before, or a new one at a free port.
    ///
    /// # Errors
    /// Returns the reason why it is not started.
    pub(crate) async fn found(&mut self, name: NodeName) -> Result<(), Refusal> {
        if let Ok(node) = self.node(name) {
            // One that was just removed has closed its port, and may not have exited yet.
            let _ = self.await_exit(node).await;
            return self.start_again(node).await;
        }
        if self.founded.len() >= FOUNDED_MAX {
            return Err(Refusal::TooMany);
        }
        let node = Node::founded(name, self.free_port().await?);
        if let Some(file) = self.layout.missing_file(node) {
            let reason = format!("{name} needs a certificate: {} is missing", file.display());
            return Err(Refusal::Failed(reason));
        }
        self.start(node).map_err(|error| Refusal::Failed(format!("{error:#}")))?;
        self.founded.insert(name, node);
        Ok(())
    }

    /// Returns the node of this name.
    fn node(&self, name: NodeName) -> Result<&'static Node, Refusal> {
        let started = self.layout.nodes.iter().find(|node| node.name == name.as_str());
        started.copied().or_else(|| self.founded.get(&name).copied()).ok_or(Refusal::Unknown(name))
    }

    /// Returns a port at which neither a founded city nor another process listens.
    async fn free_port(&self) -> Result<u16, Refusal> {
        for port in PORTS {
            let is_given = self.founded.values().any(|node| node.port == port);
            if !is_given && !is_taken(self.layout.at(port)).await {
                return Ok(port);
            }
        }
        Err(Refusal::TooMany)
    }

    /// Starts a node that has exited.
    ///
    /// # Errors
    /// Returns the reason why it is not started.
    pub(crate) async fn restart(&mut self, name: NodeName) -> Result<(), Refusal> {
        self.start_again(self.node(name)?).await
    }

    async fn start_again(&mut self, node: &'static Node) -> Result<(), Refusal> {
        if self.running.contains_key(node.name) {
            return Err(Refusal::Running(node.name));
        }
        let address = self.layout.address(node);
        if is_taken(address).await {
            return Err(Refusal::PortTaken(Taken::at(address)));
        }
        self.start(node).map_err(|error| Refusal::Failed(format!("{error:#}")))
    }

    /// Kills a node, and waits until it has exited. SIGKILL also ends a stopped process.
    ///
    /// # Errors
    /// When it is not running as a child, or has not exited in time.
    pub(crate) async fn kill(&mut self, name: NodeName) -> Result<(), Refusal> {
        let node = self.node(name)?;
        let signal = self.running.get(node.name).ok_or(Refusal::NotRunning(node.name))?;
        signal.send_replace(Some(Signal::SIGKILL));
        self.await_exit(node).await
    }

    /// Waits until a node has exited.
    async fn await_exit(&mut self, node: &'static Node) -> Result<(), Refusal> {
        let exited = async {
            while self.running.contains_key(node.name) {
                let Some(exited) = self.next_exit().await else { break };
                self.exited.push_back(exited);
            }
        };
        timeout(KILL_TIMEOUT, exited).await.map_err(|_| Refusal::StillRunning(node.name))
    }

    /// Waits until a child has exited; returns `None` if no child runs.
    pub(crate) async fn ended(&mut self) -> Option<(&'static Node, ExitStatus)> {
        match self.exited.pop_front() {
            Some(exited) => Some(exited),
            None => self.next_exit().await,
        }
    }

    async fn next_exit(&mut self) -> Option<(&'static Node, ExitStatus)> {
        let ended = self.tasks.join_next().await?;
        let (node, status) = ended.expect("a child's task neither panics nor is cancelled");
        self.running.remove(node.name);
        Some((node, status))
    }

    /// Returns whether all children have exited.
    pub(crate) fn none_runs(&self) -> bool {
        self.running.is_empty()
    }

    /// Returns a line about a child that exited without being stopped, with a way to restart it.
    pub(crate) async fn report(&self, node: &Node, status: ExitStatus) -> String {
        let Node { name, .. } = node;
        let address = self.layout.address(node);
        let by_hand = self.layout.by_hand(node);
        if is_taken(address).await {
            return format!("{name} exited ({status}): {}", Taken::at(address));
        }
        let remedy = if self.none_runs() {
            "no node is running".to_owned()
        } else if node.is_dispatch() {
            format!("its page is down; restart it with {by_hand} in another terminal")
        } else if self.layout.socket.is_some() && self.running.contains_key(DISPATCH) {
            let verb = if node.is_founded() { "found" } else { "rebuild" };
            format!("{verb} it on the page, or with {by_hand} in another terminal")
        } else {
            format!("restart it with {by_hand} in another terminal")
        };
        format!("{name} exited ({status}); {remedy}")
    }

    /// Stops all children and waits until they have exited.
    ///
    /// # Errors
    /// When some did not exit after SIGTERM and were killed.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if self.all_end(Signal::SIGTERM, STOP_TIMEOUT).await {
            return Ok(());
        }
        let remaining: Vec<&str> = self.running.keys().copied().collect();
        let remaining = remaining.join(", ");
        let killed = self.all_end(Signal::SIGKILL, KILL_TIMEOUT).await;
        anyhow::ensure!(killed, "still running after SIGKILL: {remaining}");
        let seconds = STOP_TIMEOUT.as_secs();
        anyhow::bail!("killed after not stopping within {seconds} s: {remaining}");
    }

    async fn all_end(&mut self, signal: Signal, limit: Duration) -> bool {
        for child in self.running.values() {
            child.send_replace(Some(signal));
        }
        timeout(limit, async { while self.ended().await.is_some() {} }).await.is_ok()
    }
}
