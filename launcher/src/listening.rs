//! The process that listens on an address, as the system reports it.

use std::net::SocketAddr;

/// Returns the id of the process that listens on this address; `None` if it is unknown, for example
/// because it belongs to another user.
#[cfg(target_os = "linux")]
pub(crate) fn listening_process(address: SocketAddr) -> Option<u32> {
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
    u32::try_from(process.pid).ok()
}

/// Returns the id of the process that listens on this address; `None` if it is unknown, for example
/// because it belongs to another user.
#[cfg(not(target_os = "linux"))]
pub(crate) fn listening_process(address: SocketAddr) -> Option<u32> {
    let socket = format!("-iTCP@{address}");
    let listed =
        std::process::Command::new("lsof").args(["-nP", "-t", "-sTCP:LISTEN", &socket]).output();
    String::from_utf8(listed.ok()?.stdout).ok()?.lines().next()?.trim().parse().ok()
}
