//! The listener at an address: whether there is one, and which process it belongs to.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The time limit for a connection to a port.
const PORT_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause between two attempts to connect to a node that starts.
const PAUSE: Duration = Duration::from_millis(50);

/// Returns whether a process listens on this address.
pub(crate) async fn is_taken(address: SocketAddr) -> bool {
    let connected = timeout(PORT_TIMEOUT, TcpStream::connect(address)).await;
    // A timeout counts as taken: a frozen process may hold the port.
    connected.map_or(true, |connected| connected.is_ok())
}

/// Returns once a process accepts connections at this address.
pub(crate) async fn accepts(address: SocketAddr) {
    while !matches!(timeout(PORT_TIMEOUT, TcpStream::connect(address)).await, Ok(Ok(_))) {
        sleep(PAUSE).await;
    }
}

/// An address at which another process listens, most likely a node started by hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    address: SocketAddr,
    /// The id and the name of the process. They are unknown for a process of another user.
    process: Option<(u32, String)>,
}

impl Taken {
    /// Describes the listener at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, process: listening_process(address) }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match &self.process {
            Some((id, name)) => {
                write!(
                    f,
                    "process {id} ({name}) listens on its port, {address}: kill {id} stops it"
                )
            }
            None => write!(f, "another process listens on its port, {address}"),
        }
    }
}

/// Returns the process that listens on this address.
#[cfg(target_os = "linux")]
fn listening_process(address: SocketAddr) -> Option<(u32, String)> {
    use procfs::net::{TcpState, tcp, tcp6};
    use procfs::process::{FDTarget, all_processes};

    let sockets = if address.is_ipv4() { tcp() } else { tcp6() };
    let listens = |socket: &procfs::net::TcpNetEntry| {
        let is_there =
            socket.local_address == address || socket.local_address.ip().is_unspecified();
        socket.state == TcpState::Listen
            && is_there
            && socket.local_address.port() == address.port()
    };
    let inode = sockets.ok()?.into_iter().find(listens)?.inode;
    let process = all_processes().ok()?.flatten().find(|process| {
        let descriptors = process.fd().into_iter().flatten().flatten();
        descriptors
            .into_iter()
            .any(|open| matches!(open.target, FDTarget::Socket(of) if of == inode))
    })?;
    Some((u32::try_from(process.pid).ok()?, process.stat().ok()?.comm))
}

/// Returns the process that listens on this address.
#[cfg(not(target_os = "linux"))]
fn listening_process(address: SocketAddr) -> Option<(u32, String)> {
    let socket = format!("-iTCP@{address}");
    let listed =
        std::process::Command::new("lsof").args(["-nP", "-Fpc", "-sTCP:LISTEN", &socket]).output();
    // One line for each field: `p1234`, then `cgotham`.
    let listed = String::from_utf8(listed.ok()?.stdout).ok()?;
    let field = |letter| listed.lines().find_map(|line| line.strip_prefix(letter));
    Some((field('p')?.parse().ok()?, field('c')?.to_owned()))
}
