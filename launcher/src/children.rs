//! The four processes: started, watched, started again, and stopped together.
//!
//! Invariant: a signal is sent only by the task that waits for its child, so never to a process id that is somebody else's by now.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::stdout;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use shared::membership::DISPATCH;
use shared::options::well_known_address;

use crate::lines::show;

/// Who is started, and the colour of each one's name (the page's colours, in a terminal's 256).
pub(crate) const NODES: [Node; 4] = [
    Node { name: "gotham", colour: 98 },
    Node { name: "metropolis", colour: 36 },
    Node { name: "capitol", colour: 172 },
    Node { name: DISPATCH, colour: 245 },
];
/// By this variable dispatch is told where its launcher listens.
const LAUNCHER_VARIABLE: &str = "SUPERHERO_LAUNCHER";
/// How long a child may take to stop when asked.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
/// How long a child may take to die when killed.
const DEATH_PATIENCE: Duration = Duration::from_secs(1);
/// How long a child may take to say what its options are.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a terminal may take to show the last lines of a child.
const LINES_PATIENCE: Duration = Duration::from_millis(500);
/// How long a port may take to answer.
const PORT_PATIENCE: Duration = Duration::from_millis(500);

/// A process of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its name, which is that of its binary too.
    pub(crate) name: &'static str,
    colour: u8,
}

/// Why a node is not started. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is a child, and has not ended.
    Running(&'static str),
    /// Another process listens where it would: it was started by hand, most likely.
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
    binaries: PathBuf,
    host: IpAddr,
    config: Option<PathBuf>,
    socket: Option<PathBuf>,
    /// Where the certificates are, if the four are to speak TLS.
    certificates: Option<PathBuf>,
    tasks: JoinSet<(&'static Node, ExitStatus)>,
    running: BTreeSet<&'static str>,
    /// The signal that all children are to get, once there is one.
    signal: watch::Sender<Option<Signal>>,
}

impl Children {
    /// The cluster on this address, none of it started yet: with its binaries in this directory, and the socket where dispatch
    /// may ask for a city, if there is one. All of them read the same configuration file, if there is one, and speak TLS where there is a
    /// directory with certificates, as `make certs` fills it.
    pub(crate) fn new(binaries: &Path, host: IpAddr, config: Option<&Path>, certificates: Option<&Path>, socket: Option<&Path>) -> Self {
        Self {
            binaries: binaries.to_owned(),
            host,
            config: config.map(Path::to_owned),
            socket: socket.map(Path::to_owned),
            certificates: certificates.map(Path::to_owned),
            tasks: JoinSet::new(),
            running: BTreeSet::new(),
            signal: watch::Sender::new(None),
        }
    }

    /// The address of the page, as people write it.
    pub(crate) fn page(&self) -> String {
        let address = self.address(DISPATCH);
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        let default = address == well_known_address(DISPATCH);
        if default { format!("{scheme}://localhost:{}", address.port()) } else { format!("{scheme}://{address}") }
    }

    fn address(&self, name: &str) -> SocketAddr {
        SocketAddr::new(self.host, well_known_address(name).port())
    }

    /// What the first node that cannot use the configuration file says of it: better before any is started than after some are.
    ///
    /// # Errors
    /// When the system does not start a node.
    pub(crate) async fn refusal(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.config.is_none() {
            return Ok(None);
        }
        for node in &NODES {
            let asked = Command::from(self.command(node.name)).arg("--print-config").kill_on_drop(true).output();
            let answer = timeout(ANSWER_PATIENCE, asked).await.with_context(|| format!("{} does not read its options", node.name))?;
            let answer = answer.with_context(|| format!("starting {} from {}", node.name, self.binaries.display()))?;
            if !answer.status.success() {
                return Ok(Some(answer.stderr));
            }
        }
        Ok(None)
    }

    fn command(&self, name: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.binaries.join(name));
        command.arg(format!("--listen={}", self.address(name)));
        let peers = NODES.iter().filter(|peer| peer.name != name);
        command.args(peers.map(|peer| format!("--peer={}={}", peer.name, self.address(peer.name))));
        if let Some(directory) = &self.certificates {
            let files = [("cert", format!("{name}.pem")), ("key", format!("{name}-key.pem")), ("ca", "ca.pem".to_owned())];
            command.args(files.map(|(option, file)| format!("--tls-{option}={}", directory.join(file).display())));
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        // Dispatch alone may ask, and only this launcher.
        match &self.socket {
            Some(socket) if name == DISPATCH => command.env(LAUNCHER_VARIABLE, socket),
            Some(_) | None => command.env_remove(LAUNCHER_VARIABLE),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }

    /// Starts a node.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(crate) fn start(&mut self, node: &'static Node) -> anyhow::Result<()> {
        let Node { name, colour } = *node;
        let command = self.command(name);
        let child = Command::from(command).kill_on_drop(true).spawn();
        let mut child = child.with_context(|| format!("starting {name} from {}", self.binaries.display()))?;
        let prefix = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            format!("\u{1b}[38;5;{colour}m{name:<10}\u{1b}[0m | ")
        } else {
            format!("{name:<10} | ")
        };
        let (out, err) = (child.stdout.take().context("taking its output")?, child.stderr.take().context("taking its errors")?);
        let signals = self.signal.subscribe();
        let shown = tokio::spawn(async move { tokio::join!(show(out, &prefix, stdout()), show(err, &prefix, stdout())) });
        self.tasks.spawn(async move {
            let status = wait(child, signals).await;
            // Its last lines are shown before its end is reported, unless the terminal takes none.
            let _ = timeout(LINES_PATIENCE, shown).await;
            (node, status)
        });
        self.running.insert(name);
        Ok(())
    }

    /// Starts a node that has ended.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) async fn start_again(&mut self, node: &'static Node) -> Result<(), Refusal> {
        if self.running.contains(node.name) {
            return Err(Refusal::Running(node.name));
        }
        let address = self.address(node.name);
        if is_taken(address).await {
            return Err(Refusal::PortTaken(address));
        }
        self.start(node).map_err(|error| Refusal::Failed(format!("{error:#}")))
    }

    /// Waits until a child has ended; `None` when none runs.
    pub(crate) async fn ended(&mut self) -> Option<(&'static Node, ExitStatus)> {
        let (node, status) = self.tasks.join_next().await?.expect("a child's task neither panics nor is cancelled");
        self.running.remove(node.name);
        Some((node, status))
    }

    /// Whether all have ended.
    pub(crate) fn none_runs(&self) -> bool {
        self.running.is_empty()
    }

    /// What there is to say of a child that has ended by itself, and what can be done about it.
    pub(crate) async fn report(&self, Node { name, .. }: &Node, status: ExitStatus) -> String {
        let address = self.address(name);
        if is_taken(address).await {
            return format!("{name} has ended ({status}): {}", Refusal::PortTaken(address));
        }
        let what_next = if self.none_runs() {
            "nobody is left".to_owned()
        } else if *name == DISPATCH {
            format!("the page is gone with it; in another terminal, make {name} brings it back")
        } else if self.socket.is_some() && self.running.contains(DISPATCH) {
            format!("the page can rebuild it, and so can make {name} in another terminal")
        } else {
            format!("make {name} in another terminal brings it back")
        };
        format!("{name} has ended ({status}); {what_next}")
    }

    /// Stops all, and waits until they have ended.
    ///
    /// # Errors
    /// When some did not stop when asked. They were killed.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if self.all_end(Signal::SIGTERM, STOP_PATIENCE).await {
            return Ok(());
        }
        let stubborn: Vec<&str> = self.running.iter().copied().collect();
        let stubborn = stubborn.join(", ");
        anyhow::ensure!(self.all_end(Signal::SIGKILL, DEATH_PATIENCE).await, "not even killing ends {stubborn}");
        anyhow::bail!("did not stop within {} s and were killed: {stubborn}", STOP_PATIENCE.as_secs());
    }

    async fn all_end(&mut self, signal: Signal, patience: Duration) -> bool {
        self.signal.send_replace(Some(signal));
        timeout(patience, async { while self.ended().await.is_some() {} }).await.is_ok()
    }
}

/// Waits for a child to end, and passes signals on to it meanwhile.
async fn wait(mut child: Child, mut signals: watch::Receiver<Option<Signal>>) -> ExitStatus {
    loop {
        tokio::select! {
            status = child.wait() => return status.expect("a child that was started can be waited for"),
            Ok(()) = signals.changed() => {
                // No id: it has been waited for.
                if let (Some(id), Some(signal)) = (child.id(), *signals.borrow_and_update()) {
                    // One that has just ended needs no signal.
                    let _ = kill(Pid::from_raw(i32::try_from(id).expect("process ids fit")), signal);
                }
            }
        }
    }
}

/// Whether anybody listens there, even if they give no answer.
async fn is_taken(address: SocketAddr) -> bool {
    timeout(PORT_PATIENCE, TcpStream::connect(address)).await.map_or(true, |connected| connected.is_ok())
}
