//! The layout of a cluster: the address of each node and the command that starts it.
//!
//! Invariant: every node receives all addresses; only dispatch receives the launcher's socket.

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

use crate::node::NODES;

/// The environment variable with the path of the launcher's socket, read by dispatch.
const LAUNCHER_VARIABLE: &str = "SUPERHERO_LAUNCHER";
/// The time limit for a node to print its options.
const PRINT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings common to all starts of nodes.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The directory of the binaries.
    pub(crate) binaries: PathBuf,
    /// The address of all nodes; each listens on its well-known port.
    pub(crate) host: IpAddr,
    /// The configuration file of all nodes.
    pub(crate) config: Option<PathBuf>,
    /// The directory of certificates, laid out as by `make certs`. Without it nodes use no TLS.
    pub(crate) certificates: Option<PathBuf>,
    /// The socket on which the launcher accepts requests of dispatch.
    pub(crate) socket: Option<PathBuf>,
}

impl Layout {
    /// Returns the address of a node.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        SocketAddr::new(self.host, well_known_address(name).port())
    }

    /// Returns the URL of the page, with `localhost` for the default address.
    pub(crate) fn page(&self) -> String {
        let address = self.address(DISPATCH);
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        if address == well_known_address(DISPATCH) {
            format!("{scheme}://localhost:{}", address.port())
        } else {
            format!("{scheme}://{address}")
        }
    }

    /// Returns the command that starts a node.
    pub(crate) fn command(&self, name: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.binaries.join(name));
        command.arg(format!("--listen={}", self.address(name)));
        for peer in NODES.iter().filter(|peer| peer.name != name) {
            command.arg(format!("--peer={}={}", peer.name, self.address(peer.name)));
        }
        if let Some(directory) = &self.certificates {
            let (cert, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
            for (option, file) in [("cert", cert), ("key", key), ("ca", "ca.pem".to_owned())] {
                command.arg(format!("--tls-{option}={}", directory.join(file).display()));
            }
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        // The node stops when this process ends in any way.
        command.env(LAUNCHER_ID_VARIABLE, std::process::id().to_string());
        // Removed if inherited from the environment: it would point to the socket of another
        // launcher.
        match &self.socket {
            Some(socket) if name == DISPATCH => command.env(LAUNCHER_VARIABLE, socket),
            Some(_) | None => command.env_remove(LAUNCHER_VARIABLE),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own keeps the terminal's Ctrl-C from reaching the child directly.
        command.process_group(0);
        command
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
        for node in &NODES {
            let mut command = Command::from(self.command(node.name));
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
