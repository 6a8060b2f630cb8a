//! The layout of a cluster: the address of each node and the command that starts it.
//!
//! Invariant: every node receives all addresses; only dispatches receive the launcher's socket.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use shared::options::well_known_address;
use shared::process::LAUNCHER_ID_VARIABLE;
use shared::well_known::DISPATCH;
use tokio::process::Command;
use tokio::time::timeout;

use crate::node::{DISPATCH_PORT, NODES, Node};

/// The environment variable with the path of the launcher's socket, read by dispatch.
const LAUNCHER_VARIABLE: &str = "SUPERHERO_LAUNCHER";
/// The time limit for a node to print its options.
const PRINT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings common to all starts of nodes.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The directory of the binaries.
    pub(crate) binaries: PathBuf,
    /// The nodes that are started at first.
    pub(crate) nodes: Vec<&'static Node>,
    /// The address of all nodes.
    pub(crate) host: IpAddr,
    /// The port of dispatch.
    pub(crate) port: u16,
    /// The configuration file of all nodes.
    pub(crate) config: Option<PathBuf>,
    /// The directory of certificates, laid out as by `make certs`. Without it nodes use no TLS.
    pub(crate) certificates: Option<PathBuf>,
    /// The socket on which the launcher accepts requests of dispatch.
    pub(crate) socket: Option<PathBuf>,
}

impl Layout {
    /// Returns the address of a node.
    pub(crate) fn address(&self, node: &Node) -> SocketAddr {
        self.at(node.port)
    }

    /// Returns the address for the port that a node has if dispatch has its default one.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        // The ports of further dispatches are below that of dispatch. The range of the option keeps
        // all ports valid.
        let port = self.port.wrapping_add(port.wrapping_sub(DISPATCH_PORT));
        SocketAddr::new(self.host, port)
    }

    /// Returns the nodes that are started at first: the four of every cluster, and further dispatches.
    pub(crate) fn nodes(dispatches: u16) -> Vec<&'static Node> {
        NODES.iter().chain((2..=dispatches).map(Node::dispatch)).collect()
    }

    /// Returns the URL of the page at a dispatch, with `localhost` for the default address.
    pub(crate) fn page(&self, dispatch: &Node) -> String {
        let address = self.address(dispatch);
        if address.ip() == well_known_address(DISPATCH).ip() {
            format!("{}://localhost:{}", self.scheme(), address.port())
        } else {
            self.origin(dispatch)
        }
    }

    fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    fn origin(&self, node: &Node) -> String {
        format!("{}://{}", self.scheme(), self.address(node))
    }

    /// Returns the command that starts a node. A city that is founded also gets the addresses of those
    /// `founded` before, since it does not learn them from the members before it has joined.
    pub(crate) fn command(&self, node: &Node, founded: &[&Node]) -> std::process::Command {
        let name = node.name;
        let mut command = std::process::Command::new(self.binaries.join(node.program));
        if node.is_founded() {
            command.arg(name);
        }
        if node.is_dispatch() {
            command.arg(format!("--name={name}"));
            let others = self.nodes.iter().filter(|other| other.is_dispatch());
            for other in others.filter(|other| other.name != name) {
                // The default address has two names, by which a page may be opened.
                let urls = BTreeSet::from([self.page(other), self.origin(other)]);
                command.args(urls.iter().map(|url| format!("--other-dispatch={url}")));
            }
        }
        command.arg(format!("--listen={}", self.address(node)));
        let founded = founded.iter().copied().filter(|_| node.is_founded());
        for peer in NODES.iter().chain(founded).filter(|peer| peer.name != name) {
            command.arg(format!("--peer={}={}", peer.name, self.address(peer)));
        }
        for (option, file) in self.certificates_of(node) {
            command.arg(format!("--tls-{option}={}", file.display()));
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        // The node stops when this process ends in any way.
        command.env(LAUNCHER_ID_VARIABLE, std::process::id().to_string());
        // Removed if inherited from the environment: it would point to the socket of another
        // launcher.
        match &self.socket {
            Some(socket) if node.is_dispatch() => command.env(LAUNCHER_VARIABLE, socket),
            Some(_) | None => command.env_remove(LAUNCHER_VARIABLE),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own keeps the terminal's Ctrl-C from reaching the child directly.
        command.process_group(0);
        command
    }

    /// Returns the command that starts a node in another terminal.
    pub(crate) fn by_hand(&self, node: &Node) -> String {
        let name = node.name;
        let is_default = self.at(DISPATCH_PORT) == well_known_address(DISPATCH);
        if is_default && node.is_founded() {
            return format!("make city NAME={name}");
        }
        if is_default && (!node.is_dispatch() || name == DISPATCH) {
            return format!("make {name}");
        }
        let command = self.command(node, &[]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// Returns the options of a node's certificate, each with its file; none without TLS.
    fn certificates_of(&self, node: &Node) -> Vec<(&'static str, PathBuf)> {
        let Some(directory) = &self.certificates else { return Vec::new() };
        let (cert, key) = (format!("{}.pem", node.name), format!("{}-key.pem", node.name));
        [("cert", cert), ("key", key), ("ca", "ca.pem".to_owned())]
            .map(|(option, file)| (option, directory.join(file)))
            .into()
    }

    /// Returns a file that the node needs and that does not exist.
    pub(crate) fn missing_file(&self, node: &Node) -> Option<PathBuf> {
        self.certificates_of(node).into_iter().map(|(_, file)| file).find(|file| !file.exists())
    }

    /// Returns the error text of the first node that rejects the configuration file, so that no
    /// node is started if one would fail.
    ///
    /// # Errors
    /// When a node cannot be started or does not print its options in time.
    pub(crate) async fn configuration_error(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.config.is_none() {
            return Ok(None);
        }
        for node in &self.nodes {
            let mut command = Command::from(self.command(node, &[]));
            let printed = command.arg("--print-config").kill_on_drop(true).output();
            let output = timeout(PRINT_TIMEOUT, printed)
                .await
                .with_context(|| format!("{} does not print its options", node.name))?
                .with_context(|| self.starting(node.name))?;
            if !output.status.success() {
                return Ok(Some(output.stderr));
            }
        }
        Ok(None)
    }

    /// Returns the error context of starting a node.
    pub(crate) fn starting(&self, name: &str) -> String {
        format!("starting {name} from {}", self.binaries.display())
    }
}
