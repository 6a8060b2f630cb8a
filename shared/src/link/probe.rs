//! A node's question to its own port: has the node that listens there joined? For images and units that hold no other program that
//! could ask. It reads one answer, and knows nothing of the machine behind it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::{StatusCode, header};

use crate::id::NodeName;
use crate::link::driver::Neighbourhood;
use crate::link::errand;

/// Asks the node `me`, which was told to listen at `listen`, whether it is ready.
///
/// # Errors
/// When it does not answer in time, or answers that it is not.
pub(super) async fn ready(neighbourhood: &Neighbourhood, me: NodeName, listen: SocketAddr) -> anyhow::Result<()> {
    // Whatever names a node goes by outside, here it is this one.
    let request = hyper::Request::get("/readyz").header(header::HOST, "localhost").body(String::new())?;
    errand::ask(neighbourhood, me, on_this_machine(listen), request, StatusCode::OK).await
}

/// Where a process of this machine reaches what listens at `listen`: all addresses are no address.
fn on_this_machine(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let asked = |listen: &str| on_this_machine(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:4900"), "127.0.0.1:4900");
        assert_eq!(asked("[::]:4900"), "[::1]:4900");
        assert_eq!(asked("10.0.0.7:4901"), "10.0.0.7:4901");
    }
}
